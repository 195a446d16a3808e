"""HTTPСоединение over real sockets."""

from __future__ import annotations

import http.client
import ssl
from typing import Any

from tests.bsl.infobase import Infobase
from tests.bsl.values import BslError, BslMap, EnumValue


class Certificates:
    """Certificate authorities: the operating system's, or those of a file."""

    def __init__(self, path: str = "") -> None:
        self.path = path


class Tls:
    """ЗащищенноеСоединениеOpenSSL: without authorities the platform checks nothing."""

    def __init__(
        self, client: ClientCertificate | None = None, authorities: Certificates | None = None
    ) -> None:
        self.context = ssl.create_default_context(
            cafile=authorities.path or None if authorities else None
        )
        if client is not None:
            self.context.load_cert_chain(client.path, password=client.password or None)
        if authorities is None:
            self.context.check_hostname = False
            self.context.verify_mode = ssl.CERT_NONE


class ClientCertificate:
    """СертификатКлиентаФайл: one PEM file with the certificate and its key."""

    def __init__(self, path: str, password: str = "") -> None:
        self.path, self.password = path, password


class Proxy:
    """ИнтернетПрокси: a server for each protocol."""

    def __init__(self, system: bool = False) -> None:
        self.servers: dict[str, tuple[str, int, str, str]] = {}

    def Установить(
        self, protocol: str, host: str, port: int, user: str = "", password: str = ""
    ) -> None:
        self.servers[protocol] = (host, port, user, password)


class Request:
    def __init__(self, path: str) -> None:
        self.path = path
        self.headers = BslMap()
        self.body = b""

    def bsl_get(self, name: str) -> BslMap:
        if name != "Заголовки":
            raise BslError(f"Поле объекта не обнаружено ({name})")
        return self.headers

    def УстановитьТелоИзСтроки(self, body: str, encoding: Any = None, mark: Any = None) -> None:
        plain = mark == EnumValue("НеИспользовать")
        self.body = body.encode("utf-8" if plain else "utf-8-sig")


class Response:
    def __init__(self, status: int, body: bytes) -> None:
        self.status, self.body = status, body

    def bsl_get(self, name: str) -> int:
        if name != "КодСостояния":
            raise BslError(f"Поле объекта не обнаружено ({name})")
        return self.status

    def ПолучитьТелоКакСтроку(self, encoding: Any = None) -> str | None:
        return self.body.decode("utf-8", "replace") or None


class Connection:
    """HTTPСоединение: positional parameters as the platform has them."""

    def __init__(
        self,
        base: Infobase,
        host: str,
        port: int,
        user: Any = None,
        password: Any = None,
        proxy: Proxy | None = None,
        timeout: int = 0,
        tls: Tls | None = None,
    ) -> None:
        self.base = base
        self.host, self.port, self.timeout, self.tls = host, port, timeout, tls
        self.proxy = proxy

    def ОтправитьДляОбработки(self, request: Request) -> Response:
        if self.base.session.depth:
            self.base.extern_calls_in_transaction += 1
        self.base.give_way()
        try:
            return self._exchange(request)
        finally:
            self.base.give_way()

    def _exchange(self, request: Request) -> Response:
        connection = self._open()
        try:
            headers = {**request.headers, "Content-Length": str(len(request.body))}
            path = request.path
            if self.proxy is not None and self.tls is None:
                path = f"http://{self.host}:{self.port}{path}"
            connection.request("POST", path, request.body, headers)
            answer = connection.getresponse()
            return Response(answer.status, answer.read())
        except (TimeoutError, OSError, http.client.HTTPException) as error:
            raise BslError(f"Ошибка работы с Интернет: {type(error).__name__}") from error
        finally:
            connection.close()

    def _open(self) -> http.client.HTTPConnection:
        timeout = self.timeout or None
        if self.tls is not None:
            return http.client.HTTPSConnection(
                self.host, self.port, timeout=timeout, context=self.tls.context
            )
        if self.proxy is not None:
            host, port, _, _ = self.proxy.servers["http"]
            return http.client.HTTPConnection(host, port, timeout=timeout)
        return http.client.HTTPConnection(self.host, self.port, timeout=timeout)

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

    def __init__(self, client: Any = None, authorities: Certificates | None = None) -> None:
        self.context = ssl.create_default_context(
            cafile=authorities.path or None if authorities else None
        )
        if authorities is None:
            self.context.check_hostname = False
            self.context.verify_mode = ssl.CERT_NONE


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
        proxy: Any = None,
        timeout: int = 0,
        tls: Tls | None = None,
    ) -> None:
        self.base = base
        self.host, self.port, self.timeout, self.tls = host, port, timeout, tls

    def ОтправитьДляОбработки(self, request: Request) -> Response:
        if self.base.session.depth:
            self.base.extern_calls_in_transaction += 1
        connection = self._open()
        try:
            headers = {**request.headers, "Content-Length": str(len(request.body))}
            connection.request("POST", request.path, request.body, headers)
            answer = connection.getresponse()
            return Response(answer.status, answer.read())
        except (TimeoutError, OSError, http.client.HTTPException) as error:
            raise BslError(f"Ошибка работы с Интернет: {type(error).__name__}") from error
        finally:
            connection.close()

    def _open(self) -> http.client.HTTPConnection:
        if self.tls is None:
            return http.client.HTTPConnection(self.host, self.port, timeout=self.timeout or None)
        return http.client.HTTPSConnection(
            self.host, self.port, timeout=self.timeout or None, context=self.tls.context
        )

"""A ``requests`` session whose exchanges end at a deadline and that ignores the environment.

``requests`` limits the wait for each piece of an answer, not for the whole of it. Here the socket
is shut down when the time is over, which ends a wait for headers, for a TLS handshake and for a
slow body alike.
"""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.cookiejar import DefaultCookiePolicy
from pathlib import Path
from typing import Any
from urllib.request import getproxies

import requests
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from zvirka.errors import SettingsError, os_reason
from zvirka.message import Message, coded


class DeadlineSession(requests.Session):
    """Neither cookies, nor proxies and ``.netrc`` of the environment are used.

    Args:
        auth: the credentials; ``None`` without.
        proxy: the URL of a proxy; ``"environment"`` for HTTP_PROXY and HTTPS_PROXY; empty for none.
    """

    def __init__(self, *, auth: AuthBase | None = None, proxy: str = "") -> None:
        super().__init__()
        self.trust_env = False
        self.auth = auth
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        if proxy == "environment":
            self.proxies.update(getproxies())
        elif proxy:
            self.proxies.update({"http": proxy, "https": proxy})
        self._sockets: dict[int, socket.socket] = {}
        adapter = _Adapter(self._sockets)
        for scheme in ("http://", "https://"):
            self.mount(scheme, adapter)

    @contextmanager
    def deadline(self, seconds: float) -> Iterator[threading.Event]:
        """End this thread's exchange after so many seconds; the event says whether it was ended."""
        thread, expired = threading.get_ident(), threading.Event()

        def expire() -> None:
            expired.set()
            waiting = self._sockets.get(thread)
            if waiting is not None:
                _shut_down(waiting)

        timer = threading.Timer(seconds, expire)
        timer.daemon = True
        timer.start()
        try:
            yield expired
        finally:
            timer.cancel()
            self._sockets.pop(thread, None)


def _shut_down(waiting: socket.socket) -> None:
    """End the wait of another thread for this socket, below TLS."""
    try:
        socket.socket.shutdown(waiting, socket.SHUT_RDWR)
    except OSError:
        return


def _noting(kind: type[Any], sockets: dict[int, socket.socket]) -> type[Any]:
    """A connection pool that notes which socket each thread is about to wait for."""

    class Noting(kind):  # type: ignore[misc]
        def _new_conn(self) -> Any:
            made = super()._new_conn()
            connect = made._new_conn

            def noted() -> socket.socket:
                found: socket.socket = connect()
                sockets[threading.get_ident()] = found
                return found

            made._new_conn = noted
            return made

        def _make_request(self, conn: Any, *args: Any, **options: Any) -> Any:
            if conn.sock is not None:
                sockets[threading.get_ident()] = conn.sock
            return super()._make_request(conn, *args, **options)

    return Noting


class _Adapter(HTTPAdapter):
    """Two connections, no retries of its own, and sockets that a deadline can reach."""

    def __init__(self, sockets: dict[int, socket.socket]) -> None:
        self._sockets = sockets
        super().__init__(pool_maxsize=2, max_retries=0)

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, **options)
        self._note(self.poolmanager)

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        manager = super().proxy_manager_for(proxy, **options)
        self._note(manager)
        return manager

    def _note(self, manager: Any) -> None:
        manager.pool_classes_by_scheme = {
            "http": _noting(HTTPConnectionPool, self._sockets),
            "https": _noting(HTTPSConnectionPool, self._sockets),
        }


def verified_by(ca_file: Path | None, key: str, *, verify: bool) -> bool | str:
    """The file of the authority's certificates, proven to hold some; else whether to verify.

    Args:
        ca_file: the file, if one is named.
        key: the settings key that names it.
        verify: whether certificates are to be verified at all.

    Raises:
        SettingsError: the file cannot be read, or holds no certificate in PEM.
    """
    if not verify or ca_file is None:
        return verify
    try:
        ssl.create_default_context(cafile=str(ca_file))
    except ssl.SSLError as error:
        raise SettingsError(
            coded("ZV3202", "the file holds no certificate in PEM form")
            if ca_file.stat().st_size
            else coded("ZV3202", "the file of the certificate is empty"),
            place=f"{key} = {ca_file}",
            remedy=Message(
                "convert it: openssl x509 -inform der -in FILE -out FILE.pem (.p7b: openssl"
                " pkcs7 -print_certs)"
            ),
        ) from error
    except OSError as error:
        raise SettingsError(
            coded(
                "ZV4102",
                "the file of the certificate cannot be read ({why})",
                why=os_reason(error),
            ),
            place=f"{key} = {ca_file}",
            remedy=Message("correct the path, or let the user of the service read the file"),
        ) from error
    return str(ca_file)

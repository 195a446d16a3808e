"""Addresses to listen on, and serving ASGI applications on them."""

from __future__ import annotations

import asyncio
import errno
import signal
from collections.abc import Callable, MutableMapping, Sequence
from contextlib import nullcontext, suppress
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, Any

from loguru import logger

from zvirka.errors import SettingsError, ZvirkaError
from zvirka.message import Message, coded

if TYPE_CHECKING:
    import uvicorn

_TOLD_EVERY_SECONDS = 60.0

STOP_SECONDS = 20
"""How long requests in progress may take once the server is asked to stop."""


def address_of(listen: str, key: str) -> tuple[str, int]:
    """Return host and port of ``127.0.0.1:8791`` or ``[::1]:8791``.

    Args:
        listen: the address.
        key: the settings key it comes from, for the error.

    Raises:
        SettingsError: it is not such an address.
    """
    host, _, port = listen.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not host or not (port.isascii() and port.isdecimal()) or int(port) > 65535:
        raise SettingsError(
            coded(
                "ZV3405",
                'found "{listen}", expected host:port such as 127.0.0.1:8791',
                listen=listen,
            ),
            place=key,
            remedy=Message("write it as HOST:PORT, with a port up to 65535"),
        )
    return host, int(port)


def is_loopback(host: str) -> bool:
    """Whether the host can be reached from this machine only."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def serve_applications(
    applications: list[tuple[Any, tuple[str, int]]],
    on_ready: Callable[[], None] | None = None,
    *,
    trusted_proxies: Sequence[str] = (),
) -> None:
    """Serve ASGI applications, each on its host and port, until SIGTERM or SIGINT.

    Args:
        applications: each with its host and port.
        on_ready: called once every port is open.
        trusted_proxies: addresses and networks of the proxies whose X-Forwarded-For and
            X-Forwarded-Proto are believed; from others the headers are ignored.

    Raises:
        ZvirkaError: a port cannot be opened.
    """
    asyncio.run(_serve(applications, on_ready, trusted_proxies))


async def _serve(
    applications: list[tuple[Any, tuple[str, int]]],
    on_ready: Callable[[], None] | None,
    trusted_proxies: Sequence[str],
) -> None:
    servers = [
        bounded_server(app, host, port, trusted_proxies) for app, (host, port) in applications
    ]

    def stop() -> None:
        for server in servers:
            server.should_exit = True

    loop = asyncio.get_running_loop()
    loop.set_exception_handler(_FewFiles())
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    tasks = [asyncio.create_task(_run(server)) for server in servers]
    ready = asyncio.create_task(_announce(servers, on_ready))
    try:
        await asyncio.gather(*tasks)
    finally:
        stop()
        ready.cancel()
        await asyncio.gather(*tasks, ready, return_exceptions=True)


FROM_PROXY = "zvirka.from_proxy"
"""Set in the scope of a request that a trusted proxy passed on."""


class NotedPeer:
    """Notes, before forwarding headers replace the client's address, whether a proxy is the peer.

    Args:
        app: the application.
        proxies: addresses and networks.
    """

    def __init__(self, app: Any, proxies: Sequence[str]) -> None:
        self._app = app
        self._proxies = [ip_network(proxy) for proxy in proxies]

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        """Pass the request on."""
        peer = scope.get("client")
        scope[FROM_PROXY] = peer is not None and self._is_proxy(str(peer[0]))
        await self._app(scope, receive, send)

    def _is_proxy(self, host: str) -> bool:
        try:
            address = ip_address(host)
        except ValueError:
            return False
        return any(address in network for network in self._proxies)


def bounded_server(
    app: Any, host: str, port: int, trusted_proxies: Sequence[str] = ()
) -> uvicorn.Server:
    """A server of one application, with limits on connections, and without signal handlers."""
    import uvicorn
    from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

    from zvirka.bounded_http import ACCEPTED_AT_ONCE, BoundedProtocol

    if trusted_proxies:
        app = ProxyHeadersMiddleware(app, trusted_hosts=list(trusted_proxies))
        app = NotedPeer(app, trusted_proxies)
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            host=host,
            port=port,
            http=BoundedProtocol,
            backlog=ACCEPTED_AT_ONCE,
            ws="none",
            # By default uvicorn believes the headers of everybody on this machine.
            proxy_headers=False,
            lifespan="on",
            access_log=False,
            log_config=None,
            server_header=False,
            timeout_graceful_shutdown=STOP_SECONDS,
        )
    )
    # Several servers run in one loop, so _serve handles the signals.
    server.capture_signals = nullcontext  # type: ignore[method-assign, assignment]
    return server


class _FewFiles:
    """Logs a lack of open files once a minute; asyncio would log it with each connection."""

    def __init__(self) -> None:
        self._told_at = -_TOLD_EVERY_SECONDS

    def __call__(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if not isinstance(error, OSError) or error.errno not in {errno.EMFILE, errno.ENFILE}:
            loop.default_exception_handler(context)
        elif loop.time() - self._told_at >= _TOLD_EVERY_SECONDS:
            self._told_at = loop.time()
            logger.error("too many open files, connections wait", remedy="raise LimitNOFILE=")


async def _run(server: uvicorn.Server) -> None:
    with suppress(SystemExit):  # uvicorn exits when the port is taken
        await server.serve()
    if not server.started:
        raise ZvirkaError(
            coded("ZV4201", "the server could not start"),
            place=f"{server.config.host}:{server.config.port}",
            remedy=Message("check whether another program uses the port; the log has the details"),
        )


async def _announce(servers: list[uvicorn.Server], on_ready: Callable[[], None] | None) -> None:
    while not all(server.started for server in servers):
        await asyncio.sleep(0.02)
    addresses = [f"{server.config.host}:{server.config.port}" for server in servers]
    logger.info("serving", addresses=addresses)
    if on_ready is not None:
        on_ready()

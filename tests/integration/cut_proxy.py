"""A network between a worker and PostgreSQL that can be cut."""

from __future__ import annotations

import select
import socket
import threading
import time
from contextlib import suppress
from pathlib import Path

from sqlalchemy import URL, make_url


class CutProxy:
    """Forwards a port to the server of a URL.

    A cut ends the sessions at the server at once, as its keepalive would, while the client is left
    in silence for ``silence`` seconds: it does not know yet.
    """

    def __init__(self, url: str, silence: float = 3.0) -> None:
        self._server = make_url(url)
        self._silence = silence
        self._lock = threading.Lock()
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._cut_until = 0.0
        self._listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        """The URL by way of the proxy."""
        port = self._listener.getsockname()[1]
        through: URL = self._server.set(host="127.0.0.1", port=port, query={})
        return through.render_as_string(hide_password=False)

    def cut(self) -> int:
        """Cut every connection; return how many there were."""
        with self._lock:
            self._cut_until = time.monotonic() + self._silence
            pairs, self._pairs = self._pairs, []
        for _, server in pairs:
            with suppress(OSError):
                server.shutdown(socket.SHUT_RDWR)
        clients = [client for client, _ in pairs]
        threading.Timer(self._silence, _close_all, (clients,)).start()
        return len(pairs)

    def close(self) -> None:
        self._listener.close()
        self.cut()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if time.monotonic() < self._cut_until:
                _close(client)
                continue
            server = self._connect()
            with self._lock:
                self._pairs.append((client, server))
            threading.Thread(target=self._forward, args=(client, server), daemon=True).start()

    def _connect(self) -> socket.socket:
        directory = self._server.query.get("host")
        if directory:
            server = socket.socket(socket.AF_UNIX)
            server.connect(str(Path(str(directory)) / f".s.PGSQL.{self._server.port or 5432}"))
            return server
        return socket.create_connection((self._server.host, self._server.port or 5432))

    def _forward(self, client: socket.socket, server: socket.socket) -> None:
        ends = {client: server, server: client}
        while True:
            try:
                ready, _, _ = select.select(list(ends), [], [], 1.0)
                for end in ready:
                    data = end.recv(65536)
                    if not data:
                        raise OSError
                    ends[end].sendall(data)
            except (OSError, ValueError):
                with self._lock:
                    known = (client, server) in self._pairs
                    if known:
                        self._pairs.remove((client, server))
                if known:
                    _close(client)
                _close(server)
                return


def _close_all(ends: list[socket.socket]) -> None:
    for end in ends:
        _close(end)


def _close(end: socket.socket) -> None:
    with suppress(OSError):
        end.close()

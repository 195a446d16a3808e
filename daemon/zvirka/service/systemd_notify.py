"""Notifying systemd of the service's state: the sd_notify protocol.

Own code instead of a library, for a reason: the protocol is one datagram a message and systemd's
manual (sd_notify(3), «Notes») recommends implementing it without one; the packages for Python are
unmaintained since 2017 (sdnotify) or need the headers of libsystemd to build (systemd-python).
"""

from __future__ import annotations

import socket
import time
from collections.abc import Mapping
from typing import Protocol

from loguru import logger


class ServiceNotifier(Protocol):
    """Reports the state of the service."""

    @property
    def watchdog_seconds(self) -> float | None:
        """The time-out of the watchdog; None without one."""
        ...

    def ready(self, status: str) -> None:
        """The service works."""
        ...

    def reloading(self) -> None:
        """The settings are being read again."""
        ...

    def status(self, text: str) -> None:
        """One line about its state."""
        ...

    def alive(self) -> None:
        """Everything makes progress."""
        ...

    def stopping(self, status: str) -> None:
        """The service begins to stop."""
        ...


class Notifier:
    """Sends to ``$NOTIFY_SOCKET``; does nothing without it, as on a terminal.

    Args:
        environ: where ``NOTIFY_SOCKET`` and ``WATCHDOG_USEC`` are looked up.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        address = environ.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address
        usec = environ.get("WATCHDOG_USEC", "")
        self.watchdog_seconds: float | None = int(usec) / 1e6 if usec.isdigit() else None

    def ready(self, status: str) -> None:
        """The service works (or works again, after :meth:`reloading`)."""
        self._send("READY=1", _status(status))

    def reloading(self) -> None:
        """The settings are being read again; :meth:`ready` ends it.

        MONOTONIC_USEC is what Type=notify-reload wants (systemd 253 and newer).
        """
        self._send("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def status(self, text: str) -> None:
        """The line that ``systemctl status`` shows."""
        self._send(_status(text))

    def alive(self) -> None:
        """Reset the watchdog."""
        self._send("WATCHDOG=1")

    def stopping(self, status: str) -> None:
        """The service begins to stop."""
        self._send("STOPPING=1", _status(status))

    def _send(self, *lines: str) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
                channel.settimeout(1)
                channel.sendto("\n".join(lines).encode(), self._address)
        except OSError as error:
            # A failed notification must not stop the work.
            logger.warning("systemd could not be notified", error=str(error.strerror))


def _status(text: str) -> str:
    return "STATUS=" + " ".join(text.split())

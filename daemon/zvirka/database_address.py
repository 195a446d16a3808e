"""Addresses of databases: which one they name, and whether the way to it is encrypted."""

from __future__ import annotations

import re
from pathlib import Path

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from zvirka.net import is_loopback

Identity = tuple[str, tuple[str, ...], int | None, str]
"""Backend, hosts, port and name of a database."""

_PORTS = {"postgresql": 5432, "mariadb": 3306}
_PORT = re.compile(r"(?<=[\w\]]):\d+$")
"""What follows a host when several are given: ``host=one:5432&host=two:5433``."""

_ENCRYPTED = {"require", "verify-ca", "verify-full"}
"""Values of libpq's sslmode that never fall back to an unencrypted connection."""

_VERIFIED = ("ssl_ca", "ssl_capath", "ssl_verify_cert", "ssl_verify_identity")
"""Any of these makes PyMySQL verify the certificate of the server."""


def database_url(text: str | None) -> URL | None:
    """Parse the address of a database; ``None`` when it is not one."""
    try:
        return make_url(text or "")
    except (ArgumentError, ValueError):  # ValueError: the port is not a number
        return None


def database_identity(url: URL) -> Identity:
    """The identity of a database: equal for two addresses of the same one.

    Host names are compared as they are written: localhost and 127.0.0.1 differ.
    """
    backend = _backend(url)
    name = url.database or ""
    if backend == "sqlite":
        return backend, (), None, str(Path(name).resolve()) if name else ""
    port = url.port or _number(url.query.get("port")) or _PORTS.get(backend)
    return backend, hosts_of(url), port, name


def hosts_of(url: URL) -> tuple[str, ...]:
    """The hosts or socket directories that an address names; empty where the driver chooses."""
    given = url.host or url.query.get("host") or url.query.get("unix_socket") or ()
    texts = (given,) if isinstance(given, str) else given
    return tuple(host.strip().lower() for text in texts for host in text.split(",") if host.strip())


def may_be_read_on_the_way(url: URL) -> bool:
    """Whether others on the network could read a connection to another machine, or answer it.

    libpq's default ``prefer`` encrypts only if the server offers it. PyMySQL verifies a certificate
    only if the address names an authority.
    """
    if url.get_backend_name() == "sqlite" or all(_is_local(host) for host in hosts_of(url)):
        return False
    if _backend(url) == "postgresql":
        return url.query.get("sslmode") not in _ENCRYPTED
    return "ssl_disabled" in url.query or not any(name in url.query for name in _VERIFIED)


def _is_local(host: str) -> bool:
    if host.startswith(("/", "@")):  # a socket
        return True
    return is_loopback(_PORT.sub("", host).strip("[]"))


def _backend(url: URL) -> str:
    return url.get_backend_name().replace("mysql", "mariadb")


def _number(text: str | tuple[str, ...] | None) -> int | None:
    return int(text) if isinstance(text, str) and text.isdecimal() else None

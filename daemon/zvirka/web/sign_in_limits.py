"""Failed sign-ins of the last quarter of an hour: who has had too many waits."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from ipaddress import ip_address, ip_network

WINDOW = timedelta(minutes=15)
_LIMITS = {"pair": 5, "address": 20, "name": 100}
"""Failures a window. A name's own limit is high: a stranger must not lock its owner out."""
_REMEMBERED = 10_000


class SignInLimits:
    """Counts attempts by address, by name, and by both.

    An attempt counts as failed from its beginning; success takes it back. So a hundred at once
    are a hundred.
    """

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._failed: OrderedDict[tuple[str, str], list[datetime]] = OrderedDict()
        self._lock = threading.Lock()

    def allow(self, name: str, address: str) -> bool:
        """Note an attempt; false when it is one too many, and then nothing is to be checked."""
        now = self._now()
        with self._lock:
            keys = list(_keys(name, address))
            for key in keys:
                recent = [at for at in self._failed.get(key, ()) if at > now - WINDOW]
                self._failed[key] = recent
                self._failed.move_to_end(key)
                if len(recent) >= _LIMITS[key[0]]:
                    return False
            for key in keys:
                self._failed[key].append(now)
            while len(self._failed) > _REMEMBERED:
                self._failed.popitem(last=False)
            return True

    def succeeded(self, name: str, address: str) -> None:
        """Forget the failures of this name from this address, and this attempt everywhere."""
        with self._lock:
            for key in _keys(name, address):
                if key[0] == "pair":
                    self._failed.pop(key, None)
                elif self._failed.get(key):
                    self._failed[key].pop()


def _keys(name: str, address: str) -> Iterator[tuple[str, str]]:
    network = _network(address)
    yield "pair", f"{network} {name[:100]}"
    yield "address", network
    yield "name", name[:100]


def _network(address: str) -> str:
    """The address; of IPv6 the network one subscriber has."""
    try:
        ip = ip_address(address)
    except ValueError:
        return address
    return str(ip_network((ip, 64), strict=False)) if ip.version == 6 else str(ip)

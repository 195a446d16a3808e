"""Limits on failed sign-ins within a quarter of an hour."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from ipaddress import ip_address, ip_network

WINDOW = timedelta(minutes=15)
_LIMITS = {"pair": 5, "address": 20, "name": 100, "device": 10}
"""Failures per window. A browser that its user signed in with before is counted separately, so that
other people's attempts do not lock the user out, whatever addresses they come from."""
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

    def allow(self, name: str, address: str, device: str = "") -> bool:
        """Note an attempt; false when it is one too many, and then nothing is to be checked.

        ``device`` is the id of a browser that this user has signed in with before.
        """
        now = self._now()
        with self._lock:
            keys = list(_keys(name, address, device))
            recent = {
                key: [at for at in self._failed.get(key, ()) if at > now - WINDOW] for key in keys
            }
            if any(len(recent[key]) >= _LIMITS[key[0]] for key in keys):
                return False
            for key in keys:
                self._failed[key] = [*recent[key], now]
                self._failed.move_to_end(key)
            while len(self._failed) > _REMEMBERED:
                self._failed.popitem(last=False)
            return True

    def succeeded(self, name: str, address: str, device: str = "") -> None:
        """Forget the failures of this name from this address, and this attempt everywhere."""
        with self._lock:
            for key in _keys(name, address, device):
                if key[0] in {"pair", "device"}:
                    self._failed.pop(key, None)
                elif self._failed.get(key):
                    self._failed[key].pop()


def _keys(name: str, address: str, device: str) -> Iterator[tuple[str, str]]:
    if device:
        yield "device", device
        return
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

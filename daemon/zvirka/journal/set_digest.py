"""A digest of a set of rows that follows each change without reading the rest.

The sum modulo 2^2048 of SHAKE-256 over each row (AdHash, Bellare and Micciancio 1997; the modulus
is wide enough against the generalised birthday attack): order does not matter, and a row leaves
as it came. So sealing a run costs nothing for a million pairings that did not change.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256, shake_256

from zvirka.journal.column_types import encoded

_BYTES = 256
_MODULUS = 1 << (8 * _BYTES)


class SetDigest:
    """The running digest of a multiset of rows; ``text`` is '' for the empty one."""

    def __init__(self, text: str = "") -> None:
        self._sum = int(text, 16) if text else 0

    def add(self, *row: object) -> None:
        """A row comes in; the same row twice counts twice."""
        self._sum = (self._sum + _number(row)) % _MODULUS

    def add_all(self, rows: Iterable[tuple[object, ...]]) -> None:
        """Many rows come in."""
        self._sum = (self._sum + sum(map(_number, rows))) % _MODULUS

    def remove(self, *row: object) -> None:
        """A row leaves."""
        self._sum = (self._sum - _number(row)) % _MODULUS

    @property
    def text(self) -> str:
        """The digest so far, in hexadecimal."""
        return f"{self._sum:0{2 * _BYTES}x}" if self._sum else ""

    @property
    def short(self) -> str:
        """The digest as short as any other one, in 64 characters; '' for the empty set."""
        return sha256(self.text.encode()).hexdigest() if self._sum else ""


def _number(row: tuple[object, ...]) -> int:
    return int.from_bytes(shake_256(encoded(row)).digest(_BYTES), "big")

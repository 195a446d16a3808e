"""The files shipped with the package: config/, systemd/, bsl/ and the pages of docs/.

A source checkout has them at its root, the wheel inside the package.
"""

from __future__ import annotations

from pathlib import Path

from zvirka.errors import ZvirkaError
from zvirka.message import Message, coded

_PACKAGE = Path(__file__).resolve().parent


def shipped(name: str) -> Path:
    """Return the directory of that name: ``config``, ``systemd``, ``bsl`` or ``docs``.

    Raises:
        ZvirkaError: it is neither in the package nor in a checkout around it.
    """
    for root in (_PACKAGE / "shipped", _PACKAGE.parent.parent):
        if (root / name).is_dir():
            return root / name
    raise ZvirkaError(
        coded("ZV5501", "the files of {name}, shipped with zvirka, are missing", name=name),
        place=str(_PACKAGE / "shipped" / name),
        remedy=Message("reinstall zvirka"),
    )

"""Whether the extra ``zvirka[fleet]`` is there; the one module that does not need it."""

from __future__ import annotations

from importlib.util import find_spec

from zvirka.errors import SettingsError
from zvirka.message import Message, coded
from zvirka.settings.model import Settings


def require_fleet(settings: Settings) -> None:
    """Make sure that runs can be spread over workers.

    Raises:
        SettingsError: ``[fleet]`` is not enabled, or the extra is not installed.
    """
    if not settings.fleet.enabled:
        raise SettingsError(
            coded("ZV3603", "this installation has no workers"),
            place="fleet.enabled",
            remedy=Message("set fleet.enabled = true; see docs/howto/fleet.md"),
        )
    if find_spec("procrastinate") is None:
        raise SettingsError(
            coded("ZV3601", "the extra zvirka[fleet] is not installed"),
            place="fleet.enabled",
            remedy=Message('install it: pip install "zvirka[fleet]"'),
        )

"""A receiver in a process of its own, which can be killed in the middle of a batch."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import Any

import msgspec

from zvirka.mapping import Mapping
from zvirka.receiver import ingest as ingest_module
from zvirka.receiver.run_receiver import serve
from zvirka.settings.model import Settings

FATAL = "fatal"
"""The code of a client at whose message the process is killed."""


def receive(settings: str, mapping: bytes, killed_in: str) -> None:
    """Serve until SIGTERM, or until a fatal message reaches the function of that name."""
    if killed_in:
        _die_in(killed_in)
    made = Settings.model_validate_json(settings)
    serve(made, msgspec.json.decode(mapping, type=Mapping))


def _die_in(name: str) -> None:
    """Be killed as the function of the ingest module is called for a batch with a fatal message."""
    called: Callable[..., Any] = getattr(ingest_module, name)
    take = ingest_module.Ingest.take_drawn
    fatal: list[bool] = []

    def taking(self: Any, draw: Any) -> Any:
        def drawn() -> Any:
            messages = draw()
            fatal.extend(True for one in messages if one.key == FATAL)
            return messages

        return take(self, drawn)

    def dying(*given: Any, **named: Any) -> Any:
        if fatal:
            os.kill(os.getpid(), signal.SIGKILL)
        return called(*given, **named)

    setattr(ingest_module.Ingest, "take_drawn", taking)  # noqa: B010 - a method is replaced
    setattr(ingest_module, name, dying)

"""The effective settings of a flow, line by line, as ``zvirka config show`` prints them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from pydantic import BaseModel, SecretStr

from zvirka.settings.explanations import annotation_at, holds_secret, masked_url
from zvirka.settings.loading import Loaded
from zvirka.settings.model import Settings

MASK = "********"


@dataclass(frozen=True)
class EffectiveValue:
    """One line of ``zvirka config show``; a secret's value is already masked."""

    key: str
    value: str
    origin: str


def effective_values(loaded: Loaded) -> list[EffectiveValue]:
    """Return every effective key in the order of the models, secrets masked."""
    return [
        EffectiveValue(key, value, _origin_of(key, loaded.origins))
        for key, value in _flatten(loaded.settings, "")
    ]


def plain_values(settings: Settings) -> dict[str, str]:
    """Return every effective key with its value, without those that hold secrets."""
    return {
        key: value
        for key, value in _flatten(settings, "")
        if not holds_secret(annotation_at(Settings, key.split(".")))
    }


def _origin_of(key: str, origins: Mapping[str, str]) -> str:
    parts = key.split(".")
    for length in range(len(parts), 0, -1):
        origin = origins.get(".".join(parts[:length]))
        if origin:
            return origin
    return "default"


def _flatten(table: BaseModel, prefix: str) -> Iterator[tuple[str, str]]:
    for name, info in type(table).model_fields.items():
        key = f"{prefix}{info.alias or name}"
        yield from _flatten_value(key, getattr(table, name))


def _flatten_value(key: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, BaseModel):
        yield from _flatten(value, f"{key}.")
    elif isinstance(value, dict) and value:
        for name, item in value.items():
            yield from _flatten_value(f"{key}.{name}", item)
    elif isinstance(value, list) and value and isinstance(value[0], BaseModel):
        for number, item in enumerate(value):
            yield from _flatten_value(f"{key}.{number}", item)
    else:
        yield key, _shown(value)


def _shown(value: Any) -> str:
    if isinstance(value, SecretStr):
        return MASK
    if isinstance(value, timedelta):
        return duration_text(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return "[" + ", ".join(_shown(item) for item in value) + "]"
    if isinstance(value, dict):
        return "{}"
    return "" if value is None else masked_url(str(value))


def duration_text(value: timedelta) -> str:
    """Return a duration as it is written in the settings: in the largest unit that fits."""
    seconds = int(value.total_seconds())
    for unit, length in (("y", 31536000), ("d", 86400), ("h", 3600), ("m", 60)):
        if seconds and seconds % length == 0:
            return f"{seconds // length}{unit}"
    return f"{seconds}s"

"""How the journal keeps times, JSON and text, the same on SQLite and PostgreSQL."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import msgspec
from sqlalchemy import DateTime, Dialect, Text
from sqlalchemy.types import TypeDecorator


def as_utc(moment: datetime) -> datetime:
    """The moment as aware UTC; one without a zone is SQLite's, which keeps the UTC wall clock."""
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


class UtcTime(TypeDecorator[datetime]):
    """Aware UTC in and out; SQLite, which knows no zones, keeps the UTC wall clock."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse naive times: their zone could not be known later."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time of the journal has no time zone")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(
        self,
        value: datetime | None,
        dialect: Dialect,  # noqa: ARG002
    ) -> datetime | None:
        """Return the time as aware UTC."""
        return None if value is None else as_utc(value)


class JsonText(TypeDecorator[Any]):
    """JSON as the text it was written as: digests cover its bytes, and U+0000 stays escaped.

    Text that is encoded already (:func:`canonical`) is bound as it is.
    """

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str:  # noqa: ARG002
        """Encode dictionaries and lists."""
        return value if isinstance(value, str) else canonical(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:  # noqa: ARG002
        """Decode; an outer join may have no row, and so no text."""
        return None if value is None else json.loads(value)


_ENCODER = msgspec.json.Encoder(order="sorted")


def encoded(value: Any) -> bytes:
    """The one JSON text of a value as UTF-8: sorted keys, no blanks."""
    try:
        return _ENCODER.encode(value)
    except (UnicodeEncodeError, OverflowError):
        # Lone surrogates and numbers beyond 64 bits, which msgspec does not encode.
        return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def canonical(value: Any) -> str:
    """:func:`encoded` as text."""
    return encoded(value).decode()


def plain(text: str) -> str:
    """A text any database can hold: U+0000 and lone surrogates become U+FFFD."""
    if "\x00" in text:
        text = text.replace("\x00", "\ufffd")
    if not text.isascii():
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def iso(time: datetime | str | None) -> str | None:
    """A time as digests cover it: ISO 8601 in UTC with microseconds.

    SQLite's text is converted character by character: another spelling of the same moment does not
    match the digest that was sealed.
    """
    if time is None:
        return None
    if isinstance(time, str):
        return f"{time[:10]}T{time[11:]}+00:00" if time[10:11] == " " else time
    return time.astimezone(UTC).isoformat(timespec="microseconds")

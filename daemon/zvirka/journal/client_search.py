"""Finds counterparties that ever differed, by whatever a person knows of them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import msgspec
from sqlalchemy import Connection, Text, select, type_coerce

from zvirka.domain import ZERO_REF
from zvirka.journal.tables import DIFFERENCE

MOST_ROWS = 200_000
"""Differences looked through, the newest first: a few seconds at most."""
_BATCH = 2000
_FEWEST_DIGITS = 5
_SEPARATORS = re.compile(r"(?<=\d)[ ()+.-]+(?=\d)|\+(?=\d)")
_COUNTRY = re.compile(r"^(?:38)?0(?=\d{9}$)")


class FoundClient(msgspec.Struct, frozen=True):
    """A counterparty, and the newest difference that names it."""

    key: str
    ref: str
    name: str
    run: int
    number: int


def find_clients(connection: Connection, text: str, limit: int) -> list[FoundClient]:
    """Those whose Код or Ref_Key is the text, else those whose name or values contain it.

    Case does not count, nor do blanks and signs between the digits of a phone.
    """
    text = text.strip()
    exact = client_named(connection, text)
    if exact is not None or not text:
        return [exact] if exact is not None else []
    found: dict[str, FoundClient] = {}
    wanted = _plain(text)
    for client, fields in _newest_first(connection):
        ident = client.ref if client.ref not in {"", ZERO_REF} else client.key
        if (
            ident not in found
            and _may_fit(wanted, client, fields)
            and _fits(wanted, client, fields)
        ):
            found[ident] = client
            if len(found) >= limit:
                break
    return list(found.values())


def _may_fit(wanted: str, client: FoundClient, fields: str) -> bool:
    """Rules most rows out without decoding them; JSON text with escapes is decoded always."""
    if "\\" in fields:
        return True
    raw = f"{client.key}\n{client.name}\n{fields}".casefold()
    if wanted.isdigit() and wanted not in raw:
        for sign in " ()+.-":  # str.translate is ten times slower on Cyrillic
            raw = raw.replace(sign, "")
    return wanted in raw


def _fits(wanted: str, client: FoundClient, fields: str) -> bool:
    values = (
        str(value)
        for field in json.loads(fields)
        for side in ("wanted", "found", "read_back")
        if (value := field.get(side)) is not None
    )
    return any(wanted in _plain(text) for text in (client.key, client.name, *values))


def client_named(connection: Connection, ident: str) -> FoundClient | None:
    """The newest difference of the counterparty with that Код or Ref_Key."""
    d = DIFFERENCE.c
    query = (
        select(d.key, d.ref, d.name, d.run_id, d.number)
        .where((d.key == ident) | (d.ref == ident.lower()))
        .order_by(d.run_id.desc(), d.number)
        .limit(1)
    )
    row = connection.execute(query).first() if ident else None
    return FoundClient(*row) if row else None


def _newest_first(connection: Connection) -> Iterator[tuple[FoundClient, str]]:
    """Differences, the newest first, with their fields as JSON text."""
    d = DIFFERENCE.c
    query = (
        select(d.key, d.ref, d.name, d.run_id, d.number, type_coerce(d.fields, Text))
        .order_by(d.run_id.desc(), d.number)
        .limit(MOST_ROWS)
    )
    for *client, fields in connection.execute(query, execution_options={"yield_per": _BATCH}):
        yield FoundClient(*client), fields


def _plain(text: str) -> str:
    """The text without case; a phone as its digits from the area code on."""
    joined = _SEPARATORS.sub("", text.casefold().lstrip("("))
    digits = joined.isdigit() and len(joined) >= _FEWEST_DIGITS
    return _COUNTRY.sub("", joined) if digits else joined

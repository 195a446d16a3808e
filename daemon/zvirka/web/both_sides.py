"""What 1C and the ERP hold of one counterparty at this moment; nothing is written."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass

from loguru import logger
from starlette.responses import Response

from zvirka.comparison import field_differences
from zvirka.errors import ZvirkaError
from zvirka.reconcile.environment import Environment
from zvirka.reconcile.key_search import find_keys
from zvirka.web.pages import LONGEST_KEY, show_life
from zvirka.web.request_context import RequestContext


@dataclass(frozen=True, slots=True)
class FieldNow:
    """One mapped field on both sides; ``None`` where the side has no value."""

    field: str
    in_1c: str | None
    in_erp: str | None
    differs: bool


@dataclass(frozen=True, slots=True)
class BothSides:
    """The two sides of one key. ``records`` and ``clients`` count what has it."""

    records: int
    clients: int
    marked: bool
    active: bool
    fields: tuple[FieldNow, ...]


def ask_both(context: RequestContext) -> Response:
    """Ask 1C and the store now, and show it on the counterparty's page."""
    _ = context.words.gettext
    key = context.form.get("key", "").strip()[:LONGEST_KEY]
    ref = context.form.get("ref", "").strip()[:LONGEST_KEY]
    if not key:
        return show_life(context, key, ref, 422, error=_("There is no code to ask by."))
    try:
        now = read_both(context.web.environment, key)
    except ZvirkaError as error:
        logger.warning("both sides could not be read for the page", cause=error.cause)
        return show_life(context, key, ref, 502, error=context.words.told(error.sentence))
    logger.info("both sides were asked on the page", who=context.user.name)
    return show_life(context, key, ref, now=now)


def read_both(environment: Environment, key: str) -> BothSides:
    """Read what has this pairing key on each side.

    Raises:
        SourceError: 1C cannot be read, or not searched by the key.
        StoreError: the store cannot be read.
    """
    mapping = environment.mapping
    with environment.open_source() as source:
        source.preflight()
        records = find_keys(source, mapping, [key])
    with closing(environment.open_store()) as store:
        clients = store.read_keys([key])
        wanted = dict(records[0].values) if records else dict.fromkeys(mapping.names)
        fitted = store.fitting(wanted)
    found = clients[0].values if clients else {}
    differing = {one.field for one in field_differences(mapping, fitted, found)}
    return BothSides(
        records=len(records),
        clients=len(clients),
        marked=bool(records) and records[0].deletion_mark,
        active=bool(clients) and clients[0].active,
        fields=tuple(
            FieldNow(name, wanted.get(name), found.get(name), name in differing)
            for name in mapping.names
        ),
    )

"""Whether the key column can be the right one, decided before anything is written.

With the wrong column, or one whose type changes 1C's keys, every counterparty is missing and every
client is extra: each would be created a second time and the first deleted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

from zvirka.erp.protocol import Store
from zvirka.errors import SettingsError
from zvirka.findings import Finding
from zvirka.mapping import Mapping
from zvirka.message import Message, coded
from zvirka.onec.protocol import Source
from zvirka.reconcile.key_search import find_keys, searched_field
from zvirka.staging.pairing import WHOLE, Pairing

FILLED = 5
"""A store with fewer active clients is too small to judge by."""
EXAMPLES = 3
_ASKED = 20
"""Clients of the store that ``zvirka check`` asks 1C for, one request each."""


def require_right_key(store: Store, pairing: Pairing, least: float) -> None:
    """Refuse a run whose key column cannot hold 1C's keys, or holds hardly any of them.

    ``least`` is the share of ``guard.min_key_share``.

    Raises:
        SettingsError: with the column and examples.
        StoreError: the store cannot be read.
    """
    _require_storable(store.key_column, store.unfit_key(pairing.wanted_keys()))
    if pairing.sides is not WHOLE:  # nearly everything is unchanged since the last agreement
        return
    clients, known = pairing.key_overlap()
    in_1c = pairing.example_keys(WHOLE.records, EXAMPLES)
    if in_1c and not _is_plausible(clients, known, least):
        in_store = pairing.example_keys(WHOLE.clients, EXAMPLES)
        raise _wrong_column(store.key_column, clients, known, in_store, in_1c)


def _require_storable(column: str, unfit: str) -> None:
    """Refuse a key column that cannot hold a key of 1C; ``unfit`` is such a key, or ''.

    Raises:
        SettingsError: with the column and the key.
    """
    if unfit:
        raise SettingsError(
            coded(
                "ZV2210",
                "the key column {column} cannot hold 1C's key {unfit} as it is",
                column=column,
                unfit=unfit,
            ),
            place="erp.key",
            remedy=Message("name the text column that holds 1C's key, or make the column a text"),
        )


def _is_plausible(clients: int, known: int, least: float) -> bool:
    """Whether enough of the store's keys exist in 1C, or there are too few to judge by.

    ``clients`` counts active clients with a key, ``known`` those whose key exists in 1C.
    ``least`` is the share of ``guard.min_key_share``; 0 allows everything.
    """
    return not least or clients < FILLED or known >= max(1, least * clients)


def _wrong_column(
    column: str, clients: int, known: int, in_store: Sequence[str], in_1c: Sequence[str]
) -> SettingsError:
    """The refusal to go on, with example keys of both sides (a Код is no personal data)."""
    ours, theirs = ", ".join(in_store[:EXAMPLES]), ", ".join(in_1c[:EXAMPLES])
    return SettingsError(
        coded(
            "ZV2211",
            "of {clients} clients only {known} have a key that exists in 1C: {column}"
            " holds {ours}; 1C has {theirs}",
            clients=clients,
            known=known,
            column=column,
            ours=ours,
            theirs=theirs,
        ),
        place="erp.key",
        remedy=Message(
            "name the column that holds 1C's key; set guard.min_key_share = 0 if it is right"
        ),
    )


def key_findings(source: Source, store: Store, mapping: Mapping, least: float) -> Iterator[Finding]:
    """What ``zvirka check`` says of the key: a sample of each side is looked up on the other.

    Raises:
        SourceError: 1C cannot be read.
        StoreError: the store cannot be read.
    """
    source.preflight()
    in_1c = _keys_of_1c(source, mapping)
    newest = [c.key for c in store.newest(_ASKED) if c.active and c.key]
    try:
        _require_storable(store.key_column, store.unfit_key(in_1c))
        found = {client.key for client in store.read_keys(in_1c)}
        known = _known(source, mapping, newest) if newest and in_1c and not found else len(newest)
        if not _is_plausible(len(newest), known, least):
            raise _wrong_column(store.key_column, len(newest), known, newest, in_1c)
    except SettingsError as error:
        yield Finding("failure", "key", error.cause, error.remedy)
    else:
        yield Finding(
            "ok", "key", Message("{key_column} can hold 1C's keys", key_column=store.key_column)
        )


def _keys_of_1c(source: Source, mapping: Mapping) -> list[str]:
    """The keys of the first page; none where the key is no attribute of the counterparty."""
    for page in islice(source.objects(), 1):
        if mapping.key_is_ref:
            return list(page.refs)
        parts = [page.values[name] for name in mapping.key if name in page.values]
        if len(parts) == len(mapping.key):
            rows = (dict(zip(mapping.key, row, strict=True)) for row in zip(*parts, strict=True))
            keys = map(mapping.key_of, page.refs, rows)
            return [key for key in keys if key]
    return []


def _known(source: Source, mapping: Mapping, keys: Sequence[str]) -> int:
    if mapping.key_is_ref:
        return sum(source.exists(key) for key in keys)
    if searched_field(mapping) is None:
        return len(keys)
    return len({party.key for party in find_keys(source, mapping, keys)})

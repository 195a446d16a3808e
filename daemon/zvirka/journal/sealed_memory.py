"""Whether suppressions and pairings are as they were last sealed: runs act on them."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
from sqlalchemy import Connection, select

from zvirka.errors import NOT_JSON
from zvirka.journal import suppressions
from zvirka.journal.digests import Raw, raw_columns
from zvirka.journal.row_checks import ChainProblem
from zvirka.journal.sealing import Sealed
from zvirka.journal.tables import CHAIN, RUN, RunRow
from zvirka.message import Message


def altered_memory(connection: Connection) -> Iterator[ChainProblem]:
    """What the next run must not trust: suppressions and pairings that no run wrote.

    While a run is not sealed, its own changes cannot be told from others; then only the digests
    in the table ``chain`` are compared.
    """
    end = connection.execute(select(CHAIN)).mappings().one()
    cells = [c for c in raw_columns(RunRow) if c.name in {"id", "sealed"}]
    last = connection.execute(select(*cells).where(RUN.c.seal == end["seals"])).mappings().first()
    if last is None and end["seals"]:
        yield ChainProblem(0, Message("table run: the run that was sealed last is gone"))
        return
    unsealed = connection.execute(select(RUN.c.id).where(RUN.c.seal.is_(None)).limit(1)).first()
    yield from memory_problems(
        connection, end, last or {"id": 0, "sealed": "{}"}, has_unsealed=unsealed is not None
    )


def memory_problems(
    connection: Connection, end: Raw, last: Raw, *, has_unsealed: bool
) -> Iterator[ChainProblem]:
    """Compare suppressions and pairings with the table ``chain`` and the last seal."""
    run, then = last["id"], sealed_from(last["sealed"])
    for name, digest in suppressions.set_digests(connection).items():
        if end[name] != digest:
            yield ChainProblem(
                0, Message("table {name}: a row was altered, removed or inserted", name=name)
            )
        elif then and not has_unsealed and getattr(then, name) != digest:
            yield ChainProblem(
                run,
                Message(
                    "table {name}: not as it was when run {run} was sealed", name=name, run=str(run)
                ),
            )


def sealed_from(text: str) -> Sealed | None:
    """A seal from its JSON; ``None`` when it was altered and cannot be read."""
    try:
        return msgspec.json.decode(text, type=Sealed)
    except NOT_JSON:
        return None

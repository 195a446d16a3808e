"""Verifies the chain of digests: finds what was altered, removed or inserted since it was sealed.

A row's digest covers its columns. A run's seal covers the digests of its rows in order, the
suppressions and pairings as sets, and the tip of the receipts. A run's digest covers its own
columns, its seal, and the digest and signature of the run sealed before it. The table ``chain``
holds the end, so that a run removed from the end is noticed too.

The chain alone does not stop an attacker who can write the whole journal and recompute every
digest. The digests printed on reports do, and signatures made with a key that the journal's
database does not hold.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from hashlib import sha256
from itertools import pairwise
from typing import Any

import msgspec
from sqlalchemy import Connection, select

from zvirka.domain import Command, RunStatus
from zvirka.errors import JournalError
from zvirka.journal.digests import Raw, raw_column, raw_columns, run_digest
from zvirka.journal.event_checks import unsound_events
from zvirka.journal.journal import Journal
from zvirka.journal.receipt_checks import verify_receipts
from zvirka.journal.row_checks import ChainProblem as ChainProblem
from zvirka.journal.row_checks import stray_rows, unsound_receipts, unsound_rows
from zvirka.journal.sealed_memory import memory_problems, sealed_from
from zvirka.journal.sealing import SECTIONS, section
from zvirka.journal.tables import CHAIN, RUN, RunRow
from zvirka.journal.views import foreign_objects
from zvirka.message import Message, coded

_PLURAL = {
    "difference": Message("differences"),
    "correction": Message("corrections"),
    "settlement": Message("outcomes of corrections"),
}


class _Pruned(msgspec.Struct):
    """What sealed prune runs say they emptied, and when."""

    runs: dict[int, object]
    receipt: int = 0


def verify_chain(journal: Journal, start: int | None = None) -> Iterator[ChainProblem]:
    """Yield every problem, in the order of the chain; nothing when the chain is intact.

    Runs that are not sealed yet are not a problem; their rows are checked on their own.

    Args:
        journal: the journal. It is read as of one moment, though a run may be writing.
        start: the run to begin with; runs sealed before it are not checked.

    Raises:
        JournalError: ``start`` is not a sealed run, or the journal cannot be read.
    """
    with journal.reading() as connection:
        runs = [(row[0], row[1]) for row in connection.execute(_runs())]
        sealed = sorted(
            ((seal, run) for run, seal in runs if isinstance(seal, int)), key=lambda pair: pair[0]
        )
        first = _first(journal, sealed, start)
        pruned = _pruned(connection)
        end = connection.execute(select(CHAIN)).mappings().all()
        if len(end) != 1 or end[0]["id"] != 1:
            yield ChainProblem(
                0, Message("table chain: its one row was removed, doubled or renumbered")
            )
            return
        yield from _numbers(dict(end[0]), runs)
        yield from _links(connection, sealed, first, pruned)
        yield from _unsealed(connection, [run for run, seal in runs if seal is None])
        yield from _end(connection, dict(end[0]), sealed, has_unsealed=len(sealed) < len(runs))
        yield from stray_rows(connection)
        for one in foreign_objects(connection):
            yield ChainProblem(0, one.text)
        yield from unsound_events(connection)
        yield from unsound_receipts(connection, pruned.receipt, _sealed_receipts(connection))
    try:
        for text in verify_receipts(journal.engine):
            yield ChainProblem(0, text)
    except (ValueError, TypeError) as error:
        kind = type(error).__name__
        yield ChainProblem(
            0, Message("table receipt: a row was altered beyond reading ({kind})", kind=kind)
        )


def _runs() -> Any:
    return select(RUN.c.id, RUN.c.seal).order_by(RUN.c.id)


def _first(journal: Journal, sealed: list[tuple[int, int]], start: int | None) -> int:
    """The seal to begin with."""
    if start is None:
        return 1
    for seal, run in sealed:
        if run == start:
            return seal
    raise JournalError(
        coded("ZV3508", "run {start} is not in the chain", start=start),
        place=journal.name,
        remedy=Message("name a run that has ended; see `zvirka runs`"),
    )


def _numbers(end: Mapping[str, Any], runs: list[tuple[Any, Any]]) -> Iterator[ChainProblem]:
    """Checks that run numbers and seals have no gaps up to the end of the chain."""
    ids = {run for run, _ in runs}
    begun = end["begun"] if isinstance(end["begun"], int) else 0
    known = sorted(run for run in ids if isinstance(run, int) and 1 <= run <= begun)
    for before, after in pairwise([0, *known, begun + 1]):
        gap = after - before - 1
        which = Message("run {run}", run=str(before + 1))
        if gap > 1:
            which = Message("runs {first} to {last}", first=str(before + 1), last=str(after - 1))
        if gap:
            yield ChainProblem(
                before + 1, Message("{which}: removed, or given another number", which=which)
            )
    for run in sorted(ids.difference(known), key=str):
        number = run if isinstance(run, int) else 0
        yield ChainProblem(
            number, Message("run {run}: inserted, no run of that number was begun", run=str(run))
        )
    for run, seal in runs:
        if seal is not None and not isinstance(seal, int):
            yield ChainProblem(
                run, Message("run {run}: table run was altered (seal)", run=str(run))
            )


def _links(
    connection: Connection, sealed: list[tuple[int, int]], first: int, pruned: _Pruned
) -> Iterator[ChainProblem]:
    previous: Mapping[str, Any] = {"id": 0, "seal": 0, "digest": "", "signature": ""}
    # Reported last: an altered prune run is the cause, the runs it had emptied are the effect.
    retention: list[ChainProblem] = []
    for seal, run in sealed:
        if seal < first - 1:
            continue
        try:
            row = _run_row(connection, run)
            if seal >= first:
                yield from _link(row, previous)
                yield from _sealed_rows(connection, row)
                retention += _retention(row, pruned)
        except (ValueError, TypeError, KeyError) as error:
            yield ChainProblem(
                run,
                Message(
                    "run {run}: table run was altered ({kind})",
                    run=str(run),
                    kind=type(error).__name__,
                ),
            )
            row = dict(
                connection.execute(
                    select(RUN.c.id, RUN.c.seal, RUN.c.digest, RUN.c.signature).where(
                        RUN.c.id == run
                    )
                )
                .mappings()
                .one()
            )
        previous = row
    yield from retention


def _run_row(connection: Connection, run: int) -> dict[str, Any]:
    found = connection.execute(select(*raw_columns(RunRow)).where(RUN.c.id == run))
    return dict(found.mappings().one())


def _link(row: Mapping[str, Any], previous: Mapping[str, Any]) -> Iterator[ChainProblem]:
    run, before = row["id"], previous["id"]
    if row["seal"] != previous["seal"] + 1:
        yield ChainProblem(
            run,
            Message(
                "run {run}: a run sealed before it, after run {before}, is gone",
                run=str(run),
                before=str(before),
            ),
        )
        return
    if row["previous_digest"] != previous["digest"]:
        yield ChainProblem(
            run,
            Message(
                "run {run}: does not follow run {before}; the digest of one was altered",
                run=str(run),
                before=str(before),
            ),
        )
    if run_digest(row, previous["signature"]) != row["digest"]:
        yield ChainProblem(
            run,
            Message(
                "run {run}: table run was altered, or the signature of the run before it",
                run=str(run),
            ),
        )


def _sealed_rows(connection: Connection, row: Mapping[str, Any]) -> Iterator[ChainProblem]:
    run = row["id"]
    sealed = sealed_from(row["sealed"])
    if sealed is None:
        yield ChainProblem(run, Message("run {run}: table run was altered (sealed)", run=str(run)))
        return
    yield from unsound_rows(connection, row)
    for name in SECTIONS:
        then, now = getattr(sealed, name), section(connection, name, run)
        if now.rows < then.rows:
            what = Message(
                "{count} removed, {sealed} were sealed",
                count=then.rows - now.rows,
                sealed=then.rows,
            )
        elif now.rows > then.rows:
            what = Message(
                "{count} inserted, {sealed} were sealed",
                count=now.rows - then.rows,
                sealed=then.rows,
            )
        elif now.digest != then.digest:
            what = Message("one was altered or exchanged since they were sealed")
        else:
            continue
        table = "difference" if name == "difference" else "correction"
        yield ChainProblem(
            run,
            Message(
                "run {run}, table {table}, {rows}: {what}",
                run=str(run),
                table=table,
                rows=_PLURAL[name],
                what=what,
            ),
        )


def _unsealed(connection: Connection, runs: list[int]) -> Iterator[ChainProblem]:
    for run in runs:
        try:
            row = _run_row(connection, run)
            if (
                row["status"] != RunStatus.RUNNING
                or row["digest"]
                or row["signature"]
                or row["pruned_at"]
            ):
                yield ChainProblem(
                    run,
                    Message(
                        "run {run}: ended but is not sealed; table run was altered", run=str(run)
                    ),
                )
            elif sha256(row["salt"].encode()).hexdigest() != row["salt_digest"]:
                yield ChainProblem(
                    run, Message("run {run}: table run was altered (salt)", run=str(run))
                )
            else:
                yield from unsound_rows(connection, row)
        except (ValueError, TypeError) as error:
            yield ChainProblem(
                run,
                Message(
                    "run {run}: table run was altered ({kind})",
                    run=str(run),
                    kind=type(error).__name__,
                ),
            )


def _retention(row: Mapping[str, Any], pruned: _Pruned) -> Iterator[ChainProblem]:
    run, expected = row["id"], pruned.runs.get(row["id"])
    if row["pruned_at"] != expected:
        yield ChainProblem(
            run,
            Message(
                "run {run}: table run was altered (pruned_at); no prune run emptied it",
                run=str(run),
            ),
        )
    if expected is None and sha256(row["salt"].encode()).hexdigest() != row["salt_digest"]:
        yield ChainProblem(run, Message("run {run}: table run was altered (salt)", run=str(run)))
    if expected is not None and row["salt"]:
        yield ChainProblem(
            run, Message("run {run}: table run was altered (salt); it was pruned", run=str(run))
        )


def _pruned(connection: Connection) -> _Pruned:
    pruned = _Pruned({})
    query = select(raw_column(RUN.c.facts), raw_column(RUN.c.started_at))
    sealed = query.where(RUN.c.command == Command.PRUNE.value, RUN.c.seal.is_not(None))
    for text, at in connection.execute(sealed).all():
        try:
            said = json.loads(text)
            pruned.runs.update(dict.fromkeys(said["pruned"], at))
            pruned.receipt = max(pruned.receipt, said["pruned_receipts"])
        except (ValueError, TypeError, KeyError, RecursionError):
            continue  # reported elsewhere: the digest of this run does not match
    return pruned


def _end(
    connection: Connection,
    end: Mapping[str, Any],
    sealed: list[tuple[int, int]],
    *,
    has_unsealed: bool,
) -> Iterator[ChainProblem]:
    """Compares the end of the chain with the last sealed run and with the tables it sums up."""
    last: Raw = {"seal": 0, "digest": "", "signature": "", "sealed": "{}", "id": 0}
    if sealed:
        cells = [c for c in raw_columns(RunRow) if c.name in last]
        last = connection.execute(select(*cells).where(RUN.c.id == sealed[-1][1])).mappings().one()
    run = last["id"]
    told = (end["seals"], end["digest"], end["signature"])
    if told != (last["seal"], last["digest"], last["signature"]):
        yield ChainProblem(
            run,
            Message(
                "table chain: its end is not run {run}; a run after it was removed, or it was"
                " altered",
                run=str(run),
            ),
        )
    yield from memory_problems(connection, end, last, has_unsealed=has_unsealed)


def altered_run(journal: Journal, run: int) -> Iterator[ChainProblem]:
    """What was altered of one sealed run: its rows, itself, or a link of the chain after it.

    Raises:
        JournalError: the journal cannot be read.
    """
    with journal.reading() as connection:
        first = connection.execute(select(RUN.c.seal).where(RUN.c.id == run)).scalar_one()
        later = connection.execute(
            select(RUN.c.id).where(RUN.c.seal >= first - 1).order_by(RUN.c.seal)
        ).scalars()
        previous: Mapping[str, Any] = {"id": 0, "seal": 0, "digest": "", "signature": ""}
        for number in later.all():
            row = _run_row(connection, number)
            if row["seal"] >= first:
                yield from _link(row, previous)
            if number == run:
                yield from _sealed_rows(connection, row)
            previous = row
        end = connection.execute(select(CHAIN.c.digest)).scalar_one()
        if end != previous["digest"]:
            yield ChainProblem(
                run, Message("table chain: its end is not run {previous}", previous=previous["id"])
            )


def _sealed_receipts(connection: Connection) -> dict[int | str, int]:
    """The last receipt and the tip of the receipts at each seal, with the first run they had."""
    known: dict[int | str, int] = {}
    query = select(RUN.c.id, raw_column(RUN.c.sealed)).where(RUN.c.seal.is_not(None))
    for run, text in connection.execute(query.order_by(RUN.c.seal)).all():
        sealed = sealed_from(text)
        if sealed and sealed.receipt:
            known.setdefault(sealed.receipt, run)
            known.setdefault(sealed.receipt_digest, run)
    return known

"""Writes a run, its differences and its corrections, within a transaction of the caller's."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any, Required, TypedDict, Unpack

import msgspec
from sqlalchemy import Connection, func, insert, select, update

from zvirka.domain import (
    Action,
    Command,
    Correction,
    Difference,
    Disposition,
    Outcome,
    RunStatus,
    Trigger,
)
from zvirka.errors import JournalError, NoSuchRunError, ZvirkaError
from zvirka.journal.bulk_writes import among, insert_rows, update_rows
from zvirka.journal.column_types import canonical, plain
from zvirka.journal.difference_queries import tallies, totals_of
from zvirka.journal.row_mapping import correction_record, difference_record, settlement_record
from zvirka.journal.sealing import seal
from zvirka.journal.signing import Signer
from zvirka.journal.tables import CHAIN, CORRECTION, DIFFERENCE, RUN
from zvirka.message import Coded, Message, coded, stored

FINAL = frozenset(RunStatus) - {RunStatus.RUNNING}
"""The statuses a run can end with."""
_COUNTS = ("causes", "kinds", "actions", "outcomes", "remaining")
_CHUNK = 5000


class RunStart(TypedDict, total=False):
    """What is known of a run when it begins; ``parent`` is the run it answers."""

    command: Required[Command]
    trigger: Required[Trigger]
    who: Required[str]
    reason: Required[str]
    now: Required[datetime]
    parent: int | None
    fingerprint: str


class RunEnd(TypedDict, total=False):
    """How a run ended, with one of :data:`FINAL`."""

    status: Required[RunStatus]
    exit_code: Required[int]
    now: Required[datetime]
    error: ZvirkaError | Mapping[str, str] | None
    plan_digest: str


def begin_run(
    connection: Connection, random: Callable[[int], bytes], **start: Unpack[RunStart]
) -> int:
    """Begin a run and return its number. Numbers have no gaps: a missing one was removed."""
    begun = connection.execute(select(CHAIN.c.begun).with_for_update()).scalar_one()
    run = int(begun) + 1
    salt = random(32).hex()
    record: dict[str, Any] = {
        "id": run,
        "command": str(start["command"]),
        "trigger": str(start["trigger"]),
        "who": plain(start["who"]),
        "reason": plain(stored(start["reason"])),
        "started_at": start["now"],
        "parent": start.get("parent"),
        "fingerprint": start.get("fingerprint", ""),
        "status": RunStatus.RUNNING.value,
        "phase": "",
        "mode": "",
        "plan_digest": "",
        "facts": "{}",
        "error": "{}",
        "salt": salt,
        "salt_digest": sha256(salt.encode()).hexdigest(),
        "sealed": "{}",
        "previous_digest": "",
        "digest": "",
        "signature": "",
    }
    connection.execute(insert(RUN), record)
    connection.execute(update(CHAIN).values(begun=run))
    return run


def update_run(connection: Connection, run: int, values: Mapping[str, Any]) -> None:
    """Set columns of a run that is not sealed."""
    open_run(connection, run)
    connection.execute(update(RUN).where(RUN.c.id == run).values(values))


def finish_run(
    connection: Connection, run: int, signer: Signer | None, **end: Unpack[RunEnd]
) -> str:
    """End a run: its counts into its facts, then the seal. Returns its digest in the chain.

    A run that has not compared everything it was asked to compare gets no counts.
    """
    if end["status"] not in FINAL:
        raise ValueError(f"a run does not end as {end['status']}")
    open_run(connection, run)
    facts = connection.execute(select(RUN.c.facts).where(RUN.c.id == run)).scalar_one()
    if facts.get("compared"):
        totals = totals_of(tallies(connection, run))
        facts.update({name: getattr(totals, name) for name in _COUNTS})
    values = {
        "status": str(end["status"]),
        "exit_code": int(end["exit_code"]),
        "finished_at": end["now"],
        "error": canonical(_error_columns(end.get("error"))),
        "plan_digest": end.get("plan_digest", ""),
        "facts": canonical(facts),
    }
    connection.execute(update(RUN).where(RUN.c.id == run).values(values))
    return seal(connection, run, signer)


def insert_differences(connection: Connection, run: int, differences: Sequence[Difference]) -> None:
    """Record differences; their numbers are the caller's, from 1 without repetition."""
    if not differences:
        return
    salt = open_run(connection, run)
    records = [difference_record(run, salt, one) for one in differences]
    insert_rows(connection, DIFFERENCE, records)


def replace_differences(
    connection: Connection, run: int, differences: Sequence[Difference]
) -> None:
    """Replace recorded differences by number, whole."""
    if not differences:
        return
    salt = open_run(connection, run)
    records = [difference_record(run, salt, one) for one in differences]
    update_rows(connection, DIFFERENCE, ("run_id", "number"), records)


def hold_differences(connection: Connection, run: int, actions: Collection[Action] | None) -> int:
    """Hold what would be corrected, for these actions or (``None``) all; returns how many."""
    d = DIFFERENCE.c
    open_run(connection, run)
    statement = update(DIFFERENCE).where(
        d.run_id == run, d.disposition == Disposition.CORRECT.value
    )
    if actions is not None:
        statement = statement.where(d.action.in_([action.value for action in actions]))
    result = connection.execute(statement.values(disposition=Disposition.HELD.value))
    return int(result.rowcount)


def intend_corrections(
    connection: Connection, run: int, items: Sequence[tuple[int, Correction]], now: datetime
) -> list[Correction]:
    """Write corrections, by difference number, and return them with their ids."""
    if not items:
        return []
    salt = open_run(connection, run)
    last = connection.execute(select(func.max(CORRECTION.c.id))).scalar() or 0
    numbered = [
        (number, msgspec.structs.replace(correction, id=last + place))
        for place, (number, correction) in enumerate(items, start=1)
    ]
    insert_rows(
        connection,
        CORRECTION,
        [correction_record(run, number, salt, one, now) for number, one in numbered],
    )
    return [one for _, one in numbered]


def settle_corrections(
    connection: Connection, run: int, outcomes: Sequence[Outcome], now: datetime
) -> None:
    """Write the outcomes of corrections."""
    if not outcomes:
        return
    settled_by = _settling_run(connection, run)
    records = [settlement_record(settled_by, one, now) for one in outcomes]
    _refuse_sealed_outcomes(connection, [one.correction for one in outcomes])
    update_rows(connection, CORRECTION, ("id",), records)


def open_run(connection: Connection, run: int) -> str:
    """The salt of a run that may still be written.

    Raises:
        NoSuchRunError: there is no such run.
        JournalError: it is sealed.
    """
    row = connection.execute(select(RUN.c.salt, RUN.c.seal).where(RUN.c.id == run)).first()
    if row is None:
        raise no_such_run(run)
    if row.seal is not None:
        raise _sealed(
            coded("ZV5105", "run {run} is sealed and cannot be written any more", run=str(run))
        )
    return str(row.salt)


def no_such_run(run: int) -> NoSuchRunError:
    """The error for a number that no run has."""
    return NoSuchRunError(
        coded("ZV3508", "there is no run {run}", run=str(run)),
        place=Message("the journal"),
        remedy=Message("see `zvirka runs` for their numbers"),
    )


def _settling_run(connection: Connection, run: int) -> int:
    unsealed = RUN.c.seal.is_(None)
    given = connection.execute(select(RUN.c.id).where(RUN.c.id == run, unsealed)).scalar()
    newest = connection.execute(select(func.max(RUN.c.id)).where(unsealed)).scalar()
    if given is None and newest is None:
        raise _sealed(
            coded(
                "ZV5105",
                "run {run} is sealed, and no run has begun that could record its outcomes",
                run=str(run),
            )
        )
    return int(given or newest or 0)


def _refuse_sealed_outcomes(connection: Connection, corrections: Sequence[int]) -> None:
    c = CORRECTION.c
    for start in range(0, len(corrections), _CHUNK):
        sealed = connection.execute(
            select(c.id)
            .join(RUN, RUN.c.id == c.settled_by)
            .where(
                among(connection, c.id, corrections[start : start + _CHUNK]),
                RUN.c.seal.is_not(None),
            )
            .limit(1)
        ).scalar()
        if sealed is not None:
            raise _sealed(
                coded("ZV5105", "the outcome of correction {number} is sealed", number=str(sealed))
            )


def _sealed(cause: Coded) -> JournalError:
    return JournalError(cause, place=Message("the journal"), remedy=Message("begin a new run"))


def _error_columns(error: ZvirkaError | Mapping[str, str] | None) -> dict[str, str]:
    if isinstance(error, ZvirkaError):
        return {name: stored(getattr(error, name)) for name in ("cause", "place", "remedy")}
    return dict(error or {})

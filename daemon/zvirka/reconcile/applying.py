"""Phase apply: corrections are journaled as intents, then written to the store.

A correction is built from the difference and from the row as it is now. If the row no longer
shows what the difference found, nothing is written and the outcome is *superseded*.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from zvirka.domain import (
    Action,
    Cause,
    Client,
    Correction,
    Difference,
    Disposition,
    Outcome,
    OutcomeState,
)
from zvirka.erp.protocol import Store, Writer
from zvirka.journal.journal import Journal
from zvirka.message import Message, also
from zvirka.reconcile.environment import Environment

AT_ONCE = 5000
"""Corrections handed to the writer together; among them a unique value can move between rows."""

_UNLUCKY = {OutcomeState.FAILED, OutcomeState.REFUSED}
_ORDER = (Action.DELETE, Action.UPDATE, Action.RESTORE, Action.CREATE)
"""A row that gives up a unique value is written before the row that takes it."""


def apply(environment: Environment, run: int, store: Store, writer: Writer) -> frozenset[int]:
    """Write the run's corrections in batches and journal each outcome.

    Returns:
        The differences that wait for a row of another flow, wholly or with some field.

    Failed corrections are tried once more at the end, since the value they collided with may have
    moved by then. Values that the store refuses are then left out and the others are written.
    What fails again is reported with the rows it collides with.

    Raises:
        StoreError: the store cannot be reached; the next run settles the open intents.
    """
    unlucky: list[_Tried] = []
    for action in _ORDER:
        for batch in environment.journal.differences(
            run, dispositions=[Disposition.CORRECT], actions=[action], batch=AT_ONCE
        ):
            unlucky += _apply_batch(environment, run, store, writer, batch)
            environment.tick(len(batch))
    again = [tried for tried in unlucky if tried.failed]
    stuck = {tried.difference.row for tried in again}
    again += [
        tried
        for tried in unlucky
        if not tried.failed and stuck.intersection(_holders_of_key(store, tried.correction))
    ]
    if not again:
        return frozenset()
    rest = [tried.difference for tried in again]
    still = _apply_batch(environment, run, store, writer, rest, partly=True)
    _tell_collisions(environment.journal, run, store, [one for one in still if not one.waits])
    return frozenset(tried.difference.number for tried in still if tried.waits)


class _Tried(msgspec.Struct, frozen=True):
    """A correction that failed, or a create whose key was taken."""

    difference: Difference
    correction: Correction
    failed: bool
    waits: bool


def _apply_batch(
    environment: Environment,
    run: int,
    store: Store,
    writer: Writer,
    batch: Sequence[Difference],
    *,
    partly: bool = False,
) -> list[_Tried]:
    """Write a batch; return what failed, wholly or ``partly``, and creates whose key was taken."""
    corrections = list(corrections_for(store, batch))
    environment.still_ours()
    intended = environment.journal.intend(run, corrections, environment.now())
    by_id = {
        correction.id: (number, correction)
        for (number, _), correction in zip(corrections, intended, strict=True)
    }
    differences = {difference.number: difference for difference in batch}
    unlucky: list[_Tried] = []
    waiting: list[Outcome] = []
    for outcome in writer.apply(intended, partly=partly, allowed=environment.still_ours):
        waiting.append(outcome)
        number, correction = by_id[outcome.correction]
        failed = outcome.state in _UNLUCKY or bool(outcome.left_out)
        if failed or _is_taken(correction, outcome):
            written = _as_written(correction, outcome)
            unlucky.append(_Tried(differences[number], written, failed, outcome.waits))
        if len(waiting) >= environment.settings.erp.batch:
            environment.journal.settle(run, waiting, environment.now())
            waiting = []
            environment.tick()
    environment.journal.settle(run, waiting, environment.now())
    return unlucky


def _as_written(correction: Correction, outcome: Outcome) -> Correction:
    """The correction; a create that was written in part gets its row, which is no collision."""
    if outcome.left_out and not correction.row:
        return msgspec.structs.replace(correction, row=outcome.row)
    return correction


def _is_taken(correction: Correction, outcome: Outcome) -> bool:
    return correction.action is Action.CREATE and outcome.state is OutcomeState.SUPERSEDED


def corrections_for(
    store: Store, differences: Sequence[Difference]
) -> Iterator[tuple[int, Correction]]:
    """Corrections for differences, with the rows as they are now as before-images.

    A row that is gone, or no longer shows what was found, also gets its correction, with the
    values that were found, so that the journal records it as *superseded*.
    """
    rows = [difference.row for difference in differences if difference.row]
    clients = {client.row: client for client in store.read_rows(rows)}
    for difference in differences:
        assert difference.action is not None
        yield (
            difference.number,
            correction_for(difference, difference.action, clients.get(difference.row)),
        )


def correction_for(difference: Difference, action: Action, client: Client | None) -> Correction:
    """One correction; ``client`` is its row now, ``None`` for a create or a row that is gone."""
    wanted = {field.field: field.wanted for field in difference.fields}
    found = {field.field: field.found for field in difference.fields}
    if action is Action.CREATE:
        return Correction(id=0, action=action, key=difference.key, ref=difference.ref, after=wanted)
    before = {**client.values, **found} if client is not None else found
    active = action is not Action.RESTORE
    new_key = None
    if client is not None and action is not Action.DELETE:
        moved = client.key != difference.key or client.ref not in {None, difference.ref}
        new_key = difference.key if moved else None
    return Correction(
        id=0,
        action=action,
        key=client.key if client is not None else difference.key,
        ref=difference.ref,
        row=difference.row,
        active=active,
        before=before,
        after={} if action is Action.DELETE else wanted,
        new_key=new_key,
    )


def _tell_collisions(journal: Journal, run: int, store: Store, unlucky: Sequence[_Tried]) -> None:
    """Add to a difference the rows whose unique values its correction collides with."""
    told = []
    for tried in unlucky:
        difference, correction = tried.difference, tried.correction
        rows = list(
            dict.fromkeys([*store.conflicts(correction), *_holders_of_key(store, correction)])
        )
        if not rows:
            continue
        owned = {client.row for client in store.read_rows(rows)}
        mine = all(row in owned for row in rows)
        told.append(
            msgspec.structs.replace(
                difference,
                cause=Cause.DUPLICATE if mine else Cause.NOT_OURS,
                rows=tuple(dict.fromkeys([*filter(None, [difference.row]), *rows])),
                note=also(
                    difference.note,
                    Message(
                        "a unique value is held by {rows}",
                        rows=[
                            Message("row {row}", row=row)
                            if row in owned
                            else Message("row {row} (not ours)", row=row)
                            for row in rows
                        ],
                    ),
                ),
            )
        )
    journal.update_differences(run, told)


def _holders_of_key(store: Store, correction: Correction) -> list[str]:
    """Other clients under the correction's key, which counts as unique in any store."""
    key = correction.key if correction.action is Action.CREATE else correction.new_key
    held = store.read_keys([key]) if key else []
    return [client.row for client in held if client.row != correction.row]

"""One batch of corrections inside one transaction: checks each, writes all, returns outcomes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Container, Iterable, Sequence
from contextlib import suppress
from typing import Any, Literal

import msgspec
from sqlalchemy import Connection
from sqlalchemy.exc import StatementError

from zvirka.domain import Action, Client, Correction, Outcome, OutcomeState
from zvirka.erp.sql.children import Children
from zvirka.erp.sql.database_errors import is_row_fault, row_reason
from zvirka.erp.sql.ordering import Unit
from zvirka.erp.sql.referenced_rows import ReferencedRows, living_references
from zvirka.erp.sql.row_values import RowValues, prepare
from zvirka.erp.sql.row_writing import ChangedError, KeyDoubledError, NotOwnedError, RowWriting
from zvirka.erp.sql.store_queries import Reading
from zvirka.erp.sql.table_layout import TableLayout
from zvirka.erp.sql.typed_values import UnstorableError, column_values
from zvirka.erp.write_refusals import (
    CHANGED,
    CIRCLE,
    CREATES_STOPPED,
    GONE,
    KEY_DOUBLED,
    KEY_HELD,
    KEY_TAKEN,
    KEY_TWICE,
    LEFT_AS_IT_WAS,
    NO_RESTORE,
    NOT_OWNED,
    NOT_OWNED_SO,
)
from zvirka.message import Message, joined


class _TriedError(Exception):
    """Takes back a write that was only tried."""


_WHY: dict[type[Exception], Message] = {
    ChangedError: CHANGED,
    KeyDoubledError: KEY_DOUBLED,
    NotOwnedError: NOT_OWNED,
}


class Transaction:
    """The corrections of one transaction. The caller begins and commits it."""

    def __init__(
        self,
        connection: Connection,
        layout: TableLayout,
        reading: Reading,
        *,
        clean: bool,
        doubled: list[str],
        partly: bool = False,
    ) -> None:
        """Prepare a transaction.

        Args:
            connection: where the caller began the transaction.
            layout: the mapped tables.
            reading: the reading statements over them.
            clean: no stored key needs trimming to match.
            doubled: keys found under two rows after a create. New ones are added; while there are
                any, no client is created.
            partly: leave out the fields that cannot be stored or that the database refuses, and
                write the others.
        """
        self._connection = connection
        self._layout = layout
        self._reading = reading
        self._clean = clean
        self._doubled = doubled
        self._partly = partly
        self._rows = RowWriting(connection, layout, reading, clean=clean)
        self._nul = connection.dialect.name != "postgresql"
        self._children = Children(connection, layout)
        self._parents = ReferencedRows(connection, layout.columns.values())

    def bulk(self, corrections: Sequence[Correction]) -> list[Outcome]:
        """Corrections in any order: one statement per kind, one by one only where that fails."""
        ready, outcomes = self._judge(corrections)
        for group in _by_statement(ready):
            try:
                outcomes += self._write(group)
            except (ChangedError, KeyDoubledError, NotOwnedError):
                outcomes += [self._single(row_values) for row_values in group]
            except StatementError as error:
                if not is_row_fault(error):
                    raise
                outcomes += [self._single(row_values) for row_values in group]
        return outcomes

    def unread(self, corrections: Sequence[Correction]) -> list[Outcome]:
        """Write corrections of which :class:`BulkUpdate` says that a statement can judge them.

        Nothing is read and there is no savepoint: when this raises, the caller takes the whole
        transaction back. What gets no outcome here is for :meth:`bulk` to judge.

        Raises:
            ChangedError: some row is not as it was scanned.
            StatementError: the database refused some row.
        """
        ready: list[RowValues] = []
        self._parents.look_up(corrections)
        for correction in corrections:
            with suppress(UnstorableError):  # it is refused when it is judged
                ready.append(self._row_values(correction))
        outcomes: list[Outcome] = []
        for group in _by_statement(ready):
            if len(group) > 1 and self._rows.statements.bulk_update.takes(group[0].values):
                self._rows.change(group, judged=False)
                outcomes += self._applied(group, [row_values.row for row_values in group])
        return outcomes

    def units(self, units: Iterable[Unit]) -> list[Outcome]:
        """Corrections whose order counts, one unit after the other."""
        return [outcome for unit in units for outcome in self._unit(unit)]

    def _unit(self, unit: Unit) -> list[Outcome]:
        ready, outcomes = self._judge(unit)
        if len(ready) < 2 or len(ready) < len(unit):
            return outcomes + [self._single(row_values) for row_values in ready]
        try:
            with self._rows.savepoint():
                parked = [self._rows.park(row_values) for row_values in ready]
                outcomes = [o for p in parked if not p.parked for o in self._write([p])]
                outcomes += [o for p in parked if p.parked for o in self._write([p])]
                self._rows.require_owned([p.row for p in parked if p.parked])
                return outcomes
        except ChangedError:
            return [
                _outcome(p.correction, OutcomeState.NOT_CONVERGING, LEFT_AS_IT_WAS) for p in ready
            ]
        except NotOwnedError:
            return [_outcome(p.correction, OutcomeState.REFUSED, NOT_OWNED_SO) for p in ready]
        except StatementError as error:
            if not is_row_fault(error):
                raise
            reason = joined([CIRCLE, row_reason(error)])
            return [_outcome(p.correction, OutcomeState.FAILED, reason) for p in ready]

    def _judge(self, corrections: Sequence[Correction]) -> tuple[list[RowValues], list[Outcome]]:
        """Sort out what cannot or must not be written, under lock."""
        found = self._lock_and_read([c.row for c in corrections if c.row])
        taken = self._holders(corrections)
        self._parents.look_up(corrections)
        moving = {c.row for c in corrections if c.new_key}
        creating: set[str] = set()
        ready: list[RowValues] = []
        outcomes: list[Outcome] = []
        for correction in corrections:
            obstacle = self._obstacle(correction, found, taken, moving)
            if obstacle is None and correction.action is Action.CREATE:
                if correction.key in creating:
                    obstacle = (OutcomeState.FAILED, KEY_TWICE)
                creating.add(correction.key)
            if obstacle is not None:
                outcomes.append(_outcome(correction, *obstacle))
                continue
            try:
                ready.append(self._row_values(correction))
            except UnstorableError as refusal:
                refused = _outcome(correction, OutcomeState.REFUSED, refusal.reason)
                outcomes.append(msgspec.structs.replace(refused, waits=refusal.waits))
        ready, held = self._without_parents(ready)
        return ready, outcomes + held

    def _without_parents(self, ready: list[RowValues]) -> tuple[list[RowValues], list[Outcome]]:
        """Hold back the deletion of rows that living rows refer to, until no more is found.

        A row whose deletion is held lives on, and holds what it refers to itself.
        """
        held: list[Outcome] = []
        while leaving := [r.correction.row for r in ready if r.correction.action is Action.DELETE]:
            why = living_references(self._connection, self._layout.referring, leaving)
            if not why:
                break
            kept = [r for r in ready if _is_held(r.correction, why)]
            ready = [r for r in ready if not _is_held(r.correction, why)]
            held += [
                _outcome(r.correction, OutcomeState.REFUSED, why[r.correction.row]) for r in kept
            ]
        return ready, held

    def _obstacle(
        self,
        correction: Correction,
        found: dict[str, Client],
        taken: dict[str, set[str]],
        moving: set[str],
    ) -> tuple[OutcomeState, Message] | None:
        if correction.action is Action.CREATE:
            if self._doubled:
                return OutcomeState.REFUSED, CREATES_STOPPED
            return (OutcomeState.SUPERSEDED, KEY_TAKEN) if taken.get(correction.key) else None
        if correction.action is Action.RESTORE and self._layout.soft is None:
            return OutcomeState.REFUSED, NO_RESTORE
        client = found.get(correction.row)
        if client is None:
            return OutcomeState.SUPERSEDED, GONE
        if client.values != correction.before or client.active != correction.active:
            return OutcomeState.SUPERSEDED, CHANGED
        if correction.new_key and taken.get(correction.new_key, set()) - moving - {correction.row}:
            return OutcomeState.FAILED, KEY_HELD
        return None

    def _row_values(self, correction: Correction) -> RowValues:
        return prepare(
            self._layout,
            correction,
            nul=self._nul,
            children=self._children.known,
            parents=self._parents,
            partly=self._partly,
        )

    def _lock_and_read(self, rows: Sequence[str]) -> dict[str, Client]:
        natural = column_values(self._layout.pk, rows)
        if not natural:
            return {}
        self._connection.execute(self._rows.statements.lock(natural)).all()
        self._children.lock(natural)
        return {client.row: client for client in self._reading.by_rows(self._connection, rows)}

    def _holders(self, corrections: Iterable[Correction]) -> dict[str, set[str]]:
        keys = [c.key for c in corrections if c.action is Action.CREATE]
        keys += [c.new_key for c in corrections if c.new_key]
        holders: dict[str, set[str]] = defaultdict(set)
        for _, row, key in self._reading.rows_of_keys(self._connection, keys, clean=self._clean):
            holders[key].add(row)
        return holders

    def _single(self, row_values: RowValues, *, partly: bool | None = None) -> Outcome:
        correction = row_values.correction
        if correction.action is Action.CREATE and self._doubled:
            return _outcome(correction, OutcomeState.REFUSED, CREATES_STOPPED)
        try:
            return self._write([row_values])[0]
        except ChangedError:  # the row is locked, and was as scanned
            return _outcome(correction, OutcomeState.NOT_CONVERGING, LEFT_AS_IT_WAS)
        except KeyDoubledError:
            self._doubled.append(correction.key)
            return _outcome(correction, OutcomeState.FAILED, KEY_DOUBLED)
        except NotOwnedError:
            return _outcome(correction, OutcomeState.REFUSED, NOT_OWNED)
        except StatementError as error:
            if not is_row_fault(error):
                raise
            reason = row_reason(error)
        rest = self._accepted(row_values) if (self._partly if partly is None else partly) else None
        if rest is None:
            return _outcome(correction, OutcomeState.FAILED, reason)
        return self._single(rest, partly=False)

    def _accepted(self, refused: RowValues) -> RowValues | None:
        """The correction without the fields the database refuses; ``None``: nothing is left.

        Fields are tried one after the other, each added to those accepted before it.
        """
        correction = refused.correction
        required = self._layout.required if correction.action is Action.CREATE else frozenset()
        accepted = {name: v for name, v in correction.after.items() if name in required}
        left_out: dict[str, Message] = {}
        for name, value in correction.after.items():
            if name in required:
                continue
            attempt = {**accepted, name: value}
            reason = self._refusal(msgspec.structs.replace(correction, after=attempt))
            if reason is None:
                accepted = attempt
            else:
                left_out[name] = reason
        if not accepted or not left_out:
            return None
        whole = self._row_values(msgspec.structs.replace(correction, after=accepted))
        return msgspec.structs.replace(whole, left_out=whole.left_out | left_out)

    def _refusal(self, correction: Correction) -> Message | None:
        """Try a correction, take it back, and say why it was refused, if it was."""
        try:
            row_values = self._row_values(correction)
            with self._rows.savepoint():
                self._write([row_values])
                raise _TriedError
        except _TriedError:
            return joined(row_values.left_out.values()) if row_values.left_out else None
        except UnstorableError as refusal:
            return refusal.reason
        except (ChangedError, KeyDoubledError, NotOwnedError) as refusal:
            return _WHY[type(refusal)]
        except StatementError as error:
            if not is_row_fault(error):
                raise
            return row_reason(error)

    def _write(self, group: list[RowValues]) -> list[Outcome]:
        """Write corrections of one shape, all or none of them."""
        with self._rows.savepoint():
            if group[0].correction.action is Action.CREATE:
                rows = self._rows.create(group)
            else:
                self._rows.change(group, judged=True)
                rows = [row_values.row for row_values in group]
            self._children.write(group, rows)
        return self._applied(group, rows)

    def _applied(self, group: Sequence[RowValues], rows: Sequence[Any]) -> list[Outcome]:
        pk = self._layout.pk.name
        return [
            Outcome(
                correction=row_values.correction.id,
                state=OutcomeState.APPLIED,
                detail=_remarks(row_values),
                row=self._rows.texts.get(row) or str(row_values.values.get(pk, row)),
                left_out=tuple(row_values.left_out),
                waits=row_values.waits,
            )
            for row_values, row in zip(group, rows, strict=True)
        ]


def _is_held(correction: Correction, why: Container[str]) -> bool:
    return correction.action is Action.DELETE and correction.row in why


def _remarks(row_values: RowValues) -> str:
    remarks = [Message("truncated: {fields}", fields=row_values.cut)] if row_values.cut else []
    remarks += [Message("left out: {what}", what=one) for one in row_values.left_out.values()]
    return joined(remarks) if remarks else ""


def _by_statement(ready: Iterable[RowValues]) -> Collection[list[RowValues]]:
    shapes: dict[Any, list[RowValues]] = defaultdict(list)
    for row_values in ready:
        shapes[row_values.shape].append(row_values)
    return shapes.values()


def _outcome(
    correction: Correction, state: OutcomeState, detail: Message | Literal[""], row: str = ""
) -> Outcome:
    return Outcome(correction=correction.id, state=state, detail=detail, row=row or correction.row)

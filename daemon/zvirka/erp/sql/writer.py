"""The writer that corrects a mapped SQL store directly, batch by batch, each one transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property, partial

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError, StatementError

from zvirka.domain import Action, Correction, Outcome
from zvirka.erp.protocol import Allowed, always_allowed
from zvirka.erp.sql.bulk_update import BulkUpdate
from zvirka.erp.sql.database_errors import is_hopeless, is_passing, store_error
from zvirka.erp.sql.engines import WRITES, end_failed, wait_briefly
from zvirka.erp.sql.isolation import Isolation, Work
from zvirka.erp.sql.ordering import Unit, arrange
from zvirka.erp.sql.row_writing import ChangedError
from zvirka.erp.sql.store_queries import Reading
from zvirka.erp.sql.table_layout import TableLayout
from zvirka.erp.sql.transaction import Transaction

ATTEMPTS = 3
"""How often a transaction that lost a deadlock is tried."""


class SqlWriter:
    """A :class:`zvirka.erp.protocol.Writer` with compare-and-swap on every row.

    An outcome is given only after its transaction is committed: if the process is killed, the
    store has either a whole batch or nothing of it.
    """

    def __init__(self, engine: Engine, layout: TableLayout, batch: int) -> None:
        self._engine = engine
        self._layout = layout
        self._batch = batch
        self._reading = Reading(layout)
        self._bulk_update = BulkUpdate(layout, engine.dialect)
        self.doubled: list[str] = []

    def apply(
        self,
        corrections: Sequence[Correction],
        *,
        partly: bool = False,
        allowed: Allowed = always_allowed,
    ) -> Iterator[Outcome]:
        """Try each correction on its own merits; see :meth:`zvirka.erp.protocol.Writer.apply`.

        Raises:
            StoreError: the store is gone or denied; the batch under way left no trace.
        """
        arrangement = arrange(corrections, self._layout.unique_fields)
        try:
            # Only who takes a key asks who holds it; the answer is a look at the whole table.
            takes = any(c.action is Action.CREATE or c.new_key for c in corrections)
            clean = self._keys_are_clean if takes else True
            with self._engine.connect() as connection:
                writing = connection.execution_options(**{WRITES: True})
                begin = partial(
                    Transaction,
                    writing,
                    self._layout,
                    self._reading,
                    clean=clean,
                    doubled=self.doubled,
                    partly=partly,
                )
                isolation = Isolation(partial(self._commit, writing, begin, allowed))
                for start in range(0, len(arrangement.free), self._batch):
                    chunk = arrangement.free[start : start + self._batch]
                    outcomes = self._unread(isolation, chunk)
                    yield from outcomes
                    done = {outcome.correction for outcome in outcomes}
                    yield from isolation.apply([(c,) for c in chunk if c.id not in done], _bulk)
                for units in _grouped(arrangement.units, self._batch):
                    yield from isolation.apply(units, _units)
                yield from isolation.left()
        except SQLAlchemyError as error:
            raise store_error(error, self._layout.name) from None

    def close(self) -> None:
        """Give back connections."""
        self._engine.dispose()

    def _unread(self, isolation: Isolation, chunk: Sequence[Correction]) -> list[Outcome]:
        """What of a chunk could be written without reading it first: in most chunks, all."""
        alone = [correction for correction in chunk if self._bulk_update.judges(correction)]
        if len(alone) < 2:
            return []
        try:
            return isolation.commit(partial(Transaction.unread, corrections=alone))
        except ChangedError:
            return []
        except StatementError as error:
            if is_hopeless(error):
                raise
            return []

    def _commit(
        self,
        connection: Connection,
        begin: Callable[[], Transaction],
        allowed: Allowed,
        work: Work,
        patient: bool,
    ) -> list[Outcome]:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                with connection.begin():
                    if not patient:
                        wait_briefly(connection)
                    outcomes = work(begin())
                    allowed()
                    return outcomes
            except StatementError as error:
                if not is_hopeless(error):
                    end_failed(connection)
                if attempt == ATTEMPTS or not is_passing(error):
                    raise
        return []

    @cached_property
    def _keys_are_clean(self) -> bool:
        with self._engine.connect() as connection:
            return self._reading.keys_are_clean(connection)


def _bulk(transaction: Transaction, pieces: Sequence[Unit]) -> list[Outcome]:
    return transaction.bulk([correction for piece in pieces for correction in piece])


def _units(transaction: Transaction, pieces: Sequence[Unit]) -> list[Outcome]:
    return transaction.units(pieces)


def _grouped(units: Iterable[Unit], size: int) -> Iterator[list[Unit]]:
    group: list[Unit] = []
    for unit in units:
        if group and sum(map(len, group)) + len(unit) > size:
            yield group
            group = []
        group.append(unit)
    if group:
        yield group

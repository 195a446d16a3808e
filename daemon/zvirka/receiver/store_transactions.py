"""The store's side of a batch: one transaction, tried again where that helps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from sqlalchemy import Connection, Engine, select
from sqlalchemy.exc import SQLAlchemyError, StatementError

from zvirka.erp.sql.database_errors import (
    is_passing,
    is_row_fault,
    is_row_wait,
    row_reason,
    store_error,
)
from zvirka.erp.sql.engines import WRITES as STORE_WRITES
from zvirka.erp.sql.engines import wait_briefly
from zvirka.erp.sql.store_queries import Reading
from zvirka.erp.sql.table_layout import TableLayout
from zvirka.erp.sql.upsert import Effect
from zvirka.journal.migration import WRITES as JOURNAL_WRITES
from zvirka.receiver.earlier_messages import LEFT, IngestResult

ATTEMPTS = 3
"""How often a store transaction that lost a deadlock is tried."""

T = TypeVar("T")


class RowsError(Exception):
    """Some message of a batch keeps the others from being committed; its result if it is alone."""

    def __init__(self, result: IngestResult) -> None:
        self.result = result
        super().__init__(result.detail)


class StoreTransactions:
    """Transactions of one store.

    Args:
        store: its engine.
        layout: the mapped tables.
        allowed: called right before each commit; raises when nothing may be written any more.
    """

    def __init__(self, store: Engine, layout: TableLayout, allowed: Callable[[], None]) -> None:
        self._store = store
        self._layout = layout
        self._allowed = allowed

    def keys_are_clean(self) -> bool:
        """Whether every stored key is canonical.

        Raises:
            StoreError: the store cannot be used.
        """
        with self._guarded(), self._store.connect() as connection:
            return Reading(self._layout).keys_are_clean(connection)

    def look(self) -> None:
        """Make sure that the table can be read.

        Raises:
            StoreError: it cannot.
        """
        with self._guarded(), self._store.connect() as connection:
            connection.execute(select(self._layout.pk).limit(1))

    def perform(self, work: Callable[[Connection], T], *, brief: bool = False) -> T:
        """Do work in one transaction; ``brief`` is not to wait long for locks.

        Raises:
            StoreError: the store cannot be used.
            RowsError: the trouble is that of one message.
        """
        attempt = 1
        with self._guarded():
            while True:
                try:
                    with self._writing() as connection:
                        if brief:
                            wait_briefly(connection)
                        result = work(connection)
                        self._allowed()
                        return result
                except StatementError as error:
                    if attempt == ATTEMPTS or not is_passing(error):
                        if is_row_wait(error):
                            raise RowsError(IngestResult(LEFT, row_reason(error))) from None
                        if is_row_fault(error):
                            raise RowsError(
                                IngestResult(Effect.FAILED, row_reason(error))
                            ) from None
                        raise
                attempt += 1

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        with self._store.connect() as connection:
            writing = connection.execution_options(**{STORE_WRITES: True, JOURNAL_WRITES: True})
            with writing.begin():
                yield writing

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        try:
            yield
        except SQLAlchemyError as error:
            raise store_error(error, self._layout.name) from None

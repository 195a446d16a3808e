"""Isolates the corrections that keep a transaction from being committed.

A locked row, a constraint that is checked at COMMIT, an error code of a trigger that looks like one
of the server: such an error ends a whole transaction. It is halved until what fails fails alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from sqlalchemy.exc import StatementError

from zvirka.domain import Outcome, OutcomeState
from zvirka.erp.sql.database_errors import is_hopeless, is_row_fault, is_row_wait, row_reason
from zvirka.erp.sql.ordering import Unit
from zvirka.erp.sql.transaction import Transaction

MOST_FAILURES = 8
"""So many failures before the first success are the store's fault, not that of a row."""

Work = Callable[[Transaction], list[Outcome]]


class Commit(Protocol):
    """Does work in one transaction; the second argument says whether to wait long for locks."""

    def __call__(self, work: Work, patient: bool, /) -> list[Outcome]:
        """Return the outcomes once they are committed."""
        ...


class Isolation:
    """Commits the corrections of one call of the writer."""

    def __init__(self, commit: Commit) -> None:
        self._commit = commit
        self._patient = True
        self._wrote = False
        self._doubtful: list[tuple[Unit, StatementError]] = []
        """What failed by an error that may be the store's."""

    def commit(self, work: Work) -> list[Outcome]:
        """Do work in one transaction; once a lock was waited for, later ones wait briefly.

        Raises:
            StatementError: nothing of it was written.
        """
        try:
            outcomes = self._commit(work, self._patient)
        except StatementError as error:
            self._patient = self._patient and not is_row_wait(error)
            raise
        self._wrote = True
        return outcomes

    def apply(
        self,
        pieces: Sequence[Unit],
        work: Callable[[Transaction, Sequence[Unit]], list[Outcome]],
    ) -> Iterator[Outcome]:
        """Write pieces in one transaction, or in several if that fails.

        Raises:
            StatementError: no piece can be written.
        """
        if not pieces:
            return
        try:
            outcomes = self.commit(lambda transaction: work(transaction, pieces))
        except StatementError as error:
            if is_hopeless(error) and not is_row_fault(error):
                raise
            if len(pieces) == 1:
                yield from self._failed(pieces[0], error)
                return
        else:
            yield from outcomes
            return
        half = len(pieces) // 2
        yield from self.apply(pieces[:half], work)
        yield from self.apply(pieces[half:], work)

    def left(self) -> Iterator[Outcome]:
        """What failed by an error that proved not to be the store's.

        Raises:
            StatementError: nothing was written at all, and the error may be the store's.
        """
        for piece, error in self._doubtful:
            if not self._wrote and not is_row_wait(error):
                raise error
            yield from _outcomes(piece, error)

    def _failed(self, piece: Unit, error: StatementError) -> list[Outcome]:
        if is_row_fault(error):
            return _outcomes(piece, error)
        self._doubtful.append((piece, error))
        if not self._wrote and len(self._doubtful) >= MOST_FAILURES:
            raise error
        return []


def _outcomes(piece: Unit, error: StatementError) -> list[Outcome]:
    reason = row_reason(error)
    return [
        Outcome(correction=one.id, state=OutcomeState.FAILED, detail=reason, row=one.row)
        for one in piece
    ]

"""The journal: what runs write to it and read from it.

A run is begun, filled, and finished; finishing seals it in the chain, and from then on none of its
rows change, except that prune empties personal values. Each call is one transaction, durable when
it returns. One run writes at a time (:mod:`zvirka.journal.run_lock`). Reports, the page and the
daemon ask the functions of :mod:`zvirka.journal.queries`, :mod:`zvirka.journal.difference_queries`
and :mod:`zvirka.journal.difference_search` within :meth:`Journal.reading`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, Concatenate, ParamSpec, TypeVar, Unpack

import msgspec
from sqlalchemy import Connection, Engine

from zvirka.domain import (
    Action,
    Correction,
    Difference,
    Disposition,
    Kind,
    Mode,
    Outcome,
    RunStatus,
)
from zvirka.errors import AlteredJournalError
from zvirka.journal import difference_queries, held_runs, queries, suppressions
from zvirka.journal.column_types import canonical
from zvirka.journal.difference_queries import (
    page_of_corrections,
    page_of_differences,
    tallies,
    totals_of,
)
from zvirka.journal.engine import open_engine
from zvirka.journal.error_messages import guarded
from zvirka.journal.head import Head, chain_head
from zvirka.journal.held_runs import Decision
from zvirka.journal.migration import WRITES
from zvirka.journal.records import HistoryEntry, RunRecord, Totals
from zvirka.journal.run_facts import Facts
from zvirka.journal.run_writes import (
    RunEnd,
    RunStart,
    begin_run,
    finish_run,
    hold_differences,
    insert_differences,
    intend_corrections,
    no_such_run,
    replace_differences,
    settle_corrections,
    update_run,
)
from zvirka.journal.sealed_memory import altered_memory
from zvirka.journal.signing import Signer, read_signer
from zvirka.journal.suppressions import Pairing, Suppression
from zvirka.message import Message, coded, stored
from zvirka.settings.model import Settings

P = ParamSpec("P")
T = TypeVar("T")
Key = TypeVar("Key")
Item = TypeVar("Item")


def open_journal(settings: Settings) -> Journal:
    """Open the journal; create it, or bring its schema up to date, where that is needed.

    Raises:
        SettingsError: ``journal.url`` or ``report.signing_key_file`` cannot be used.
        JournalError: it cannot be reached or written, or a newer zvirka made it.
    """
    path = settings.report.signing_key_file
    signer = read_signer(path) if path else None
    engine, name = open_engine(settings)
    policy = settings.policy
    return Journal(
        engine,
        name,
        signer,
        approval_expires=policy.approval_expires,
        approvals_needed=policy.approvals,
    )


class Journal:
    """The journal. ``name`` says where it is; every method may raise :class:`JournalError`.

    Args:
        engine: as :func:`zvirka.journal.engine.open_engine` makes it.
        name: where the journal is, for messages.
        signer: signs sealed runs when given.
        random: gives that many random bytes, for the salts.
        approval_expires: how long after its end a held run can be approved or rejected.
        approvals_needed: how many people must approve a held run.
    """

    def __init__(
        self,
        engine: Engine,
        name: str,
        signer: Signer | None = None,
        random: Callable[[int], bytes] = os.urandom,
        approval_expires: timedelta = timedelta(days=30),
        approvals_needed: int = 1,
    ) -> None:
        self.engine = engine
        self.name = name
        self.signer = signer
        self.random = random
        self.approval_expires = approval_expires
        self.approvals_needed = approvals_needed

    def close(self) -> None:
        """Close the connections."""
        self.engine.dispose()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection in a transaction that sees one state of the journal and changes nothing."""
        level = (
            {} if self.engine.dialect.name == "sqlite" else {"isolation_level": "REPEATABLE READ"}
        )
        with (
            guarded(self.name),
            self.engine.connect().execution_options(**level) as connection,
            connection.begin(),
        ):
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A connection in a transaction that is durable when the block is left."""
        with (
            guarded(self.name),
            self.engine.connect().execution_options(**{WRITES: True}) as connection,
            connection.begin(),
        ):
            yield connection

    def _read(
        self, query: Callable[Concatenate[Connection, P], T], *args: P.args, **named: P.kwargs
    ) -> T:
        with self.reading() as connection:
            return query(connection, *args, **named)

    def _write(
        self, change: Callable[Concatenate[Connection, P], T], *args: P.args, **named: P.kwargs
    ) -> T:
        with self.writing() as connection:
            return change(connection, *args, **named)

    def _paged(
        self,
        read: Callable[[Connection, Key], list[Item]],
        first: Key,
        key_of: Callable[[Item], Key],
        size: int,
    ) -> Iterator[list[Item]]:
        """Pages of ``size`` items, each read in a transaction of its own."""
        after = first
        while page := self._read(read, after):
            yield page
            if len(page) < size:
                return
            after = key_of(page[-1])

    def begin(self, **start: Unpack[RunStart]) -> int:
        """Begin a run and return its number. Numbers have no gaps: a missing one was removed.

        Raises:
            AlteredJournalError: suppressions or pairings are not as they were last sealed. The
                seal of this run would make them look genuine.
        """
        with self.writing() as connection:
            for problem in altered_memory(connection):
                raise AlteredJournalError(
                    coded("ZV5201", "{what}", what=problem.text),
                    place=self.name,
                    remedy=Message(
                        "`zvirka audit verify` lists what was altered; no run begins until the"
                        " journal is restored from a backup"
                    ),
                )
            return begin_run(connection, self.random, **start)

    def set_phase(self, run: int, phase: str, facts: Facts | None = None) -> None:
        """Record the phase the run is in, and its facts so far."""
        self._update(run, {"phase": phase} | ({} if facts is None else _facts_columns(facts)))

    def set_mode(self, run: int, mode: Mode) -> None:
        """Record how 1C is read."""
        self._update(run, {"mode": mode.value})

    def save_facts(self, run: int, facts: Facts) -> None:
        """Replace the run's facts."""
        self._update(run, _facts_columns(facts))

    def finish(self, run: int, **end: Unpack[RunEnd]) -> str:
        """End a run: its counts into its facts, then the seal. Returns its digest in the chain."""
        return self._write(finish_run, run, self.signer, **end)

    def _update(self, run: int, values: dict[str, Any]) -> None:
        self._write(update_run, run, values)

    def add_differences(self, run: int, differences: Sequence[Difference]) -> None:
        """Record differences; their numbers are the caller's, from 1 without repetition."""
        self._write(insert_differences, run, differences)

    def update_differences(self, run: int, differences: Sequence[Difference]) -> None:
        """Replace recorded differences by number, whole."""
        self._write(replace_differences, run, differences)

    def hold(self, run: int, actions: Collection[Action] | None) -> int:
        """Hold what would be corrected, for these actions or (``None``) all; returns how many."""
        return self._write(hold_differences, run, actions)

    def differences(
        self,
        run: int,
        *,
        dispositions: Collection[Disposition] | None = None,
        actions: Collection[Action] | None = None,
        kinds: Collection[Kind] | None = None,
        batch: int = 1000,
    ) -> Iterator[list[Difference]]:
        """A run's differences by number, in batches, in flat memory.

        Each batch is read on its own, so they may be updated meanwhile.
        """
        return self._paged(
            lambda connection, after: page_of_differences(
                connection,
                run,
                after,
                batch,
                dispositions=dispositions,
                actions=actions,
                kinds=kinds,
            ),
            0,
            lambda last: last.number,
            batch,
        )

    def differences_by_number(self, run: int, numbers: Collection[int]) -> dict[int, Difference]:
        """Differences of a run by number; a few thousand numbers at most."""
        return self._read(difference_queries.numbered_differences, run, numbers)

    def count(self, run: int) -> Totals:
        """A run in numbers."""
        with self.reading() as connection:
            return totals_of(tallies(connection, run))

    def plan_digest(self, run: int) -> str:
        """The digest of the plan held: the same for the same held differences; '' for none."""
        return self._read(difference_queries.plan_digest, run)

    def linked_rows(self) -> set[str]:
        """Rows of other flows that counterparties of this one were linked to lately."""
        return self._read(difference_queries.linked_rows)

    def difference_digests(self, run: int, disposition: Disposition) -> set[str]:
        """Content digests (:func:`zvirka.journal.digests.content_digest`) of differences."""
        with self.reading() as connection:
            return set(difference_queries.content_digests(connection, run, disposition))

    def applied_by_approvals(self, held: int) -> set[str]:
        """Content digests of what approvals of the held run, cut off ones too, have applied."""
        return self._read(difference_queries.applied_by_approvals, held)

    def intend(
        self, run: int, items: Sequence[tuple[int, Correction]], now: datetime
    ) -> list[Correction]:
        """Put corrections on disk before the store is touched.

        ``items`` are difference numbers and corrections, whose ids are ignored. Returns the
        corrections in the same order with their ids.
        """
        return self._write(intend_corrections, run, items, now)

    def settle(self, run: int, outcomes: Sequence[Outcome], now: datetime) -> None:
        """Record the outcomes of corrections, durably.

        ``run`` settles them; the newest unsealed run does when it is sealed already, as that of an
        intent a dead run left may be. A correction may be settled again (applied, then read back)
        until the run that settled it is sealed.
        """
        self._write(settle_corrections, run, outcomes, now)

    def corrections(
        self, run: int, *, batch: int = 1000
    ) -> Iterator[list[tuple[int, Correction, Outcome]]]:
        """A run's corrections: difference number, correction, outcome; in flat memory."""
        return self._paged(
            lambda connection, after: page_of_corrections(connection, run, after, batch),
            (0, 0),
            lambda last: (last[0], last[1].id),
            batch,
        )

    def open_intents(self) -> list[tuple[int, int, Correction]]:
        """Corrections without an outcome: run, difference number, correction.

        Only the holder of the run lock knows that they are of runs that are no longer alive.
        """
        return self._read(difference_queries.open_intents)

    def get(self, run: int) -> RunRecord:
        """One run.

        Raises:
            NoSuchRunError: there is no run of that number.
        """
        with self.reading() as connection:
            row = queries.get_run(connection, run)
        if row is None:
            raise no_such_run(run)
        return row

    def runs(self, *, limit: int = 50, **asked: Unpack[queries.RunFilter]) -> list[RunRecord]:
        """Runs, newest first, those that pass the filter."""
        with self.reading() as connection:
            return queries.list_runs(connection, limit=limit, **asked)

    def running(self) -> list[RunRecord]:
        """Runs not ended, newest first; to the holder of the run lock they are dead ones."""
        return self._read(queries.list_runs, limit=1000, status=RunStatus.RUNNING)

    def held(self, now: datetime) -> list[RunRecord]:
        """Held runs that can be approved or rejected at that time, newest first."""
        return self._read(held_runs.waiting_runs, now, self.approval_expires)

    def decisions(self, runs: Collection[int], now: datetime) -> dict[int, Decision]:
        """What became, until that time, of those of the given runs that were held; by run."""
        return self._read(
            held_runs.decisions, runs, now, self.approval_expires, self.approvals_needed
        )

    def last_good(self, number: int) -> list[RunRecord]:
        """The last runs over everything that finished on a complete snapshot, newest first."""
        return self._read(queries.last_good, number)

    def last_seal(self) -> tuple[int, str] | None:
        """Number and digest of the run sealed last; ``None`` before the first."""
        return self._read(queries.last_seal)

    def head(self) -> Head | None:
        """What is anchored outside the journal; ``None`` before the first seal."""
        return self._read(chain_head)

    def history(self, *, key: str = "", ref: str = "") -> list[HistoryEntry]:
        """The life of one counterparty across runs, oldest first."""
        return self._read(difference_queries.history, key=key, ref=ref)

    def suppressions(self) -> dict[str, Suppression]:
        """All suppressions, by Ref_Key or, without one, by key."""
        return self._read(suppressions.read_suppressions)

    def put_suppressions(self, given: Iterable[Suppression]) -> None:
        """Add suppressions, or replace those of the same counterparty."""
        self._write(suppressions.put_suppressions, given)

    def drop_suppressions(self, idents: Iterable[str]) -> None:
        """Forget suppressions by Ref_Key or, without one, by key."""
        self._write(suppressions.drop_suppressions, idents)

    def pairings(self, batch: int = 5000) -> Iterator[list[Pairing]]:
        """All pairings (Ref_Key, key, row) by Ref_Key, in batches, in flat memory."""
        return self._paged(
            lambda connection, after: suppressions.read_pairings(connection, after, batch),
            "",
            lambda last: last[0],
            batch,
        )

    def put_pairings(self, pairings: Iterable[Pairing]) -> None:
        """Add pairings, or replace those of the same Ref_Key; unchanged ones cost a look."""
        self._write(suppressions.put_pairings, pairings)

    def drop_pairings(self, refs: Iterable[str]) -> None:
        """Forget pairings by Ref_Key."""
        self._write(suppressions.drop_pairings, refs)


def _facts_columns(facts: Facts) -> dict[str, Any]:
    return {"facts": canonical(msgspec.to_builtins(facts, enc_hook=stored))}

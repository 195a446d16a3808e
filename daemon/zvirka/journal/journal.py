"""The book: the one door to the journal, for the runs that write it and for all who read it.

A run is begun, filled, and finished; finishing seals it in the chain, and from then on none of its
rows change, except that prune empties personal values. Each call is one transaction, durable when
it returns. One run writes at a time (:mod:`zvirka.journal.run_lock`); readers are free.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

import msgspec
from sqlalchemy import Connection, Engine, func, insert, select, update

from zvirka.domain import Action, Correction, Difference, Disposition, Kind, Outcome
from zvirka.errors import AlteredJournalError, JournalError, NoSuchRunError, ZvirkaError
from zvirka.journal import held_runs, queries, suppressions
from zvirka.journal.bulk_writes import among, insert_rows, update_rows
from zvirka.journal.chain import altered_memory
from zvirka.journal.column_types import canonical, plain
from zvirka.journal.database import WRITES, open_engine
from zvirka.journal.error_messages import guarded
from zvirka.journal.held_runs import Decision
from zvirka.journal.queries import HistoryEntry, Totals
from zvirka.journal.row_mapping import correction_record, difference_record, settlement_record
from zvirka.journal.run_facts import Facts
from zvirka.journal.sealing import CHAIN, CORRECTION, DIFFERENCE, RUN, seal
from zvirka.journal.signing import Signer, read_signer
from zvirka.journal.suppressions import Pairing, Suppression
from zvirka.journal.tables import RunRow
from zvirka.settings.model import Settings

FINAL = ("finished", "failed", "held", "interrupted")
"""The statuses a run can end with."""


def open_journal(settings: Settings) -> Journal:
    """Open the journal; create it, or bring its schema up to date, where that is needed.

    Raises:
        SettingsError: ``journal.url`` or ``report.signing_key_file`` cannot be used.
        JournalError: it cannot be reached or written, or a newer zvirka made it.
    """
    path = settings.report.signing_key_file
    signer = read_signer(path) if path else None
    engine, name = open_engine(settings)
    return Journal(engine, name, signer, approval_expires=settings.policy.approval_expires)


class Journal:
    """The journal. ``name`` says where it is; every method may raise :class:`JournalError`.

    Args:
        engine: as :func:`zvirka.journal.database.open_engine` makes it.
        name: where the journal is, for messages.
        signer: signs sealed runs when given.
        random: gives that many random bytes, for the salts.
        approval_expires: how long after its end a held run can be approved or rejected.
    """

    def __init__(
        self,
        engine: Engine,
        name: str,
        signer: Signer | None = None,
        random: Callable[[int], bytes] = os.urandom,
        approval_expires: timedelta = timedelta(days=30),
    ) -> None:
        self.engine = engine
        self.name = name
        self._signer = signer
        self._random = random
        self.approval_expires = approval_expires

    def close(self) -> None:
        """Give back connections."""
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

    # -- the course of a run ---------------------------------------------------------------------

    def begin(
        self,
        *,
        command: str,
        trigger: str,
        who: str,
        reason: str,
        now: datetime,
        parent: int | None = None,
        fingerprint: str = "",
    ) -> int:
        """Begin a run and return its number. Numbers have no gaps: a missing one was removed."""
        with self.writing() as connection:
            return self.begin_on(
                connection,
                command=command,
                trigger=trigger,
                who=who,
                reason=reason,
                now=now,
                parent=parent,
                fingerprint=fingerprint,
            )

    def begin_on(
        self, connection: Connection, *, now: datetime, parent: int | None = None, **words: str
    ) -> int:
        """:meth:`begin` within a transaction of the caller's."""
        begun = connection.execute(select(CHAIN.c.begun).with_for_update()).scalar_one()
        self._refuse_altered_memory(connection)
        run = int(begun) + 1
        salt = self._random(32).hex()
        record: dict[str, Any] = {
            **{name: plain(word) for name, word in words.items()},
            "id": run,
            "started_at": now,
            "parent": parent,
            "status": "running",
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

    def set_phase(self, run: int, phase: str, facts: Facts | None = None) -> None:
        """Note the phase the run is in, and what is known of its circumstances by then."""
        known = {} if facts is None else {"facts": canonical(msgspec.to_builtins(facts))}
        self._set(run, {"phase": phase, **known})

    def set_mode(self, run: int, mode: str) -> None:
        """Note how 1C is read: full, light or targeted."""
        self._set(run, {"mode": mode})

    def save_facts(self, run: int, facts: Facts) -> None:
        """Replace what is known of the run's circumstances."""
        self._set(run, {"facts": canonical(msgspec.to_builtins(facts))})

    def finish(
        self,
        run: int,
        *,
        status: str,
        exit_code: int,
        now: datetime,
        error: ZvirkaError | Mapping[str, str] | None = None,
        plan_digest: str = "",
    ) -> str:
        """End a run with one of :data:`FINAL`: totals into its facts, then the seal.

        Returns:
            The run's digest in the chain.
        """
        with self.writing() as connection:
            return self.finish_on(
                connection,
                run,
                status=status,
                exit_code=exit_code,
                now=now,
                error=error,
                plan_digest=plan_digest,
            )

    def finish_on(
        self,
        connection: Connection,
        run: int,
        *,
        status: str,
        exit_code: int,
        now: datetime,
        error: ZvirkaError | Mapping[str, str] | None = None,
        plan_digest: str = "",
    ) -> str:
        """:meth:`finish` within a transaction of the caller's."""
        if status not in FINAL:
            raise ValueError(f"a run does not end as {status}")
        self._open_run(connection, run)
        facts = connection.execute(select(RUN.c.facts).where(RUN.c.id == run)).scalar_one()
        counted = queries.totals(connection, run)
        for name in ("causes", "kinds", "actions", "outcomes", "remaining"):
            facts[name] = getattr(counted, name)
        connection.execute(
            update(RUN)
            .where(RUN.c.id == run)
            .values(
                status=status,
                exit_code=int(exit_code),
                finished_at=now,
                error=canonical(_words(error)),
                plan_digest=plan_digest,
                facts=canonical(facts),
            )
        )
        return seal(connection, run, self._signer)

    # -- differences -----------------------------------------------------------------------------

    def add_differences(self, run: int, differences: Sequence[Difference]) -> None:
        """Record differences; their numbers are the caller's, from 1 without repetition."""
        if not differences:
            return
        with self.writing() as connection:
            salt = self._open_run(connection, run)
            insert_rows(
                connection,
                DIFFERENCE,
                [difference_record(run, salt, one) for one in differences],
            )

    def update_differences(self, run: int, differences: Sequence[Difference]) -> None:
        """Replace recorded differences by number, whole."""
        if not differences:
            return
        with self.writing() as connection:
            salt = self._open_run(connection, run)
            records = [difference_record(run, salt, one) for one in differences]
            update_rows(connection, DIFFERENCE, ("run_id", "number"), records)

    def hold(self, run: int, actions: Collection[Action] | None) -> int:
        """Hold what would be corrected, for these actions or (``None``) all; returns how many."""
        d = DIFFERENCE.c
        with self.writing() as connection:
            self._open_run(connection, run)
            statement = update(DIFFERENCE).where(
                d.run_id == run, d.disposition == Disposition.CORRECT.value
            )
            if actions is not None:
                statement = statement.where(d.action.in_([action.value for action in actions]))
            result = connection.execute(statement.values(disposition=Disposition.HELD.value))
            return int(result.rowcount)

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
        after = 0
        while True:
            with self.reading() as connection:
                page = queries.page_of_differences(
                    connection,
                    run,
                    after,
                    batch,
                    dispositions=dispositions,
                    actions=actions,
                    kinds=kinds,
                )
            if page:
                yield page
            if len(page) < batch:
                return
            after = page[-1].number

    def differences_by_number(self, run: int, numbers: Collection[int]) -> dict[int, Difference]:
        """Differences of a run by number; a few thousand numbers at most."""
        with self.reading() as connection:
            return queries.numbered_differences(connection, run, numbers)

    def count(self, run: int) -> Totals:
        """A run in numbers."""
        with self.reading() as connection:
            return queries.totals(connection, run)

    def plan_digest(self, run: int) -> str:
        """The digest of the plan held: the same for the same held differences; '' for none."""
        with self.reading() as connection:
            return queries.plan_digest(connection, run)

    def difference_digests(self, run: int, disposition: Disposition) -> set[str]:
        """Content digests (:func:`zvirka.journal.digests.content_digest`) of differences."""
        with self.reading() as connection:
            return set(queries.content_digests(connection, run, disposition))

    def applied_by_approvals(self, held: int) -> set[str]:
        """Content digests of what approvals of the held run, cut off ones too, have applied."""
        with self.reading() as connection:
            return queries.applied_by_approvals(connection, held)

    # -- corrections -----------------------------------------------------------------------------

    def intend(
        self, run: int, items: Sequence[tuple[int, Correction]], now: datetime
    ) -> list[Correction]:
        """Put corrections on disk before the store is touched, and number them.

        Args:
            run: the run that is going to try them.
            items: difference number and correction (whose id is ignored).
            now: aware.

        Returns:
            The corrections in the same order, ids filled in, durable by now.
        """
        if not items:
            return []
        with self.writing() as connection:
            salt = self._open_run(connection, run)
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

    def settle(self, run: int, outcomes: Sequence[Outcome], now: datetime) -> None:
        """Say what became of corrections, durably.

        Args:
            run: the run that settles them. For intents a dead run left this may be that run; when
                it is sealed already, the newest unsealed run answers for the outcome.
            outcomes: final ones; a correction may be settled again (applied, then read back)
                until the run that settled it is sealed.
            now: aware.
        """
        if not outcomes:
            return
        with self.writing() as connection:
            settled_by = self._settling_run(connection, run)
            records = [settlement_record(settled_by, one, now) for one in outcomes]
            self._refuse_sealed_outcomes(connection, [one.correction for one in outcomes])
            update_rows(connection, CORRECTION, ("id",), records)

    def corrections(
        self, run: int, *, batch: int = 1000
    ) -> Iterator[list[tuple[int, Correction, Outcome]]]:
        """A run's corrections: difference number, correction, outcome; in flat memory."""
        after = (0, 0)
        while True:
            with self.reading() as connection:
                page = queries.page_of_corrections(connection, run, after, batch)
            if page:
                yield page
            if len(page) < batch:
                return
            after = (page[-1][0], page[-1][1].id)

    def open_intents(self) -> list[tuple[int, int, Correction]]:
        """Corrections without an outcome: run, difference number, correction.

        Only the holder of the run lock knows that they are of runs that are no longer alive.
        """
        with self.reading() as connection:
            return queries.open_intents(connection)

    # -- runs ------------------------------------------------------------------------------------

    def get(self, run: int) -> RunRow:
        """One run.

        Raises:
            NoSuchRunError: there is none of that number.
        """
        with self.reading() as connection:
            row = queries.get_run(connection, run)
        if row is None:
            raise self._no_run(run)
        return row

    def runs(
        self,
        *,
        limit: int = 50,
        before: int | None = None,
        command: str | None = None,
        status: str | None = None,
    ) -> list[RunRow]:
        """Runs, newest first; ``before`` is the number the page before ended with."""
        with self.reading() as connection:
            return queries.list_runs(
                connection, limit=limit, before=before, command=command, status=status
            )

    def running(self) -> list[RunRow]:
        """Runs not ended, newest first; to the holder of the run lock they are dead ones."""
        with self.reading() as connection:
            return queries.list_runs(connection, limit=1000, status="running")

    def held(self, now: datetime) -> list[RunRow]:
        """Held runs that can be approved or rejected at that time, newest first."""
        with self.reading() as connection:
            return held_runs.waiting_runs(connection, now, self.approval_expires)

    def decisions(self, runs: Collection[int], now: datetime) -> dict[int, Decision]:
        """What became, until that time, of those of the given runs that were held; by run."""
        with self.reading() as connection:
            return held_runs.decisions(connection, runs, now, self.approval_expires)

    def last_good(self, number: int) -> list[RunRow]:
        """The last runs over everything that finished on a complete snapshot, newest first."""
        with self.reading() as connection:
            return queries.last_good(connection, number)

    def history(self, *, key: str = "", ref: str = "") -> list[HistoryEntry]:
        """The life of one counterparty across runs, oldest first."""
        with self.reading() as connection:
            return queries.history(connection, key=key, ref=ref)

    # -- what the next runs must remember --------------------------------------------------------

    def standings(self) -> dict[str, Suppression]:
        """All standings, by Ref_Key or, without one, by key."""
        with self.reading() as connection:
            return suppressions.read_standings(connection)

    def put_standings(self, standings: Iterable[Suppression]) -> None:
        """Add standings, or replace those of the same counterparty."""
        with self.writing() as connection:
            suppressions.put_standings(connection, standings)

    def drop_standings(self, idents: Iterable[str]) -> None:
        """Forget standings by Ref_Key or, without one, by key."""
        with self.writing() as connection:
            suppressions.drop_standings(connection, idents)

    def pairings(self, batch: int = 5000) -> Iterator[list[Pairing]]:
        """All pairings (Ref_Key, key, row) by Ref_Key, in batches, in flat memory."""
        after = ""
        while True:
            with self.reading() as connection:
                page = suppressions.read_pairings(connection, after, batch)
            if page:
                yield page
            if len(page) < batch:
                return
            after = page[-1][0]

    def put_pairings(self, pairings: Iterable[Pairing]) -> None:
        """Add pairings, or replace those of the same Ref_Key; unchanged ones cost a look."""
        with self.writing() as connection:
            suppressions.put_pairings(connection, pairings)

    def drop_pairings(self, refs: Iterable[str]) -> None:
        """Forget pairings by Ref_Key."""
        with self.writing() as connection:
            suppressions.drop_pairings(connection, refs)

    # -- guards ----------------------------------------------------------------------------------

    def _set(self, run: int, values: dict[str, Any]) -> None:
        with self.writing() as connection:
            self._open_run(connection, run)
            connection.execute(update(RUN).where(RUN.c.id == run).values(values))

    def _open_run(self, connection: Connection, run: int) -> str:
        """The salt of a run that may still be written."""
        row = connection.execute(select(RUN.c.salt, RUN.c.seal).where(RUN.c.id == run)).first()
        if row is None:
            raise self._no_run(run)
        if row.seal is not None:
            raise JournalError(
                f"run {run} is sealed and cannot be written any more",
                place=self.name,
                remedy="begin a new run",
            )
        return str(row.salt)

    def _settling_run(self, connection: Connection, run: int) -> int:
        unsealed = RUN.c.seal.is_(None)
        given = connection.execute(select(RUN.c.id).where(RUN.c.id == run, unsealed)).scalar()
        newest = connection.execute(select(func.max(RUN.c.id)).where(unsealed)).scalar()
        if given is None and newest is None:
            raise JournalError(
                f"run {run} is sealed, and no run has begun that could answer for the outcomes",
                place=self.name,
                remedy="begin a run before settling",
            )
        return int(given or newest or 0)

    def _refuse_sealed_outcomes(self, connection: Connection, corrections: list[int]) -> None:
        c = CORRECTION.c
        for start in range(0, len(corrections), 5000):
            sealed = connection.execute(
                select(c.id)
                .join(RUN, RUN.c.id == c.settled_by)
                .where(
                    among(connection, c.id, corrections[start : start + 5000]),
                    RUN.c.seal.is_not(None),
                )
                .limit(1)
            ).scalar()
            if sealed is not None:
                raise JournalError(
                    f"the outcome of correction {sealed} is sealed",
                    place=self.name,
                    remedy="begin a new run",
                )

    def _refuse_altered_memory(self, connection: Connection) -> None:
        """No run begins on it: the seal of that run would make it look genuine."""
        for problem in altered_memory(connection):
            raise AlteredJournalError(
                problem.text,
                place=self.name,
                remedy="`zvirka audit verify` lists what was altered; no run begins until the"
                " journal is restored from a backup",
            )

    def _no_run(self, run: int) -> NoSuchRunError:
        return NoSuchRunError(
            f"there is no run {run}", place=self.name, remedy="see `zvirka runs` for their numbers"
        )


def _words(error: ZvirkaError | Mapping[str, str] | None) -> dict[str, str]:
    if isinstance(error, ZvirkaError):
        return {"cause": error.cause, "place": error.place, "remedy": error.remedy}
    return dict(error or {})

"""One run, from the lock to the report. Every trigger comes through :func:`perform`.

The phases, in order: preflight, pull, scan, diff and confirm, guard, apply, verify, report. A
plan ends before apply and constructs no writer.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

import msgspec
from loguru import logger

from zvirka.counterparty import Action, Correction, Disposition
from zvirka.erp.store import Store
from zvirka.errors import ExitCode, RunInterrupted, SettingsError, ZvirkaError
from zvirka.journal.facts import Facts
from zvirka.journal.lock import run_lock
from zvirka.onec.source import Source
from zvirka.reconcile import (
    applying,
    approving,
    guarding,
    recovering,
    targeting,
    undoing,
    verifying,
)
from zvirka.reconcile.circumstances import facts_of, note_snapshot, note_traffic
from zvirka.reconcile.confirming import confirm
from zvirka.reconcile.ground import Ground
from zvirka.reconcile.house import House
from zvirka.reconcile.matching import Matching
from zvirka.reconcile.mirror import Mirror
from zvirka.reconcile.pull import canaries_missing, pull, renew
from zvirka.reconcile.request import Request, Summary
from zvirka.reconcile.scanning import Scan
from zvirka.reconcile.snapshot import CompleteSnapshot, PartialSnapshot, Snapshot
from zvirka.reconcile.staging import Staging
from zvirka.reconcile.summing import summary_of, write_report


def perform(house: House, request: Request) -> Summary:
    """Perform one run and return how it ended.

    A failure on the way (1C, the store, the staging) is a failed run with its report, not an
    exception.

    Raises:
        LockHeldError: another run is under way.
        UsageError: the request names what is not there; nothing was begun.
        JournalError: the journal itself cannot be used.
    """
    with run_lock(
        house.settings, who=request.who, command=request.command, wait=request.wait
    ) as lock:
        house = dataclasses.replace(house, still_ours=lock.check)
        _check(house, request)
        run = house.book.begin(
            command=request.command,
            trigger=request.trigger,
            who=request.who,
            reason=request.reason,
            now=house.now(),
            parent=request.parent,
            fingerprint=house.fingerprint(),
        )
        with logger.contextualize(run=run):
            return _Run(house, request, run).perform()


def _check(house: House, request: Request) -> None:
    if request.command in {"approve", "reject"}:
        approving.held_run(house.book, request)
    if request.command == "undo":
        assert request.parent is not None
        undoing.check_undoable(house.book, request.parent)


class _Run:
    """The run under way: its number, its facts, and where it stands."""

    def __init__(self, house: House, request: Request, run: int) -> None:
        self._house = house
        self._request = request
        self._run = run
        self._facts: Facts = facts_of(house)
        self._began = time.monotonic()
        self._suspected = 0

    def perform(self) -> Summary:
        """Go through the phases; whatever happens, end the run in the journal and report it."""
        logger.info("run begins", command=self._request.command, trigger=self._request.trigger)
        try:
            status, code = self._phases()
        except RunInterrupted as error:
            return self._end("interrupted", ExitCode.FAILED, error)
        except ZvirkaError as error:
            return self._end("failed", error.exit_code, error)
        except Exception:
            logger.exception("unexpected error")
            self._end("failed", ExitCode.FAILED, _UNEXPECTED)
            raise
        except BaseException:
            self._end("interrupted", ExitCode.FAILED, _STOPPED)
            raise
        return self._end(status, code, None)

    def _end(self, status: str, code: ExitCode | None, error: ZvirkaError | None) -> Summary:
        house, run = self._house, self._run
        house.book.save_facts(run, self._facts)
        if code is None:
            left = house.book.count(run).remaining + self._suspected
            code = ExitCode.DIFFERENCES if left else ExitCode.IN_SYNC
        held = house.book.plan_digest(run) if status == "held" else ""
        house.book.finish(
            run, status=status, exit_code=code, now=house.now(), error=error, plan_digest=held
        )
        with self._phase("report", note=False):
            reports, trouble = write_report(house, run)
        house.progress.done()
        summary = summary_of(house.book.get(run), reports, time.monotonic() - self._began, trouble)
        logger.info(
            "run ends",
            status=summary.status,
            exit_code=summary.exit_code,
            remaining=summary.remaining,
            cause=error.cause if error is not None else "",
        )
        if error is None:
            return summary
        kind, passing = type(error).__name__, error.passing
        return msgspec.structs.replace(summary, kind=kind, passing=passing)

    @contextmanager
    def _phase(self, name: str, total: int | None = None, *, note: bool = True) -> Iterator[None]:
        house = self._house
        if note:
            house.tick()
        began = time.monotonic()
        house.progress.phase(name, total)
        if note:
            house.book.set_phase(self._run, name, self._facts)
        with logger.contextualize(phase=name):
            try:
                yield
            finally:
                spent = time.monotonic() - began
                self._facts.seconds[name] = round(spent, 3)
                logger.debug("phase ends", seconds=round(spent, 3))

    # -- the story ---------------------------------------------------------------------------

    def _phases(self) -> tuple[str, ExitCode | None]:
        """The status the run ends with, and its exit code where the counts do not decide."""
        house, request = self._house, self._request
        with self._phase("recover"):
            self._facts.recovered = recovering.recover(house, self._run)
        if request.command == "reject":
            return "finished", ExitCode.IN_SYNC
        with closing(house.open_store()) as store:
            self._facts.store = store.name
            self._check_policy(store)
            if request.command == "undo":
                assert request.parent is not None
                with self._phase("apply"):
                    undoing.undo(house, self._run, store, request.parent, request.targets)
                return "finished", None
            with (
                house.open_source() as source,
                closing(Staging(house.staging_dir, house.mapping)) as staging,
            ):
                try:
                    return self._compare_and_correct(source, store, staging)
                finally:
                    note_traffic(self._facts, source.traffic)

    def _check_policy(self, store: Store) -> None:
        if self._house.settings.policy.deletion_mark == "deactivate" and not store.soft_delete:
            raise SettingsError(
                "the store deletes for good, so a deletion mark cannot mean deactivate",
                place="policy.deletion_mark",
                remedy='set [erp.delete] mode = "soft" with its column, or another policy',
            )

    def _compare_and_correct(
        self, source: Source, store: Store, staging: Staging
    ) -> tuple[str, ExitCode | None]:
        house, request = self._house, self._request
        mirror = Mirror(staging)
        matching = Matching(staging, marks_count=house.settings.policy.deletion_mark != "keep")
        if not store.has_ref:
            matching.pairing.remember(house.book.pairings())
        ground = Ground(
            house=house,
            run=self._run,
            request=request,
            facts=self._facts,
            source=source,
            store=store,
            mirror=mirror,
            matching=matching,
            snapshot=PartialSnapshot(0, ("nothing was pulled yet",)),
            standings=house.book.standings(),
        )
        if ground.targeted:
            house.book.set_mode(self._run, "targeted")
            with self._phase("confirm"):
                source.preflight()
                targeting.resync(ground, request.targets)
        else:
            self._stage_both_sides(ground)
            with self._phase("confirm"):
                confirm(ground)
            self._suspected = ground.suspected
            if ground.suspected:
                self._facts.warnings.append(
                    f"{ground.suspected} clients look absent from 1C, but the snapshot is partial"
                )
        with self._phase("guard"):
            self._guard(ground)
        if request.command == "plan":
            return "finished", None
        self._correct(ground)
        if not ground.targeted:
            self._agree(ground)
        if self._facts.held:
            return "held", ExitCode.HELD
        return "finished", None

    def _stage_both_sides(self, ground: Ground) -> None:
        house, facts = self._house, self._facts
        scan = Scan(ground.store, ground.matching)
        with self._phase("preflight"):
            counted = ground.source.preflight()
            facts.source_count_before = counted
        with self._phase("pull", counted):
            facts.snapshot_from = house.now().isoformat()
            pulled = pull(
                house,
                ground.source,
                ground.mirror,
                counted=counted,
                full=self._request.full,
                now=house.now(),
                scan=scan,
            )
            facts.snapshot_to = house.now().isoformat()
            facts.source_count_after = pulled.counted
            facts.fetched = pulled.fetched
            ground.mode = pulled.mode
            house.book.set_mode(self._run, pulled.mode)
            ground.snapshot = self._with_canaries(ground, pulled.snapshot)
            note_snapshot(facts, ground.snapshot)
        with self._phase("scan"):
            scan.finish(house)
        with self._phase("diff"):
            scan.pair(house)
            facts.store_rows, facts.store_active = ground.matching.counts()

    def _with_canaries(self, ground: Ground, snapshot: Snapshot) -> Snapshot:
        missing = canaries_missing(self._house, ground.mirror)
        if not missing:
            return snapshot
        reason = f"canaries are missing: {', '.join(missing)}"
        before = snapshot.reasons if isinstance(snapshot, PartialSnapshot) else ()
        return PartialSnapshot(snapshot.rows, (*before, reason))

    def _guard(self, ground: Ground) -> None:
        if self._request.command == "approve":
            assert self._request.parent is not None
            approving.narrow_to_approved(ground, self._request.parent)
        elif not ground.targeted or self._request.trigger == "feed":
            self._facts.held = guarding.guard(ground)

    def _correct(self, ground: Ground) -> None:
        house = self._house
        todo = house.book.count(self._run).dispositions.get(Disposition.CORRECT, 0)
        if not todo:
            return
        with self._phase("apply", todo):
            writer = house.open_writer(lambda correction: self._still_says(ground, correction))
            with closing(writer):
                applying.apply(house, self._run, ground.store, writer)
        with self._phase("verify", todo):
            verifying.verify(ground)

    def _still_says(self, ground: Ground, correction: Correction) -> bool:
        """Whether 1C, asked just now, still wants what a webhook is about to say."""
        if not correction.ref:
            return True
        there = correction.ref in renew(self._house, ground.source, ground.mirror, [correction.ref])
        if correction.action is Action.DELETE:
            if not there:
                return not ground.source.exists(correction.ref)
            party = ground.mirror.counterparties([correction.ref])[correction.ref]
            return ground.marks_count and party.deletion_mark
        if not there:
            return False
        party = ground.mirror.counterparties([correction.ref])[correction.ref]
        return all(
            (party.values.get(name) or "") == (value or "")
            for name, value in correction.after.items()
        )

    def _agree(self, ground: Ground) -> None:
        """Remember on what both sides agree: the third side of the next run's causes."""
        with self._phase("agree"):
            ground.matching.agree(tidy=ground.mode == "full")
            if not ground.store.has_ref:
                for batch in ground.matching.agreed_pairings():
                    self._house.book.put_pairings(batch)
                if ground.mode == "full" and isinstance(ground.snapshot, CompleteSnapshot):
                    for gone in ground.matching.pairing.gone_from_both():
                        self._house.book.drop_pairings(gone)


_UNEXPECTED = ZvirkaError(
    "an unexpected error ended the run",
    place="see the log",
    remedy="report it with the log; the next run settles what was under way",
)
_STOPPED = ZvirkaError(
    "the process was told to stop",
    place="see the log",
    remedy="the next run settles what was under way and plans anew",
)

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

from zvirka.domain import Action, Correction, Disposition
from zvirka.erp.protocol import Store
from zvirka.errors import ExitCode, RunInterrupted, SettingsError, ZvirkaError
from zvirka.journal.run_facts import Facts
from zvirka.journal.run_lock import run_lock
from zvirka.onec.protocol import Source
from zvirka.reconcile import (
    applying,
    approving,
    guarding,
    recovering,
    rejecting,
    suppressing,
    targeting,
    undoing,
    verifying,
)
from zvirka.reconcile.confirming import confirm
from zvirka.reconcile.environment import Environment
from zvirka.reconcile.pull import canaries_missing, pull, renew
from zvirka.reconcile.request import Request, Summary
from zvirka.reconcile.run_conditions import facts_of, note_snapshot, note_traffic
from zvirka.reconcile.run_context import RunContext
from zvirka.reconcile.run_summary import summary_of, write_report
from zvirka.reconcile.scanning import Scan
from zvirka.reconcile.snapshot import CompleteSnapshot, PartialSnapshot, Snapshot
from zvirka.staging.candidates import Candidates
from zvirka.staging.database import Staging
from zvirka.staging.source_mirror import SourceMirror


def perform(environment: Environment, request: Request) -> Summary:
    """Perform one run and return how it ended.

    A failure on the way (1C, the store, the staging) is a failed run with its report, not an
    exception.

    Raises:
        LockHeldError: another run is under way.
        UsageError: the request names what is not there; nothing was begun.
        JournalError: the journal itself cannot be used.
    """
    with run_lock(
        environment.settings, who=request.who, command=request.command, wait=request.wait
    ) as lock:
        environment = dataclasses.replace(environment, still_ours=lock.check)
        _check(environment, request)
        run = environment.journal.begin(
            command=request.command,
            trigger=request.trigger,
            who=request.who,
            reason=request.reason,
            now=environment.now(),
            parent=request.parent,
            fingerprint=environment.fingerprint(),
        )
        with logger.contextualize(run=run):
            return _Run(environment, request, run).perform()


def _check(environment: Environment, request: Request) -> None:
    if request.command in {"approve", "reject"}:
        approving.check_answerable(environment.journal, request, environment.now())
    if request.command == "reject":
        rejecting.check_rejectable(environment.journal, request)
    if request.command == "undo":
        assert request.parent is not None
        undoing.check_undoable(environment.journal, request.parent)


class _Run:
    """The run under way: its number, its facts, and where it stands."""

    def __init__(self, environment: Environment, request: Request, run: int) -> None:
        self._house = environment
        self._request = request
        self._run = run
        self._facts: Facts = facts_of(environment)
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
        environment, run = self._house, self._run
        environment.journal.save_facts(run, self._facts)
        if code is None:
            left = environment.journal.count(run).remaining + self._suspected
            code = ExitCode.DIFFERENCES if left else ExitCode.IN_SYNC
        held = environment.journal.plan_digest(run) if status == "held" else ""
        environment.journal.finish(
            run, status=status, exit_code=code, now=environment.now(), error=error, plan_digest=held
        )
        with self._phase("report", note=False):
            reports, trouble = write_report(environment, run)
        environment.progress.done()
        summary = summary_of(
            environment.journal.get(run), reports, time.monotonic() - self._began, trouble
        )
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
        environment = self._house
        if note:
            environment.tick()
        began = time.monotonic()
        environment.progress.phase(name, total)
        if note:
            environment.journal.set_phase(self._run, name, self._facts)
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
        environment, request = self._house, self._request
        with self._phase("recover"):
            self._facts.recovered = recovering.recover(environment, self._run)
        if request.command == "reject":
            rejecting.reject(environment, self._run, request)
            return "finished", None
        with closing(environment.open_store()) as store:
            self._facts.store = store.name
            self._check_policy(store)
            if request.command == "undo":
                assert request.parent is not None
                with self._phase("apply"):
                    undoing.undo(environment, self._run, store, request.parent, request.targets)
                return "finished", None
            with (
                environment.open_source() as source,
                closing(Staging(environment.staging_dir, environment.mapping)) as staging,
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
        environment, request = self._house, self._request
        mirror = SourceMirror(staging)
        matching = Candidates(
            staging, marks_count=environment.settings.policy.deletion_mark != "keep"
        )
        if not store.has_ref:
            matching.pairing.remember(environment.journal.pairings())
        context = RunContext(
            environment=environment,
            run=self._run,
            request=request,
            facts=self._facts,
            source=source,
            store=store,
            mirror=mirror,
            matching=matching,
            snapshot=PartialSnapshot(0, ("nothing was pulled yet",)),
            standings=environment.journal.standings(),
        )
        if context.targeted:
            environment.journal.set_mode(self._run, "targeted")
            with self._phase("confirm"):
                source.preflight()
                targeting.resync(context, request.targets)
        else:
            self._stage_both_sides(context)
            with self._phase("confirm"):
                confirm(context)
            self._suspected = context.suspected
            if context.suspected:
                self._facts.warnings.append(
                    f"{context.suspected} clients look absent from 1C, but the snapshot is partial"
                )
        with self._phase("guard"):
            self._guard(context)
        if request.command == "plan":
            return "finished", None
        self._correct(context)
        self._forget_settled(context)
        if not context.targeted:
            self._agree(context)
        if self._facts.held:
            return "held", ExitCode.HELD
        return "finished", None

    def _stage_both_sides(self, context: RunContext) -> None:
        environment, facts = self._house, self._facts
        scan = Scan(context.store, context.matching)
        with self._phase("preflight"):
            counted = context.source.preflight()
            facts.source_count_before = counted
        with self._phase("pull", counted):
            facts.snapshot_from = environment.now().isoformat()
            pulled = pull(
                environment,
                context.source,
                context.mirror,
                counted=counted,
                full=self._request.full,
                now=environment.now(),
                scan=scan,
            )
            facts.snapshot_to = environment.now().isoformat()
            facts.source_count_after = pulled.counted
            facts.fetched = pulled.fetched
            context.mode = pulled.mode
            environment.journal.set_mode(self._run, pulled.mode)
            context.snapshot = self._with_canaries(context, pulled.snapshot)
            note_snapshot(facts, context.snapshot)
        with self._phase("scan"):
            scan.finish(environment)
        with self._phase("diff"):
            scan.pair(environment)
            facts.store_rows, facts.store_active = context.matching.counts()

    def _with_canaries(self, context: RunContext, snapshot: Snapshot) -> Snapshot:
        missing = canaries_missing(self._house, context.mirror)
        if not missing:
            return snapshot
        reason = f"canaries are missing: {', '.join(missing)}"
        before = snapshot.reasons if isinstance(snapshot, PartialSnapshot) else ()
        return PartialSnapshot(snapshot.rows, (*before, reason))

    def _guard(self, context: RunContext) -> None:
        if self._request.command == "approve":
            assert self._request.parent is not None
            self._facts.changed_meanwhile = approving.narrow_to_approved(
                context, self._request.parent, suspected=context.suspected
            )
        elif not context.targeted or self._request.trigger == "feed":
            self._facts.held = guarding.guard(
                context,
                context.planned,
                store_active=self._facts.store_active,
                source_rows=self._facts.source_rows,
            )

    def _correct(self, context: RunContext) -> None:
        environment = self._house
        todo = environment.journal.count(self._run).dispositions.get(Disposition.CORRECT, 0)
        if not todo:
            return
        with self._phase("apply", todo):
            writer = environment.open_writer(
                lambda correction: self._still_says(context, correction)
            )
            with closing(writer):
                applying.apply(environment, self._run, context.store, writer)
        with self._phase("verify", todo):
            verifying.verify(context)

    def _still_says(self, context: RunContext, correction: Correction) -> bool:
        """Whether 1C, asked just now, still wants what a webhook is about to say."""
        if not correction.ref:
            return True
        there = correction.ref in renew(
            self._house, context.source, context.mirror, [correction.ref]
        )
        if correction.action is Action.DELETE:
            if not there:
                return not context.source.exists(correction.ref)
            party = context.mirror.counterparties([correction.ref])[correction.ref]
            return context.marks_count and party.deletion_mark
        if not there:
            return False
        party = context.mirror.counterparties([correction.ref])[correction.ref]
        return all(
            (party.values.get(name) or "") == (value or "")
            for name, value in correction.after.items()
        )

    def _forget_settled(self, context: RunContext) -> None:
        if context.targeted:
            suppressing.forget_settled(context, context.asked)
        elif isinstance(context.snapshot, CompleteSnapshot):
            suppressing.forget_settled(context, context.standings)

    def _agree(self, context: RunContext) -> None:
        """Remember on what both sides agree: the third side of the next run's causes."""
        with self._phase("agree"):
            context.matching.agree(tidy=context.mode == "full")
            if not context.store.has_ref:
                for batch in context.matching.agreed_pairings():
                    self._house.journal.put_pairings(batch)
                if context.mode == "full" and isinstance(context.snapshot, CompleteSnapshot):
                    for gone in context.matching.pairing.gone_from_both():
                        self._house.journal.drop_pairings(gone)


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

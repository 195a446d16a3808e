"""One run, from the lock to the report; every trigger calls :func:`perform`.

The phases, in order: recover, preflight, pull, scan, diff, confirm, guard, apply, verify, agree,
report. Each returns what it found; the facts of the run are filled here. A plan ends before apply
and constructs no writer.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial

import msgspec
from loguru import logger

from zvirka.domain import Command, Disposition, Mode, RunStatus, Trigger
from zvirka.erp.protocol import Store
from zvirka.errors import ExitCode, RunInterrupted, ZvirkaError
from zvirka.journal.run_facts import Facts
from zvirka.journal.run_lock import run_lock
from zvirka.message import Message, coded, plural
from zvirka.onec.protocol import Source
from zvirka.policy import Policy
from zvirka.reconcile import (
    applying,
    approving,
    endorsing,
    guarding,
    recovering,
    rejecting,
    suppressing,
    undoing,
    verifying,
)
from zvirka.reconcile.admission import admitted, check_policy
from zvirka.reconcile.anchoring import anchor
from zvirka.reconcile.confirming import Confirmed, confirm, still_wanted
from zvirka.reconcile.environment import Environment
from zvirka.reconcile.key_plausibility import require_right_key
from zvirka.reconcile.noting import note_schema, note_settings
from zvirka.reconcile.pull import RESTRICTED, pull
from zvirka.reconcile.request import Request, Summary
from zvirka.reconcile.run_beats import BeatingProgress
from zvirka.reconcile.run_conditions import facts_of, note_snapshot, note_traffic
from zvirka.reconcile.run_context import RunContext
from zvirka.reconcile.run_summary import keep_earlier_reports, summary_of, write_report
from zvirka.reconcile.scanning import Scan
from zvirka.reconcile.snapshot import CompleteSnapshot, NamedOnly, PartialSnapshot, Snapshot
from zvirka.reconcile.targeting import Named, stage_named
from zvirka.staging.agreement import Agreement
from zvirka.staging.candidates import Candidates
from zvirka.staging.database import Staging
from zvirka.staging.source_mirror import SourceMirror


def perform(environment: Environment, request: Request) -> Summary:
    """Perform one run and return how it ended.

    A failure on the way (1C, the store, the staging) is a failed run with its report, not an
    exception.

    Raises:
        LockHeldError: another run is under way.
        UsageError: the request names a run that cannot be answered or undone; no run was begun.
        JournalError: the journal itself cannot be used.
    """
    with run_lock(
        environment.settings, who=request.who, command=request.command, wait=request.wait
    ) as lock:
        environment = dataclasses.replace(environment, still_ours=lock.check)
        request = admitted(environment, request)
        note_settings(environment.journal, environment.settings, request.who, environment.now())
        run = environment.journal.begin(
            command=request.command,
            trigger=request.trigger,
            who=request.who,
            reason=request.reason,
            now=environment.now(),
            parent=request.parent,
            fingerprint=environment.fingerprint(),
        )
        beating = BeatingProgress(
            environment.progress, environment.journal, run, environment.now, time.monotonic
        )
        environment = dataclasses.replace(
            environment, progress=beating, stop_asked=lambda: beating.stop_asked
        )
        with logger.contextualize(run=run):
            return _Run(environment, request, run).perform()


class _Run:
    """The run under way and its facts."""

    def __init__(self, environment: Environment, request: Request, run: int) -> None:
        self._environment = environment
        self._request = request
        self._run = run
        self._facts: Facts = facts_of(environment)
        self._began = time.monotonic()
        self._suspected = 0

    def perform(self) -> Summary:
        """Go through the phases; in any case end the run in the journal and report it."""
        logger.info("run begins", command=self._request.command, trigger=self._request.trigger)
        try:
            keep_earlier_reports(self._environment, self._run, self._facts)
            status, code = self._phases()
        except RunInterrupted as error:
            return self._end(RunStatus.INTERRUPTED, ExitCode.FAILED, error)
        except ZvirkaError as error:
            return self._end(RunStatus.FAILED, error.exit_code, error)
        except Exception:
            logger.exception("unexpected error")
            self._end(RunStatus.FAILED, ExitCode.FAILED, _UNEXPECTED)
            raise
        except BaseException:
            self._end(RunStatus.INTERRUPTED, ExitCode.FAILED, _STOPPED)
            raise
        return self._end(status, code, None)

    def _end(self, status: RunStatus, code: ExitCode | None, error: ZvirkaError | None) -> Summary:
        environment, run = self._environment, self._run
        environment.journal.save_facts(run, self._facts)
        if code is None:
            left = environment.journal.count(run).remaining + self._suspected
            code = ExitCode.DIFFERENCES if left else ExitCode.IN_SYNC
        held = environment.journal.plan_digest(run) if status == RunStatus.HELD else ""
        environment.journal.finish(
            run, status=status, exit_code=code, now=environment.now(), error=error, plan_digest=held
        )
        with self._phase("report", note=False):
            reports, trouble = write_report(environment.settings, environment.journal, run)
            anchor(environment.settings, environment.journal)
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
        environment = self._environment
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

    # -- the phases ---------------------------------------------------------------------------

    def _phases(self) -> tuple[RunStatus, ExitCode | None]:
        """The run's final status, and its exit code unless the counts decide it."""
        environment, request = self._environment, self._request
        with self._phase("recover"):
            self._facts.recovered = recovering.recover(environment, self._run)
        if request.command == Command.REJECT:
            rejecting.reject(environment, self._run, request)
            self._facts.compared = True
            return RunStatus.FINISHED, None
        if request.command == Command.ENDORSE:
            endorsing.endorse(environment, self._run, request)
            self._facts.compared = True
            return RunStatus.FINISHED, ExitCode.HELD
        if request.command == Command.SUPPRESS:
            self._facts.targets = suppressing.suppress(environment, self._run, request)
            self._facts.until = request.until.isoformat() if request.until else ""
            return RunStatus.FINISHED, ExitCode.IN_SYNC
        with closing(environment.open_store()) as store:
            self._facts.store = store.name
            check_policy(environment.settings, store)
            note_schema(environment, "erp", store.shape(), request.who)
            if request.command == Command.UNDO:
                assert request.parent is not None
                with self._phase("apply"):
                    undoing.undo(environment, self._run, store, request.parent, request.targets)
                self._facts.compared = True
                return RunStatus.FINISHED, None
            with (
                environment.open_source() as source,
                Staging(environment.staging_dir, environment.mapping) as staging,
            ):
                try:
                    return self._compare_and_correct(source, store, staging)
                finally:
                    note_traffic(self._facts, source.traffic)
                    note_schema(environment, "1c", source.shape(), request.who)

    def _compare_and_correct(
        self, source: Source, store: Store, staging: Staging
    ) -> tuple[RunStatus, ExitCode | None]:
        environment, request, facts = self._environment, self._request, self._facts
        policy = Policy.of(environment.settings.policy, soft_delete=store.soft_delete)
        agreement = Agreement(staging, environment.agreement_file)
        if not agreement.known and environment.journal.last_good(1):
            facts.warnings.append(_NO_AGREEMENT)
            logger.warning(_NO_AGREEMENT, file=str(environment.agreement_file))
        mirror = SourceMirror(staging)
        matching = Candidates(staging, mirror, agreement, marks_count=policy.deletes_marked)
        if not store.has_ref:
            matching.remembered.add(environment.journal.pairings())
        context = RunContext(
            environment=environment,
            run=self._run,
            request=request,
            source=source,
            store=store,
            mirror=mirror,
            matching=matching,
            policy=policy,
            suppressions=environment.journal.suppressions(),
        )
        stage = self._stage_named if context.targeted else self._stage_both_sides
        staged = stage(context)
        with self._phase("confirm"):
            confirmed = confirm(context, staged.snapshot, staged.named)
        self._suspected = confirmed.suspected
        facts.warnings += confirmed.warnings
        if confirmed.suspected:
            facts.warnings.append(
                Message(
                    "{count} clients look absent from 1C, but the snapshot is partial",
                    count=confirmed.suspected,
                )
            )
        facts.warnings += _shared_clients(context)
        facts.compared = True
        with self._phase("guard"):
            self._guard(context, confirmed)
        facts.suppressed_until = suppressing.suppressed_by_day(context)
        if request.command == Command.PLAN:
            return RunStatus.FINISHED, None
        self._correct(context, staged)
        self._forget_settled(context, staged)
        self._agree(context, staged)
        if facts.held:
            return RunStatus.HELD, ExitCode.HELD
        return RunStatus.FINISHED, None

    def _stage_named(self, context: RunContext) -> _Staged:
        self._environment.journal.set_mode(self._run, Mode.TARGETED)
        with self._phase("pull"):
            self._facts.source_count_before = context.source.preflight()
            named = stage_named(context, self._request.targets)
        self._facts.targets = list(named.targets)
        self._facts.warnings += named.warnings
        if context.source.restricted:
            return _Staged(PartialSnapshot(0, (RESTRICTED,)), Mode.TARGETED, named)
        return _Staged(NamedOnly(), Mode.TARGETED, named)

    def _stage_both_sides(self, context: RunContext) -> _Staged:
        environment, facts = self._environment, self._facts
        scan = Scan.of(context.store, context.matching)
        with self._phase("preflight"):
            counted = facts.source_count_before = context.source.preflight()
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
            environment.journal.set_mode(self._run, pulled.mode)
            note_snapshot(facts, pulled.snapshot)
        with self._phase("scan"):
            if not pulled.scanned:
                scan.read(environment)
        with self._phase("diff"):
            scan.pair(environment)
            least = environment.settings.guard.min_key_share
            require_right_key(context.store, context.matching.pairing, least)
            facts.store_rows, facts.store_active = context.matching.counts()
        return _Staged(pulled.snapshot, pulled.mode)

    def _guard(self, context: RunContext, confirmed: Confirmed) -> None:
        facts = self._facts
        if self._request.command == Command.APPROVE:
            assert self._request.parent is not None
            facts.changed_meanwhile = approving.narrow_to_approved(
                context, self._request.parent, suspected=confirmed.suspected
            )
        elif not context.targeted or self._request.trigger == Trigger.FEED:
            facts.held = guarding.guard(
                context,
                confirmed.planned,
                store_active=facts.store_active,
                source_rows=facts.source_rows,
                linked=confirmed.linked,
            )

    def _correct(self, context: RunContext, staged: _Staged) -> None:
        environment = self._environment
        todo = environment.journal.count(self._run).dispositions.get(Disposition.CORRECT, 0)
        if not todo:
            return
        with self._phase("apply", todo):
            writer = environment.open_writer(partial(still_wanted, context, staged.snapshot))
            with closing(writer):
                waiting = applying.apply(environment, self._run, context.store, writer)
            self._facts.waiting = len(waiting)
            if writer.doubled:
                warning = Message(
                    "two rows had key {key} after a create: creates stopped", key=writer.doubled[0]
                )
                self._facts.warnings.append(warning)
                logger.error("creates stopped: two rows under one key", key=writer.doubled[0])
        with self._phase("verify", todo):
            verifying.verify(context, waiting)

    def _forget_settled(self, context: RunContext, staged: _Staged) -> None:
        if staged.named is not None:
            suppressing.forget_settled(context, staged.named.refs | staged.named.keys)
        elif isinstance(staged.snapshot, CompleteSnapshot):
            suppressing.forget_settled(context, context.suppressions)

    def _agree(self, context: RunContext, staged: _Staged) -> None:
        """Record on what both sides agree: the next run derives causes from it."""
        matching, journal = context.matching, self._environment.journal
        with self._phase("agree"):
            complete = staged.named is None
            matching.agree(tidy=staged.mode == Mode.FULL, complete=complete)
            if context.store.has_ref:
                return
            for batch in matching.remembered.missing():
                journal.put_pairings(batch)
            journal.drop_pairings(matching.remembered.superseded())
            if staged.mode == Mode.FULL and isinstance(staged.snapshot, CompleteSnapshot):
                for gone in matching.remembered.gone_from_both():
                    journal.drop_pairings(gone)


def _shared_clients(context: RunContext) -> list[Message]:
    """What a run over everything says of clients that other flows of the table have as well."""
    if context.targeted:
        return []
    field = context.environment.settings.policy.shared_by
    return [
        plural(
            "{count} client has the same {field} as one of the flow {flow}",
            "{count} clients have the same {field} as one of the flow {flow}",
            count=count,
            field=field,
            flow=flow,
        )
        for flow, count in context.store.shared().items()
    ]


class _Staged(msgspec.Struct, frozen=True):
    """Both sides, ready to be compared; ``mode`` is how 1C was read: full, light or targeted."""

    snapshot: Snapshot | NamedOnly
    mode: Mode
    named: Named | None = None


_NO_AGREEMENT = Message("the agreement of both sides is missing; causes of this run are unknown")
_UNEXPECTED = ZvirkaError(
    coded("ZV5502", "an unexpected error ended the run"),
    place=Message("see the log"),
    remedy=Message("report it with the log; the next run settles what was under way"),
)
_STOPPED = ZvirkaError(
    coded("ZV5503", "the process was told to stop"),
    place=Message("see the log"),
    remedy=Message("the next run settles what was under way and plans again"),
)

"""Performs a run for a command and shows its summary."""

from __future__ import annotations

import re
import sys
import threading
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from zvirka.cli.invocation import Invocation
from zvirka.cli.signals import INTERRUPTED, GracefulStop
from zvirka.domain import Command, RunStatus
from zvirka.errors import ExitCode

if TYPE_CHECKING:
    from zvirka.cli.progress_bars import TerminalProgress
    from zvirka.reconcile.request import Request, Summary

_PAGE = re.compile(r"-p\d+\.html$")


def perform_and_show(call: Invocation, request: Request) -> int:
    """Perform a run with progress bars, or have a worker perform it, and show how it ended."""
    from zvirka.fleet.performing import HERE, fleet_of

    settings = call.settings
    progress = call.progress()
    stop = threading.Event()
    stopping = GracefulStop(stop, lambda: progress.begun, call.say("stopping"))
    try:
        with stopping, fleet_of(settings) as fleet:
            if fleet is None or request.command in HERE:
                summary = _perform_here(call, request, stop, progress)
            else:
                progress.begun = True  # an order can be withdrawn at once
                summary = fleet.perform(
                    request, request.who, stop=stop, tell=partial(tell_place, call)
                )[settings.name]
        call.waits_for_others = bool(summary.waiting)
        show_summary(call, summary)
    finally:
        stopping.end()
    return (
        INTERRUPTED
        if stopping.asked and summary.status == RunStatus.INTERRUPTED
        else summary.exit_code
    )


def _perform_here(
    call: Invocation, request: Request, stop: threading.Event, progress: TerminalProgress
) -> Summary:
    from zvirka.reconcile.environment import open_environment
    from zvirka.reconcile.run import perform

    with open_environment(call.settings, call.mapping, progress=progress) as environment:
        try:
            return perform(replace(environment, stop=stop), request)
        finally:
            progress.done()


def tell_place(call: Invocation, place: str, detail: str) -> None:
    """Say on standard error where an order is: in the queue, or at which machine."""
    if place == "queued":
        sys.stderr.write(call.say("order_queued", ahead=detail) + "\n")
    else:
        sys.stderr.write(call.say("order_runs", host=detail) + "\n")


def show_summary(call: Invocation, summary: Summary) -> None:
    """Show what a run found, what it did, what is left, and where its reports are."""
    if call.common.json:
        call.print_json(summary)
        return
    from zvirka.i18n.visible_text import one_line
    from zvirka.report.holds import hold_line

    call.print(_headline(call, summary))
    if summary.error:
        call.print(f"  {one_line(call.words.told(summary.error))}")
    _print_counts(call, summary)
    found = summary.causes
    if summary.command in {Command.REJECT, Command.ENDORSE}:
        pass
    elif found is not None and summary.status is RunStatus.FINISHED and not any(found.values()):
        call.print(call.say("in_sync"))
    elif summary.remaining:
        call.print(call.say("remaining", count=call.words.number(summary.remaining)))
    for hold in summary.held:
        call.print(f"  ! {hold_line(hold, call.words)}")
    if summary.command == Command.ENDORSE and summary.status is RunStatus.FINISHED:
        call.print(call.say("second", run=summary.parent))
    elif summary.exit_code == ExitCode.HELD:
        call.print(call.say("decide", run=summary.run, flow=call.settings.flow_option))
    if summary.reports:
        call.print(f"{call.say('reports')}:")
        for path in summary.reports:
            # The first page of a long report links to the others.
            if not _PAGE.search(path.name):
                call.print(f"  {path}")


def _headline(call: Invocation, summary: Summary) -> str:
    if summary.status in (RunStatus.HELD, RunStatus.FAILED, RunStatus.INTERRUPTED):
        return call.say(f"run_{summary.status}", run=summary.run)
    if summary.command == Command.REJECT:
        rejected = sum((summary.actions or {}).values())
        return call.say("rejected", run=summary.run, count=rejected)
    if summary.command in {Command.ENDORSE, Command.SUPPRESS}:
        said = "endorsed" if summary.command == Command.ENDORSE else "suppressed"
        return call.say(said, run=summary.run)
    seconds = call.words.number(round(summary.seconds, 1))
    return call.say("run_finished", run=summary.run, seconds=seconds)


def _print_counts(call: Invocation, summary: Summary) -> None:
    words = call.words
    for title, counts, word in (
        ("by_cause", summary.causes, words.cause),
        ("by_action", summary.actions, words.action),
        ("by_outcome", summary.outcomes, words.outcome),
    ):
        shown = sorted(
            ((count, name) for name, count in (counts or {}).items() if count),
            key=lambda pair: (-pair[0], pair[1]),
        )
        if shown:
            call.print(f"{call.say(title)}:")
        for count, name in shown:
            call.print(f"  {words.number(count):>9}  {word(name)}")

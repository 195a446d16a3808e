"""What an admin does: answers to held plans, runs started, undone, resynced, clients left alone.

Runs go through the one door of every trigger, :func:`zvirka.reconcile.run.perform`, with the
signed-in user as who and the form's reason as why.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

from loguru import logger
from starlette.responses import Response

from zvirka.domain import ZERO_REF, Cause, Command, Difference, Disposition, Trigger
from zvirka.errors import UsageError
from zvirka.journal.difference_search import DifferenceFilter
from zvirka.reconcile.endorsing import as_first_or_last
from zvirka.reconcile.request import Request, Targets
from zvirka.web.difference_filter import word_of
from zvirka.web.pages import LONGEST_KEY, show_life, show_run, show_work
from zvirka.web.request_context import Refused, RequestContext

LONGEST_REASON = 1000
_AT_ONCE_SECONDS = 3.0
"""How long the page waits for a run that is over soon, before it shows how far it is."""

Again = Callable[..., Response]
"""Shows the form again, with ``error`` and what was typed as ``reason``."""


def approve(context: RequestContext) -> Response:
    """Approve the held plan that was shown."""
    return _decide(context, Command.APPROVE)


def reject(context: RequestContext) -> Response:
    """Reject the held plan that was shown."""
    return _decide(context, Command.REJECT)


def _decide(context: RequestContext, command: Command) -> Response:
    _ = context.words.gettext
    number = context.number("run")
    open_runs = {row.id: row.plan_digest for row in context.journal.held(context.web.now())}
    if number not in open_runs:
        raise Refused(409, _("This run waits for no decision, or no longer; nothing was done."))
    digest = context.form.get("digest", "")
    if digest != open_runs[number]:
        raise Refused(409, _("The plan is not the one that was shown; nothing was done."))
    targets = _part_of(context, number)
    if targets is None and _reason(context):
        error = _("No row of the plan is ticked; nothing was done.")
        return _run_again(context)(error=error, reason=_reason(context))
    return _ask(
        context,
        _run_again(context),
        command=command,
        parent=number,
        digest=digest,
        targets=targets or Targets(),
        for_good=command is Command.REJECT and "for_good" in context.form,
    )


def _part_of(context: RequestContext, number: int) -> Targets | None:
    """What of the held plan is answered.

    All of it, one cause, what a first approval approved, or the ticked rows (``None``: none).
    """
    part = context.form.get("part", "")
    if not part:
        return Targets()
    chosen: list[Difference] = []
    given = context.journal.decisions([number], context.web.now())[number].given
    first = next((one.run for one in given if part == f"as-{one.run}"), None)
    if first is not None:
        for batch in context.journal.differences(first):
            chosen += batch
    elif cause := word_of(Cause, part):
        for batch in context.journal.differences(number, dispositions=[Disposition.HELD]):
            chosen += [one for one in batch if one.cause is cause]
    else:
        ticked = [name[5:] for name in context.form if name.startswith("pick-")]
        numbers = [int(one) for one in ticked if one.isascii() and one.isdigit() and len(one) < 9]
        chosen += context.journal.differences_by_number(number, numbers).values()
    if not chosen:
        return None
    refs = tuple(one.ref for one in chosen if one.ref not in {"", ZERO_REF})
    return Targets(
        refs=refs, codes=tuple(one.key for one in chosen if one.ref in {"", ZERO_REF} and one.key)
    )


def start_form(context: RequestContext) -> Response:
    """The form that starts a run over everything."""
    return context.render("start.html", command="plan", error="", reason="")


def start(context: RequestContext) -> Response:
    """Start a plan or a reconciliation."""
    command = Command.RECONCILE if context.form.get("command") == "reconcile" else Command.PLAN

    def again(**more: Any) -> Response:
        return context.render("start.html", 422, command=command, **{"reason": "", **more})

    return _ask(context, again, command=command)


def undo(context: RequestContext) -> Response:
    """Put back what a run changed."""
    number = context.number("run")
    return _ask(context, _run_again(context), command=Command.UNDO, parent=number)


def resync(context: RequestContext) -> Response:
    """Compare and correct one counterparty now."""
    return _ask_about_client(context, Command.RESYNC)


def never_correct(context: RequestContext) -> Response:
    """Stop the corrections of one counterparty, up to a day or without end."""
    given = context.form.get("until", "").strip()
    try:
        until = date.fromisoformat(given) if given else None
    except ValueError:
        error = context.words.gettext("The last day is not a date.")
        return _client_again(context)(error=error, reason=_reason(context), stopping=True)
    today = context.words.local(context.web.now()).date()
    if until is not None and until < today:
        error = context.words.gettext("The last day has passed.")
        return _client_again(context)(error=error, reason=_reason(context), stopping=True)
    return _ask_about_client(context, Command.SUPPRESS, until=until)


def _ask_about_client(context: RequestContext, command: Command, **more: Any) -> Response:
    key, ref = _client_of(context)

    def again(**shown: Any) -> Response:
        return _client_again(context)(stopping=command is Command.SUPPRESS, **shown)

    if ref and ref != ZERO_REF:
        targets = Targets(refs=(ref,))
    elif key and (context.web.key == "code" or command is Command.SUPPRESS):
        targets = Targets(codes=(key,))
    elif not _reason(context):
        targets = Targets()
    else:
        error = context.words.gettext("Without a Ref_Key 1C cannot be asked for this counterparty.")
        return again(error=error, reason=_reason(context))
    return _ask(context, again, command=command, targets=targets, **more)


def _client_of(context: RequestContext) -> tuple[str, str]:
    return (
        context.form.get("key", "").strip()[:LONGEST_KEY],
        context.form.get("ref", "").strip()[:LONGEST_KEY],
    )


def _client_again(context: RequestContext) -> Again:
    return lambda **more: show_life(context, *_client_of(context), 422, **more)


def _run_again(context: RequestContext) -> Again:
    return lambda **more: show_run(context, DifferenceFilter(), 422, **more)


def _ask(context: RequestContext, again: Again, **asked: Any) -> Response:
    """Begin a run for the signed-in user; show the form again where the reason is missing."""
    reason = _reason(context)
    if not reason:
        error = context.words.gettext("Say why: the reason goes to the journal with your name.")
        return again(error=error)
    request = Request(trigger=Trigger.WEB, who=context.user.name, reason=reason, wait=0, **asked)
    if request.command is Command.APPROVE:
        try:
            as_first_or_last(context.web.environment, request)
        except UsageError as error:
            raise Refused(409, context.words.told(error.sentence)) from None
    return _begin(context, request)


def _begin(context: RequestContext, request: Request) -> Response:
    worker = context.web.worker
    if not worker.begin(request):
        return show_work(context, worker.work, answer=409)
    logger.info("a run was asked for on the page", command=request.command, who=request.who)
    work = worker.wait(_AT_ONCE_SECONDS)
    if work is not None and work.summary is not None:
        return context.redirect(f"/runs/{work.summary.run}")
    return context.redirect("/work")


def _reason(context: RequestContext) -> str:
    return " ".join(context.form.get("reason", "").split())[:LONGEST_REASON]

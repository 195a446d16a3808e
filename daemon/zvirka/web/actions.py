"""What is done: signing in and out, answers to held plans, runs started, undone, resynced.

Runs go through the one door of every trigger, :func:`zvirka.reconcile.run.perform`, with the
signed-in user as who and the form's reason as why.
"""

from __future__ import annotations

from loguru import logger
from starlette.responses import Response

from zvirka.domain import ZERO_REF, Cause, Command, Difference, Disposition, Trigger
from zvirka.journal.difference_search import DifferenceFilter
from zvirka.reconcile.request import Request, Targets
from zvirka.web.difference_filter import word_of
from zvirka.web.pages import LONGEST_KEY, show_life, show_run, show_work
from zvirka.web.request_context import Refused, RequestContext
from zvirka.web.users import CrowdedError, normalized

LONGEST_REASON = 1000
_AT_ONCE_SECONDS = 3.0
"""How long the page waits for a run that is over soon, before it shows how far it is."""


def sign_in_form(context: RequestContext) -> Response:
    """The form, with a session of its own that its token is bound to."""
    if context.session.user is not None:
        return context.redirect("/")
    return context.keep(context.render("sign_in.html", error=""), context.session)


def sign_in(context: RequestContext) -> Response:
    """Check name and password; a refusal tells nothing about which was wrong."""
    _ = context.words.gettext
    web = context.web
    name, password = normalized(context.form.get("name", "")), context.form.get("password", "")
    device = web.sessions.device_of(context.request.cookies.get(web.device_name), name)
    if not web.attempts.allow(name, context.address, device):
        logger.warning("sign-in refused: too many attempts", address=context.address)
        error = _("Too many attempts. Try again in a quarter of an hour.")
        return context.render("sign_in.html", 429, error=error)
    try:
        user = web.users.check(name, password)
    except CrowdedError:
        error = _("Too many people are signing in at this moment. Try again.")
        return context.render("sign_in.html", 503, error=error)
    if user is None:
        known = web.users.get(name) is not None
        # A name that nobody has may be a password typed into the wrong field.
        who = name if known else "unknown"
        logger.warning("sign-in refused", who=who, address=context.address)
        return context.render("sign_in.html", 401, error=_("Name or password is wrong."))
    web.attempts.succeeded(name, context.address, device)
    web.sessions.end(context.session)
    logger.info("signed in", who=user.name, address=context.address)
    response = context.keep(context.redirect("/"), web.sessions.begin(user))
    return response if device else context.keep_device(response, user)


def sign_out(context: RequestContext) -> Response:
    """End the session, for every copy of its cookie."""
    context.web.sessions.end(context.session)
    logger.info("signed out", who=context.user.name)
    response = context.redirect("/sign-in")
    response.delete_cookie(
        context.web.cookie_name,
        secure=context.web.https,
        httponly=True,
        samesite="strict",
        path="/",
    )
    return response


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
    reason = _reason(context)
    if not reason:
        error = _("Say why: the reason goes to the journal with your name.")
        return show_run(context, DifferenceFilter(), 422, error=error, reason=reason)
    targets = _part_of(context, number)
    if targets is None:
        error = _("No row of the plan is ticked; nothing was done.")
        return show_run(context, DifferenceFilter(), 422, error=error, reason=reason)
    request = Request(
        command=command,
        trigger=Trigger.WEB,
        who=context.user.name,
        reason=reason,
        parent=number,
        digest=digest,
        targets=targets,
        for_good=command is Command.REJECT and "for_good" in context.form,
        wait=0,
    )
    return _begin(context, request)


def _part_of(context: RequestContext, number: int) -> Targets | None:
    """What of the held plan is answered: all of it, one cause, the ticked rows (``None``: none)."""
    part = context.form.get("part", "")
    if not part:
        return Targets()
    chosen: list[Difference] = []
    if cause := word_of(Cause, part):
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
    _ = context.words.gettext
    command = Command.RECONCILE if context.form.get("command") == "reconcile" else Command.PLAN
    reason = _reason(context)
    if not reason:
        error = _("Say why: the reason goes to the journal with your name.")
        return context.render("start.html", 422, command=command, error=error, reason="")
    return _begin(
        context,
        Request(command=command, trigger=Trigger.WEB, who=context.user.name, reason=reason, wait=0),
    )


def undo(context: RequestContext) -> Response:
    """Put back what a run changed."""
    _ = context.words.gettext
    number, reason = context.number("run"), _reason(context)
    if not reason:
        error = _("Say why: the reason goes to the journal with your name.")
        return show_run(context, DifferenceFilter(), 422, error=error)
    request = Request(
        command=Command.UNDO,
        trigger=Trigger.WEB,
        who=context.user.name,
        reason=reason,
        parent=number,
        wait=0,
    )
    return _begin(context, request)


def resync(context: RequestContext) -> Response:
    """Compare and correct one counterparty now."""
    _ = context.words.gettext
    key = context.form.get("key", "").strip()[:LONGEST_KEY]
    ref = context.form.get("ref", "").strip()[:LONGEST_KEY]
    reason = _reason(context)
    if not reason:
        error = _("Say why: the reason goes to the journal with your name.")
        return show_life(context, key, ref, 422, error=error)
    if ref and ref != ZERO_REF:
        targets = Targets(refs=(ref,))
    elif key and context.web.key == "code":
        targets = Targets(codes=(key,))
    else:
        error = _("Without a Ref_Key 1C cannot be asked for this counterparty.")
        return show_life(context, key, ref, 422, error=error, reason=reason)
    request = Request(
        command=Command.RESYNC,
        trigger=Trigger.WEB,
        who=context.user.name,
        reason=reason,
        targets=targets,
        wait=0,
    )
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

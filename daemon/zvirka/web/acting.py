"""What is done: signing in and out, approving, rejecting, a resync of one counterparty.

Runs go through the one door of every trigger, :func:`zvirka.reconcile.run.perform`, with the
signed-in user as who and the form's reason as why.
"""

from __future__ import annotations

from typing import Literal

from loguru import logger
from starlette.responses import Response

from zvirka.counterparty import ZERO_REF
from zvirka.reconcile.request import Request, Targets
from zvirka.web.reading import LONGEST_KEY, show_life, show_run, show_work
from zvirka.web.sieve import Sieve
from zvirka.web.users import CrowdedError
from zvirka.web.visit import Refused, Visit

LONGEST_REASON = 1000
_AT_ONCE_SECONDS = 3.0
"""How long the page waits for a run that is over soon, before it shows how far it is."""


def sign_in_form(visit: Visit) -> Response:
    """The form, with a session of its own that its token is bound to."""
    if visit.session.user is not None:
        return visit.redirect("/runs")
    return visit.keep(visit.render("sign_in.html", error=""), visit.session)


def sign_in(visit: Visit) -> Response:
    """Check name and password; a refusal tells nothing about which was wrong."""
    _ = visit.words.gettext
    office = visit.office
    name, password = visit.form.get("name", "").strip(), visit.form.get("password", "")
    if not office.attempts.allow(name, visit.address):
        logger.warning("sign-in refused: too many attempts", address=visit.address)
        error = _("Too many attempts. Try again in a quarter of an hour.")
        return visit.render("sign_in.html", 429, error=error)
    try:
        user = office.users.check(name, password)
    except CrowdedError:
        error = _("Too many people are signing in at this moment. Try again.")
        return visit.render("sign_in.html", 503, error=error)
    if user is None:
        known = office.users.get(name) is not None
        # A name that nobody has may be a password typed into the wrong field.
        who = name if known else "unknown"
        logger.warning("sign-in refused", who=who, address=visit.address)
        return visit.render("sign_in.html", 401, error=_("Name or password is wrong."))
    office.attempts.succeeded(name, visit.address)
    office.sessions.end(visit.session)
    logger.info("signed in", who=user.name, address=visit.address)
    return visit.keep(visit.redirect("/runs"), office.sessions.begin(user))


def sign_out(visit: Visit) -> Response:
    """End the session, for every copy of its cookie."""
    visit.office.sessions.end(visit.session)
    logger.info("signed out", who=visit.user.name)
    response = visit.redirect("/sign-in")
    response.delete_cookie(
        visit.office.cookie_name,
        secure=visit.office.https,
        httponly=True,
        samesite="strict",
        path="/",
    )
    return response


def approve(visit: Visit) -> Response:
    """Approve the held plan that was shown."""
    return _decide(visit, "approve")


def reject(visit: Visit) -> Response:
    """Reject the held plan that was shown."""
    return _decide(visit, "reject")


def _decide(visit: Visit, command: Literal["approve", "reject"]) -> Response:
    _ = visit.words.gettext
    number = visit.number("run")
    open_runs = {row.id: row.plan_digest for row in visit.book.held()}
    if number not in open_runs:
        raise Refused(409, _("This run waits for no decision, or no longer; nothing was done."))
    digest = visit.form.get("digest", "")
    if digest != open_runs[number]:
        raise Refused(409, _("The plan is not the one that was shown; nothing was done."))
    reason = _reason(visit)
    if not reason:
        error = _("Say why: the reason goes to the journal with your name.")
        return show_run(visit, Sieve(), 422, error=error, reason=reason)
    return _begin(
        visit,
        Request(
            command=command,
            trigger="web",
            who=visit.user.name,
            reason=reason,
            parent=number,
            digest=digest,
            wait=0,
        ),
    )


def resync(visit: Visit) -> Response:
    """Compare and correct one counterparty now."""
    _ = visit.words.gettext
    key = visit.form.get("key", "").strip()[:LONGEST_KEY]
    ref = visit.form.get("ref", "").strip()[:LONGEST_KEY]
    reason = _reason(visit)
    if not reason:
        error = _("Say why: the reason goes to the journal with your name.")
        return show_life(visit, key, ref, 422, error=error)
    if ref and ref != ZERO_REF:
        targets = Targets(refs=(ref,))
    elif key and visit.office.key == "code":
        targets = Targets(codes=(key,))
    else:
        error = _("Without a Ref_Key 1C cannot be asked for this counterparty.")
        return show_life(visit, key, ref, 422, error=error, reason=reason)
    request = Request(
        command="resync",
        trigger="web",
        who=visit.user.name,
        reason=reason,
        targets=targets,
        wait=0,
    )
    return _begin(visit, request)


def _begin(visit: Visit, request: Request) -> Response:
    worker = visit.office.worker
    if not worker.begin(request):
        return show_work(visit, worker.work, answer=409)
    logger.info("a run was asked for on the page", command=request.command, who=request.who)
    standing = worker.wait(_AT_ONCE_SECONDS)
    if standing is not None and standing.summary is not None:
        return visit.redirect(f"/runs/{standing.summary.run}")
    return visit.redirect("/work")


def _reason(visit: Visit) -> str:
    return " ".join(visit.form.get("reason", "").split())[:LONGEST_REASON]

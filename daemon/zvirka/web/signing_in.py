"""Signing in and out."""

from __future__ import annotations

from loguru import logger
from starlette.responses import Response

from zvirka.errors import ZvirkaError
from zvirka.journal.events import EventKind, add_event
from zvirka.web.request_context import RequestContext
from zvirka.web.users import CrowdedError, User, normalized


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
    _note(context, user)
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


def _note(context: RequestContext, user: User) -> None:
    """Record in the journal that an admin has signed in; a busy journal keeps nobody out."""
    if not user.acts:
        return
    try:
        with context.journal.writing() as connection:
            detail = {"address": context.address}
            add_event(connection, EventKind.SIGN_IN, context.web.now(), user.name, detail)
    except ZvirkaError as error:
        logger.warning("a sign-in could not be recorded", cause=error.cause)

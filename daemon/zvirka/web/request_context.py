"""One request as the handlers see it: who asks, in which language, with which form.

:func:`endpoint` wraps every page: it reads the session, checks the role, and refuses forms without
the CSRF token of their session.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from hashlib import sha256
from typing import Any
from urllib.parse import urlencode

import jinja2
from markupsafe import Markup
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from zvirka.domain import Standing
from zvirka.errors import NoSuchRunError
from zvirka.fleet.status_lines import FleetStatus
from zvirka.i18n import LANGUAGES
from zvirka.i18n.words import COMMANDS, PHASES, SUPPRESSIONS, Words
from zvirka.journal.journal import Journal
from zvirka.net import FROM_PROXY
from zvirka.reconcile.environment import Environment
from zvirka.report.format_html import TEMPLATES, environment, style
from zvirka.settings.model import Settings
from zvirka.web.event_texts import WHAT
from zvirka.web.response_headers import LIVE_POLICY
from zvirka.web.sign_in_limits import SignInLimits
from zvirka.web.user_sessions import UserSession, UserSessions
from zvirka.web.users import User, Users, normalized
from zvirka.web.worker import Worker

LARGEST_FORM = 65_536
"""Bytes."""
_FIELDS = 150
"""A page of differences, each with a box to tick."""
_DEVICE_SECONDS = 180 * 86_400

Handler = Callable[["RequestContext"], Response]


@dataclass(frozen=True, slots=True)
class FlowLink:
    """A flow in the list of all: how it stands (``None``: its journal cannot be read)."""

    name: str
    address: str
    standing: Standing | None = None


@dataclass(frozen=True, slots=True)
class WebContext:
    """What the page works with. ``https`` says that browsers come over TLS.

    ``flow`` is the name of the flow where there are several, and ``flows`` gives all of them.
    ``workers`` gives the workers and their queues where the installation has them.
    """

    journal: Journal
    users: Users
    sessions: UserSessions
    attempts: SignInLimits
    worker: Worker
    key: str
    language: str
    timezone: str
    https: bool
    environment: Environment
    settings: Settings
    origins: Mapping[str, str]
    now: Callable[[], datetime]
    flow: str
    flows: Callable[[], Sequence[FlowLink]]
    workers: Callable[[], FleetStatus] | None

    @property
    def cookie_name(self) -> str:
        """The session cookie's; over https one that browsers keep to this very host."""
        return "__Host-zvirka" if self.https else "zvirka"

    @property
    def door_name(self) -> str:
        """The cookie of the sign-in form: never in the way of a session that stands."""
        return f"{self.cookie_name}-door"

    @property
    def device_name(self) -> str:
        """The cookie that marks a browser somebody has signed in with."""
        return f"{self.cookie_name}-device"

    def session_of(self, request: Request) -> UserSession | None:
        """The session of a user, or that of the sign-in form, or none."""
        header = self.settings.web.trusted_header
        if header and request.scope.get(FROM_PROXY) and (name := request.headers.get(header)):
            return self.sessions.of_proxy(normalized(name))
        session = self.sessions.read(request.cookies.get(self.cookie_name))
        if session is not None and session.user is not None:
            return session
        door = self.sessions.read(request.cookies.get(self.door_name))
        return door if door is not None and door.user is None else None


class Refused(Exception):  # noqa: N818 - an answer, not a fault
    """The request is answered with a status and a sentence instead of what it asks for."""

    def __init__(self, status: int, sentence: str) -> None:
        self.status = status
        self.sentence = sentence
        super().__init__(sentence)


@dataclass(frozen=True)
class RequestContext:
    """One request."""

    web: WebContext
    request: Request
    session: UserSession
    words: Words
    form: Mapping[str, str] = field(default_factory=dict)

    @property
    def user(self) -> User:
        """Who asks; only behind a gate that lets users through."""
        assert self.session.user is not None
        return self.session.user

    @property
    def journal(self) -> Journal:
        """The journal."""
        return self.web.journal

    @property
    def query(self) -> Mapping[str, str]:
        """The query string."""
        return self.request.query_params

    @property
    def address(self) -> str:
        """Where the request comes from."""
        return self.request.client.host if self.request.client else ""

    @property
    def root(self) -> str:
        """Where the page of this flow begins: empty, or ``/flows/NAME``."""
        return str(self.request.scope.get("root_path", ""))

    @property
    def path(self) -> str:
        """The path below it."""
        return self.request.url.path.removeprefix(self.root) or "/"

    def number(self, name: str) -> int:
        """A number of the path; 0, which nothing has, when it is beyond all bounds."""
        number = int(self.request.path_params[name])
        return number if number < 2**31 else 0

    def render(self, template: str, answer: int = 200, **context: Any) -> Response:
        """A page from a template of the reports; ``answer`` is the status of HTTP."""
        user = self.session.user
        made = _environment(self.words.language).get_template(f"web/{template}")
        text = made.render(
            words=self.words,
            layout="web/layout.html",
            style_url=f"{self.root}/style.css?{_mark_of(style_sheet())}",
            script_url=f"{self.root}/live.js?{_mark_of(live_script())}",
            user=user,
            token=self.web.sessions.token(self.session),
            waiting=len(self.journal.held(self.web.now())) if user else 0,
            work=self.web.worker.work if user else None,
            workers=self.web.workers is not None,
            path=self.path,
            root=self.root,
            flow=self.web.flow,
            languages=self._languages(),
            **context,
        )
        # A name may hold a lone surrogate; it is spelt out as data, and cannot break the page.
        response = HTMLResponse(text.encode("utf-8", "replace"), answer)
        if context.get("live"):
            response.headers["Content-Security-Policy"] = LIVE_POLICY
        return response

    def redirect(self, path: str) -> Response:
        """Go on with a GET of another page of this host."""
        return RedirectResponse(self.root + path, 303)

    def keep(self, response: Response, session: UserSession) -> Response:
        """Send the session's cookie along."""
        # No age: the cookie goes with the browser's own session; the server knows when it ends.
        response.set_cookie(
            self.web.cookie_name if session.user else self.web.door_name,
            self.web.sessions.cookie(session),
            secure=self.web.https,
            httponly=True,
            samesite="strict",
            path="/",
        )
        return response

    def keep_device(self, response: Response, user: User) -> Response:
        """Mark the browser as one that this user has signed in with."""
        response.set_cookie(
            self.web.device_name,
            self.web.sessions.device_cookie(user),
            max_age=_DEVICE_SECONDS,
            secure=self.web.https,
            httponly=True,
            samesite="strict",
            path="/",
        )
        return response

    def _languages(self) -> list[tuple[str, str, bool]]:
        """Language, the address of this page in it, and whether it is the one shown."""
        reading = self.request.method == "GET"
        query = dict(self.query) if reading else {}
        # Two slashes would lead to another host.
        path = "/" + self.path.lstrip("/")
        if not reading:
            # What a form showed cannot be shown again by an address; what it was about can.
            of_run = re.match(r"/runs/\d+", path)
            path = of_run[0] if of_run else re.sub("^/(resync|suppress)$", "/counterparty", path)
        return [
            (
                language,
                f"{self.root}{path}?{urlencode({**query, 'lang': language})}",
                language == self.words.language,
            )
            for language in LANGUAGES
        ]


def endpoint(handler: Handler, *, role: str | None = "auditor") -> Callable[[Request], Any]:
    """The handler behind the gate.

    ``role`` is who may come through: ``None`` anybody, ``auditor`` every user, ``admin`` admins.
    """

    async def gate(request: Request) -> Response:
        web: WebContext = request.app.state.web
        form = await _form(request) if request.method == "POST" else {}
        return await run_in_threadpool(_enter, web, request, form, handler, role)

    return gate


def _enter(
    web: WebContext, request: Request, form: Mapping[str, str], handler: Handler, role: str | None
) -> Response:
    session = web.session_of(request)
    language = language_of_request(web, request)
    context = RequestContext(
        web=web,
        request=request,
        session=session or web.sessions.begin(),
        words=Words(language, web.timezone),
        form=form,
    )
    try:
        response = _answer(context, handler, role, known=session is not None)
    except Refused as refused:
        response = context.render("refused.html", refused.status, sentence=refused.sentence)
    except NoSuchRunError:
        response = context.render("refused.html", 404, sentence=_no_such(context.words))
    if request.query_params.get("lang") == language:
        response.set_cookie(
            "lang", language, max_age=31_536_000, secure=web.https, samesite="strict"
        )
    return response


def _answer(
    context: RequestContext, handler: Handler, role: str | None, *, known: bool
) -> Response:
    _ = context.words.gettext
    user = context.session.user
    if role is not None and user is None:
        if context.request.method == "POST":
            raise Refused(403, _("You are not signed in, or no longer; nothing was done."))
        return _door(context)
    if context.request.method == "POST" and not (
        known and context.web.sessions.good(context.session, context.form.get("token", ""))
    ):
        raise Refused(
            403, _("This form belongs to another session. Nothing was changed; reload the page.")
        )
    if role == "admin" and user is not None and not user.acts:
        raise Refused(403, _("Only an admin may do that; nothing was done."))
    return handler(context)


def _door(context: RequestContext) -> Response:
    """Redirect to the sign-in form, after repeating a request that follows an external link.

    Browsers send no strict cookie along such a link, so a signed-in user looks like a stranger. The
    repeated request comes from this page and carries the cookie.
    """
    if context.request.headers.get("sec-fetch-site") not in {"cross-site", "same-site"}:
        return context.redirect("/sign-in")
    address = context.request.url
    again = f"{address.path}?{address.query}" if address.query else address.path
    response = context.render("again.html", again=again)
    response.headers["Refresh"] = f"0; url={again}"
    return response


def _no_such(words: Words) -> str:
    _ = words.gettext
    return _("There is no such run.")


def language_of_request(web: WebContext, request: Request) -> str:
    """The language asked for on the page, else what the browser prefers, else the settings'."""
    for asked in (request.query_params.get("lang"), request.cookies.get("lang")):
        if asked in LANGUAGES:
            return str(asked)
    # Starlette gives no parsed list: «uk-UA,uk;q=0.9,en;q=0.8».
    preferred = []
    for place, part in enumerate(request.headers.get("Accept-Language", "")[:200].split(",")):
        name, _, weight = part.strip().partition(";q=")
        try:
            preferred.append((-float(weight or 1), place, name.partition("-")[0].lower()))
        except ValueError:
            continue
    known = (name for weight, _, name in sorted(preferred) if name in LANGUAGES and weight)
    return next(known, web.language)


async def _form(request: Request) -> dict[str, str]:
    """The fields of a small form without files."""
    length = request.headers.get("content-length", "")
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    fits = length.isascii() and length.isdigit() and int(length) <= LARGEST_FORM
    if not fits or kind != "application/x-www-form-urlencoded":
        return {}
    async with request.form(max_fields=_FIELDS) as fields:
        return {name: value for name, value in fields.items() if isinstance(value, str)}


@cache
def style_sheet() -> str:
    """The reports' style sheet and what the page adds to it."""
    return f"{style()}\n{(TEMPLATES / 'web' / 'web.css').read_text('utf-8')}"


@cache
def live_script() -> str:
    """The script that keeps the progress of a run up to date."""
    return (TEMPLATES / "web" / "live.js").read_text("utf-8")


@cache
def _mark_of(text: str) -> str:
    """Changes with a file, so that browsers may keep it."""
    return sha256(text.encode()).hexdigest()[:16]


@cache
def _environment(language: str) -> jinja2.Environment:
    made = environment(language)
    words = Words(language)
    made.globals.update(
        field=_hidden_field,
        command_word=lambda name: words.word(COMMANDS, name),
        plainly=lambda text: text,
        suppression_word=lambda reason: words.word(SUPPRESSIONS, reason),
        what_word=lambda name: words.word(WHAT, name),
        phase_word=lambda name: words.word(PHASES, name),
    )
    return made


def _hidden_field(name: str, value: str) -> Markup:
    """A hidden field of a form: the value as it is, escaped, with no character spelt out."""
    return Markup('<input type="hidden" name="{}" value="{}">').format(name, value)

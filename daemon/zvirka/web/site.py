"""The application: routes and middleware."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from loguru import logger
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from zvirka.errors import SettingsError, ZvirkaError
from zvirka.fleet.status_lines import FleetStatus
from zvirka.i18n.words import Words
from zvirka.message import Message, coded
from zvirka.now import Now
from zvirka.reconcile.environment import Environment
from zvirka.reconcile.request import Request as RunRequest
from zvirka.reconcile.request import Summary
from zvirka.reconcile.run import perform
from zvirka.settings.checks import SHORTEST_SECRET
from zvirka.settings.service_tables import WebSettings
from zvirka.web import (
    actions,
    both_sides,
    downloads,
    live_progress,
    pages,
    plan_changes,
    signing_in,
    timeline_page,
    workers_page,
)
from zvirka.web import overview as front
from zvirka.web.request_context import (
    FlowLink,
    Handler,
    Refused,
    RequestContext,
    WebContext,
    endpoint,
    language_of_request,
    live_script,
    style_sheet,
)
from zvirka.web.response_headers import Headers, hosts, is_https
from zvirka.web.sign_in_limits import SignInLimits
from zvirka.web.user_sessions import UserSessions
from zvirka.web.users import Users
from zvirka.web.worker import Worker

STOP_SECONDS = 8.0
"""How long a run may take to a safe place after the page is asked to stop; its unit waits 30 s."""


@dataclass(frozen=True, slots=True)
class SignIns:
    """Who may sign in, who is signed in, and who tries too often."""

    users: Users
    sessions: UserSessions
    attempts: SignInLimits


def sign_ins_of(settings: WebSettings, now: Now) -> SignIns:
    """Return the sign-ins of a page that begins to be served.

    Raises:
        SettingsError: there is no key to sign the cookies.
    """
    secret = settings.secret.get_secret_value() if settings.secret else ""
    if len(secret) < SHORTEST_SECRET:
        raise SettingsError(
            coded(
                "ZV3411",
                "the page needs a secret of at least {shortest_secret} characters",
                shortest_secret=SHORTEST_SECRET,
            ),
            place="web.secret_file",
            remedy=Message("make one: openssl rand -base64 32"),
        )
    users = Users(settings.users)
    sessions = UserSessions(secret, users, settings.session_for, now)
    return SignIns(users, sessions, SignInLimits(now))


def create_app(
    environment: Environment,
    *,
    performed: Callable[[Environment, RunRequest], Summary] = perform,
    origins: Mapping[str, str] | None = None,
    sign_ins: SignIns | None = None,
    flow: str = "",
    flows: Callable[[], Sequence[FlowLink]] = tuple,
    workers: Callable[[], FleetStatus] | None = None,
) -> Starlette:
    """Return the page's application. Its lifespan ends the current run at a safe place.

    Args:
        environment: stays open as long as the application serves.
        performed: what performs a run.
        origins: where the settings came from, by key.
        sign_ins: who is signed in, shared by the pages of all flows; of its own by default.
        flow: the flow's name where there are several.
        flows: gives all of them.
        workers: gives the workers and what waits for them, where there are any.

    Raises:
        SettingsError: there are no users, or there is no key to sign the cookies.
    """
    settings = environment.settings.web
    sign_ins = sign_ins or sign_ins_of(settings, environment.now)
    worker = Worker(environment, performed)
    https = is_https(settings)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        yield
        await run_in_threadpool(worker.close, STOP_SECONDS)

    app = Starlette(
        routes=_routes(),
        middleware=[
            Middleware(Headers, https=https),
            Middleware(TrustedHostMiddleware, allowed_hosts=hosts(settings), www_redirect=False),
        ],
        exception_handlers={HTTPException: _plain, ZvirkaError: _trouble},
        lifespan=lifespan,
    )
    app.state.web = WebContext(
        journal=environment.journal,
        users=sign_ins.users,
        sessions=sign_ins.sessions,
        attempts=sign_ins.attempts,
        worker=worker,
        key=environment.mapping.key_name,
        language=environment.settings.report.language,
        timezone=environment.settings.schedule.timezone,
        https=https,
        environment=environment,
        settings=environment.settings,
        origins=origins or {},
        now=environment.now,
        flow=flow,
        flows=flows,
        workers=workers,
    )
    return app


def _routes() -> list[Route]:
    def get(path: str, handler: Handler, role: str | None = "auditor") -> Route:
        return Route(path, endpoint(handler, role=role), methods=["GET"])

    def post(path: str, handler: Handler, role: str | None = "auditor") -> Route:
        return Route(path, endpoint(handler, role=role), methods=["POST"])

    return [
        get("/", front.overview),
        Route("/healthz", _health, methods=["GET"]),
        Route("/style.css", _style, methods=["GET"]),
        Route("/live.js", _script, methods=["GET"]),
        Route("/favicon.ico", _nothing, methods=["GET"]),
        get("/sign-in", signing_in.sign_in_form, role=None),
        post("/sign-in", signing_in.sign_in, role=None),
        post("/sign-out", signing_in.sign_out),
        get("/runs", pages.runs),
        get("/timeline", timeline_page.show_timeline),
        get("/runs/{run:int}", pages.run),
        get("/runs/{run:int}/search", pages.leave_search),
        post("/runs/{run:int}/search", pages.search_run),
        post("/runs/{run:int}/stop", front.stop, role="admin"),
        post("/runs/{run:int}/approve", actions.approve, role="admin"),
        post("/runs/{run:int}/reject", actions.reject, role="admin"),
        get("/runs/{run:int}/{number:int}", pages.life),
        get("/runs/{run:int}/changes", plan_changes.plan_changes),
        get("/runs/{run:int}/report.{form}", downloads.report),
        post("/runs/{run:int}/undo", actions.undo, role="admin"),
        get("/start", actions.start_form, role="admin"),
        post("/start", actions.start, role="admin"),
        get("/records", downloads.records),
        get("/export", downloads.export),
        post("/verify", downloads.verify),
        get("/settings", pages.settings, role="admin"),
        get("/held", pages.held),
        get("/workers", workers_page.show_workers),
        get("/counterparty", pages.search),
        post("/counterparty", pages.find_counterparty),
        post("/counterparty/now", both_sides.ask_both, role="admin"),
        post("/resync", actions.resync, role="admin"),
        post("/suppress", actions.never_correct, role="admin"),
        get("/work", pages.work),
        get("/progress", live_progress.stream),
    ]


async def _health(_request: Request) -> Response:
    return PlainTextResponse("ok\n")


async def _style(_request: Request) -> Response:
    headers = {"Cache-Control": "public, max-age=31536000, immutable"}
    return Response(style_sheet(), media_type="text/css", headers=headers)


async def _script(_request: Request) -> Response:
    headers = {"Cache-Control": "public, max-age=31536000, immutable"}
    return Response(live_script(), media_type="text/javascript", headers=headers)


async def _nothing(_request: Request) -> Response:
    return Response(status_code=204)


async def _plain(request: Request, error: Exception) -> Response:
    """An address or method that is not there."""
    assert isinstance(error, HTTPException)

    def answer(context: RequestContext) -> Response:
        _ = context.words.gettext
        raise Refused(error.status_code, _("There is no such page."))

    if request.method not in {"GET", "HEAD"}:
        return PlainTextResponse(f"{error.detail}\n", error.status_code, error.headers)
    response: Response = await endpoint(answer, role=None)(request)
    return response


async def _trouble(request: Request, error: Exception) -> Response:
    """The journal cannot be used: said as it is, for cause, place and remedy are no secrets."""
    assert isinstance(error, ZvirkaError)
    logger.error("a page could not be shown", cause=error.cause, place=error.place)
    told = Words(language_of_request(request.app.state.web, request)).told
    return PlainTextResponse(f"{told(error.cause)}\n{told(error.remedy)}\n", 503)

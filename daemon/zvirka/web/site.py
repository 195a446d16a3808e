"""The application: routes and middleware."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

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
from zvirka.i18n.words import Words
from zvirka.message import Message, coded
from zvirka.reconcile.environment import Environment
from zvirka.reconcile.request import Request as RunRequest
from zvirka.reconcile.request import Summary
from zvirka.reconcile.run import perform
from zvirka.settings.checks import SHORTEST_SECRET
from zvirka.web import actions, both_sides, downloads, pages, plan_changes
from zvirka.web import overview as front
from zvirka.web.request_context import (
    Handler,
    Refused,
    RequestContext,
    WebContext,
    endpoint,
    language_of_request,
    style_sheet,
)
from zvirka.web.response_headers import Headers, hosts, is_https
from zvirka.web.sign_in_limits import SignInLimits
from zvirka.web.user_sessions import UserSessions
from zvirka.web.users import Users
from zvirka.web.worker import Worker

STOP_SECONDS = 8.0
"""How long a run may take to a safe place after the page is asked to stop; its unit waits 30 s."""


def create_app(
    environment: Environment,
    *,
    performed: Callable[[Environment, RunRequest], Summary] = perform,
    origins: Mapping[str, str] | None = None,
) -> Starlette:
    """Return the page's application. Its lifespan ends the current run at a safe place.

    Args:
        environment: stays open as long as the application serves.
        performed: what performs a run.
        origins: where the settings came from, by key.

    Raises:
        SettingsError: there are no users, or there is no key to sign the cookies.
    """
    settings = environment.settings.web
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
        users=users,
        sessions=UserSessions(secret, users, settings.session_for, environment.now),
        attempts=SignInLimits(environment.now),
        worker=worker,
        key=environment.mapping.key,
        language=environment.settings.report.language,
        timezone=environment.settings.schedule.timezone,
        https=https,
        environment=environment,
        settings=environment.settings,
        origins=origins or {},
        now=environment.now,
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
        Route("/favicon.ico", _nothing, methods=["GET"]),
        get("/sign-in", actions.sign_in_form, role=None),
        post("/sign-in", actions.sign_in, role=None),
        post("/sign-out", actions.sign_out),
        get("/runs", pages.runs),
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
        get("/counterparty", pages.search),
        post("/counterparty", pages.find_counterparty),
        post("/counterparty/now", both_sides.ask_both, role="admin"),
        post("/resync", actions.resync, role="admin"),
        get("/work", pages.work),
    ]


async def _health(_request: Request) -> Response:
    return PlainTextResponse("ok\n")


async def _style(_request: Request) -> Response:
    headers = {"Cache-Control": "public, max-age=31536000, immutable"}
    return Response(style_sheet(), media_type="text/css", headers=headers)


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

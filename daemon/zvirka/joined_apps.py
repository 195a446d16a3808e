"""One application out of several: the receivers, or the pages, of all flows on one port."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import Receive, Scope, Send


def by_exact_path(first: Any, others: Mapping[str, Any]) -> Any:
    """Return ``first``, with these paths answered by other applications, which see the whole path.

    Args:
        first: answers everything else.
        others: path → application.
    """
    routes: list[BaseRoute] = [Route(path, endpoint=app) for path, app in others.items()]
    return _joined([*routes, Mount("/", app=first)], [first, *others.values()]) if others else first


def below_paths(first: Any, others: Mapping[str, Any]) -> Any:
    """Return ``first``, with whatever is below these paths answered by other applications.

    They see the path as their root (``root_path``).
    """
    routes: list[BaseRoute] = [Mount(path, app=app) for path, app in others.items()]
    return _joined([*routes, Mount("/", app=first)], [first, *others.values()]) if others else first


class Unavailable:
    """Answers 503 in place of an application that could not be opened: the sender tries again."""

    def __init__(self, reason: str) -> None:
        self._answer = JSONResponse(
            {"success": False, "reason": reason, "field": "", "messageId": None},
            503,
            headers={"Retry-After": "60"},
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        await self._answer(scope, receive, send)


def _joined(routes: list[BaseRoute], apps: list[Any]) -> Starlette:
    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        async with AsyncExitStack() as running:
            for app in apps:
                if isinstance(app, Starlette):  # FastAPI's are, too
                    await running.enter_async_context(app.router.lifespan_context(app))
            yield

    return Starlette(routes=routes, lifespan=lifespan)

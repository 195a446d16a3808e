"""The webhook endpoint: the contract 1C's push module knows, every answer documented.

``200`` is said only when store and receipt are on disk. An answer repeats ``messageId``, which is
what the push module takes for proof: a login page answers 200 too.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from fastapi import FastAPI, Request, Response
from pydantic import BaseModel

from zvirka.erp.sql.upsert import Effect
from zvirka.errors import ZvirkaError
from zvirka.now import Now, utc_now
from zvirka.receiver.access import Tokens, check_type, read_body
from zvirka.receiver.batching import Batcher, BusyError, Taker
from zvirka.receiver.earlier_messages import LEFT, IngestResult
from zvirka.receiver.payload import PayloadReader, PayloadRefusal
from zvirka.receiver.signature import HEADER, Signatures

_STATUS: dict[str, int] = {
    Effect.REFUSED: 422,
    Effect.FAILED: 409,
    Effect.HELD: 409,
    Effect.WAITING: 424,
    LEFT: 503,
}
_RETRY_SECONDS = "5"
_UNSIGNED = Signatures(())


class Taken(BaseModel):
    """The webhook is taken in, durably: the store holds it, or something newer.

    ``outcome``: created, updated, restored, deleted, unchanged, absent (nothing to delete), linked
    (another flow keeps the client), stale (this message, or a newer one, was taken in before).
    """

    success: bool
    outcome: str
    messageId: str | None


class Declined(BaseModel):
    """The webhook is not taken in. ``field`` names what is at fault, e.g. ``clientData.Код``."""

    success: bool
    reason: str
    field: str
    messageId: str | None


class Health(BaseModel):
    """Whether the last batch went through, and how many messages wait."""

    status: str
    waiting: int
    trouble: str


_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {"model": Taken, "description": "Taken in, durably"},
    401: {"model": Declined, "description": "No valid bearer token or signature"},
    409: {"model": Declined, "description": "The store cannot take it, or a person must decide"},
    413: {"model": Declined, "description": "The body is too long"},
    415: {"model": Declined, "description": "The body is not JSON in UTF-8"},
    422: {"model": Declined, "description": "The body is not such a message; the field is named"},
    424: {"model": Declined, "description": "It refers to a row that is not there yet; send later"},
    503: {"model": Declined, "description": "A database cannot be used now; send again later"},
}


def create_app(
    ingest: Taker,
    reader: PayloadReader,
    tokens: Tokens,
    *,
    signatures: Signatures = _UNSIGNED,
    path: str = "/api/webhook/1c/clients",
    max_body: int = 262_144,
    clock: Now = utc_now,
    on_taken: Callable[[int], None] | None = None,
) -> FastAPI:
    """Build the application; its lifespan empties the queue before it ends.

    ``max_body`` is in bytes. ``on_taken`` is told the size of each batch taken in.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with Batcher(ingest, on_taken=on_taken) as intake:
            app.state.intake = intake
            yield

    app = FastAPI(
        title="zvirka receiver",
        description="Takes 1C's counterparty webhooks in: durably, once, never backwards.",
        lifespan=lifespan,
        docs_url=None,  # its page loads scripts from elsewhere
        redoc_url=None,
    )

    async def take(request: Request) -> IngestResult | PayloadRefusal:
        intake: Batcher = request.app.state.intake
        message_id = None
        try:
            tokens.check(request.headers.get("authorization"))
            check_type(request.headers.get("content-type"))
            body = await read_body(request, max_body)
            signatures.check(request.headers.get(HEADER), body, clock())
            message = reader.read(body, clock())
            message_id = message.message_id
            result = await intake.submit(message)
        except PayloadRefusal as refusal:
            return refusal
        except BusyError:
            return PayloadRefusal(503, "too many messages are waiting", message_id=message_id)
        except ZvirkaError as error:
            return PayloadRefusal(503, error.cause, message_id=message_id)
        request.state.message_id = message_id
        return result

    @app.post(
        path,
        summary="A counterparty was created, changed or deleted in 1C",
        responses=_ANSWERS,
        response_model=None,
        openapi_extra=_documented(reader, tokens),
    )
    async def receive(request: Request) -> Response:
        answer = await take(request)
        if isinstance(answer, PayloadRefusal):
            return _declined(answer)
        message_id = request.state.message_id
        status = _STATUS.get(answer.outcome, 200)
        if status != 200:
            field = reader.place_in(answer.detail)
            return _declined(PayloadRefusal(status, answer.detail, field, message_id))
        return _json(200, {"success": True, "outcome": answer.outcome, "messageId": message_id})

    @app.get("/healthz", responses={503: {"model": Health}}, response_model=Health)
    async def health(request: Request) -> Response:
        """200 when the last batch was taken in, 503 when a database was in the way."""
        intake: Batcher = request.app.state.intake
        status = 503 if intake.trouble else 200
        told = {
            "status": "failing" if intake.trouble else "ok",
            "waiting": intake.waiting,
            "trouble": intake.trouble,
        }
        return _json(status, told)

    if tokens.needed:
        schemes = app.openapi().setdefault("components", {}).setdefault("securitySchemes", {})
        schemes["bearer"] = {"type": "http", "scheme": "bearer"}
    return app


def _declined(refusal: PayloadRefusal) -> Response:
    answer = _json(
        refusal.status,
        {
            "success": False,
            "reason": refusal.reason,
            "field": refusal.field,
            "messageId": refusal.message_id,
        },
    )
    if refusal.status == 401:
        answer.headers["WWW-Authenticate"] = "Bearer"
    if refusal.status == 503:
        answer.headers["Retry-After"] = _RETRY_SECONDS
    if refusal.status in {401, 413, 415}:
        # The body was not read to its end: the connection cannot be used again.
        answer.headers["Connection"] = "close"
    return answer


def _json(status: int, content: dict[str, Any]) -> Response:
    return Response(
        msgspec.json.encode(content, enc_hook=str), status, media_type="application/json"
    )


def _documented(reader: PayloadReader, tokens: Tokens) -> dict[str, Any]:
    """The request for OpenAPI; :class:`PayloadReader` reads the body, not FastAPI."""
    content = {"application/json": {"schema": reader.schema()}}
    documented: dict[str, Any] = {"requestBody": {"required": True, "content": content}}
    if tokens.needed:
        documented["security"] = [{"bearer": []}]
    return documented

"""What is ordered from a worker, and what comes back, as JSON in the queue's database."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from zvirka.errors import ExitCode, RunInterrupted, ZvirkaError
from zvirka.message import Coded, Message, coded, loaded, stored
from zvirka.reconcile.feeding import Followed
from zvirka.reconcile.request import Request, Summary
from zvirka.service.nights import NIGHTLY
from zvirka.settings.model import Settings

NIGHT, PERSON = 0, 10
"""The priorities: what a person waits for goes before what a night has hours for."""


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """A run of a flow to perform; without ``request`` it is a feed, asked for by ``who``."""

    flow: str
    who: str
    request: Request | None = None

    @classmethod
    def of(cls, settings: Settings, request: Request) -> Order:
        """The order of a run of that flow."""
        return cls(flow=settings.name, who=request.who, request=request)

    @property
    def is_night(self) -> bool:
        """Whether it is one of the daemon's own runs."""
        return self.request is not None and self.request.trigger in NIGHTLY

    @property
    def priority(self) -> int:
        """Its place in the queue; a higher number goes first."""
        return NIGHT if self.is_night else PERSON


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """The error that ended a run before it had a summary; texts as the journal keeps them."""

    kind: str
    cause: str
    place: str = ""
    remedy: str = ""
    exit_code: int = int(ExitCode.FAILED)
    passing: bool = False

    @classmethod
    def of(cls, error: ZvirkaError) -> Refusal:
        """The error in the form that travels."""
        return cls(
            kind=type(error).__name__,
            cause=stored(error.cause),
            place=stored(error.place),
            remedy=stored(error.remedy),
            exit_code=int(error.exit_code),
            passing=error.passing,
        )

    def error(self) -> ZvirkaError:
        """The error again."""
        if self.kind == RunInterrupted.__name__:
            return RunInterrupted(_cause(self.cause))
        return RunElsewhereError(self)


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """How an order ended: its runs by flow (none where a feed had nothing new), or an error.

    ``failures``: the flows of a feed that failed beside others that had their run.
    """

    summaries: dict[str, Summary] = {}
    failures: dict[str, Refusal] = {}
    refusal: Refusal | None = None

    @classmethod
    def refused(cls, error: ZvirkaError) -> Result:
        """The result of an order that ended by an error."""
        return cls(refusal=Refusal.of(error))

    @classmethod
    def of_feed(cls, followed: Followed) -> Result:
        """The result of a feed."""
        failures = {flow: Refusal.of(error) for flow, error in followed.failures.items()}
        return cls(summaries=followed.runs, failures=failures)

    def runs(self) -> dict[str, Summary]:
        """The runs by flow.

        Raises:
            RunElsewhereError: the order ended by an error.
            RunInterrupted: it was asked to stop before its run began.
        """
        if self.refusal is not None:
            raise self.refusal.error()
        return self.summaries

    def followed(self) -> Followed:
        """What a feed led to.

        Raises:
            RunElsewhereError: the order ended by an error.
            RunInterrupted: it was asked to stop before its run began.
        """
        return Followed(self.runs(), {flow: one.error() for flow, one in self.failures.items()})


class RunElsewhereError(ZvirkaError):
    """A run that could not begin or end on another machine; words and exit code are its own."""

    def __init__(self, refusal: Refusal) -> None:
        remedy = loaded(refusal.remedy)
        super().__init__(
            _cause(refusal.cause),
            place=loaded(refusal.place),
            remedy=remedy if isinstance(remedy, Message) else None,
        )
        self.exit_code = ExitCode(refusal.exit_code)
        self.passing = refusal.passing  # type: ignore[misc]  # as the error had it over there


def lost_run(detail: str) -> Result:
    """The result of a run whose process ended without a word; the next run settles it."""
    return Result(
        refusal=Refusal(
            kind="RunLost",
            cause=stored(
                coded("ZV5702", "the process of the run ended without a result ({how})", how=detail)
            ),
            remedy=stored(Message("see the log of the worker; the next run settles what was open")),
            passing=True,
        )
    )


def to_json(content: Order | Result) -> dict[str, Any]:
    """The content as plain values."""
    if isinstance(content, Result):
        content = msgspec.structs.replace(
            content,
            summaries={
                flow: msgspec.structs.replace(summary, error=stored(summary.error))
                for flow, summary in content.summaries.items()
            },
        )
    plain: dict[str, Any] = msgspec.to_builtins(content, enc_hook=stored_or_path)
    return plain


def order_from(plain: dict[str, Any]) -> Order:
    """The order that :func:`to_json` made plain.

    Raises:
        msgspec.ValidationError: the content is not one that this version of zvirka writes.
    """
    order = msgspec.convert(plain, Order)
    request = order.request
    if request is None:
        return order
    request = msgspec.structs.replace(request, reason=loaded(request.reason))
    return msgspec.structs.replace(order, request=request)


def result_from(plain: dict[str, Any]) -> Result:
    """The result that :func:`to_json` made plain.

    Raises:
        msgspec.ValidationError: the content is not one that this version of zvirka writes.
    """
    result = msgspec.convert(plain, Result, dec_hook=_path)
    return msgspec.structs.replace(
        result,
        summaries={
            flow: msgspec.structs.replace(summary, error=loaded(summary.error))
            for flow, summary in result.summaries.items()
        },
    )


def stored_or_path(value: Any) -> str:
    """A message as JSON, a path as its text."""
    return stored(value) if isinstance(value, str) else str(value)


def _path(_kind: type, value: Any) -> Path:
    """The one type of a result that JSON does not have; msgspec refuses a path for another."""
    return Path(value)


def _cause(text: str) -> Coded:
    message = loaded(text)
    if isinstance(message, Message):
        made = Coded._make(message.template, message.arguments, message.code, message.many)
        assert isinstance(made, Coded)
        return made
    return coded("", "{text}", text=text)

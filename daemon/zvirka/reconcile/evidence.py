"""Finds what explains a difference in the push log, the outbox of 1C and the receipts.

The push module logs its errors, its extension keeps unsent messages in an outbox, and the receiver
keeps a receipt of every webhook. Evidence is shown in the report and decides nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
from loguru import logger

from zvirka.domain import Cause, Difference, Kind
from zvirka.errors import ZvirkaError
from zvirka.journal.journal import Journal
from zvirka.journal.receipts import STORED, Receipt, find_receipts, has_receipts
from zvirka.message import Message, joined
from zvirka.onec.protocol import Undelivered
from zvirka.push_log import PushLogLine, errors_by_ref
from zvirka.reconcile.run_context import RunContext

_LOOK_BACK = timedelta(days=30)
"""How far back evidence is searched for before the first good run."""

_MISSED = frozenset(
    {Cause.MISSED_CREATE, Cause.MISSED_UPDATE, Cause.MISSED_DELETE, Cause.CONFLICT, Cause.UNKNOWN}
)


class Evidence:
    """Push errors since the last good run, the outbox of 1C, and receipts.

    Args:
        book: the journal, which holds the receipts.
        errors: push errors by Ref_Key and by Код.
        outbox: reads the outbox, by Ref_Key and by Код; called once, at the first difference.
        since: how far back receipts count.
        receiving: whether this journal has receipts at all.
        warnings: what could not be read, grows while differences are explained.
    """

    def __init__(
        self,
        journal: Journal,
        errors: dict[str, PushLogLine],
        outbox: Callable[[], dict[str, Undelivered]],
        since: datetime,
        receiving: bool,
        warnings: list[str],
    ) -> None:
        self._journal = journal
        self._errors = errors
        self._outbox = cache(outbox)
        self._since = since
        self._receiving = receiving
        self.warnings = warnings

    @classmethod
    def of(cls, context: RunContext) -> Evidence:
        """Read the evidence for one run; an unreadable push log becomes a warning."""
        journal = context.environment.journal
        good = journal.last_good(1)
        now = context.environment.now()
        since = good[0].started_at if good else now - _LOOK_BACK
        errors: dict[str, PushLogLine] = {}
        warnings: list[str] = []
        path: Path | None = context.environment.settings.report.push_log
        if path is not None:
            try:
                errors = errors_by_ref(path, since)
            except ZvirkaError as error:
                logger.warning("the push log could not be read", cause=error.cause)
                warnings.append(error.sentence)
        return cls(
            journal,
            errors,
            lambda: _waiting_in(context, warnings),
            since,
            has_receipts(journal.engine),
            warnings,
        )

    def explain(self, differences: Sequence[Difference]) -> list[Difference]:
        """Add the line, message or receipt that explains each difference, where there is one."""
        receipts = self._receipts_of(differences)
        return [
            msgspec.structs.replace(difference, evidence=evidence)
            if (evidence := self._told(difference, receipts))
            else difference
            for difference in differences
        ]

    def _receipts_of(self, differences: Sequence[Difference]) -> dict[str, Receipt]:
        """The newest receipt by Ref_Key and by key."""
        if not self._receiving:
            return {}
        newest: dict[str, Receipt] = {}
        for receipt in find_receipts(
            self._journal.engine,
            refs=[difference.ref for difference in differences],
            keys=[difference.key for difference in differences],
            since=self._since,
        ):
            for name in {receipt.ref, receipt.key} - {""}:
                if name not in newest or newest[name].id < receipt.id:
                    newest[name] = receipt
        return newest

    def _told(self, difference: Difference, receipts: dict[str, Receipt]) -> str:
        if difference.cause is Cause.ERP_EDIT:
            return self._edited(
                difference, receipts.get(difference.ref) or receipts.get(difference.key)
            )
        waiting = self._outbox()
        error = self._errors.get(difference.ref) or self._errors.get(difference.key)
        message = waiting.get(difference.ref) or waiting.get(difference.key)
        if message is not None and (error is None or error.at <= _last_heard_of(message)):
            return waits(message)
        if error is not None:
            return Message(
                "push log {time} {action} {status}: {text}",
                time=error.at.isoformat(),
                action=error.action,
                status=str(error.status),
                text=error.text,
            )
        if not self._receiving:
            return ""
        receipt = receipts.get(difference.ref) or receipts.get(difference.key)
        if receipt is None:
            # It explains what 1C did not tell, and nothing else.
            missed = difference.cause in _MISSED
            no_webhook = Message("no webhook came for this record since the last good run")
            return no_webhook if missed else ""
        came = {"action": receipt.action, "time": receipt.received_at.isoformat()}
        if receipt.outcome in STORED:
            return Message(
                "webhook {action} came {time} and was stored; the row was edited later", **came
            )
        why = receipt.outcome or Message("no outcome yet")
        told = joined([why, receipt.detail], " ") if receipt.detail else why
        return Message("webhook {action} came {time}: {outcome}", **came, outcome=told)

    @staticmethod
    def _edited(difference: Difference, receipt: Receipt | None) -> str:
        """What proves an edit in the ERP: 1C has not changed; a missing webhook would not."""
        if difference.kind not in {Kind.DIFFERENT, Kind.INACTIVE}:
            return Message("both sides held this client when they last agreed")
        unchanged = Message("1C has not changed this record since both sides last agreed")
        if receipt is None or receipt.outcome not in STORED:
            return unchanged
        stored = Message(
            "webhook {action} came {time} and was stored; the row was edited later",
            action=receipt.action,
            time=receipt.received_at.isoformat(),
        )
        return joined([unchanged, stored])


def _waiting_in(context: RunContext, warnings: list[str]) -> dict[str, Undelivered]:
    """The oldest message of each counterparty in the outbox, by Ref_Key and by Код.

    It is the one being sent; later ones wait for it. An unreadable outbox becomes a warning.
    """
    found: dict[str, Undelivered] = {}
    try:
        for message in context.source.undelivered():
            for name in {message.ref, message.code} - {""}:
                found[name] = message
    except ZvirkaError as error:
        logger.warning("the outbox of 1C could not be read", cause=error.cause)
        warnings.append(error.sentence)
    return found


def _last_heard_of(message: Undelivered) -> datetime:
    return message.tried or message.created


def waits(message: Undelivered) -> Message:
    """The evidence that a message waits in the outbox of 1C."""
    since = message.created.isoformat()
    if not message.attempts:
        return Message(
            "outbox of 1C: {action} waits since {time}, not sent yet",
            action=message.action,
            time=since,
        )
    told: dict[str, Any] = {
        "action": message.action,
        "time": since,
        "count": message.attempts,
        "text": message.error or Message("HTTP {status}", status=str(message.status)),
    }
    if message.stopped:
        return Message(
            "outbox of 1C: {action} of {time} is stopped until a person repeats or drops it,"
            " failed attempts: {count}, last error: {text}",
            **told,
        )
    return Message(
        "outbox of 1C: {action} waits since {time}, failed attempts: {count}, last error: {text}",
        **told,
    )

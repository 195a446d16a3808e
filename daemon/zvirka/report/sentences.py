"""Translates the English sentences that runs leave in the journal.

Notes, details and reasons are English sentences with a Код, a number or a column name in them. A
report in Ukrainian recognises them by these patterns. A sentence that is not recognised (a
database's message, a sentence of an older version) appears as it was written.
"""

from __future__ import annotations

import re
from datetime import datetime
from functools import cache

from zvirka.i18n import N_
from zvirka.i18n.words import Words
from zvirka.message import Message

SENTENCES: tuple[str, ...] = (
    # judging: what a difference is
    N_("the client was removed from the store"),
    N_("the counterparty was re-created in 1C: same key, another Ref_Key"),
    N_("the key changed in 1C: one client under a new key"),
    N_("marked for deletion in 1C"),
    N_("1C was asked for {what}: not there"),
    N_("the same tax id under another key"),
    N_("the client had key {key}"),
    N_('policy.rekey = "apply" makes zvirka move it'),
    N_("the key stands {count} times in 1C: {refs}"),
    N_("the key stands more than once in the store"),
    N_("the pairing key is empty in {where}"),
    N_("the store"),
    N_("1C still has it, out of scope or turned into a group: left alone"),
    N_("1C has this key under another Ref_Key: left alone"),
    N_("1C cannot be asked for this key, so its absence is not proven: left alone"),
    N_("1C is asked for each of so many deletions when the run is approved"),
    N_("undone by a person (run {run}); 1C has not changed since"),
    N_("undone by a person (run {run})"),
    N_("1C has not changed since"),
    N_("sent {nights} times without effect; not sent again until 1C or the ERP changes"),
    N_(
        "rejected by {who} on {day} (run {run}): {reason}; not proposed again until 1C or the ERP"
        " changes"
    ),
    N_(
        "rejected by {who} on {day} (run {run}): {reason}; not proposed again until it is resynced"
        " by name"
    ),
    N_("not part of the approved plan; the next reconciliation takes it up"),
    N_("not part of the approved plan"),
    N_("the next reconciliation takes it up"),
    N_("puts back what the {action} had changed"),
    N_("a unique value is held by {rows}"),
    # what became of a correction
    N_("reads back otherwise: {fields}"),
    N_("reads back otherwise"),
    N_("the row is gone, or no longer owned"),
    N_("the row changed since it was scanned"),
    N_("a client with this key is there by now"),
    N_("another correction of this batch creates the same key"),
    N_("another client holds the new key"),
    N_("the store deletes for good, there is nothing to restore"),
    N_("the row would not be owned any more with these values"),
    N_("clients exchange a unique value in a circle"),
    N_("the created row would not be owned; complete erp.on_create so that erp.owned holds"),
    N_("a row that is not owned holds this key, the ERP would correct that one"),
    N_("other rows hold the same unique value, the ERP would correct the wrong one: {rows}"),
    N_("truncated: {fields}"),
    N_("left out: {what}"),
    N_("another row has the same key after the create, which was taken back"),
    N_("not created: an earlier create of this run ended with two rows under one key"),
    N_("two rows have this key since the ERP accepted the create"),
    N_("column {column} does not take such a value"),
    N_("column {column} holds numbers and would change the value"),
    N_("field {field} is empty, column {column} is NOT NULL"),
    N_("field {field} contains U+0000, which the database cannot hold"),
    N_("field {field} has {count} characters, column {column} takes {limit}"),
    N_("the database refused the row: {why}"),
    N_("a value does not fit the type of its column"),
    N_("1C says otherwise by now"),
    N_("the store has it"),
    N_("the store does not have it"),
    N_("the store does not have it, sent {count} times"),
    N_("the row changed, but not to what was sent"),
    N_("the webhook could not be connected to"),
    N_("the webhook could not be connected to in time"),
    N_("the TLS certificate of the webhook is not trusted"),
    N_("no answer within {seconds} s"),
    N_("the connection was cut before the answer was whole"),
    # evidence
    N_("push log {time} {action} {status}: {text}"),
    N_("outbox of 1C: {action} waits since {time}, not sent yet"),
    N_("outbox of 1C: {action} waits since {time}, failed attempts: {count}, last error: {text}"),
    N_("webhook {action} came {time} and was stored; the row was edited later"),
    N_("webhook {action} came {time}: {outcome}"),
    N_("no webhook came for this counterparty since the last good run"),
    # the run itself
    N_("1C counts {counted} counterparties, {rows} could be read"),
    N_("allowed_only is set: 1C leaves out what the user may not see"),
    N_("canaries are missing: {keys}"),
    N_("{count} clients look absent from 1C, but the snapshot is partial"),
    N_("the agreement of both sides is missing; causes of this run are unknown"),
    N_("run {run} was interrupted in phase {phase}"),
    N_("run {run}, difference {number}: {what}"),
    N_("{action} had reached the store before the run was interrupted"),
    N_("had reached the store before the run was interrupted"),
    N_("{action} had not reached the store; it will be planned again"),
    N_("had not reached the store; it will be planned again"),
    N_("the row has changed since, by zvirka or another program; it will be compared again"),
    N_("two rows had key {key} after a create: creates stopped"),
    N_("code {key}: {what}"),
    N_("message {number} of the exchange plan"),
    N_("night of {slot}, attempt {number}"),
)


def told(text: str, words: Words) -> str:
    """A sentence of the journal in the report's language; the text itself when it is unknown."""
    if isinstance(text, Message):
        return words.told(text)
    if not text or words.language == "en":
        return text
    whole = _translated(text, words)
    if whole is not None:
        return whole
    parts = text.split("; ")
    if len(parts) == 1:
        return text
    return "; ".join(_translated(part, words) or part for part in parts)


def _translated(text: str, words: Words) -> str | None:
    if text in _exact():
        return words.gettext(text)
    for sentence, pattern in _patterns().items():
        if match := pattern.fullmatch(text):
            parts = {name: _part(name, part, words) for name, part in match.groupdict().items()}
            return words.gettext(sentence).format_map(parts)
    return None


def _part(name: str, part: str, words: Words) -> str:
    """A part of a sentence: an action, a time, a sentence in itself, or plain text."""
    if name == "action":
        return words.action(part)
    if name == "slot":
        return words.clock(datetime.fromisoformat(part))
    return told(part, words) if name in {"what", "where"} else part


@cache
def _exact() -> frozenset[str]:
    return frozenset(sentence for sentence in SENTENCES if "{" not in sentence)


@cache
def _patterns() -> dict[str, re.Pattern[str]]:
    """The sentences with parts, the longest first."""
    open_ones = [sentence for sentence in SENTENCES if "{" in sentence]
    open_ones.sort(key=lambda sentence: -len(sentence))
    return {sentence: _pattern(sentence) for sentence in open_ones}


def _pattern(sentence: str) -> re.Pattern[str]:
    pieces = re.split(r"(\{\w+\})", sentence)
    return re.compile(
        "".join(
            f"(?P<{piece[1:-1]}>.+)" if piece.startswith("{") else re.escape(piece)
            for piece in pieces
        ),
        re.DOTALL,
    )

"""The facts of a run that do not come from comparing: where, what, under which rules."""

from __future__ import annotations

import socket
from urllib.parse import urlsplit, urlunsplit

import msgspec

from zvirka.journal.run_facts import Facts, FieldFact
from zvirka.mapping import Attribute, ContactLine, FieldSource, RegisterLine
from zvirka.onec.protocol import SourceTraffic
from zvirka.reconcile.environment import Environment
from zvirka.reconcile.snapshot import PartialSnapshot, Snapshot


def facts_of(environment: Environment) -> Facts:
    """What can be said before anything was read."""
    settings, mapping = environment.settings, environment.mapping
    return Facts(
        flow=settings.name,
        base=without_credentials(settings.onec.url),
        machine=socket.gethostname() if settings.fleet.enabled else msgspec.UNSET,
        catalog=mapping.catalog,
        key=mapping.key_name,
        scope=mapping.scope,
        writer=settings.erp.writer,
        deletion_mark=settings.policy.deletion_mark,
        fields=[
            FieldFact(field.name, in_words(field.source), field.compare.value)
            for field in mapping.fields
        ],
    )


def without_credentials(url: str) -> str:
    """The URL without user and password."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.port:
        host = f"{host}:{parts.port}"
    return urlunsplit((parts.scheme, host, parts.path, "", ""))


def in_words(source: FieldSource) -> str:
    """Where 1C keeps a field, as its administrator would say it."""
    match source:
        case Attribute():
            return f"{source.via} → {source.name}" if source.via else source.name
        case ContactLine():
            kind = f", {source.kind}" if source.kind else ""
            line = f"{source.section}: {source.type}{kind}"
            return f"{source.via} → {line}" if source.via else line
        case RegisterLine():
            kind = f", {source.kind}" if source.kind else ""
            chosen = f": {source.type}{kind}" if source.type else f".{source.value}"
            return f"РегистрСведений.{source.register}{chosen}"


def note_snapshot(facts: Facts, snapshot: Snapshot) -> None:
    """Say what the snapshot is worth."""
    facts.source_rows = snapshot.rows
    facts.complete = not isinstance(snapshot, PartialSnapshot)
    if isinstance(snapshot, PartialSnapshot):
        facts.incomplete_because = list(snapshot.reasons)


def note_traffic(facts: Facts, traffic: SourceTraffic) -> None:
    """Say what was asked of 1C."""
    facts.requests = traffic.requests
    facts.bytes = traffic.bytes
    facts.retries = traffic.retries

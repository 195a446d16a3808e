"""What ``--json`` prints: one object for every command, and for every error.

The schema (``schema/zvirka-commands-1.schema.json``) is made from these types; tests keep the two
equal and validate what the commands print. Members may be added within a version.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import msgspec

from zvirka.demonstration import Day
from zvirka.demonstration_flows import FlowShown
from zvirka.domain import Command, Difference, Mode, RunStatus, Standing, Trigger
from zvirka.fleet.status_lines import FleetStatus
from zvirka.i18n.register import Explanation
from zvirka.journal.client_search import FoundClient
from zvirka.journal.head import Head
from zvirka.journal.held_runs import Decision
from zvirka.journal.keyring import Rotation
from zvirka.journal.records import Fault
from zvirka.journal.retention import Pruned
from zvirka.journal.run_facts import Facts
from zvirka.journal.signature_checks import SignatureCounts
from zvirka.journal.suppressions import Suppression
from zvirka.reconcile.request import Summary
from zvirka.report.history import HistoryPart

VERSION = 1
SCHEMA = Path(__file__).parent / "schema" / f"zvirka-commands-{VERSION}.schema.json"


class Failure(msgspec.Struct, frozen=True):
    """Why a command failed, in the reader's language; ``code`` is for `zvirka explain`."""

    code: str
    cause: str
    place: str
    remedy: str


class ErrorResult(msgspec.Struct, frozen=True):
    """Any command that failed before it had a result."""

    error: Failure


class FindingPart(msgspec.Struct, frozen=True):
    """One line of a check."""

    level: Literal["ok", "warning", "failure"]
    code: str
    subject: str
    text: str
    remedy: str


class CheckResult(msgspec.Struct, frozen=True):
    """What a check found."""

    findings: list[FindingPart]


class ExplainResult(msgspec.Struct, frozen=True):
    """The codes asked for."""

    codes: list[Explanation]


class SettingValue(msgspec.Struct, frozen=True):
    """One setting in effect; a secret is masked."""

    value: str
    origin: str


class ConfigCheckResult(msgspec.Struct, frozen=True):
    """Settings that can be used."""

    file: str | None
    fields: list[str]
    warnings: list[FindingPart]


class RunResult(msgspec.Struct, frozen=True, kw_only=True):
    """One run as the journal has it."""

    run: int
    command: Command
    trigger: Trigger
    who: str
    reason: str
    started_at: datetime
    finished_at: datetime | None
    status: RunStatus
    decision: Decision | None
    mode: Mode | None
    exit_code: int | None
    parent: int | None
    plan_digest: str
    digest: str
    facts: Facts
    error: Fault | None


class RunsResult(msgspec.Struct, frozen=True):
    """Runs, newest first."""

    runs: list[RunResult]


class ShowResult(RunResult, frozen=True, kw_only=True):
    """One run with its differences; ``total`` of them when not all are listed."""

    differences: list[Difference]
    total: int


class FlowLine(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A flow and how it stands; ``error`` where its settings or journal cannot be used."""

    flow: str
    base: str = ""
    catalog: str = ""
    table: str = ""
    standing: Standing | None = None
    last_run: datetime | None = None
    next_run: datetime | None = None
    waiting: int = 0
    error: str = ""


class FlowsResult(msgspec.Struct, frozen=True):
    """All flows; that of ``zvirka.toml`` comes first if it is one."""

    flows: list[FlowLine]


class SuppressionsResult(msgspec.Struct, frozen=True):
    """The clients that are not corrected, and why."""

    suppressions: list[Suppression]


class NothingNew(msgspec.Struct, frozen=True):
    """The exchange plan recorded nothing: there was no run."""

    run: None
    exit_code: int


class FilesResult(msgspec.Struct, frozen=True):
    """The files that were written or removed, or would be."""

    files: list[Path]


class CandidatesResult(msgspec.Struct, frozen=True):
    """Several counterparties fit a tax id or a name."""

    candidates: list[FoundClient]


class ChainEnd(msgspec.Struct, frozen=True):
    """The run sealed last."""

    run: int
    digest: str


class AnchorCounts(msgspec.Struct, frozen=True):
    """What the chain was compared with."""

    heads: int
    timestamps: int


class VerifyResult(msgspec.Struct, frozen=True):
    """The chain in the journal."""

    whole: bool
    end: ChainEnd | None
    signatures: SignatureCounts | None
    anchors: AnchorCounts
    problems: list[str]


class ProvenReport(msgspec.Struct, frozen=True):
    """A report file checked alone; ``findings`` have a ``verdict``, a ``text`` and its values."""

    file: str
    runs: list[int]
    whole: bool
    findings: list[dict[str, Any]]


class ReportsResult(msgspec.Struct, frozen=True):
    """Report files checked alone."""

    reports: list[ProvenReport]


class AnchorResult(msgspec.Struct, frozen=True):
    """The head of the chain; none while there is no run."""

    head: Head | None


class RestoreResult(msgspec.Struct, frozen=True, kw_only=True):
    """What a backup holds; ``last`` is the last sealed run and its digest."""

    version: str
    made_at: datetime
    runs: int
    last: tuple[int, str] | None


class BackupResult(RestoreResult, frozen=True, kw_only=True):
    """The backup that was written."""

    file: str


class DemoResult(msgspec.Struct, frozen=True):
    """How the demo went."""

    day: Day
    runs: dict[str, Summary]
    by_hand_untouched: bool
    flows: list[FlowShown]
    went_well: bool
    directory: str
    report: str


class SimulateResult(msgspec.Struct, frozen=True):
    """How to reach the simulated 1C; a password that was not given is shown."""

    url: str
    user: str
    pid: int
    password: str = ""


class SimulatedListResult(msgspec.Struct, frozen=True):
    """Counterparties of the simulated 1C by field."""

    counterparties: list[dict[str, str | None]]


class SimulatedResult(msgspec.Struct, frozen=True):
    """A counterparty that was written, and whether the ERP took the webhook."""

    code: str
    ref: str
    webhook: bool


class AlertResult(msgspec.Struct, frozen=True):
    """The unit that failed, and how many addresses were told."""

    unit: str
    addresses: int


class Migration(msgspec.Struct, frozen=True):
    """One step of the journal's schema."""

    revision: str
    title: str


class UpgradeResult(msgspec.Struct, frozen=True):
    """The steps that were taken, or would be."""

    migrations: list[Migration]


class PasswordResult(msgspec.Struct, frozen=True):
    """The hash for ``[[web.users]]``."""

    password_hash: str


RESULTS: dict[str, tuple[Any, ...]] = {
    "check": (CheckResult,),
    "explain": (ExplainResult,),
    "config show": (dict[str, SettingValue],),
    "config check": (ConfigCheckResult,),
    **dict.fromkeys(("plan", "reconcile", "resync", "approve", "reject", "undo"), (Summary,)),
    "feed": (Summary, NothingNew),
    "flows": (FlowsResult,),
    "fleet status": (FleetStatus,),
    "suppress": (Summary, SuppressionsResult),
    "runs": (RunsResult,),
    "show": (ShowResult,),
    **dict.fromkeys(("report", "audit export", "bsl render"), (FilesResult,)),
    "audit verify": (VerifyResult, ReportsResult),
    "audit anchor": (AnchorResult,),
    "audit rotate-key": (Rotation,),
    "audit history": (HistoryPart, CandidatesResult),
    "prune": (Pruned,),
    "backup": (BackupResult,),
    "restore": (RestoreResult,),
    "demo": (DemoResult,),
    "simulate": (SimulateResult,),
    "simulated list": (SimulatedListResult,),
    **dict.fromkeys((f"simulated {do}" for do in ("create", "edit", "delete")), (SimulatedResult,)),
    "alert": (AlertResult,),
    **dict.fromkeys(("systemd install", "systemd uninstall"), (FilesResult,)),
    "upgrade": (UpgradeResult,),
    "web hash-password": (PasswordResult,),
}
"""By command; those that only serve, and ``init``, which converses, print no JSON."""


def schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of each command under ``commands``, and of ``error`` for all."""
    shapes = {**RESULTS, "error": (ErrorResult,)}
    # A union of structures cannot be decoded without tags, but each can be described.
    types = list(dict.fromkeys(one for several in shapes.values() for one in several))
    found, parts = msgspec.json.schema_components(
        types, schema_hook=_outside, ref_template="#/$defs/{name}"
    )
    described = dict(zip(types, found, strict=True))
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"zvirka --json, version {VERSION}",
        "commands": {
            command: {"anyOf": [described[one] for one in several]}
            if len(several) > 1
            else described[several[0]]
            for command, several in shapes.items()
        },
        "$defs": parts,
    }


def _outside(kind: type) -> dict[str, Any]:
    """Describe a type of Python's library: a path is a text."""
    if kind is Path:
        return {"type": "string"}
    raise NotImplementedError(kind)

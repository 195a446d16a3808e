"""``zvirka check``."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import typer

from zvirka.cli.invocation import Invocation
from zvirka.cli.options import FlowCommand, examples, new_group
from zvirka.errors import ExitCode, ZvirkaError
from zvirka.i18n import N_
from zvirka.message import Message

if TYPE_CHECKING:
    from zvirka.findings import Finding
    from zvirka.mapping import Mapping
    from zvirka.settings.model import Settings

app = new_group()

_MARKS = {"ok": "✓", "warning": "!", "failure": "✗"}
_TONES = {"ok": "good", "warning": "warning", "failure": "bad"}
_SUBJECTS = {
    "1C connection": N_("1C connection"),
    "1C session": N_("1C session"),
    "charset": N_("charset"),
    "collation": N_("collation"),
    "columns": N_("columns"),
    "contact kinds": N_("contact kinds"),
    "counterparties": N_("counterparties"),
    "erp": N_("ERP"),
    "exchange plan": N_("exchange plan"),
    "files": N_("files"),
    "journal": N_("journal"),
    "key": N_("key"),
    "lengths": N_("lengths"),
    "onec": N_("1C"),
    "ownership": N_("ownership"),
    "profile": N_("profile"),
    "reading": N_("reading"),
    "related values": N_("related values"),
    "required columns": N_("required columns"),
    "rights": N_("rights"),
    "service user": N_("service user"),
    "slice": N_("slice"),
    "soft delete": N_("soft delete"),
    "store": N_("store"),
    "transactions": N_("transactions"),
    "webhook": N_("webhook"),
}
"""What a line of a check is about, unless it is a key of the settings."""


@app.command(
    cls=FlowCommand,
    epilog=examples("""
        zvirka check
        zvirka check --json
        ZVIRKA_ONEC__USER=Адмін zvirka check --config ./zvirka.toml
    """),
)
def check(context: typer.Context) -> int:
    """Check that 1C, the mapping, the ERP and the journal fit.

    Each line is ok, a warning, or a failure with its remedy. Nothing is written: rights are tried
    in a transaction that is rolled back. Run by root, it checks as the user of the service, with
    the secrets and the sandbox of its units.
    """
    call: Invocation = context.obj
    findings = findings_of(call)
    failures = sum(finding.level == "failure" for finding in findings)
    if call.common.json:
        call.print_json({"findings": [finding_content(call, finding) for finding in findings]})
    else:
        for finding in findings:
            print_finding(call, finding)
        passed = call.say("check_passed")
        call.print(call.say("check_failed", count=failures) if failures else passed)
    return ExitCode.FAILED if failures else ExitCode.IN_SYNC


def findings_of(call: Invocation) -> list[Finding]:
    """Return what a check finds: settings, service, 1C, the store, the journal."""
    from zvirka.cli.service_check import service_findings
    from zvirka.erp.shared_table import overlap_findings
    from zvirka.journal.journal_check import check_journal
    from zvirka.onec.source_check import check_source

    loaded, settings, mapping = call.loaded, call.settings, call.mapping
    findings = [*loaded.warnings, *service_findings(settings, loaded.path)]
    with TemporaryDirectory(prefix="zvirka-check-") as scratch:  # in place of the schema's cache
        cache = Path(scratch)
        findings += _guarded("onec", lambda: check_source(settings.onec, mapping, cache))
        findings += _guarded("erp", lambda: _store_findings(settings, mapping))
        findings += _guarded("erp", lambda: list(overlap_findings(settings)))
        if not any(finding.level == "failure" for finding in findings):
            findings += _guarded("key", lambda: _key_findings(call, cache))
    findings += _guarded("journal", lambda: check_journal(settings))
    return findings


def _store_findings(settings: Settings, mapping: Mapping) -> list[Finding]:
    from zvirka.erp.references import references_of
    from zvirka.erp.sql.store_check import check_store

    references, referring = references_of(settings.name, settings.flows)
    return check_store(settings.erp, mapping, references=references, referring=referring)


def _key_findings(call: Invocation, cache: Path) -> list[Finding]:
    from zvirka.erp.open_store import open_store
    from zvirka.erp.references import references_of
    from zvirka.onec.open_source import open_source
    from zvirka.reconcile.key_plausibility import key_findings

    settings, mapping = call.settings, call.mapping
    if settings.erp.table is None:  # the embedded store's own key is right
        return []
    references, _ = references_of(settings.name, settings.flows)
    with (
        open_source(settings.onec, mapping, cache) as source,
        closing(open_store(settings.erp, mapping, references=references)) as store,
    ):
        return list(key_findings(source, store, mapping, settings.guard.min_key_share))


def finding_content(call: Invocation, finding: Finding) -> dict[str, str]:
    """Return a line of a check for programs: its subject is a name, the rest is told."""
    told, code = call.words.told, getattr(finding.text, "code", "")
    texts = {name: told(getattr(finding, name)) for name in ("subject", "text", "remedy")}
    return {"level": finding.level, "code": code, **texts}


def _guarded(subject: str, ask: Callable[[], list[Finding]]) -> list[Finding]:
    """Return what a check finds; an error that stops the check is a finding too."""
    from zvirka.findings import failed

    try:
        return ask()
    except ZvirkaError as error:
        return [failed(subject, error)]


def print_finding(call: Invocation, finding: Finding) -> None:
    """Print one line of a check, and its remedy below."""
    from zvirka.i18n.visible_text import visible

    told, text = call.words.told, finding.text
    mark = call.tinted(f"{_MARKS[finding.level]} {call.say(finding.level)}", _TONES[finding.level])
    code = f" ({text.code})" if isinstance(text, Message) and text.code else ""
    subject = call.words.word(_SUBJECTS, finding.subject)
    call.print(f"{mark}: {told(subject)}: {visible(told(text))}{code}")
    if finding.remedy and finding.level != "ok":
        call.print(f"    → {visible(told(finding.remedy))}")

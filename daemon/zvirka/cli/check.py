"""``zvirka check`` and ``zvirka config``: does everything fit, and what is in effect."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing

import typer

from zvirka.cli.declaration import command, new_group
from zvirka.cli.invocation import Invocation
from zvirka.errors import ExitCode, ZvirkaError
from zvirka.findings import Finding
from zvirka.settings.loading import effective_values

_MARKS = {"ok": "✓", "warning": "!", "failure": "✗"}


def register(app: typer.Typer) -> None:
    """Add the commands of this family."""
    command(
        app,
        "check",
        examples="""
            zvirka check
            zvirka check --json
            ZVIRKA_ONEC__USER=Адмін zvirka check --config ./zvirka.toml
        """,
    )(check)
    config = new_group("The settings in effect.")
    command(
        config,
        "show",
        examples="""
            zvirka config show
            zvirka config show --json --config /etc/zvirka/zvirka.toml
        """,
    )(show)
    command(config, "check", examples="zvirka config check")(check_config)
    app.add_typer(config, name="config")


def check(call: Invocation) -> int:
    """Prove that everything fits: 1C, rights, mapping, the ERP's store, the journal.

    Each line is ok, a warning, or a failure with its remedy. Nothing is written: what needs rights
    is tried in a transaction that is rolled back.
    """
    findings = [*call.loaded.warnings]
    settings, mapping = call.settings, call.mapping
    findings += _source_findings(call)
    from zvirka.erp.sql.store_check import check_store

    findings += _guarded("erp", lambda: check_store(settings.erp, mapping))
    if not any(finding.level == "failure" for finding in findings):
        findings += _guarded("key", lambda: _key_findings(call))
    findings += _guarded("journal", lambda: _journal_findings(call))
    failures = sum(finding.level == "failure" for finding in findings)
    if call.common.json:
        call.print_json(findings)
    else:
        for finding in findings:
            _print(call, finding)
        passed = call.say("check_passed")
        call.print(call.say("check_failed", count=failures) if failures else passed)
    return ExitCode.FAILED if failures else ExitCode.IN_SYNC


def show(call: Invocation) -> int:
    """Print the effective settings, secrets masked, and where each value came from."""
    values = effective_values(call.loaded)
    if call.common.json:
        call.print_json(
            {value.key: {"value": value.value, "origin": value.origin} for value in values}
        )
        return ExitCode.IN_SYNC
    origins = {"default": call.say("default")}
    call.print_table(
        [call.say("key"), call.say("value"), call.say("origin")],
        [[v.key, v.value, origins.get(v.origin, v.origin)] for v in values],
    )
    return ExitCode.IN_SYNC


def check_config(call: Invocation) -> int:
    """Read the settings and say whether they can be used, without asking 1C or the ERP."""
    loaded = call.loaded
    names = call.mapping.names
    if call.common.json:
        call.print_json({"file": loaded.path, "fields": names, "warnings": loaded.warnings})
        return ExitCode.IN_SYNC
    call.print(call.say("settings_file", path=loaded.path or call.say("none")))
    for warning in loaded.warnings:
        _print(call, warning)
    call.print(call.say("settings_valid"))
    return ExitCode.IN_SYNC


def _source_findings(call: Invocation) -> list[Finding]:
    from zvirka.onec.source_check import check_source

    settings = call.settings
    return _guarded("onec", lambda: check_source(settings.onec, call.mapping, settings.state_dir))


def _key_findings(call: Invocation) -> list[Finding]:
    from zvirka.erp.open_store import open_store
    from zvirka.onec.open_source import open_source
    from zvirka.reconcile.key_plausibility import key_findings

    settings, mapping = call.settings, call.mapping
    if settings.erp.table is None:  # the embedded store's own key is right
        return []
    with (
        open_source(settings.onec, mapping, settings.state_dir) as source,
        closing(open_store(settings.erp, mapping)) as store,
    ):
        return list(key_findings(source, store, mapping, settings.guard.min_key_share))


def _journal_findings(call: Invocation) -> list[Finding]:
    with call.journal() as journal:
        return [Finding("ok", "journal", journal.name)]


def _guarded(subject: str, ask: Callable[[], list[Finding]]) -> list[Finding]:
    """What a check finds; that it could not even begin is a finding like any other."""
    try:
        return ask()
    except ZvirkaError as error:
        place = f" [{error.place}]" if error.place else ""
        return [Finding("failure", subject, f"{error.cause}{place}", error.remedy)]


def _print(call: Invocation, finding: Finding) -> None:
    mark, level = _MARKS[finding.level], call.say(finding.level)
    call.print(f"{mark} {level}: {finding.subject}: {finding.text}")
    if finding.remedy and finding.level != "ok":
        call.print(f"    → {finding.remedy}")

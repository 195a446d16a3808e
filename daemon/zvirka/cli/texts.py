"""The sentences of the commands; the domain's words are in :mod:`zvirka.i18n.words`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING

from zvirka.i18n import LANGUAGES, N_, Language

if TYPE_CHECKING:
    from zvirka.i18n.words import Words

SENTENCES: dict[str, str] = {
    "flow": N_("Flow"),
    "base": N_("Base"),
    "catalog": N_("Catalogue"),
    "table": N_("Table"),
    "last_run": N_("Last run"),
    "next_run": N_("Next run"),
    "broken": N_("settings cannot be used"),
    "worker": N_("Worker"),
    "workers": N_("Workers"),
    "runs_at_once": N_("Runs at once"),
    "servers": N_("Servers of 1C"),
    "server": N_("Server of 1C"),
    "all_servers": N_("all"),
    "heard": N_("Last heard"),
    "dead": N_("dead"),
    "running_now": N_("Running"),
    "waiting": N_("Waiting"),
    "waits_since": N_("Waits since"),
    "untaken": N_("No worker takes these due flows: {flows}"),
    "worker_ready": N_("waits for runs"),
    "order_queued": N_("Ordered from the workers; runs that go first: {ahead}"),
    "order_runs": N_("A worker runs it: {host}"),
    "feed_empty": N_("The exchange plan has recorded no new changes."),
    "demo_begins": N_(
        "A simulated 1C with {count} counterparties. ERP: SQLite. The webhooks are real."
    ),
    "demo_night_one": N_("Night one: reconciled in {seconds} s, differences: {found}."),
    "demo_plan": N_(
        "A day passed, some webhooks were lost. Plan: {found} differences, nothing written."
    ),
    "demo_reconcile": N_(
        "Night two: {found} differences, {done} corrected and read back in {seconds} s."
    ),
    "demo_again": N_("One more reconciliation: {found} differences."),
    "report": N_("Report"),
    "demo_what": N_("What"),
    "demo_happened": N_("Events that day"),
    "demo_lost": N_("Lost"),
    "demo_flows": N_(
        "Further flows in the same ERP: contracts of this base, counterparties of a branch."
        " No webhooks at all."
    ),
    "rows": N_("Rows"),
    "corrected": N_("Corrected"),
    "demo_untouched": N_("The client entered by hand is untouched."),
    "demo_touched": N_("The client entered by hand was changed, which must not happen."),
    "demo_well": N_("The ERP and 1C agree."),
    "demo_badly": N_("The demo did not go as it should."),
    "error": N_("Error"),
    "place": N_("Where"),
    "remedy": N_("What to do"),
    "explain": N_("{code}; more: zvirka explain {code}"),
    "stopping": N_("Ending at the next safe place; press again to end at once."),
    "interrupted": N_("Interrupted."),
    "unexpected": N_(
        "Unexpected error {kind}. This is a bug in zvirka; the log above has the details."
    ),
    "ok": N_("ok"),
    "warning": N_("warning"),
    "failure": N_("failure"),
    "check_passed": N_("All is well."),
    "check_failed": N_("Failures: {count}. Nothing written."),
    "settings_file": N_("Settings file: {path}"),
    "settings_valid": N_("The settings are valid."),
    "key": N_("Key"),
    "value": N_("Value"),
    "origin": N_("From"),
    "default": N_("default"),
    "none": N_("none"),
    "run": N_("Run"),
    "began": N_("Began"),
    "command": N_("Command"),
    "status": N_("Status"),
    "found": N_("Differences"),
    "left": N_("Left"),
    "asked_by": N_("Who"),
    "reason": N_("Reason"),
    "no_runs": N_("There are no runs yet."),
    "no_suppressions": N_("Every client is corrected."),
    "why_left": N_("Why it is not corrected"),
    "until": N_("Until"),
    "no_held": N_("Nothing waits for a decision."),
    "in_sync": N_("The ERP and 1C agree."),
    "run_finished": N_("Run {run} finished in {seconds} s."),
    "run_held": N_("Run {run} is held for approval."),
    "run_failed": N_("Run {run} failed."),
    "run_interrupted": N_("Run {run} was interrupted."),
    "rejected": N_("Run {run}: {count} corrections rejected; nothing was written to the ERP."),
    "endorsed": N_("Run {run}: approved by one of two people; nothing was written to the ERP."),
    "second": N_("A second person approves run {run}: zvirka approve {run} --reason …"),
    "given": N_("Approvals: {count} of {needed}, by {who} (run {run}, {differences} differences)"),
    "suppressed": N_("Run {run}: these clients are not corrected any more."),
    "decide": N_(
        "Look: zvirka show {run}{flow}. Decide: zvirka approve {run}{flow} --reason … or "
        "zvirka reject {run}{flow} --reason …"
    ),
    "plan_digest": N_("Digest of the plan"),
    "decided": N_("Decision: run {run} ({who})."),
    "by_cause": N_("By cause"),
    "by_action": N_("Actions"),
    "by_outcome": N_("Corrections"),
    "remaining": N_("Differences left: {count}"),
    "reports": N_("Reports"),
    "more": N_("… and {count} more (--all)"),
    "number": N_("No."),
    "code": N_("Key"),
    "kind": N_("Kind"),
    "cause": N_("Cause"),
    "decision": N_("Decision"),
    "field": N_("Fields"),
    "action": N_("Action"),
    "written": N_("Written: {path}"),
    "bsl_deleted": N_("Deleted, left by an earlier rendering: {path}"),
    "bsl_secrets": N_(
        "the modules in {directory} hold secrets: keep them private, delete them after loading"
    ),
    "bsl_own_machine": N_(
        "1C would post to its own machine ({address}): set bsl.address unless 1C runs on this one"
    ),
    "bsl_unencrypted": N_(
        "1C would send personal data and the token unencrypted to {address}: put https before the"
        " receiver and set bsl.address"
    ),
    "bsl_no_base": N_(
        "the pasted module does not know the production base, so a copy of the base would push as"
        " well: set bsl.base"
    ),
    "bsl_scope": N_(
        "the push module sends every counterparty; onec.scope does not narrow what it sends"
    ),
    "bsl_flow_left_out": N_(
        "the push module does not serve the flow {flow}: it has another server, token or signature"
        " key, or a catalogue that another flow has; its changes are found at night"
    ),
    "chain_good": N_("The chain is whole up to run {run}, digest {digest}."),
    "chain_bad": N_("The chain is broken"),
    "signed_count": N_("Runs signed with a trusted key: {signed}; not signed so: {unsigned}."),
    "anchors": N_("Compared with anchors: {heads} heads and reports, {timestamps} timestamps."),
    "no_anchors": N_(
        "No anchors: somebody with the journal and the key could have rewritten both. Set"
        " report.tsa or report.head_file."
    ),
    "tsa_not_checked": N_(
        "Timestamps whose authority was not checked: {count}; give its certificate with --tsa-cert."
    ),
    "anchored": N_("Head of the chain: run {run}, digest {digest}, receipt {receipt}."),
    "signed_runs": N_("Runs signed: {signed}; not signed: {unsigned}."),
    "signatures_not_checked": N_("Signatures were not checked: give the public key with --key."),
    "would_prune": N_("Runs that lose personal values: {count} ({runs})"),
    "would_prune_receipts": N_("Received webhooks that lose personal values: {count}"),
    "prune_now": N_("Remove them for good?"),
    "yes_no": N_("y/n"),
    "several_fit": N_("Several counterparties fit. Name one by --code or --ref:"),
    "pruned": N_("Personal values removed from runs: {count}."),
    "listening": N_("Listening on {address}"),
    "password": N_("Password"),
    "password_again": N_("Password once more"),
    "would_write": N_("Would be written: {path}"),
    "alert_nobody": N_("No alert sent: [alerts] has no addresses."),
    "alert_sent": N_("The alert is sent."),
    "per_second": N_("{speed}/s"),
    "backup_holds": N_("Runs in the backup: {runs}"),
    "demo_next": N_("What to try next:"),
    "simulated_sent": N_("{code}: written in 1C; the ERP was told by webhook."),
    "simulated_lost": N_("{code}: written in 1C; the ERP was not told."),
    "would_remove": N_("Would be removed: {path}"),
    "removed": N_("Removed: {path}"),
    "upgrade_none": N_("The journal has the schema of this version."),
    "upgrade_pending": N_("To be migrated: {revision}, {title}"),
    "upgrade_done": N_("Migrated: {revision}, {title}"),
    "init_onec_url": N_("Address of 1C (https://host/base)"),
    "init_onec_user": N_("User of 1C"),
    "init_erp_url": N_(
        "Address of the ERP's database (postgresql://user@host/database; empty: none yet)"
    ),
    "init_which_table": N_("Table of clients"),
    "init_write": N_("Write the settings?"),
    "init_base": N_("1C: {title}; profile {profile}; {url}"),
    "init_count": N_("Counterparties in 1C: {count}"),
    "init_score": N_("How sure"),
    "init_example": N_("Examples"),
    "init_table": N_("Table"),
    "init_rows": N_("Rows"),
    "init_column": N_("Column in the ERP"),
    "init_dropped": N_("The ERP has no column for the field {field}; it is left out."),
    "init_secret": N_("The password is in {path}."),
    "init_grants": N_("Rights that the database user needs:"),
    "init_repaired": N_("Changed settings: {count}"),
    "init_failed": N_("Correct {file} as the check says, then: zvirka check"),
    "init_done": N_("Everything fits. What is left to do:"),
}


class Messages:
    """The sentences of one language."""

    def __init__(self, language: Language) -> None:
        self.language = language

    @cached_property
    def _words(self) -> Words:
        from zvirka.i18n.words import Words  # only a command that says something needs Babel

        return Words(self.language)

    def say(self, name: str, **values: object) -> str:
        """Return the sentence of that name with the values put in."""
        return self._words.gettext(SENTENCES[name]).format(**values)

    def text(self, english: str) -> str:
        """Return an English text of the catalogue in this language."""
        if self.language == "en" or not english:  # gettext has its own answer to ""
            return english
        return self._words.gettext(english)

    def phase(self, name: str) -> str:
        """Return the words for a phase of a run; its own name when there are none."""
        shown = self._words.phase(name)
        return shown[:1].upper() + shown[1:]

    def per_second(self, speed: float) -> str:
        """Return a rate in units a second."""
        shown = f"{speed:,.0f}".replace(",", "\N{NO-BREAK SPACE}")
        return self.say("per_second", speed=shown)


def language_of(
    asked: str | None, environ: Mapping[str, str], written: Callable[[], str | None]
) -> Language:
    """Choose the language: ``--lang``, ``ZVIRKA_LANG``, the settings, the locale.

    ``written`` gives report.language where it is set; a locale of neither language is ignored.
    """
    for choice in (asked, environ.get("ZVIRKA_LANG")):
        if choice in LANGUAGES:
            return choice
    in_settings = written()
    if in_settings in LANGUAGES:
        return in_settings
    locale = environ.get("LC_ALL") or environ.get("LC_MESSAGES") or environ.get("LANG") or ""
    return "en" if locale.lower().startswith("en") else "uk"


def asked_language(arguments: Sequence[str]) -> str | None:
    """Return ``--lang`` of a command line; needed before it is read: by help and usage errors."""
    asked = None
    for one, following in pairwise([*arguments, ""]):
        if one == "--":
            break
        name, _, value = one.partition("=")
        if name == "--lang":
            asked = value or following
    return asked if asked in LANGUAGES else None

"""One language: messages, the domain's words, numbers, dates, plurals.

English is the language of the sources, so only Ukrainian has a catalogue
(``locale/uk/LC_MESSAGES/zvirka.po``). It is compiled in memory at first use (about 20 ms, once
per process): no compiled file can be older than its source, and no build step is needed.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from babel.dates import format_date, format_datetime, format_timedelta
from babel.numbers import format_decimal

from zvirka.domain import (
    Action,
    Cause,
    Command,
    Disposition,
    Kind,
    Mode,
    OutcomeState,
    PlanState,
    RunStatus,
    Standing,
    Trigger,
)
from zvirka.errors import UsageError
from zvirka.i18n import LANGUAGES, N_
from zvirka.i18n.catalogues import catalogue_of, locale_of
from zvirka.message import Message, coded, filled

KINDS: Mapping[str, str] = {
    Kind.MISSING: N_("missing in the ERP"),
    Kind.DIFFERENT: N_("fields differ"),
    Kind.EXTRA: N_("superfluous in the ERP"),
    Kind.INACTIVE: N_("inactive in the ERP"),
    Kind.REKEYED: N_("code changed"),
    Kind.DUPLICATE: N_("duplicated key"),
    Kind.KEYLESS: N_("no key"),
}
CAUSES: Mapping[str, str] = {
    Cause.MISSED_CREATE: N_("missed create"),
    Cause.MISSED_UPDATE: N_("missed update"),
    Cause.MISSED_DELETE: N_("missed delete"),
    Cause.ERP_EDIT: N_("edited in the ERP"),
    Cause.CONFLICT: N_("edited on both sides"),
    Cause.NOT_CONVERGING: N_("not converging"),
    Cause.DUPLICATE: N_("duplicate"),
    Cause.NOT_OURS: N_("not ours to change"),
    Cause.SHARED: N_("kept by another flow"),
    Cause.UNDONE: N_("undone by a person"),
    Cause.REJECTED: N_("rejected by a person"),
    Cause.UNKNOWN: N_("cause unknown"),
}
ACTIONS: Mapping[str, str] = {
    Action.CREATE: N_("create"),
    Action.UPDATE: N_("update"),
    Action.DELETE: N_("delete"),
    Action.RESTORE: N_("restore"),
}
DISPOSITIONS: Mapping[str, str] = {
    Disposition.CORRECT: N_("to be corrected"),
    Disposition.HELD: N_("held for approval"),
    Disposition.REPORTED: N_("left for a person"),
    Disposition.LINKED: N_("linked to the client of another flow"),
}
STANDINGS: Mapping[str, str] = {
    Standing.HEALTHY: N_("healthy"),
    Standing.RUNNING: N_("run under way"),
    Standing.HELD: N_("decision needed"),
    Standing.FAILING: N_("failing"),
    Standing.STALE: N_("stale"),
    Standing.PAUSED: N_("paused"),
}
OUTCOMES: Mapping[str, str] = {
    OutcomeState.INTENDED: N_("begun, not finished"),
    OutcomeState.APPLIED: N_("applied and verified"),
    OutcomeState.SUPERSEDED: N_("superseded by a newer change"),
    OutcomeState.REFUSED: N_("refused, not sent"),
    OutcomeState.FAILED: N_("failed"),
    OutcomeState.NOT_CONVERGING: N_("accepted, yet not stored"),
    OutcomeState.WITHDRAWN: N_("withdrawn: 1C says otherwise by now"),
}
COMMANDS: Mapping[str, str] = {
    Command.RECONCILE: N_("Reconciliation"),
    Command.PLAN: N_("Plan"),
    Command.RESYNC: N_("Resync"),
    Command.ENDORSE: N_("First approval of a held run"),
    Command.APPROVE: N_("Approval of a held run"),
    Command.REJECT: N_("Rejection of a held run"),
    Command.UNDO: N_("Undo of a run"),
    Command.SUPPRESS: N_("Corrections of a client stopped"),
    Command.PRUNE: N_("Removal of personal values"),
}
TRIGGERS: Mapping[str, str] = {
    Trigger.SCHEDULE: N_("the schedule"),
    Trigger.CATCH_UP: N_("the schedule, catching up"),
    Trigger.TIMER: N_("the system timer"),
    Trigger.MANUAL: N_("a person, by command"),
    Trigger.WEB: N_("a person, on the web page"),
    Trigger.FEED: N_("the exchange plan of 1C"),
}
STATUSES: Mapping[str, str] = {
    RunStatus.RUNNING: N_("running"),
    RunStatus.FINISHED: N_("finished"),
    RunStatus.FAILED: N_("failed"),
    RunStatus.HELD: N_("held for approval"),
    RunStatus.INTERRUPTED: N_("interrupted"),
}
PLAN_STATES: Mapping[str, str] = {
    PlanState.WAITING: N_("held for approval"),
    PlanState.APPROVED: N_("approved"),
    PlanState.REJECTED: N_("rejected"),
    PlanState.SUPERSEDED: N_("superseded by a newer run"),
    PlanState.EXPIRED: N_("approval expired"),
}
MODES: Mapping[str, str] = {
    Mode.FULL: N_("full pull of the catalogue"),
    Mode.LIGHT: N_("light pull: versions first, then only what changed"),
    Mode.TARGETED: N_("only the records named"),
}
PHASES: Mapping[str, str] = {
    "": N_("beginning"),
    "queued": N_("waiting for a worker"),
    "elsewhere": N_("at a worker"),
    "recover": N_("recovering what was interrupted"),
    "preflight": N_("checking 1C"),
    "pull": N_("reading 1C"),
    "scan": N_("reading the ERP"),
    "diff": N_("comparing"),
    "confirm": N_("confirming"),
    "guard": N_("checking the limits"),
    "apply": N_("correcting"),
    "verify": N_("reading the ERP back"),
    "agree": N_("remembering what agrees"),
    "report": N_("writing the report"),
}
COMPARISONS: Mapping[str, str] = {
    "exact": N_("character for character"),
    "trimmed": N_("without outer spaces"),
    "caseless": N_("without case"),
    "digits": N_("by digits only"),
    "phone": N_("as a phone number"),
    "email": N_("as an e-mail address"),
}
MARKS: Mapping[str, str] = {
    "keep": N_("stays an ordinary counterparty"),
    "delete": N_("deletes the client"),
    "deactivate": N_("makes the client inactive"),
}
WRITERS: Mapping[str, str] = {
    "sql": N_("SQL statements in the ERP's database"),
    "webhook": N_("the ERP's own webhook"),
}
SUPPRESSIONS: Mapping[str, str] = {
    "not_converging": N_("not sent again: the ERP did not hold it"),
    "undone": N_("not corrected: a person undid it"),
    "rejected": N_("not corrected until a side changes: a person rejected it"),
    "never": N_("not corrected: a person decided so; a resync by name ends that"),
}
LIMITS: Mapping[str, str] = {
    "max_deletes": N_("deletes a run"),
    "max_delete_share": N_("share of deletes"),
    "max_changes": N_("changes a run"),
    "max_change_share": N_("share of changes"),
    "shrink_share": N_("shrinking of the catalogue"),
    "fingerprint": N_("scope, mapping or policy changed"),
    "first_run": N_("first run"),
    "linked": N_("clients that another flow is linked to"),
}
HELD_WHAT: Mapping[str, str] = {
    "deletes": N_("only the deletes are held"),
    "linked": N_("only these deletes are held"),
    "all": N_("the whole run is held"),
}
FIELDS: Mapping[str, str] = {
    "code": N_("Code"),
    "name": N_("Name"),
    "full_name": N_("Full name"),
    "tax_id": N_("Tax id"),
    "tax_code": N_("Tax code"),
    "vat_id": N_("VAT id"),
    "phone": N_("Phone"),
    "email": N_("E-mail"),
    "address": N_("Address"),
    "legal_address": N_("Legal address"),
    "actual_address": N_("Actual address"),
    "type": N_("Type"),
    "comment": N_("Comment"),
    "counterparty": N_("Counterparty"),
    "organisation": N_("Organisation"),
    "number": N_("Number"),
    "date": N_("Date"),
    "currency": N_("Currency"),
    "kind": N_("Kind"),
    "valid_until": N_("Valid until"),
    "ref": N_("Ref_Key"),
}

_WORDS: Mapping[str, Mapping[str, str]] = {
    "action": ACTIONS,
    "command": COMMANDS,
    "field": FIELDS,
    "fields": FIELDS,
    "phase": PHASES,
    "plan_state": PLAN_STATES,
}
"""Arguments of sentences that are words of the domain, by their name in the sentence."""
_TIMES = frozenset({"since", "slot", "time"})
"""Those that are times, as ISO 8601 texts."""
_DAYS = frozenset({"day", "end"})
"""Those that are days, as ISO 8601 texts."""


class Words:
    """One language and one time zone; the only place a report gets its text from."""

    def __init__(self, language: str, timezone: str | tzinfo = "Europe/Kyiv") -> None:
        """Choose language and zone.

        Raises:
            UsageError: there is no such language.
        """
        if language not in LANGUAGES:
            raise UsageError(
                coded(
                    "ZV3507",
                    "there is no report in the language {language}",
                    language=repr(language),
                ),
                place="--lang",
                remedy=Message("choose one of: {names}", names=LANGUAGES),
            )
        self.language = language
        self.timezone = ZoneInfo(timezone) if isinstance(timezone, str) else timezone
        self.locale = locale_of(language)
        self.catalogue = catalogue_of(language)
        self.gettext = self.catalogue.gettext
        self.ngettext = self.catalogue.ngettext

    def told(self, text: str) -> str:
        """A sentence in this language; a text that is no message stays as it is."""
        if not isinstance(text, Message):
            return text
        if text.many:
            template = self.ngettext(text.template, text.many, int(text.arguments["count"]))
        else:
            template = self.gettext(text.template) if text.template else ""
        return filled(template, text.arguments, self._argument)

    def _argument(self, name: str, value: Any) -> str:
        """An argument of a sentence: a sentence in itself, a word, a number, a time, or a text."""
        if isinstance(value, Message):
            return self.told(value)
        if isinstance(value, list | tuple):
            return ", ".join(self._argument(name, one) for one in value)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return self.number(value)
        if name in _WORDS:
            return self.word(_WORDS[name], str(value))
        if name in _TIMES:
            return (
                self.clock(datetime.fromisoformat(value)) if isinstance(value, str) else str(value)
            )
        if name in _DAYS:
            return str(format_date(date.fromisoformat(value), self._digits, locale=self.locale))
        return str(value)

    def word(self, words: Mapping[str, str], name: str) -> str:
        """The word for a name of the domain; the name itself when it has no word."""
        return self.gettext(words[name]) if name in words else name

    def kind(self, kind: str) -> str:
        """The word for a kind of difference."""
        return self.word(KINDS, kind)

    def cause(self, cause: str) -> str:
        """The word for a cause."""
        return self.word(CAUSES, cause)

    def action(self, action: str) -> str:
        """The word for an action."""
        return self.word(ACTIONS, action)

    def disposition(self, disposition: str) -> str:
        """The word for what the run decided."""
        return self.word(DISPOSITIONS, disposition)

    def outcome(self, state: str) -> str:
        """The word for what became of a correction."""
        return self.word(OUTCOMES, state)

    def status(self, status: str) -> str:
        """The word for the status of a run."""
        return self.word(STATUSES, status)

    def phase(self, name: str) -> str:
        """The word for a phase of a run."""
        return self.word(PHASES, name)

    def plan_state(self, state: str) -> str:
        """The word for what became of a held plan."""
        return self.word(PLAN_STATES, state)

    def field(self, name: str) -> str:
        """The label of a field."""
        return self.word(FIELDS, name)

    def number(self, number: float) -> str:
        """The number as the language groups its digits.

        With plain spaces where the locale has no-break ones: the report spells hidden characters
        out, and its own numbers must not look like such a finding.
        """
        return str(format_decimal(number, locale=self.locale)).replace("\u00a0", " ")

    def count(self, count: int | None) -> str:
        """The number, or a dash for a count that was not taken."""
        return "—" if count is None else self.number(count)

    def percent(self, share: float, decimals: int = 2) -> str:
        """A share from 0 to 1 as a percentage with at most so many decimals."""
        pattern = f"#,##0.{'#' * decimals}"
        shown = str(format_decimal(share * 100, pattern, locale=self.locale))
        return shown.replace("\u00a0", " ") + " %"

    def moment(self, moment: datetime | str | None) -> str:
        """Date and time to the second in the report's zone; an ISO text is read first."""
        if not moment:
            return "—"
        if isinstance(moment, str):
            moment = datetime.fromisoformat(moment)
        local = self.local(moment)
        shown = format_datetime(local, "d MMMM y, HH:mm:ss", locale=self.locale)
        return f"{shown} {local.strftime('%Z')}"

    def ago(self, passed: timedelta) -> str:
        """How long ago: «8 hours ago»."""
        shown = format_timedelta(-passed, add_direction=True, locale=self.locale)
        return str(shown).replace("\u00a0", " ")

    def duration(self, passed: timedelta) -> str:
        """How long: «8 hours»."""
        return str(format_timedelta(passed, locale=self.locale)).replace("\u00a0", " ")

    def day(self, moment: datetime) -> str:
        """The date alone, in digits."""
        return str(format_datetime(self.local(moment), self._digits, locale=self.locale))

    @property
    def _digits(self) -> str:
        return "dd.MM.y" if self.language == "uk" else "d MMM y"

    def date(self, day: date | str) -> str:
        """A calendar date in digits, without a time zone; an ISO text is read first."""
        day = date.fromisoformat(day) if isinstance(day, str) else day
        pattern = "dd.MM.y" if self.language == "uk" else "d MMM y"
        return str(format_date(day, pattern, locale=self.locale))

    def clock(self, moment: datetime | None) -> str:
        """Date and time in digits, for the lines of a difference."""
        if moment is None:
            return "—"
        pattern = "dd.MM.y HH:mm:ss" if self.language == "uk" else "d MMM y HH:mm:ss"
        return str(format_datetime(self.local(moment), pattern, locale=self.locale))

    def local(self, moment: datetime) -> datetime:
        """The moment in the report's zone."""
        local: datetime = moment.astimezone(self.timezone)
        return local

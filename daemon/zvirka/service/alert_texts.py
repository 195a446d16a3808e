"""The sentences of alerts and of the status line. They hold no personal data."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from zvirka.i18n import N_, Language
from zvirka.i18n.words import Words

SENTENCES: dict[str, str] = {
    "corrected": N_("corrected"),
    "nightly": N_("nightly run {at}"),
    "last": N_("last {when}"),
    "never": N_("none so far"),
    "agreed": N_("in sync"),
    "ended": N_("ended"),
    "was_held": N_("waits for approval"),
    "running": N_("running: {phase}"),
    "flows": N_("{count} flows; running: {running}"),
    "retry": N_("next attempt at {when}"),
    "stopping": N_("stopping"),
    "bad_settings": N_("the new settings are invalid, the old ones stay in effect"),
    "failed.raised": N_("the run failed"),
    "failed.cleared": N_("runs succeed again"),
    "held.raised": N_("a run waits for approval"),
    "held.cleared": N_("nothing waits for approval"),
    "differences.raised": N_("differences remain"),
    "differences.cleared": N_("no differences remain"),
    "stale.raised": N_("no successful run for a long time"),
    "stale.cleared": N_("runs are successful again"),
    "untaken.raised": N_("no worker takes a due flow"),
    "untaken.cleared": N_("workers take due flows again"),
    "waiting_flows": N_("Waiting flows: {flows}. See: zvirka fleet status"),
    "unit.raised": N_("a unit failed: {unit}"),
    "silent": N_("No run has succeeded for {hours}."),
    "run": N_("Run {run}"),
    "report": N_("Report: {place}"),
    "head": N_("Digest of run {run}: {digest}"),
    "cause": N_("Cause: {why}"),
    "see_journal": N_("Details: journalctl -u {unit}"),
    "approve": N_("Approve or reject: zvirka approve {run}{flow}, zvirka reject {run}{flow}"),
    "by_cause": N_("By cause: {counts}"),
    "by_action": N_("Waiting: {counts}"),
}

_COUNTED: dict[str, Callable[[Words, int], str]] = {
    "differences": lambda words, number: words.ngettext(
        "%(num)s difference", "%(num)s differences", number
    ),
    "remaining": lambda words, number: words.ngettext(
        "%(num)s difference remains", "%(num)s differences remain", number
    ),
    "hours": lambda words, number: words.ngettext("%(num)s hour", "%(num)s hours", number),
}


def say(language: Language, sentence: str, **values: object) -> str:
    """A sentence with its values filled in."""
    return Words(language).gettext(SENTENCES[sentence]).format(**values)


def counted(language: Language, noun: str, number: int) -> str:
    """A number with its noun: «3 розбіжності»."""
    return _COUNTED[noun](Words(language), number) % {"num": number}


def tallied(words: Callable[[str], str], counts: Mapping[str, int]) -> str:
    """Counts by cause or action, the largest first: «оновлення 3, створення 1»."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{words(name)} {number}" for name, number in ordered if number)

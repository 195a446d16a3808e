"""The sentences of alerts and of the status line, in Ukrainian and English.

Plurals follow Babel's rules. The sentences hold no personal data.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Literal

from babel import Locale

Language = Literal["uk", "en"]

_COUNTED: dict[str, dict[str, dict[str, str]]] = {
    "differences": {
        "uk": {"one": "розбіжність", "few": "розбіжності", "many": "розбіжностей"},
        "en": {"one": "difference", "other": "differences"},
    },
    "remaining": {
        "uk": {
            "one": "розбіжність лишилася",
            "few": "розбіжності лишилися",
            "many": "розбіжностей лишилося",
        },
        "en": {"one": "difference remains", "other": "differences remain"},
    },
    "hours": {
        "uk": {"one": "годину", "few": "години", "many": "годин"},
        "en": {"one": "hour", "other": "hours"},
    },
}

_SENTENCES: dict[str, dict[str, str]] = {
    "corrected": {"uk": "виправлено", "en": "corrected"},
    "nightly": {"uk": "нічна звірка {at}", "en": "nightly run {at}"},
    "last": {"uk": "остання {when}", "en": "last {when}"},
    "never": {"uk": "ще не було жодної", "en": "none so far"},
    "agreed": {"uk": "розбіжностей немає", "en": "in sync"},
    "ended": {"uk": "завершена", "en": "ended"},
    "was_failed": {"uk": "не вдалася", "en": "failed"},
    "was_interrupted": {"uk": "перервана", "en": "interrupted"},
    "was_held": {"uk": "чекає схвалення", "en": "waits for approval"},
    "running": {"uk": "триває звірка: {phase}", "en": "running: {phase}"},
    "retry": {"uk": "повтор о {when}", "en": "next attempt at {when}"},
    "stopping": {"uk": "зупиняється", "en": "stopping"},
    "bad_settings": {
        "uk": "нові налаштування хибні, діють попередні",
        "en": "the new settings are invalid, the old ones stay in effect",
    },
    "failed.raised": {"uk": "звірка не вдалася", "en": "the run failed"},
    "failed.cleared": {"uk": "звірка знову працює", "en": "runs succeed again"},
    "held.raised": {"uk": "звірка чекає схвалення", "en": "a run waits for approval"},
    "held.cleared": {"uk": "схвалення більше не потрібне", "en": "nothing waits for approval"},
    "differences.raised": {"uk": "розбіжності лишилися", "en": "differences remain"},
    "differences.cleared": {"uk": "розбіжностей більше немає", "en": "no differences remain"},
    "stale.raised": {
        "uk": "давно не було вдалої звірки",
        "en": "no successful run for a long time",
    },
    "stale.cleared": {"uk": "звірки знову вдалі", "en": "runs succeed again"},
    "unit.raised": {"uk": "служба зупинилася: {unit}", "en": "a unit failed: {unit}"},
    "silent": {
        "uk": "Жодна звірка не вдалася вже {hours}.",
        "en": "No run has succeeded for {hours}.",
    },
    "run": {"uk": "Звірка № {run}", "en": "Run {run}"},
    "report": {"uk": "Звіт: {place}", "en": "Report: {place}"},
    "cause": {"uk": "Причина: {why}", "en": "Cause: {why}"},
    "see_journal": {
        "uk": "Подробиці: journalctl -u {unit}",
        "en": "Details: journalctl -u {unit}",
    },
    "approve": {
        "uk": "Схвалити або відхилити: zvirka approve {run}, zvirka reject {run}",
        "en": "Approve or reject: zvirka approve {run}, zvirka reject {run}",
    },
    "by_cause": {"uk": "За причинами: {counts}", "en": "By cause: {counts}"},
    "by_action": {"uk": "Чекають: {counts}", "en": "Waiting: {counts}"},
}

_NAMES: dict[str, dict[str, str]] = {
    "missed_create": {"uk": "не дійшли створення", "en": "missed creates"},
    "missed_update": {"uk": "не дійшли зміни", "en": "missed updates"},
    "missed_delete": {"uk": "не дійшли вилучення", "en": "missed deletes"},
    "erp_edit": {"uk": "змінено в ERP", "en": "edited in the ERP"},
    "conflict": {"uk": "змінено з обох боків", "en": "changed on both sides"},
    "not_converging": {"uk": "не збігаються", "en": "not converging"},
    "duplicate": {"uk": "повтори", "en": "duplicates"},
    "not_ours": {"uk": "не наші", "en": "not ours"},
    "undone": {"uk": "відмінено", "en": "undone"},
    "rejected": {"uk": "відхилено", "en": "rejected"},
    "unknown": {"uk": "причина невідома", "en": "unknown"},
    "recover": {"uk": "відновлення", "en": "recovering"},
    "agree": {"uk": "запис узгодженого", "en": "recording agreement"},
    "preflight": {"uk": "перевірка доступу", "en": "preflight"},
    "pull": {"uk": "читання 1С", "en": "reading 1C"},
    "scan": {"uk": "читання ERP", "en": "reading the ERP"},
    "diff": {"uk": "порівняння", "en": "comparing"},
    "confirm": {"uk": "підтвердження", "en": "confirming"},
    "guard": {"uk": "перевірка меж", "en": "checking limits"},
    "apply": {"uk": "виправлення", "en": "correcting"},
    "verify": {"uk": "перевірка записаного", "en": "reading back"},
    "report": {"uk": "звіт", "en": "reporting"},
    "create": {"uk": "створити", "en": "create"},
    "update": {"uk": "змінити", "en": "update"},
    "delete": {"uk": "вилучити", "en": "delete"},
    "restore": {"uk": "повернути", "en": "restore"},
}


def say(language: Language, sentence: str, **values: object) -> str:
    """A sentence with its values filled in."""
    return _SENTENCES[sentence][language].format(**values)


def counted(language: Language, noun: str, number: int) -> str:
    """A number with its noun: «3 розбіжності»."""
    forms = _COUNTED[noun][language]
    form = _locale(language).plural_form(number)
    return f"{number} {forms.get(form) or forms.get('many') or forms['other']}"


def tallied(language: Language, counts: Mapping[str, int]) -> str:
    """Counts by cause or action: «змінити 3, створити 1»; unknown names stay as they are."""
    parts = [
        f"{named(language, name)} {number}"
        for name, number in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        if number
    ]
    return ", ".join(parts)


def named(language: Language, word: str) -> str:
    """A cause, an action or a phase in words; unknown words stay as they are."""
    return _NAMES.get(word, {}).get(language, word)


@cache
def _locale(language: Language) -> Locale:
    return Locale.parse(language)

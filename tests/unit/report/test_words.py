"""The report's language: the catalogue in step with the sources, numbers, dates, plurals."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from enum import Enum
from typing import Any

import pytest

from tests.unit.report.messages import named, translations, ukrainian
from zvirka.domain import (
    Action,
    Cause,
    Command,
    Disposition,
    Kind,
    OutcomeState,
    RunStatus,
    Trigger,
)
from zvirka.errors import UsageError
from zvirka.i18n import words as module
from zvirka.i18n.words import COMMANDS, STATUSES, TRIGGERS, Words
from zvirka.message import Message

UK = Words("uk")
EN = Words("en")
_PART = re.compile(r"%\(\w+\)s|\{\w+\}")


@pytest.mark.long
def test_every_message_of_the_sources_has_its_ukrainian_and_nothing_else_is_there() -> None:
    catalogue = {message.id for message in ukrainian() if message.id}
    assert set(named()) == catalogue


def test_no_translation_is_empty_or_doubtful() -> None:
    for message in ukrainian():
        if message.id:
            texts = translations(message)
            assert all(texts), message.id
            assert not message.fuzzy, message.id
            assert not re.search("[ыэъё]", "".join(texts), re.IGNORECASE), message.id


def test_a_translation_has_the_parts_of_its_message() -> None:
    for message in ukrainian():
        if message.id:
            ident: Any = message.id
            one = ident[0] if isinstance(ident, tuple) else ident
            for text in translations(message):
                assert sorted(_PART.findall(text)) == sorted(_PART.findall(one)), one


@pytest.mark.parametrize(
    ("domain", "table"),
    [
        (Kind, module.KINDS),
        (Cause, module.CAUSES),
        (Action, module.ACTIONS),
        (Disposition, module.DISPOSITIONS),
        (OutcomeState, module.OUTCOMES),
    ],
)
def test_every_word_of_the_domain_has_a_word_in_the_report(
    domain: type[Enum], table: dict[Any, Any]
) -> None:
    assert set(table) == set(domain)


@pytest.mark.parametrize(
    ("count", "sentence"),
    [
        (1, "Виявлено 1 розбіжність"),
        (3, "Виявлено 3 розбіжності"),
        (5, "Виявлено 5 розбіжностей"),
        (11, "Виявлено 11 розбіжностей"),
        (21, "Виявлено 21 розбіжність"),
        (112, "Виявлено 112 розбіжностей"),
    ],
)
def test_ukrainian_plurals(count: int, sentence: str) -> None:
    message = UK.ngettext("%(count)s difference found", "%(count)s differences found", count)
    assert message % {"count": count} == sentence


def test_numbers_are_grouped_as_the_language_does() -> None:
    assert UK.number(1234567) == "1 234 567"
    assert EN.number(1234567) == "1,234,567"


def test_times_are_those_of_the_zone() -> None:
    summer = datetime(2026, 7, 1, 21, 30, tzinfo=UTC)
    assert UK.moment(summer) == "2 липня 2026, 00:30:00 EEST"
    assert EN.moment("2026-07-01T21:30:00+00:00") == "2 July 2026, 00:30:00 EEST"
    assert Words("en", "Europe/London").clock(summer) == "1 Jul 2026 22:30:00"
    assert UK.moment(None) == "—"


def test_a_word_nobody_knows_stands_as_it_is() -> None:
    assert UK.field("warehouse_no") == "warehouse_no"


def test_an_unknown_language_is_refused_with_the_choice() -> None:
    with pytest.raises(UsageError, match="uk, en"):
        Words("ru")


def test_a_sentence_of_the_engine_is_told_in_ukrainian_with_its_own_parts() -> None:
    since = "2026-11-24T21:00:00+00:00"
    waits = Message(
        "outbox of 1C: {action} waits since {time}, not sent yet", action=Action.DELETE, time=since
    )
    assert UK.told(waits) == "черга 1С: «видалення» чекає від 24.11.2026 23:00:00, ще не надсилали"
    wrong = Message("reads back otherwise: {fields}", fields=["email", "phone"])
    assert UK.told(wrong) == "прочитано інше, ніж записано: Е-пошта, Телефон"
    assert EN.told(wrong) == "reads back otherwise: E-mail, Phone"


def test_who_or_what_asked_for_a_run_and_why_is_told_in_ukrainian() -> None:
    for words, names in ((TRIGGERS, Trigger), (COMMANDS, Command), (STATUSES, RunStatus)):
        for name in names:
            assert UK.word(words, name) != name, name
            assert EN.word(words, name) == words[name]
    fed = Message("message {number} of the exchange plan", number="12")
    assert UK.told(fed) == "повідомлення 12 плану обміну"
    night = Message(
        "night of {slot}, attempt {number}", slot="2026-11-24T02:30:00+02:00", number="2"
    )
    assert UK.told(night) == "нічний запуск на 24.11.2026 02:30:00, спроба 2"

"""Messages keep their arguments through the journal; every code of an error is explained."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import zvirka
from zvirka.domain import Action
from zvirka.errors import StoreError, sentence_of
from zvirka.i18n import LANGUAGES, Language
from zvirka.i18n.register import explanations
from zvirka.i18n.words import Words
from zvirka.message import Coded, Message, coded, joined, loaded, plural, stored

UK, EN = Words("uk"), Words("en")
NESTED = coded(
    "ZV2204",
    "{place} has no index: each correction reads the whole table",
    place=Message("the key {name}", name="clients.code"),
)
SAYINGS = [
    Message("see the log"),
    NESTED,
    joined([NESTED, "as a person wrote it"]),
    plural("{count} record in scope", "{count} records in scope", count=3),
    Message("perhaps: {names}", names=("Код {run}", "{0.__class__}", '"x"')),
    Message("{action}: tried and rolled back", action=Action.DELETE),
]


@pytest.mark.parametrize("message", SAYINGS, ids=str)
def test_a_message_comes_back_from_the_journal_as_it_was(message: Message) -> None:
    again = loaded(stored(message))
    assert isinstance(again, Message)
    assert (again, again.code) == (message, message.code)
    assert UK.told(again) == UK.told(message)


def test_a_message_reads_as_english_and_is_told_in_the_language_of_the_reader() -> None:
    assert NESTED == "the key clients.code has no index: each correction reads the whole table"
    assert UK.told(NESTED) == (
        "ключ clients.code не має індексу: кожне виправлення читає всю таблицю"
    )
    assert UK.told(SAYINGS[3]) == "3 записи в межах звірки"
    assert UK.told(SAYINGS[5]) == "видалення: випробувано й скасовано"
    assert EN.told(SAYINGS[5]) == "delete: tried and rolled back"


@pytest.mark.parametrize(
    "text",
    ["", "a note of zvirka 0.1", '{"message":"made by hand"', '{"message":[]}', "{name} {0}"],
)
def test_a_text_that_is_no_message_stays_as_it_was_written(text: str) -> None:
    assert loaded(stored(text)).strip() == text
    assert not isinstance(loaded(stored(text)), Message)
    assert UK.told(text) == text


def test_a_number_is_grouped_and_a_name_is_not() -> None:
    message = Message("{owned} of {total} rows are owned", owned=12000, total=1234567)
    assert UK.told(message) == "під наглядом рядків: 12 000 з 1 234 567"
    assert UK.told(Message("there is no run {run}", run="12345")) == "запуску 12345 немає"


def test_an_error_has_its_code_at_the_end() -> None:
    error = StoreError(NESTED, place="erp.key", remedy=Message("see the log"))
    assert error.code == "ZV2204"
    assert str(error) == f"{NESTED} [erp.key] → see the log (ZV2204)"
    assert UK.told(error.sentence) == f"{UK.told(NESTED)} [erp.key] → див. журнал роботи (ZV2204)"
    assert sentence_of("as written by zvirka 0.1") == "as written by zvirka 0.1"


def raised() -> set[str]:
    """The codes in the sources."""
    return {
        str(node.args[0].value)
        for path in Path(zvirka.__file__).parent.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "coded"
        and isinstance(node.args[0], ast.Constant)
        and node.args[0].value
    }


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_code_raised_is_explained_with_steps(language: Language) -> None:
    known = {one.code: one for one in explanations(language)}
    assert raised() <= set(known)
    families: dict[str, set[str]] = {}
    for one in known.values():
        meaning, *steps = one.text.splitlines()
        assert len(meaning) > 20, one.code
        assert steps[1].startswith("1. "), one.code
        families.setdefault(one.code[2], set()).add(one.family)
        cyrillic = re.search("[а-яіїєґ]", one.title + meaning)
        assert bool(cyrillic) == (language == "uk"), one.code
    assert sorted(families) == ["1", "2", "3", "4", "5"]
    assert all(len(names) == 1 for names in families.values())


def test_a_cause_is_a_coded_message() -> None:
    assert isinstance(NESTED, Coded)
    assert not isinstance(Message("see the log"), Coded)

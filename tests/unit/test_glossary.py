"""One Ukrainian term for one thing, and Ukrainian letters, in every sentence there is."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator

import pytest

from tests.unit.report.messages import UKRAINIAN, translations, ukrainian
from zvirka.i18n.register import explanations

TERMS = tomllib.loads((UKRAINIAN.parents[1] / "glossary.toml").read_text("utf-8"))["term"]
NO_APOSTROPHE = re.compile(r"(?<=[а-яіїєґ])['’`](?=[яюєї])", re.IGNORECASE)
RUSSIAN = re.compile("[ыэъё]", re.IGNORECASE)


def sentences() -> Iterator[str]:
    for message in ukrainian():
        if message.id:
            yield from translations(message)
    for one in explanations("uk"):
        yield from (one.family, one.title, *one.text.splitlines())


@pytest.mark.parametrize("term", TERMS, ids=lambda term: term["english"])
def test_a_thing_has_one_name(term: dict[str, list[str]]) -> None:
    wrong = re.compile("|".join(term["never"]))
    assert [one for one in sentences() if wrong.search(one) or wrong.search(one.casefold())] == []


def test_a_term_is_used() -> None:
    every = " ".join(sentences()).casefold()
    for term in TERMS:
        assert any(word.strip().casefold()[:6] in every for word in term["ukrainian"].split(",")), (
            term
        )


def test_the_apostrophe_is_the_letter() -> None:
    assert [text for text in sentences() if NO_APOSTROPHE.search(text)] == []


def test_ukrainian_is_not_russian() -> None:
    names = re.compile(r"«[^»]*»|\b\w*(?:Интерфейса|Набор)\w*")  # what 1C itself calls things
    assert [text for text in sentences() if RUSSIAN.search(names.sub("", text))] == []

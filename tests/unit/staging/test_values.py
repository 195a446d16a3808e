"""Digests and short forms of values: the rule in Python and the rule in SQL are one."""

from __future__ import annotations

import duckdb
from hypothesis import given, settings
from hypothesis import strategies as st

from zvirka.mapping import Attribute, Comparison, Field, Mapping
from zvirka.staging.values import (
    LONGEST,
    STABLE_DIGEST,
    is_shortened,
    shortened,
    shortened_sql,
    stable_digest,
    with_short_values,
)

MAPPING = Mapping(
    catalog="Контрагенты",
    fields=(
        Field("code", Attribute("Code")),
        Field("name", Attribute("Description"), Comparison.EXACT),
    ),
)
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"))


@settings(max_examples=300, deadline=None)
@given(TEXT, TEXT)
def test_a_stable_digest_is_the_same_in_sql(code: str, name: str) -> None:
    text = f"{code.strip(' ')}\x1f{name}"
    ((digest,),) = duckdb.execute(f"SELECT {STABLE_DIGEST.format(text='?')}", [text]).fetchall()
    assert digest == stable_digest(MAPPING, {"code": code, "name": name})


def test_a_stable_digest_never_changes() -> None:
    """The agreement on every disk depends on it."""
    values = {"code": " 000000001 ", "name": "ТОВ «Їжак»"}
    assert stable_digest(MAPPING, values) == 10247463215035974304
    assert stable_digest(MAPPING, {"code": None}) == stable_digest(MAPPING, {"code": " "})


@settings(deadline=None)
@given(st.integers(LONGEST - 2, LONGEST + 2), st.sampled_from("aї🚀\u0301"))
def test_a_short_form_is_the_same_in_sql(length: int, letter: str) -> None:
    text = letter * length
    ((short,),) = duckdb.execute(
        f"SELECT {shortened_sql('t')} FROM (SELECT ? t)", [text]
    ).fetchall()
    assert short == shortened(text)
    assert is_shortened(short) is (length > LONGEST)


def test_long_values_of_a_column_are_shortened_and_kept() -> None:
    long, padded = "ї" * (LONGEST + 1), " " + "є" * LONGEST + " "
    kept: dict[str, str] = {}
    column = with_short_values([None, "а", long, padded], exact=False, kept=kept)
    assert list(column) == [None, "а", shortened(long), padded.strip()]
    assert kept == {shortened(long): long}
    exact = with_short_values([padded], exact=True)
    assert exact == [shortened(padded)]

"""When two values are equal: laws of the comparisons, and the cases people meet."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from zvirka.comparison import ABSENT, canonical, field_differences, values_digest
from zvirka.mapping import Attribute, Comparison, Field, Mapping

ANY = st.text(max_size=40)
COMPARISONS = st.sampled_from(list(Comparison))
FORGIVING = st.sampled_from([each for each in Comparison if each is not Comparison.EXACT])


@given(COMPARISONS, ANY)
@example(Comparison.PHONE, "01A")
@example(Comparison.PHONE, "044 123 45 67 дод. 12")
def test_a_canonical_form_is_its_own_canonical_form(comparison: Comparison, text: str) -> None:
    once = canonical(comparison, text)
    assert canonical(comparison, once) == once


@given(COMPARISONS)
def test_null_and_the_empty_text_are_one(comparison: Comparison) -> None:
    assert canonical(comparison, None) == canonical(comparison, "") == ""


@given(FORGIVING, ANY)
def test_outer_spaces_never_count_but_for_exact(comparison: Comparison, text: str) -> None:
    assert canonical(comparison, f"  {text} ") == canonical(comparison, text)


@given(ANY, ANY)
def test_exact_is_exact(one: str, other: str) -> None:
    same = canonical(Comparison.EXACT, one) == canonical(Comparison.EXACT, other)
    assert same is (one == other)


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        ("+38 (044) 123-45-67", "0441234567", True),
        ("380441234567", "+380441234567", True),
        ("044 123 45 67 дод. 12", "044 123 45 67", False),
        ("+48 22 123 45 67", "+38 022 123 45 67", False),
        ("немає", "Немає", True),
        ("тел. 1-02", "102", True),
        ("", None, True),
    ],
)
def test_phones_are_compared_as_numbers(one: str, other: str | None, equal: bool) -> None:
    first, second = (canonical(Comparison.PHONE, value) for value in (one, other))
    assert (first == second) is equal


@pytest.mark.parametrize(
    ("comparison", "one", "other", "equal"),
    [
        (Comparison.TRIMMED, "ТОВ «А» ", "ТОВ «А»", True),
        (Comparison.TRIMMED, "ТОВ «А»", "тов «а»", False),
        (Comparison.CASELESS, "ТОВ  «А»", "тов «а»", True),
        (Comparison.DIGITS, "3285 5961", "32855961", True),
        (Comparison.DIGITS, "МЕ123456", "КС123456", True),
        (Comparison.EMAIL, "Office@Example.COM ", "office@example.com", True),
    ],
)
def test_what_each_comparison_holds_equal(
    comparison: Comparison, one: str, other: str, equal: bool
) -> None:
    assert (canonical(comparison, one) == canonical(comparison, other)) is equal


MAPPING = Mapping(
    catalog="Контрагенты",
    fields=(
        Field("code", Attribute("Code")),
        Field("name", Attribute("Description")),
        Field("phone", Attribute("Телефон"), Comparison.PHONE),
    ),
)
VALUES = st.fixed_dictionaries({name: st.none() | ANY for name in MAPPING.names})


@given(VALUES, VALUES)
def test_no_difference_and_equal_digests_are_the_same_thing(
    ours: dict[str, str | None], theirs: dict[str, str | None]
) -> None:
    differing = field_differences(MAPPING, ours, theirs)
    assert (not differing) is (values_digest(MAPPING, ours) == values_digest(MAPPING, theirs))
    assert [field.field for field in differing] == [
        name for name in MAPPING.names if name in {field.field for field in differing}
    ]


@given(VALUES)
def test_nothing_is_told_from_something(values: dict[str, str | None]) -> None:
    assert values_digest(MAPPING, None) == ABSENT != values_digest(MAPPING, values)

"""What an eye cannot see is spelt out."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zvirka.i18n.visible_text import CELL_LIMIT, cell, one_line, visible

ANY_TEXT = st.text(alphabet=st.characters())


@given(ANY_TEXT)
def test_no_character_without_a_form_of_its_own_is_left(text: str) -> None:
    hidden = [c for c in visible(text) if unicodedata.category(c)[0] in "CZ" and c not in " \n\t"]
    assert hidden == []


@given(ANY_TEXT)
def test_what_is_visible_encodes_as_utf_8_and_stays_as_it_is_the_second_time(text: str) -> None:
    shown = visible(text)
    assert shown.encode().decode() == shown
    assert visible(shown) == shown


@given(st.text(alphabet="абвґєіїABC«»№ '-.,\n0123456789"))
def test_ordinary_text_is_left_alone(text: str) -> None:
    assert visible(text) == text


@given(ANY_TEXT)
def test_one_line_is_one_line(text: str) -> None:
    assert len(one_line(text).splitlines()) <= 1


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\u202eabc", "⟨U+202E⟩abc"),
        ("a\u00a0b", "a⟨U+00A0⟩b"),
        ("\x00", "⟨U+0000⟩"),
        ("\ud800", "⟨U+D800⟩"),
        ("a\r\nb", "a⟨U+000D⟩\nb"),
        ("\u00ad\u200f\ufeff", "⟨U+00AD⟩⟨U+200F⟩⟨U+FEFF⟩"),
    ],
)
def test_marks_are_spelt_by_their_number(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_a_cell_says_how_long_a_cut_value_was() -> None:
    assert cell("x" * CELL_LIMIT) == "x" * CELL_LIMIT
    cut = cell("x" * 40_000)
    assert len(cut) == CELL_LIMIT
    assert cut.endswith("… ⟨40000⟩")

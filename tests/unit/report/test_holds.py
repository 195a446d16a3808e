"""A limit that held something is a true statement, in the reader's language."""

from __future__ import annotations

import msgspec
import pytest

from zvirka.i18n.words import Words
from zvirka.journal.run_facts import Hold
from zvirka.report.holds import hold_cells, hold_line

UK, EN = Words("uk"), Words("en")
SHRUNK = Hold(limit="shrink_share", found=1352, relation="<", allowed=1353, what="deletes")
SHARE = Hold(limit="max_delete_share", found=0.1, relation=">", allowed=0.05, what="deletes")


@pytest.mark.parametrize(
    ("hold", "line"),
    [
        (SHRUNK, "скорочення довідника: 1 352 < 1 353"),
        (SHARE, "частка видалень: 10 % > 5 %"),
        (Hold(limit="fingerprint", what="deletes"), "схвалює людина"),
        (Hold(limit="first_run", what="deletes"), "перший запуск: схвалює людина"),
    ],
)
def test_a_line_says_what_is_past_which_limit(hold: Hold, line: str) -> None:
    assert line in hold_line(hold, UK)


def test_a_row_says_what_would_have_been_allowed() -> None:
    assert hold_cells(SHRUNK, EN)[1:3] == ("1,352", "at least 1,353")
    assert hold_cells(SHARE, EN)[1:3] == ("10 %", "at most 5 %")
    assert hold_cells(SHARE, UK)[2] == "не більше ніж 5 %"


def test_a_share_barely_past_its_limit_still_reads_as_past_it() -> None:
    barely = Hold(limit="max_change_share", found=0.300004, relation=">", allowed=0.3, what="all")
    assert hold_line(barely, EN) == "share of changes: 30.0004 % > 30 %"


@pytest.mark.parametrize(
    ("found", "allowed", "line"),
    [
        ("1352", "1353", "limit: 1,352 / 1,353"),
        ("this is the first run", "a person approves", "limit: this is the first run / a person"),
    ],
)
def test_holds_of_the_journals_of_0_1_are_rendered_as_they_are(
    found: str, allowed: str, line: str
) -> None:
    old = {"limit": "limit", "found": found, "allowed": allowed, "what": "deletes"}
    assert hold_line(msgspec.convert(old, Hold), EN).startswith(line)

"""The push module's log file: events, whatever else is in it, and the last error of each."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zvirka import push_log
from zvirka.errors import ZvirkaError
from zvirka.push_log import errors_by_ref, parse_line, read_push_log

REF = "6f9619ff-8b86-d011-b42d-00c04fc964ff"
OTHER = "7f9619ff-8b86-d011-b42d-00c04fc964ff"


def event(
    minute: int,
    level: str = "ERROR",
    ref: str = REF,
    code: str = "000000001",
    status: int = 500,
    text: str = "HTTP 500",
) -> str:
    at = f"2026-01-31T22:{minute:02d}:07.042Z"
    return "\t".join([at, level, "update", ref, code, str(status), text]) + "\n"


def log(directory: Path, *lines: str) -> Path:
    path = directory / "zvirka-push.log"
    path.write_text("\ufeff" + "".join(lines), encoding="utf-8")
    return path


def test_a_line_is_an_event_with_its_time_in_utc(tmp_path: Path) -> None:
    [line] = read_push_log(log(tmp_path, event(15, code=" 1 ", ref=REF.upper())))
    assert line.at == datetime(2026, 1, 31, 22, 15, 7, 42000, tzinfo=UTC)
    assert (line.level, line.action, line.ref, line.code) == ("ERROR", "update", REF, "1")
    assert (line.status, line.text) == (500, "HTTP 500")


def test_what_is_no_event_is_passed_over(tmp_path: Path) -> None:
    cut = event(1)[:40] + "\n"
    path = log(tmp_path, "щось вставлене\n", cut, "x" * 10_000 + "\n", event(2))
    path.write_bytes(path.read_bytes() + b"\xff\xfe\n" + event(3).encode()[:-9])
    assert [line.at.minute for line in read_push_log(path)] == [2, 3]


def test_only_events_since_a_moment_are_given(tmp_path: Path) -> None:
    path = log(tmp_path, event(1), event(2), event(3))
    since = datetime(2026, 1, 31, 22, 2, tzinfo=UTC)
    assert [line.at.minute for line in read_push_log(path, since)] == [2, 3]


def test_a_file_that_is_not_there_holds_no_events(tmp_path: Path) -> None:
    assert list(read_push_log(tmp_path / "none.log")) == []


def test_a_file_that_cannot_be_read_is_told_with_its_place(tmp_path: Path) -> None:
    with pytest.raises(ZvirkaError) as told:
        list(read_push_log(tmp_path))
    assert told.value.place == str(tmp_path)


def test_the_last_error_is_found_by_ref_and_by_code(tmp_path: Path) -> None:
    path = log(
        tmp_path, event(1), event(2, status=0, text="no route"), event(3, ref=OTHER, code="")
    )
    errors = errors_by_ref(path)
    assert errors[REF].text == errors["000000001"].text == "no route"
    assert set(errors) == {REF, "000000001", OTHER}


def test_a_later_delivery_takes_the_error_away_and_other_lines_do_not(tmp_path: Path) -> None:
    delivered = event(2, "INFO", status=200, text="delivered")
    assert errors_by_ref(log(tmp_path, event(1), delivered)) == {}
    assert set(errors_by_ref(log(tmp_path, delivered, event(3)))) == {REF, "000000001"}
    neutral = event(2, "INFO", status=0, text="nothing to send: the change was not committed")
    assert REF in errors_by_ref(log(tmp_path, event(1), neutral, event(4, "WARNING", status=0)))


def test_of_very_many_the_latest_are_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(push_log, "REMEMBERED", 4)
    refs = [f"{number:08x}-8b86-d011-b42d-00c04fc964ff" for number in range(1, 10)]
    path = log(tmp_path, *(event(n, ref=ref, code="") for n, ref in enumerate(refs)))
    assert list(errors_by_ref(path)) == refs[-4:]


@given(st.binary(max_size=200))
def test_no_bytes_break_the_reader(raw: bytes) -> None:
    line = parse_line(raw)
    assert line is None or line.ref


@given(st.text(st.characters(exclude_characters="\t\r\n", exclude_categories=["Cs"]), max_size=30))
def test_an_event_of_any_text_is_read_back(text: str) -> None:
    line = parse_line(event(1, text=f"-{text}-").encode())
    assert line is not None
    assert line.text == f"-{text}-"

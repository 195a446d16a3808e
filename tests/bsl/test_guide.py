"""The guide says what the modules do: their texts, settings, code and the eleven faults."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.bsl.syntax import parse, read, routines, string_value, text, walk
from tests.bsl.world import BSL, CORE, OUTBOX, SHIPPED
from zvirka.i18n.words import Words
from zvirka.onec.protocol import Undelivered
from zvirka.onec.undelivered import MOST, PROPERTIES
from zvirka.push_log import parse_line
from zvirka.reconcile.evidence import waits

GUIDE = (BSL / "README.uk.md").read_text(encoding="utf-8")
PROCESSING = (BSL / "processing" / "ObjectModule.bsl", BSL / "processing" / "FormModule.bsl")


@pytest.mark.parametrize("path", PROCESSING, ids=lambda path: path.stem)
def test_the_code_of_the_processing_is_the_shipped_one(path: Path) -> None:
    assert read(path).strip("\n") in GUIDE


def test_every_fault_of_the_old_module_has_its_row() -> None:
    table = GUIDE.partition("## Що було не так")[2]
    rows = re.findall(r"^\| (\d+) \| (.+) \| (.+) \|$", table, re.MULTILINE)
    assert [int(row[0]) for row in rows] == list(range(1, 12))


def test_every_setting_of_the_module_is_explained() -> None:
    body = text(routines(parse(read(CORE)))["НастройкиМодуля"])
    for name in re.findall(r'Вставить\("([^"]+)"', body):
        assert f"`{name}`" in GUIDE, name


@pytest.mark.parametrize("path", [CORE, OUTBOX], ids=lambda path: path.parent.parent.name)
def test_every_text_the_log_can_hold_is_explained(path: Path) -> None:
    texts = [
        string_value(found)
        for statement in walk(parse(read(path)))
        if statement.type == "assignment_statement"
        and text(statement.children[0]) in {"Событие.Текст", "Результат.Ошибка"}
        for found in walk(statement.children[2])
        if found.type == "string"
    ]
    assert texts
    for said in texts:
        assert f"`{said}`" in GUIDE, said


def test_the_example_lines_are_events_the_reader_understands() -> None:
    lines = [line for line in GUIDE.splitlines() if re.match(r"\d{4}-\d\d-\d\dT.*\t", line)]
    assert len(lines) == 2
    assert all(parse_line(line.encode()) for line in lines)


def test_the_guide_names_what_is_read_of_the_outbox_and_what_the_report_says_of_it() -> None:
    section = GUIDE.partition("### Черга розширення")[2].partition("\n## ")[0]
    said = re.search(r"Читаються ([^.]+)\.", section)
    assert said
    assert set(re.findall(r"`(\w+)`", said[1])) == set(PROPERTIES)
    assert f"{MOST:,}".replace(",", " ") in section
    waiting = Undelivered(
        ref="",
        code="",
        action="update",
        created=datetime(2026, 1, 31, 22, 15, 7, tzinfo=UTC),
        tried=None,
        attempts=3,
        status=503,
        error="",
    )
    sentence = Words("uk").told(waits(waiting))
    assert f"\n{sentence}\n" in section


def test_every_routine_and_file_the_guide_names_exists() -> None:
    for module, called in re.findall(r"`(?:[^`]*?)(Zvirka)\.(\w+)\(", GUIDE):
        assert called in routines(parse(read(CORE))), f"{module}.{called}"
    for folder in ("dropin", "extension", "processing"):
        assert (BSL / folder).is_dir()
    for name in re.findall(r"`(\w+\.bsl)`", GUIDE):
        assert name in {path.name for path in SHIPPED}, name


def test_every_menu_is_named_in_both_languages() -> None:
    flat = re.sub(r"\s+", " ", GUIDE)
    named: dict[str, list[bool]] = {}
    for menu, ukrainian in re.findall(r"\*\*([А-Я][^*`|.]*→[^*`|]*)\*\*( \([А-ЯІЇЄҐ])?", flat):
        named.setdefault(menu, []).append(bool(ukrainian))
    assert len(named) > 15
    assert [menu for menu, both in named.items() if not any(both)] == []


def test_the_guide_is_ukrainian() -> None:
    """Names of 1C (bold, in quotes, in code) stand in its own language."""
    prose = re.sub(r"(?s)```.*?```|`[^`]*`|\*\*[^*]*\*\*|«[^»]*»", " ", GUIDE)
    found = re.findall(r"(?i)\b(?:настро\w+|пометк\w+|рукою|у сервері|керівн\w+)", prose)
    assert found == []


def test_every_link_inside_the_guide_leads_to_a_heading() -> None:
    headings = {
        re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        for heading in re.findall(r"^#+ (.+)$", GUIDE, re.MULTILINE)
    }
    links = re.findall(r"\]\(#([^)]+)\)", GUIDE)
    assert links
    assert [link for link in links if link not in headings] == []

"""The timeline: runs and what happened beside them, narrowed by day, person and kind."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from lxml import html

from tests.unit.report.sample import NIGHT, quiet_run, seal_run
from tests.unit.web.page_client import PageClient, open_page, settings_of
from zvirka.journal.chain import verify_chain
from zvirka.journal.events import EventKind, add_event
from zvirka.reconcile.noting import note_schema, note_settings
from zvirka.web import timeline_page

BEFORE = {"clients.phone": "VARCHAR(20)", "clients.email": "VARCHAR(100)"}
AFTER = {"clients.phone": "VARCHAR(10)", "clients.note": "TEXT"}


@pytest.fixture
def page(tmp_path: Path) -> Iterator[PageClient]:
    with open_page(tmp_path) as made:
        made.sign_in("taras")
        yield made


def lines(page: PageClient, query: str = "") -> list[str]:
    tree = html.fromstring(page.get(f"/timeline{query}").text)
    rows = tree.xpath("//table[@class='timeline']/tbody/tr")
    return [" ".join(row.text_content().split()) for row in rows]


def test_runs_and_events_stand_in_one_sequence_newest_first(page: PageClient) -> None:
    quiet_run(page.journal)
    with page.journal.writing() as connection:
        when = NIGHT - timedelta(days=1)
        add_event(connection, EventKind.BACKUP, when, "root", {"runs": 0})
    signed_in, run, backup = lines(page)
    assert "Admin signed in" in signed_in
    assert "taras" in signed_in
    assert "Reconciliation № 1" in run
    assert "Backup taken, up to run № 0" in backup
    assert list(verify_chain(page.journal)) == []


def test_only_admins_who_sign_in_are_recorded(page: PageClient) -> None:
    page.post("/sign-out")
    page.sign_in("olena")
    page.post("/sign-out")
    page.sign_in("taras", "wrong")
    assert page.get("/timeline").status_code == 303
    page.sign_in("olena")
    assert [line for line in lines(page) if "signed in" in line] == lines(page)
    assert len(lines(page)) == 1


def test_changed_settings_are_named_and_no_secret_is(page: PageClient, tmp_path: Path) -> None:
    note_settings(page.journal, page.environment.settings, "zvirka.service", page.clock())
    note_settings(page.journal, page.environment.settings, "zvirka.service", page.clock())
    password: dict[str, Any] = {"session_for": "3h", "secret": "t" * 40}
    note_settings(page.journal, settings_of(tmp_path, **password), "taras", page.clock())
    changed, first, _signed_in = lines(page)
    assert "Settings changed: web.session_for" in changed
    assert "web.session_for: 8h → 3h" in changed
    assert "Settings recorded for the first time" in first
    text = page.get("/timeline").text
    assert "secret" not in text
    assert "t" * 40 not in text


def test_values_of_settings_are_for_admins(page: PageClient, tmp_path: Path) -> None:
    note_settings(page.journal, page.environment.settings, "zvirka.service", page.clock())
    note_settings(page.journal, settings_of(tmp_path, session_for="3h"), "taras", page.clock())
    page.post("/sign-out")
    page.sign_in("olena")
    assert "Settings changed: web.session_for" in page.get("/timeline").text
    assert "→ 3h" not in page.get("/timeline").text


def test_a_schema_that_changed_says_what_is_gone_new_and_shorter(page: PageClient) -> None:
    for shape in (BEFORE, BEFORE, AFTER):
        note_schema(page.environment, "erp", shape, "zvirka.service")
    source = {"Catalog_Контрагенты.ИНН": "Edm.String", "Catalog_Контрагенты.КПП": "Edm.String"}
    note_schema(page.environment, "1c", source, "zvirka.service")
    note_schema(page.environment, "1c", {"Catalog_Контрагенты.Code": "Edm.String"}, "x")
    note_schema(page.environment, "1c", {}, "x")
    gone, _first_1c, drift, _first, _signed_in = lines(page)
    assert "1 column is gone: clients.email" in drift
    assert "new: clients.note" in drift
    assert "column clients.phone is shorter: VARCHAR(20) → VARCHAR(10)" in drift
    assert "2 attributes are gone from $metadata: Catalog_Контрагенты.ИНН" in gone


def test_it_is_narrowed_by_day_person_and_kind(page: PageClient) -> None:
    seal_run(page.journal, (), at=NIGHT - timedelta(days=2), who="ivan")
    seal_run(page.journal, (), at=NIGHT - timedelta(days=1))
    with page.journal.writing() as connection:
        when = NIGHT - timedelta(days=1)
        add_event(connection, EventKind.RESTORE, when, "ivan", {"runs": 7})
    assert len(lines(page)) == 4
    assert len(lines(page, "?who=ivan")) == 2
    assert len(lines(page, "?who=ivan&what=run")) == 1
    assert len(lines(page, "?what=restore")) == 1
    assert len(lines(page, "?from=2026-11-23&to=2026-11-23")) == 2
    assert len(lines(page, "?what=x&from=x&page=x")) == 4
    assert lines(page, "?who=nobody") == []


def test_it_comes_page_by_page(page: PageClient) -> None:
    for minute in range(timeline_page.LINES + 1):
        seal_run(page.journal, (), at=datetime(2026, 11, 1, 0, minute % 60, tzinfo=UTC))
    assert len(lines(page)) == timeline_page.LINES
    assert "page=2" in page.get("/timeline?what=run").text
    assert len(lines(page, "?page=2")) == 2
    assert "page=3" not in page.get("/timeline?page=2").text

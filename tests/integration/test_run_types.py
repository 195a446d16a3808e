"""Runs over columns of other types than text: nights end in sync, and causes are right."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.databases import BACKENDS, fresh
from tests.integration.engine_world import World, world
from tests.integration.store_shapes import SERIAL
from zvirka.domain import Cause, Mode

TABLE = """
CREATE TABLE firms(
    id {serial}, code VARCHAR(20) NOT NULL UNIQUE, name VARCHAR(200), created DATE, sorted INTEGER,
    public BOOLEAN, country {uuid}, is_active BOOLEAN NOT NULL DEFAULT TRUE
)
"""
FIELDS: dict[str, Any] = {
    "created": {"attribute": "ДатаСоздания"},
    "public": {"attribute": "ГосударственныйОрган"},
    "country": {"attribute": "СтранаРегистрации_Key"},
    **dict.fromkeys(["tax_id", "phone", "email", "address"], False),
}


@pytest.fixture(params=BACKENDS)
def typed(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    """Three counterparties and an empty table with a date, a boolean and a reference."""
    backend: str = request.param
    url = fresh(backend, tmp_path)
    with world(tmp_path, profile="accounting", counterparties=3) as made:
        here = made.with_settings(
            onec={"fields": FIELDS}, erp={"url": url, "table": "firms", "ref": None}
        )
        here.shape.backend = backend
        uuid = "UUID" if backend == "postgresql" else "CHAR(36)"
        here.shape.sql(TABLE.format(serial=SERIAL[backend], uuid=uuid))
        dates = ["2014-01-31T00:00:00", "2020-02-29T10:11:12", "0001-01-01T00:00:00"]
        for ref, date in zip(here.refs(), dates, strict=True):
            here.base.update(ref, ДатаСоздания=date)
        yield here


def dates(typed: World) -> list[str]:
    rows = typed.shape.sql("SELECT created FROM firms WHERE is_active ORDER BY code")
    return ["" if created is None else str(created) for (created,) in rows]


def test_nights_end_in_sync_and_stay_so(typed: World) -> None:
    first = typed.run()
    assert (first.exit_code, dates(typed)) == (0, ["2014-01-31", "2020-02-29", ""])
    assert [typed.run(full=full).causes for full in (False, True, False)] == [{}, {}, {}]


def test_a_date_and_a_boolean_are_changed_emptied_and_undone(typed: World) -> None:
    typed.run()
    first, second, third = typed.refs()
    typed.base.update(first, ДатаСоздания="2015-05-05T00:00:00", ГосударственныйОрган=True)
    typed.base.update(second, ДатаСоздания="0001-01-01T00:00:00")
    typed.base.update(third, ДатаСоздания="2016-06-06T00:00:00")
    change = typed.run()
    assert change.exit_code == 0
    assert {one.cause for one in typed.differences(change.run)} == {Cause.MISSED_UPDATE}
    assert dates(typed) == ["2015-05-05", "", "2016-06-06"]
    assert typed.row(change.run).mode is Mode.LIGHT
    undone = typed.run("undo", parent=change.run, reason="test")
    assert undone.exit_code == 0
    assert dates(typed) == ["2014-01-31", "2020-02-29", ""]


def test_a_date_changed_in_the_erp_is_put_right(typed: World) -> None:
    typed.run()
    typed.shape.sql("UPDATE firms SET created = '1999-09-09' WHERE created = '2014-01-31'")
    run = typed.run()
    assert [(one.cause, one.fields[0].field) for one in typed.differences(run.run)] == [
        (Cause.ERP_EDIT, "created")
    ]
    assert dates(typed)[0] == "2014-01-31"

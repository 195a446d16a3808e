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

pytestmark = pytest.mark.long

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


EVERY = """
CREATE TABLE every(
    id {serial}, ref CHAR(36) NOT NULL UNIQUE, name VARCHAR(200), note VARCHAR(200),
    amount NUMERIC(12, 2), pieces INTEGER, public BOOLEAN, created DATE, moment {moment},
    country {uuid}, kind SMALLINT, head_id INTEGER REFERENCES every(id),
    is_active BOOLEAN NOT NULL DEFAULT TRUE
)
"""
EVERY_FIELDS: dict[str, Any] = {
    "note": {"attribute": "Комментарий"},
    "amount": {"attribute": "ИНН"},
    "pieces": {"attribute": "НомерСвидетельства"},
    "public": {"attribute": "ГосударственныйОрган"},
    "created": {"attribute": "ДатаСоздания"},
    "moment": {"attribute": "ДатаСоздания"},
    "country": {"attribute": "СтранаРегистрации_Key"},
    "kind": {
        "attribute": "ЮридическоеФизическоеЛицо",
        "values": {"ЮридическоеЛицо": 1, "ФизическоеЛицо": 2},
    },
    "head": {"attribute": "ГоловнойКонтрагент_Key", "reference": "main"},
    **dict.fromkeys(["code", "tax_id", "phone", "email", "address"], False),
}
EMPTY: dict[str, Any] = {
    "Комментарий": "",
    "ИНН": "",
    "НомерСвидетельства": "",
    "ГосударственныйОрган": False,
    "ДатаСоздания": "0001-01-01T00:00:00",
    "СтранаРегистрации_Key": "00000000-0000-0000-0000-000000000000",
    "ЮридическоеФизическоеЛицо": "",
    "ГоловнойКонтрагент_Key": "00000000-0000-0000-0000-000000000000",
}


@pytest.mark.parametrize("backend", BACKENDS)
def test_every_type_is_created_emptied_filled_again_and_undone(
    tmp_path: Path, backend: str
) -> None:
    with world(tmp_path, profile="accounting", counterparties=2) as made:
        here = made.with_settings(
            onec={"fields": EVERY_FIELDS, "key": "ref"},
            erp={
                "url": fresh(backend, tmp_path),
                "table": "every",
                "key": "ref",
                "ref": None,
                "columns": {"head": "head_id"},
            },
        )
        here.shape.backend = backend
        postgresql = backend == "postgresql"
        here.shape.sql(
            EVERY.format(
                serial=SERIAL[backend],
                uuid="UUID" if postgresql else "CHAR(36)",
                moment="TIMESTAMP" if postgresql else "DATETIME",
            )
        )
        one, two = here.refs()
        full: dict[str, Any] = {
            "Комментарий": "перший",
            "ИНН": "16348.50",
            "НомерСвидетельства": "42",
            "ГосударственныйОрган": True,
            "ДатаСоздания": "2020-02-29T10:11:12",
            "СтранаРегистрации_Key": "c4ccb0a9-8857-11e5-a85a-3085a93ddca2",
            "ЮридическоеФизическоеЛицо": "ФизическоеЛицо",
            "ГоловнойКонтрагент_Key": two,
        }
        columns = "note, amount, pieces, public, created, moment, country, kind, head_id"

        def stored() -> list[str]:
            row = here.shape.sql(f"SELECT {columns} FROM every WHERE ref = ?", (one,))[0]
            return ["" if value is None else str(value) for value in row]

        here.base.update(one, **full)
        here.base.update(two, **EMPTY)
        here.run()
        assert here.run().exit_code == 0
        head = here.shape.sql("SELECT id FROM every WHERE ref = ?", (two,))[0][0]
        filled = stored()
        assert [filled[0], float(filled[1]), filled[2], filled[3] in {"1", "True"}] == [
            "перший",
            16348.5,
            "42",
            True,
        ]
        assert filled[4] == "2020-02-29"
        assert filled[5].replace("T", " ").startswith("2020-02-29 10:11:12")
        assert filled[6:] == [full["СтранаРегистрации_Key"], "2", str(head)]
        assert here.run(full=True).causes == {}

        here.base.update(one, **EMPTY)
        emptied = here.run()
        assert emptied.exit_code == 0
        assert [*stored()[:3], *stored()[4:]] == [""] * 8
        assert stored()[3] in {"0", "False"}
        assert here.run("undo", parent=emptied.run, reason="test").exit_code == 0
        assert stored() == filled

        here.base.update(one, **full)
        assert here.run().exit_code == 0
        assert (stored(), here.run(full=True).causes) == (filled, {})

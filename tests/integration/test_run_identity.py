"""One record is one client: keys with blanks around them, key columns of other types, new rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.integration.databases import BACKENDS, fresh
from tests.integration.engine_world import World, world
from tests.integration.store_shapes import BY_CODE, SERIAL, SHAPES, Shape, production
from zvirka.domain import OutcomeState
from zvirka.settings.model import ErpSettings

COLUMNS = "name text, tax_id text, phone text, email text, address text, is_active boolean"


def keyed(key: str, **erp: Any) -> Any:
    """A store of one table whose pairing key is the column ``code`` of that type."""

    def build(backend: str, directory: Path) -> Shape:
        settings = {"url": fresh(backend, directory), "table": "clients", **erp}
        shape = Shape("keyed", backend, ErpSettings.model_validate(settings), BY_CODE, {})
        shape.sql(
            f"CREATE TABLE clients (id {SERIAL[backend]}, code {key},"
            f" {COLUMNS} DEFAULT {'1' if backend == 'sqlite' else 'true'})"
        )
        return shape

    return build


def rows(made: World, columns: str = "code, is_active") -> list[tuple[Any, ...]]:
    return made.shape.sql(f"SELECT {columns} FROM clients ORDER BY 1, 2")


@pytest.mark.parametrize("backend", BACKENDS)
def test_blanks_around_a_code_never_make_a_second_client(
    tmp_path: Path, backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(SHAPES, "keyed", keyed("varchar(40)"))
    codes = ["000000001", "000000003\u00a0", "\u2003000000004", "000000005   ", "\t000000006"]
    with world(tmp_path, shape="keyed", backend=backend, counterparties=len(codes)) as made:
        for ref, code in zip(made.refs(), codes, strict=True):
            made.base.update(ref, code=code)
        first = made.run()
        assert (first.exit_code, first.outcomes) == (0, {"applied": len(codes)})
        for _ in range(3):
            night = made.run()
            assert (night.exit_code, night.causes, night.outcomes) == (0, {}, {})
        stored = sorted(code for code, _ in rows(made))
        assert stored == sorted(code.strip() for code in codes)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_stored_key_with_blanks_around_it_is_its_client(
    tmp_path: Path, backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(SHAPES, "keyed", keyed("varchar(40)"))
    with world(tmp_path, shape="keyed", backend=backend, counterparties=6) as made:
        made.run()
        blanks = ["\u00a0", "\u2003", "\t", " ", "\x85", "\x1f"]
        for blank, (code, _) in zip(blanks, rows(made), strict=True):
            made.shape.sql("UPDATE clients SET code = ? WHERE code = ?", (f"{code}{blank}", code))
        made.base.update(made.refs()[0], name="Перейменований")
        night = made.run()
        assert (night.exit_code, night.outcomes) == (0, {"applied": 1})
        assert len(rows(made)) == 6


@pytest.mark.parametrize("backend", BACKENDS)
def test_an_undo_of_a_create_with_a_padded_code_finds_its_row(
    tmp_path: Path, backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(SHAPES, "keyed", keyed("varchar(40)"))
    with world(tmp_path, shape="keyed", backend=backend, counterparties=3) as made:
        for number, ref in enumerate(made.refs(), start=1):
            made.base.update(ref, code=f"{number:09}   ")
        first = made.run()
        undone = made.run("undo", parent=first.run, reason="test")
        assert undone.outcomes == {"applied": 3}
        assert not any(active for _, active in rows(made))


def permuted(backend: str, directory: Path) -> Shape:
    """The primary key of a client comes from SQL, so that the order of new rows is arbitrary."""
    uuid = {
        "postgresql": "gen_random_uuid()",
        "mariadb": "uuid()",
        "sqlite": "lower(hex(randomblob(16)))",
    }[backend]
    shape = production(backend, directory)
    kind = {"postgresql": "uuid", "mariadb": "char(36)", "sqlite": "text"}[backend]
    shape.sql("DROP TABLE client_contacts")
    shape.sql("DROP TABLE clients")
    shape.sql(
        f"CREATE TABLE clients (id {kind} PRIMARY KEY, code varchar(40) UNIQUE, {COLUMNS}"
        f" DEFAULT {'1' if backend == 'sqlite' else 'true'})"
    )
    shape.sql(
        f"""CREATE TABLE client_contacts (id {SERIAL[backend]}, client_id {kind} NOT NULL,
            is_primary boolean, full_name text NOT NULL, phone text, email text)"""
    )
    erp = {
        "url": shape.erp.url,
        "table": "clients",
        "columns": {"name": "name"},
        "on_create": {"id": {"sql": uuid}},
        "children": {
            "contact": {
                "table": "client_contacts",
                "parent": "client_id",
                "where": {"is_primary": True},
                "columns": {"name": "full_name", "phone": "phone", "email": "email"},
            }
        },
    }
    return Shape("permuted", backend, ErpSettings.model_validate(erp), BY_CODE, {})


@pytest.mark.parametrize("backend", BACKENDS)
def test_contacts_are_written_to_their_own_client_when_sql_makes_the_primary_key(
    tmp_path: Path, backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(SHAPES, "permuted", permuted)
    with world(tmp_path, shape="permuted", backend=backend, counterparties=30) as made:
        first = made.run()
        assert (first.exit_code, first.outcomes) == (0, {"applied": 30})
        made.assert_in_sync()
        joined = made.shape.sql(
            "SELECT c.name, k.full_name FROM clients c JOIN client_contacts k ON k.client_id = c.id"
        )
        assert len(joined) > 20
        assert [full for _, full in joined] == [name for name, _ in joined]
        by_code = {code: str(row) for code, row in rows(made, "code, id")}
        with made.environment() as environment:
            [page] = environment.journal.corrections(first.run)
        assert {c.key: o.row for _, c, o in page} == by_code
        assert {o.state for _, _, o in page} == {OutcomeState.APPLIED}
        assert made.run("undo", parent=first.run, reason="test").outcomes == {"applied": 30}

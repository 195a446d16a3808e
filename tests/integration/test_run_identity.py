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
    return made.shape.sql(f"SELECT {columns} FROM clients ORDER BY 1")


@pytest.mark.long
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


@pytest.mark.long
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


@pytest.mark.long
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


@pytest.mark.long
@pytest.mark.parametrize(
    ("blank", "seen"), [("   ", False), ("   ", True), ("\u00a0", True)], ids=repr
)
@pytest.mark.parametrize("by", ["ref", "code"])
def test_a_padded_code_created_again_keeps_its_client(
    tmp_path: Path, by: str, blank: str, seen: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``seen``: a night has found both counterparties under one code before one was deleted."""
    monkeypatch.setitem(SHAPES, "keyed", keyed("varchar(40)"))
    code = "000000001"
    with world(tmp_path, shape="keyed", counterparties=3) as made:
        first = made.refs()[0]
        made.base.update(first, code=code + blank)
        assert made.run().exit_code == 0
        made.base.create(name="Той самий", code=code + blank)
        if seen:
            assert made.run().causes == {"duplicate": 1}
        made.base.delete(first)
        run = made.resync(code) if by == "code" else made.resync(refs=(first,))
        assert run.status == "finished", run
        assert made.run().exit_code == 0
        stored = rows(made, "code, name, is_active")
        assert len(stored) == 3
        assert (code, "Той самий", True) in [(c, name, bool(on)) for c, name, on in stored]


@pytest.mark.long
@pytest.mark.parametrize(("asked", "kind"), [("A-7 ", ""), ("a-7", "UsageError")])
def test_a_code_that_1c_finds_in_another_spelling_is_no_lie(
    tmp_path: Path, asked: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The databases of 1C compare without case and without blanks at the end."""
    monkeypatch.setitem(SHAPES, "keyed", keyed("varchar(40)"))
    with world(tmp_path, shape="keyed", counterparties=3) as made:
        made.base.update(made.refs()[0], code="A-7")
        assert made.run().exit_code == 0
        assert made.resync(asked).kind == kind


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


@pytest.mark.long
@pytest.mark.parametrize("backend", BACKENDS)
def test_contacts_are_written_to_their_own_client_when_sql_makes_the_primary_key(
    tmp_path: Path, backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(SHAPES, "permuted", permuted)
    with world(tmp_path, shape="permuted", backend=backend, counterparties=30) as made:
        for number, ref in enumerate(made.refs()):
            made.base.update(ref, phone=f"+38050{number:07}", email=f"c{number}@example.ua")
        first = made.run()
        assert (first.exit_code, first.outcomes) == (0, {"applied": 30})
        made.assert_in_sync()
        joined = made.shape.sql(
            "SELECT c.name, k.full_name FROM clients c JOIN client_contacts k ON k.client_id = c.id"
        )
        assert len(joined) == 30
        assert [full for _, full in joined] == [name for name, _ in joined]
        by_code = {code: str(row) for code, row in rows(made, "code, id")}
        with made.environment() as environment:
            [page] = environment.journal.corrections(first.run)
        assert {c.key: o.row for _, c, o in page} == by_code
        assert {o.state for _, _, o in page} == {OutcomeState.APPLIED}
        assert made.run("undo", parent=first.run, reason="test").outcomes == {"applied": 30}


DIVERTED = {
    "sqlite": [
        "CREATE TRIGGER divert AFTER INSERT ON clients"
        " BEGIN UPDATE clients SET code = 'SAME' WHERE id = NEW.id; END"
    ],
    "postgresql": [
        "CREATE FUNCTION divert() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN NEW.code = 'SAME'; RETURN NEW; END $$",
        "CREATE TRIGGER divert BEFORE INSERT ON clients FOR EACH ROW EXECUTE FUNCTION divert()",
    ],
    "mariadb": [
        "CREATE TRIGGER divert BEFORE INSERT ON clients FOR EACH ROW SET NEW.code = 'SAME'"
    ],
}
"""Triggers after which every new client has the same key."""


@pytest.mark.parametrize("backend", BACKENDS)
def test_two_rows_under_one_key_after_a_create_stop_the_creates_of_the_run(
    tmp_path: Path, backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(SHAPES, "keyed", keyed("varchar(40)"))
    with world(tmp_path, shape="keyed", backend=backend, counterparties=6) as made:
        codes = ["A1", "A2", "SAME", "Z1", "Z2", "Z3"]
        for ref, code in zip(made.refs(), codes, strict=True):
            made.base.update(ref, code=code)
        made.shape.sql("INSERT INTO clients (code, name) VALUES ('SAME', 'Двійник')")
        made.shape.sql("UPDATE clients SET is_active = ?", (False,))
        for statement in DIVERTED[backend]:
            made.shape.sql(statement)
        writer = made.shape.writer()
        try:
            outcomes = list(
                writer.apply([made.shape.creation(n, code=c) for n, c in enumerate(codes, 1)])
            )
        finally:
            writer.close()
        states = {outcome.correction: outcome.state for outcome in outcomes}
        # A1 and A2 read back under another key; SAME is taken; nothing is created after that.
        assert OutcomeState.APPLIED not in states.values()
        assert rows(made, "code") == [("SAME",)]


@pytest.mark.long
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_second_row_that_comes_with_a_create_is_an_alarm(
    tmp_path: Path, backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A trigger that files every new client twice: the first such create is the last of the run."""
    monkeypatch.setitem(SHAPES, "keyed", keyed("varchar(40)"))
    if backend == "mariadb":
        pytest.skip("a MariaDB trigger cannot write to its own table")
    twice = {
        "sqlite": "CREATE TRIGGER twice AFTER INSERT ON clients WHEN NEW.address <> 'copy'"
        " BEGIN INSERT INTO clients (code, name, address, is_active)"
        " VALUES (NEW.code, NEW.name, 'copy', 1); END",
        "postgresql": "CREATE TRIGGER twice AFTER INSERT ON clients FOR EACH ROW"
        " WHEN (NEW.address <> 'copy') EXECUTE FUNCTION twice()",
    }[backend]
    with world(tmp_path, shape="keyed", backend=backend, counterparties=4) as made:
        for ref in made.refs():
            made.base.update(ref, address="вул. Лесі, 1")
        if backend == "postgresql":
            made.shape.sql(
                "CREATE FUNCTION twice() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
                " INSERT INTO clients (code, name, address, is_active)"
                " VALUES (NEW.code, NEW.name, 'copy', true); RETURN NULL; END $$"
            )
        made.shape.sql(twice)
        night = made.run()
        assert night.exit_code == 1
        assert rows(made) == []
        with made.environment() as environment:
            told = [
                (outcome.state, outcome.detail)
                for page in environment.journal.corrections(night.run)
                for _, _, outcome in page
            ]
            warnings = environment.journal.get(night.run).facts.warnings
        assert {state for state, _ in told} <= {OutcomeState.FAILED, OutcomeState.REFUSED}
        assert sum("another row has the same key" in detail for _, detail in told) == 1
        assert any("creates stopped" in warning for warning in warnings)


NUMBERS = {
    "integer": "INTEGER",
    "bigint": "BIGINT",
    "numeric": "NUMERIC(15)",
    "scale": "DECIMAL(15, 2)",
    "double": "DOUBLE PRECISION",
}


@pytest.mark.long
@pytest.mark.parametrize("kind", NUMBERS)
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_number_column_that_cannot_hold_the_codes_ends_every_run(
    tmp_path: Path, backend: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(SHAPES, "keyed", keyed(NUMBERS[kind]))
    with world(tmp_path, shape="keyed", backend=backend, counterparties=3) as made:
        for number, ref in enumerate(made.refs(), start=1):
            made.base.update(ref, code=f"{number:09}")
            made.shape.sql("INSERT INTO clients (code, name) VALUES (?, ?)", (number, "давній"))
        for command in ("plan", "reconcile"):
            run = made.run(command)
            assert (run.status, run.exit_code, run.causes) == ("failed", 64, None)
            error = str(made.row(run.run).error)
            assert "000000001" in error
            assert "clients.code" in error
        assert len(rows(made)) == 3


@pytest.mark.long
def test_a_number_column_that_holds_every_code_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(SHAPES, "keyed", keyed("BIGINT"))
    with world(tmp_path, shape="keyed", backend="postgresql", counterparties=3) as made:
        for number, ref in enumerate(made.refs(), start=1):
            made.base.update(ref, code=str(number))
        assert made.run().outcomes == {"applied": 3}
        assert made.run().causes == {}


@pytest.mark.long
@pytest.mark.parametrize("clients", [4, 5, 40])
def test_a_filled_store_without_a_key_of_1c_is_the_wrong_column(
    tmp_path: Path, clients: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(SHAPES, "keyed", keyed("text"))
    with world(tmp_path, shape="keyed", counterparties=10) as made:
        insert = "INSERT INTO clients (code, name) VALUES (?, ?)"
        made.shape.sql(insert, *((f"X-{number}", "Клієнт") for number in range(clients)))
        plan = made.run("plan")
        if clients < 5:
            assert plan.exit_code == 1
            return
        assert (plan.status, plan.exit_code) == ("failed", 64)
        error = str(made.row(plan.run).error)
        assert "X-0" in error
        assert "min_key_share" in error
        intended = made.with_settings(guard={"min_key_share": 0})
        assert intended.run("plan").exit_code == 1

"""What one row or one message meets stays its own, however the database tells it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from tests.integration.databases import fresh
from tests.integration.engine_world import World, world
from tests.integration.receiver_world import MAPPING, body
from tests.integration.store_shapes import BY_CODE, SERIAL, SHAPES, Shape
from zvirka.domain import Cause
from zvirka.erp.open_store import open_layout
from zvirka.erp.sql import engines
from zvirka.erp.sql.store_check import check_store
from zvirka.journal.engine import open_engine
from zvirka.policy import Policy
from zvirka.receiver.earlier_messages import IngestResult
from zvirka.receiver.ingest import Ingest
from zvirka.receiver.payload import PayloadReader
from zvirka.settings.model import ErpSettings

FIELDS = "name text NOT NULL, tax_id text, phone text, email text, address text"
SERVERS = ("postgresql", "mariadb")


def table(backend: str, columns: str = f"{FIELDS}, is_active boolean DEFAULT true") -> str:
    return (
        f"CREATE TABLE clients (id {SERIAL[backend]}, code varchar(40) NOT NULL UNIQUE, {columns})"
    )


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Builds a world over tables of the test's own: ``store(backend, statements, erp, …)``."""

    def build(
        backend: str, *statements: str, erp: dict[str, Any] | None = None, **more: Any
    ) -> Any:
        def shape(backend: str, directory: Path) -> Shape:
            settings = {"url": fresh(backend, directory), "table": "clients", **(erp or {})}
            made = Shape("own", backend, ErpSettings.model_validate(settings), BY_CODE, {})
            for statement in statements:
                made.sql(statement)
            return made

        monkeypatch.setitem(SHAPES, "own", shape)
        more.setdefault("guard", {"max_delete_share": 1.0, "shrink_share": 0.9})
        return world(tmp_path, shape="own", backend=backend, **more)

    return build


def details(made: World, run: int) -> dict[str, tuple[str, str]]:
    """State and detail of the last outcome of each key."""
    with made.environment() as environment:
        found = [item for batch in environment.journal.corrections(run) for item in batch]
    return {correction.key: (outcome.state, outcome.detail) for _, correction, outcome in found}


@contextmanager
def locked(made: World, code: str) -> Iterator[None]:
    """Hold the row of that key as another program's open transaction does."""
    engine = create_engine(made.shape.erp.url)
    with engine.connect() as connection:
        connection.execute(
            text("SELECT * FROM clients WHERE code = :code FOR UPDATE"), {"code": code}
        )
        yield
    engine.dispose()


@pytest.mark.long
@pytest.mark.parametrize("backend", SERVERS)
@pytest.mark.parametrize("rows", [1, 60])
def test_a_locked_row_waits_alone(
    store: Any, backend: str, rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "LOCK_WAIT_SECONDS", 1)
    with store(backend, table(backend), erp={"batch": 20}, counterparties=rows) as made:
        made.run()
        made.shape.sql("UPDATE clients SET name = 'x'")
        code = made.base.get(made.refs()[-1]).values["code"]
        with locked(made, code):
            night = made.run()
        assert night.exit_code == 1
        assert night.outcomes.get("applied", 0) == rows - 1
        assert details(made, night.run)[code] == ("failed", "another program has locked the row")
        assert made.run().outcomes == {"applied": 1}


RAISES = {
    "postgresql": ["40001", "55000", "57014", "53100", "08000", "XX000", "42501", "23505", "ZZ999"],
    "mariadb": ["02000", "45000", "42000", "HY000", "08S01", "40001"],
}


@pytest.mark.long
@pytest.mark.parametrize("backend", SERVERS)
def test_no_code_that_a_trigger_raises_ends_the_run(store: Any, backend: str) -> None:
    codes = RAISES[backend]
    raised = {
        "postgresql": "RAISE EXCEPTION 'x' USING errcode = '{}';",
        "mariadb": "SIGNAL SQLSTATE '{}' SET MESSAGE_TEXT = 'x';",
    }[backend]
    tests = " ".join(f"IF NEW.name = '{code}' THEN {raised.format(code)} END IF;" for code in codes)
    if backend == "postgresql":
        trigger = [
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS"
            f" $$ BEGIN {tests} RETURN NEW; END $$",
            "CREATE TRIGGER refuse BEFORE INSERT ON clients FOR EACH ROW EXECUTE FUNCTION refuse()",
        ]
    else:
        trigger = [f"CREATE TRIGGER refuse BEFORE INSERT ON clients FOR EACH ROW BEGIN {tests} END"]
    with store(backend, table(backend), *trigger, counterparties=len(codes) + 3) as made:
        for ref, code in zip(made.refs(), codes, strict=False):
            made.base.update(ref, name=code)
        night = made.run()
        assert (night.exit_code, night.status) == (1, "finished")
        assert night.outcomes == {"applied": 3, "failed": len(codes)}
        again = made.run()
        assert again.outcomes == {"failed": len(codes)}


def test_a_trigger_that_fails_is_the_trouble_of_its_row(store: Any) -> None:
    trigger = (
        "CREATE TRIGGER fails BEFORE INSERT ON clients WHEN NEW.name = 'так'"
        " BEGIN SELECT json('{'); END"
    )
    with store("sqlite", table("sqlite"), trigger, counterparties=3) as made:
        made.base.update(made.refs()[0], name="так")
        night = made.run()
        assert (night.exit_code, night.outcomes) == (1, {"applied": 2, "failed": 1})


SILENT = {
    "postgresql": (
        "CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN IF NEW.name = 'ні' THEN RETURN NULL; END IF; RETURN NEW; END $$",
        "CREATE TRIGGER keep BEFORE INSERT OR UPDATE ON clients FOR EACH ROW"
        " EXECUTE FUNCTION keep()",
    ),
    "sqlite": (
        "CREATE TRIGGER keep BEFORE UPDATE ON clients WHEN NEW.name = 'ні'"
        " BEGIN SELECT RAISE(IGNORE); END",
        "CREATE TRIGGER keep_new BEFORE INSERT ON clients WHEN NEW.name = 'ні'"
        " BEGIN SELECT RAISE(IGNORE); END",
    ),
}


@pytest.mark.long
@pytest.mark.parametrize("backend", SILENT)
@pytest.mark.parametrize("there", [True, False])
def test_a_row_that_the_store_silently_leaves_does_not_converge(
    store: Any, backend: str, there: bool
) -> None:
    """It was «superseded», or «would not be owned», every night for ever."""
    with store(backend, table(backend), *SILENT[backend], counterparties=4) as made:
        if there:
            made.run()
        made.base.update(made.refs()[0], name="ні")
        made.base.update(made.refs()[1], name="так")
        night = made.run()
        assert night.outcomes == {"applied": 1 if there else 3, "not_converging": 1}
        [one] = [d for d in made.differences(night.run) if d.cause is Cause.NOT_CONVERGING]
        assert "left the row as it was" in details(made, night.run)[one.key][1]
        nights = [made.run() for _ in range(3)]
        assert [n.outcomes for n in nights] == [{"not_converging": 1}] * 2 + [{}]
        assert [n.exit_code for n in nights] == [1, 1, 1]


DELETED_AT = {
    "defaults": ("postgresql", "timestamptz", {}),
    "as the ERP says": (
        "postgresql",
        "timestamptz",
        {"active": None, "deleted": {"sql": "now()"}},
    ),
    "a function as text": ("postgresql", "timestamp", {"active": "", "deleted": "now()"}),
    "a day": ("postgresql", "date", {"deleted": {"sql": "now()"}}),
    "datetime": ("mariadb", "datetime", {}),
    "sqlite": ("sqlite", "timestamp", {}),
    "text": ("sqlite", "text", {"active": None, "deleted": {"sql": "CURRENT_TIMESTAMP"}}),
    "a number": (
        "postgresql",
        "bigint",
        {"active": 0, "deleted": {"sql": "extract(epoch FROM now())::bigint"}},
    ),
}


@pytest.mark.long
@pytest.mark.parametrize("case", DELETED_AT.values(), ids=DELETED_AT)
def test_deleted_at_is_a_soft_delete(store: Any, case: tuple[str, str, dict[str, Any]]) -> None:
    backend, kind, delete = case
    erp = {"delete": {"column": "deleted_at", **delete}}
    made_table = table(backend, f"{FIELDS}, deleted_at {kind}")
    with store(backend, made_table, erp=erp, counterparties=4) as made:
        assert made.run().outcomes == {"applied": 4}
        first = made.refs()[0]
        code = made.base.get(first).values["code"]
        made.base.delete(first)
        assert made.run().outcomes == {"applied": 1}
        dead = "deleted_at <> 0" if kind == "bigint" else "deleted_at IS NOT NULL"
        assert made.shape.sql(f"SELECT code FROM clients WHERE {dead}") == [(code,)]
        assert made.run().exit_code == 0
        made.base.create(code=code, name="Знову")
        assert made.run().outcomes == {"applied": 1}
        assert made.shape.sql(f"SELECT code FROM clients WHERE {dead}") == []
        assert not [f for f in check_store(made.settings.erp, made.mapping) if f.level == "failure"]


@pytest.mark.long
def test_a_table_is_found_with_its_schema_and_a_child_in_another(store: Any) -> None:
    own = "name text NOT NULL, tax_id text, address text, is_active boolean DEFAULT true"
    erp = {
        "table": "public.clients",
        "children": {
            "contact": {
                "table": "crm.contacts",
                "parent": "client_id",
                "columns": {"phone": "phone", "email": "email"},
            }
        },
    }
    statements = (
        "CREATE SCHEMA crm",
        table("postgresql", own),
        "CREATE TABLE crm.contacts (id serial PRIMARY KEY, client_id int REFERENCES clients (id),"
        " phone text, email text)",
    )
    with store("postgresql", *statements, erp=erp, counterparties=4) as made:
        assert not [f for f in check_store(made.settings.erp, made.mapping) if f.level == "failure"]
        assert made.run().outcomes == {"applied": 4}
        assert made.run().outcomes == {}
        assert made.shape.sql("SELECT count(*) FROM crm.contacts") == [(4,)]


@pytest.mark.parametrize("backend", ["sqlite", "postgresql", "mariadb"])
def test_a_column_that_the_database_computes_is_named(store: Any, backend: str) -> None:
    own = FIELDS.replace("phone text", "phone text GENERATED ALWAYS AS ('x') STORED")
    with store(backend, table(backend, f"{own}, is_active boolean"), counterparties=2) as made:
        [finding] = [
            f for f in check_store(made.settings.erp, made.mapping) if f.level == "failure"
        ]
        assert "computes column clients.phone" in finding.text
        night = made.run()
        assert "computes column clients.phone" in night.error


RULES = {
    "domain": ("name dname, tax_id text, phone text, email text, address text", ""),
    "expression": (FIELDS, "code ~ '^[0-9]{2}-[0-9]{6}$'"),
    "prefix": (FIELDS, "code LIKE '0%%'"),
}


@pytest.mark.long
@pytest.mark.parametrize("filled", [True, False])
@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_check_does_not_fail_where_the_runs_work(
    store: Any, rule: tuple[str, str], filled: bool
) -> None:
    columns, owned = rule
    domain = "CREATE DOMAIN dname AS varchar(200) NOT NULL CHECK (length(value) > 2)"
    made_table = table("postgresql", f"{columns}, is_active boolean DEFAULT true")
    erp = {"owned": owned.replace("%%", "%")}
    with store("postgresql", domain, made_table, erp=erp, counterparties=4) as made:
        if filled:
            assert made.run().exit_code == 0
        found = check_store(made.settings.erp, made.mapping)
        assert not [f for f in found if f.level == "failure"]
        assert made.run().exit_code == 0


# -- the receiver ------------------------------------------------------------------------------


def taken(made: World, *bodies: dict[str, Any]) -> list[IngestResult]:
    """Results of one batch, some time after the last run."""
    made.clock.forward(minutes=1)
    engine, layout = open_layout(made.settings.erp, made.mapping)
    journal = open_engine(made.settings)[0]
    policy = Policy.of(made.settings.policy, soft_delete=layout.soft is not None)
    ingest = Ingest(journal, engine, layout, made.mapping, policy, made.clock, shared=False)
    try:
        reader = PayloadReader(MAPPING)
        return ingest.take([reader.read(json.dumps(one).encode(), made.clock()) for one in bodies])
    finally:
        engine.dispose()
        journal.dispose()


def test_one_message_of_a_batch_fails_alone_at_commit(store: Any) -> None:
    orders = (
        "CREATE TABLE orders (id integer PRIMARY KEY, client_id integer NOT NULL"
        " REFERENCES clients (id) DEFERRABLE INITIALLY DEFERRED)"
    )
    erp = {"delete": {"mode": "hard"}}
    with store("sqlite", table("sqlite", FIELDS), orders, erp=erp, counterparties=1) as made:
        made.run()
        busy = made.base.get(made.refs()[0]).values["code"]
        made.shape.sql("INSERT INTO orders (client_id) SELECT id FROM clients")
        results = taken(
            made,
            *(body("create", code=f"N-{number}") for number in range(5)),
            body("delete", code=busy),
            body("create", code="N-9"),
        )
        assert [one.outcome for one in results] == ["created"] * 5 + ["failed", "created"]
        assert len(made.shape.sql("SELECT 1 FROM clients")) == 7


@pytest.mark.long
@pytest.mark.parametrize("backend", SERVERS)
def test_a_message_for_a_locked_row_comes_again_and_the_others_are_taken(
    store: Any, backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "LOCK_WAIT_SECONDS", 1)
    with store(backend, table(backend), counterparties=3) as made:
        made.run()
        codes = [made.base.get(ref).values["code"] for ref in made.refs()]
        with locked(made, codes[1]):
            results = taken(made, *(body("update", code=code) for code in codes))
        assert [one.outcome for one in results] == ["updated", "left", "updated"]
        [again] = taken(made, body("update", code=codes[1]))
        assert again.outcome == "updated"


@pytest.mark.long
@pytest.mark.parametrize("backend", SILENT)
def test_a_message_that_the_store_silently_leaves_is_not_taken_in(store: Any, backend: str) -> None:
    with store(backend, table(backend), *SILENT[backend], counterparties=2) as made:
        made.run()
        code = made.base.get(made.refs()[0]).values["code"]
        results = taken(
            made,
            body("update", code=code, name="ні"),
            body("create", code="N-1", name="ні"),
            body("create", code="N-2"),
        )
        assert [one.outcome for one in results] == ["failed", "failed", "created"]

"""Bad rows, odd values, locks, deadlocks and deaths: each fails alone, and nothing is lost."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import pytest
from sqlalchemy import create_engine
from sqlalchemy.exc import DBAPIError

from tests import processes
from tests.integration.store_shapes import Shape
from zvirka.domain import Action, OutcomeState
from zvirka.errors import StoreError

ODD = {
    "quotes": "ТОВ \"Лапки\" 'одинарні' `зворотні` \\ %s :name {x}",
    "emoji": "Кафе ☕🥐 👨‍👩‍👧",
    "formula": '=HYPERLINK("http://x";"y")',
    "newlines": "a\r\nb\tc",
    "separator": "a\x1fb",
    "invisible": "\u00a0нерозривний\u200b",
    "comment": "x'; DROP TABLE clients; --",
    "long": "Ї" * 10_000,
}


@pytest.mark.long
@pytest.mark.parametrize("value", ODD.values(), ids=ODD)
def test_odd_values_are_stored_as_they_are_or_refused_with_a_reason(
    shape: Shape, value: str
) -> None:
    outcomes = shape.apply(shape.creation(1, address=value), shape.creation(2))
    limit = {"embedded": None, "production": 40, "hard": 500}[shape.name]
    assert outcomes[2].state is OutcomeState.APPLIED
    if limit is None or len(value) <= limit:
        assert outcomes[1].state is OutcomeState.APPLIED
        client = shape.read(1)
        assert client.values["address"] == value
        other = "Звичайна"
        updated = shape.apply(shape.change(Action.UPDATE, client, address=other))[1]
        assert updated.state is OutcomeState.APPLIED
        assert shape.read(1).values["address"] == other
    elif shape.name == "production":
        assert (outcomes[1].state, outcomes[1].detail) == (
            OutcomeState.APPLIED,
            "truncated: address",
        )
        assert shape.read(1).values["address"] == value[:40]
    else:
        assert outcomes[1].state is OutcomeState.REFUSED
        assert outcomes[1].detail == "field address has 10000 characters, column address takes 500"


def test_nul_is_kept_or_refused_but_never_cuts_silently(shape: Shape) -> None:
    outcomes = shape.apply(shape.creation(1, address="до\x00після"), shape.creation(2))
    assert outcomes[2].state is OutcomeState.APPLIED
    if shape.backend == "postgresql":
        assert outcomes[1].state is OutcomeState.REFUSED
        assert "U+0000" in outcomes[1].detail
        return
    assert outcomes[1].state is OutcomeState.APPLIED
    client = shape.read(1)
    assert client.values["address"] == "до\x00після"
    assert shape.apply(shape.change(Action.UPDATE, client, address="x"))[1].state is (
        OutcomeState.APPLIED
    )


def test_a_lone_surrogate_is_refused(shape: Shape) -> None:
    outcomes = shape.apply(shape.creation(1, name="a\ud800b"), shape.creation(2))
    assert outcomes[1].state is OutcomeState.REFUSED
    assert outcomes[2].state is OutcomeState.APPLIED


@pytest.mark.shapes("production", "hard")
def test_a_value_too_long_is_refused_before_it_reaches_the_database(shape: Shape) -> None:
    limit = 60 if shape.name == "production" else 100
    outcomes = shape.apply(
        shape.creation(1, name="Ж" * limit), shape.creation(2, name="Ж" * (limit + 1))
    )
    assert outcomes[1].state is OutcomeState.APPLIED
    assert outcomes[2].state is OutcomeState.REFUSED
    column = "name" if shape.name == "production" else "title"
    assert outcomes[2].detail == (
        f"field name has {limit + 1} characters, column {column} takes {limit}"
    )


@pytest.mark.shapes("production", "hard")
def test_one_bad_row_in_a_batch_fails_alone(shape: Shape) -> None:
    column = {"production": "legal_address", "hard": "address"}[shape.name]
    if shape.backend == "sqlite":
        shape.sql(
            f"CREATE TRIGGER t BEFORE INSERT ON {shape.table} WHEN NEW.{column} = 'погана'"
            " BEGIN SELECT RAISE(ABORT, 'погана'); END"
        )
    else:
        shape.sql(f"ALTER TABLE {shape.table} ADD CONSTRAINT good CHECK ({column} <> 'погана')")
    outcomes = shape.apply(
        *(
            shape.creation(number, address="погана" if number == 30 else "добра")
            for number in range(1, 61)
        )
    )
    failed = [o for o in outcomes.values() if o.state is not OutcomeState.APPLIED]
    assert [(o.correction, o.state) for o in failed] == [(30, OutcomeState.FAILED)]
    assert "погана" not in failed[0].detail
    assert shape.find(shape.key(30)) == []
    assert len(shape.sql(f"SELECT 1 FROM {shape.table}")) == 59


@pytest.mark.long
@pytest.mark.backends("postgresql")
def test_a_constraint_checked_only_at_commit_fails_its_row_alone(shape: Shape) -> None:
    column = "inn" if shape.name == "hard" else "tax_code"
    shape.sql(
        f"ALTER TABLE {shape.table} ADD CONSTRAINT late UNIQUE ({column})"
        " DEFERRABLE INITIALLY DEFERRED"
    )
    shape.sql(f"ALTER TABLE {shape.table} DROP CONSTRAINT {shape.table}_{column}_key")
    shape.create(1)
    outcomes = shape.apply(
        shape.creation(2), shape.creation(3, tax_id=shape.values(1)["tax_id"]), shape.creation(4)
    )
    expected = [OutcomeState.APPLIED, OutcomeState.FAILED, OutcomeState.APPLIED]
    assert [outcomes[n].state for n in (2, 3, 4)] == expected
    shape.apply(shape.creation(5))
    outcomes = shape.apply(
        *(
            shape.change(
                Action.UPDATE, shape.read(n), tax_id=shape.values(1 if n == 4 else n + 9)["tax_id"]
            )
            for n in (2, 4, 5)
        )
    )
    assert [outcomes[n].state for n in (2, 4, 5)] == expected
    assert shape.read(4).values == shape.values(4)


@pytest.mark.shapes("hard")
def test_a_row_that_others_refer_to_is_not_deleted_and_fails_alone(shape: Shape) -> None:
    shape.create(1, 2)
    kind = "UUID" if shape.backend == "postgresql" else "CHAR(36)"
    shape.sql(
        f"CREATE TABLE orders (partner {kind}, FOREIGN KEY (partner) REFERENCES partners (guid))"
    )
    first, second = shape.read(1), shape.read(2)
    shape.sql("INSERT INTO orders VALUES (?)", (first.row,))
    outcomes = shape.apply(shape.change(Action.DELETE, first), shape.change(Action.DELETE, second))
    assert [outcomes[n].state for n in (1, 2)] == [OutcomeState.FAILED, OutcomeState.APPLIED]
    assert shape.read(1) == first


@pytest.mark.long
@pytest.mark.backends("postgresql", "mariadb")
@pytest.mark.parametrize("inside_a_savepoint", [False, True])
def test_a_lost_deadlock_is_tried_again(shape: Shape, inside_a_savepoint: bool) -> None:
    first, second = shape.create(1, 2)
    pk = shape.erp.primary_key
    name, tax = ("title", "inn") if shape.name == "hard" else ("name", "tax_code")
    shape.sql("CREATE TABLE ballast (n INT)")
    engine = create_engine(shape.erp.url)
    held, others = threading.Event(), []

    def disturb() -> None:
        with engine.connect() as connection, connection.begin() as transaction:
            # MariaDB ends the lighter of two transactions, PostgreSQL the one that looks first:
            # this one must not be it.
            if engine.dialect.name == "postgresql":
                connection.exec_driver_sql("SET LOCAL deadlock_timeout = '30s'")
            connection.exec_driver_sql("INSERT INTO ballast VALUES (%s)", [(n,) for n in range(50)])
            take = f"UPDATE {shape.table} SET {tax} = '55555' WHERE {pk} = %s"
            connection.exec_driver_sql(take, (second.row,))
            held.set()
            time.sleep(0.7)
            touch = f"UPDATE {shape.table} SET {name} = {name} WHERE {pk} = %s"
            try:
                connection.exec_driver_sql(touch, (first.row,))
            except DBAPIError as error:
                others.append(error)
            transaction.rollback()

    thread = threading.Thread(target=disturb)
    thread.start()
    assert held.wait(10)
    corrections = [shape.change(Action.UPDATE, first, tax_id="55555")]
    if not inside_a_savepoint:
        corrections.append(shape.change(Action.UPDATE, second, address="нова"))
    outcomes = shape.apply(*corrections)
    thread.join()
    engine.dispose()
    assert {outcome.state for outcome in outcomes.values()} == {OutcomeState.APPLIED}
    assert others == []


@pytest.mark.long
@pytest.mark.parametrize("rows", [1, 9])
def test_a_store_that_is_locked_is_told_and_nothing_is_written(shape: Shape, rows: int) -> None:
    """One locked row fails alone; nine in a row, or the file of SQLite, are the store's trouble."""
    clients = shape.create(*range(1, rows + 1))
    name = "title" if shape.name == "hard" else "name"
    query = {
        "sqlite": "?timeout=0.2",
        "postgresql": "&options=-c%20lock_timeout%3D200",
        "mariadb": "&init_command=SET%20innodb_lock_wait_timeout%3D1",
    }[shape.backend]
    engine = create_engine(shape.erp.url)
    mark = "?" if "?" not in shape.erp.url and query.startswith("&") else query[0]
    shape.erp = shape.erp.model_copy(update={"url": shape.erp.url + mark + query[1:]})
    corrections = [shape.change(Action.UPDATE, client, address="нова") for client in clients]
    try:
        with engine.connect() as connection:
            connection.exec_driver_sql(f"UPDATE {shape.table} SET {name} = {name}")
            if rows == 1 and shape.backend != "sqlite":
                (outcome,) = shape.apply(*corrections).values()
                assert outcome.state is OutcomeState.FAILED
                assert outcome.detail == "another program has locked the row"
            else:
                with pytest.raises(StoreError, match="locked"):
                    shape.apply(*corrections)
    finally:
        engine.dispose()
    assert [shape.read(number) for number in range(1, rows + 1)] == list(clients)


def killed_after_15(shape: Shape, told: Path) -> None:
    """Create thirty clients; be killed when fifteen outcomes are out."""
    writer = shape.writer()
    for count, outcome in enumerate(writer.apply([shape.creation(n) for n in range(1, 31)]), 1):
        with told.open("a") as file:
            print(outcome.correction, file=file)
        if count == 15:
            os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.long
def test_a_process_killed_between_batches_leaves_whole_batches_and_repeats_none(
    shape: Shape, tmp_path: Path
) -> None:
    shape.erp = shape.erp.model_copy(update={"batch": 10})
    outcomes_file = tmp_path / "told"
    assert processes.ended(killed_after_15, shape, outcomes_file) == -signal.SIGKILL
    told = set(map(int, outcomes_file.read_text().split()))
    assert told == set(range(1, 16))
    keys = {client.key for client in shape.find(*map(shape.key, range(1, 31)))}
    assert keys == {shape.key(number) for number in range(1, 21)}
    outcomes = shape.apply(*(shape.creation(number) for number in range(1, 31)))
    assert [n for n, o in outcomes.items() if o.state is OutcomeState.SUPERSEDED] == list(
        range(1, 21)
    )
    assert len(shape.find(*map(shape.key, range(1, 31)))) == 30

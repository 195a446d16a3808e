"""What a trigger of the ERP refuses is one row's trouble, whatever code it raises."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import create_engine
from sqlalchemy.exc import DBAPIError

from tests.integration.databases import fresh
from tests.integration.store_shapes import production
from zvirka.domain import OutcomeState
from zvirka.erp.sql.database_errors import is_row_fault, row_reason, store_error

RAISES = {
    "no rows": "SELECT 1 INTO STRICT x FROM pg_class WHERE relname = 'no such region';",
    "assert": "ASSERT false;",
    "raise": "RAISE EXCEPTION 'blocked';",
    "own code": "RAISE EXCEPTION 'blocked' USING errcode = 'ER001';",
    "privilege": "RAISE EXCEPTION 'blocked' USING errcode = '42501';",
    "not supported": "RAISE EXCEPTION 'blocked' USING errcode = '0A000';",
}


@pytest.mark.long
@pytest.mark.parametrize("body", RAISES.values(), ids=RAISES)
def test_a_row_that_a_trigger_refuses_fails_alone(body: str, tmp_path: Path) -> None:
    """NoDataFound, AssertionFailure and 42501 of a trigger ended every night with exit code 2."""
    shape = production("postgresql", tmp_path)
    shape.sql(
        "CREATE FUNCTION guard_region() RETURNS trigger LANGUAGE plpgsql AS $$"
        f" DECLARE x int; BEGIN IF NEW.legal_address = 'погана' THEN {body} END IF;"
        " RETURN NEW; END $$"
    )
    shape.sql(
        f"CREATE TRIGGER region BEFORE INSERT OR UPDATE ON {shape.table}"
        " FOR EACH ROW EXECUTE FUNCTION guard_region()"
    )
    outcomes = shape.apply(
        *(shape.creation(n, address="погана" if n == 2 else "добра") for n in range(1, 5))
    )
    assert [outcomes[n].state for n in (1, 3, 4)] == [OutcomeState.APPLIED] * 3
    assert outcomes[2].state is OutcomeState.FAILED
    assert "raised by guard_region()" in outcomes[2].detail


def test_a_key_that_a_trigger_changes_is_told_as_that(tmp_path: Path) -> None:
    """It was told as a row that is not owned, where erp.owned had nothing to do with it."""
    shape = production("mariadb", tmp_path)
    shape.sql(
        f"CREATE TRIGGER low BEFORE INSERT ON {shape.table}"
        " FOR EACH ROW SET NEW.external_id = LOWER(NEW.external_id)"
    )
    [outcome] = shape.apply(shape.creation(1)).values()
    assert outcome.state is OutcomeState.REFUSED
    assert "the database changed the key (a trigger)" in outcome.detail
    assert shape.sql(f"SELECT count(*) FROM {shape.table} WHERE external_id = 'c-00001'") == [(0,)]


@pytest.mark.parametrize("backend", ["postgresql", "mariadb"])
def test_a_missing_right_is_no_fault_of_a_row(backend: str, tmp_path: Path) -> None:
    engine = create_engine(fresh(backend, tmp_path))
    with engine.connect() as connection, pytest.raises(DBAPIError) as caught:
        connection.exec_driver_sql("SELECT * FROM nowhere_at_all")
    engine.dispose()
    assert not is_row_fault(caught.value)


def test_a_column_is_named_and_not_its_database(tmp_path: Path) -> None:
    engine = create_engine(fresh("mariadb", tmp_path))
    with engine.connect() as connection:
        connection.exec_driver_sql("CREATE TABLE ch (name VARCHAR(50)) CHARACTER SET utf8mb3")
        with pytest.raises(DBAPIError) as caught:
            connection.exec_driver_sql("INSERT INTO ch VALUES ('ТОВ 🍕')")
    engine.dispose()
    assert row_reason(caught.value) == "the database refused the row: error 1366, name"


def test_a_wrong_password_is_told_as_that(tmp_path: Path) -> None:
    url = create_engine(fresh("mariadb", tmp_path)).url.set(username="stranger", password="x")
    with pytest.raises(DBAPIError) as caught:
        create_engine(url).connect()
    assert "does not accept the user or the password" in str(store_error(caught.value, "erp.url"))

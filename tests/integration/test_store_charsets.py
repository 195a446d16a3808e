"""Tables in an old encoding: a value that it cannot hold fails alone, and ends no run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import create_engine, make_url

from tests.integration.databases import fresh
from tests.integration.store_shapes import SERIAL, Shape, ref
from zvirka.domain import Action, Correction, OutcomeState
from zvirka.erp.sql.store_check import check_store
from zvirka.mapping import Attribute, Field, Mapping
from zvirka.settings.model import ErpSettings

MAPPING = Mapping(
    catalog="Контрагенты", fields=tuple(Field(n, Attribute(n)) for n in ("code", "name"))
)
ENCODINGS = [
    ("mariadb", "cp1251"),
    ("mariadb", "utf8mb3"),
    ("mariadb", "latin1"),
    ("mariadb", "ascii"),
    ("postgresql", "WIN1251"),
    ("postgresql", "LATIN1"),
    ("postgresql", "SQL_ASCII"),
]


def narrow(backend: str, encoding: str, directory: Path, *, padded: bool) -> Shape:
    """A table whose texts are in that encoding; ``padded``: a stored code has blanks around it."""
    url, suffix = fresh(backend, directory), f" CHARACTER SET {encoding}"
    if backend == "postgresql":
        name, suffix = f"{make_url(url).database}_old", ""
        create = f"CREATE DATABASE {name} TEMPLATE template0 ENCODING '{encoding}' LOCALE 'C'"
        execute(url, create, isolation_level="AUTOCOMMIT")
        url = make_url(url).set(database=name).render_as_string(hide_password=False)
    execute(
        url,
        f"CREATE TABLE clients(id {SERIAL[backend]}, code VARCHAR(20) NOT NULL UNIQUE,"
        f" name VARCHAR(200) UNIQUE, is_active BOOLEAN NOT NULL DEFAULT TRUE){suffix}",
    )
    if padded:
        execute(url, "INSERT INTO clients(code) VALUES (' P-1 ')")
    erp = ErpSettings.model_validate({"url": url, "table": "clients"})
    return Shape("narrow", backend, erp, MAPPING, {})


def execute(url: str, statement: str, **options: Any) -> None:
    """Run a statement past zvirka; psycopg reads no version of a database in SQL_ASCII."""
    if url.startswith("postgresql"):
        options["connect_args"] = {"client_encoding": "utf8"}
    engine = create_engine(url, **options)
    with engine.begin() as connection:
        connection.exec_driver_sql(statement)
    engine.dispose()


@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize(("backend", "encoding"), ENCODINGS)
def test_a_value_that_the_encoding_lacks_fails_alone(
    backend: str, encoding: str, padded: bool, tmp_path: Path
) -> None:
    shape = narrow(backend, encoding, tmp_path, padded=padded)
    values = [("C-1", "Plain"), ("Ж-🍕", "Odd code"), ("C-3", "Піца 🍕")]
    corrections = [
        Correction(
            id=number,
            action=Action.CREATE,
            key=code,
            ref=ref(number),
            after={"code": code, "name": name},
        )
        for number, (code, name) in enumerate(values, 1)
    ]
    writer, store = shape.writer(), shape.store()
    outcomes = [outcome for one in corrections for outcome in writer.apply([one], partly=True)]
    found = {
        client.key: client.values["name"] for client in store.read_keys(["C-1", "Ж-🍕", "C-3"])
    }
    conflicts = store.conflicts(msgspec.structs.replace(corrections[2], after={"name": "Піца 🍕"}))
    writer.close()
    store.close()
    failures = [one.text for one in check_store(shape.erp, MAPPING) if one.level == "failure"]
    assert failures == []
    if encoding == "SQL_ASCII":
        assert (found, conflicts) == (dict(values), ["4" if padded else "3"])
        return
    assert [one.state for one in outcomes] == [
        OutcomeState.APPLIED,
        OutcomeState.REFUSED,
        OutcomeState.APPLIED,
    ]
    assert f"column code is encoded in {encoding}" in outcomes[1].detail
    assert outcomes[2].left_out == ("name",)
    assert (found, conflicts) == ({"C-1": "Plain", "C-3": None}, [])

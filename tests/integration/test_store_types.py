"""Columns of every type: a value of 1C is written, reads back as itself, and can be emptied."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis.strategies import datetimes, decimals

from tests.integration.databases import BACKENDS, fresh
from tests.integration.store_shapes import SERIAL, Shape, columns_of, ref
from zvirka.comparison import holds
from zvirka.domain import EMPTY_DATE, Action, Client, Correction, OutcomeState, Values
from zvirka.erp.protocol import IMAGE_SEPARATOR
from zvirka.erp.sql.store_check import check_store
from zvirka.mapping import Attribute, Field, Mapping
from zvirka.settings.model import ErpSettings

TYPES = {
    "created": {"sqlite": "DATE", "postgresql": "DATE", "mariadb": "DATE"},
    "seen": {"sqlite": "DATETIME", "postgresql": "TIMESTAMP", "mariadb": "DATETIME"},
    "zoned": {"sqlite": "TIMESTAMP", "postgresql": "TIMESTAMPTZ", "mariadb": "TIMESTAMP NULL"},
    "credit": {
        "sqlite": "NUMERIC(15,2)",
        "postgresql": "NUMERIC(15,2)",
        "mariadb": "DECIMAL(15,2)",
    },
    "weight": {"sqlite": "REAL", "postgresql": "DOUBLE PRECISION", "mariadb": "DOUBLE"},
    "term": {"sqlite": "INTEGER", "postgresql": "SMALLINT", "mariadb": "SMALLINT"},
    "invalid": {"sqlite": "BOOLEAN", "postgresql": "BOOLEAN", "mariadb": "BOOLEAN"},
    "manager": {"sqlite": "CHAR(36)", "postgresql": "UUID", "mariadb": "CHAR(36)"},
}
NAMES = ("code", *TYPES)
MAPPING = Mapping(catalog="Контрагенты", fields=tuple(Field(n, Attribute(n)) for n in NAMES))

FULL: dict[str, str | None] = {
    "created": "2014-01-31T00:00:00",
    "seen": "2020-02-29T10:11:12",
    "zoned": "2020-02-29T10:11:12",
    "credit": "1000.5",
    "weight": "16348.5",
    "term": "30",
    "invalid": "true",
    "manager": "0f1c0000-0000-4000-8000-00007a766972",
}
OTHER: dict[str, str | None] = {
    "created": "2024-02-29T00:00:00",
    "seen": "2021-03-28T23:59:59",
    "zoned": "2021-10-31T12:00:00",
    "credit": "0",
    "weight": "1500",
    "term": "0",
    "invalid": "false",
    "manager": "0f1c0000-0000-4000-8000-00007a766973",
}
EMPTY: dict[str, str | None] = dict.fromkeys(TYPES)


@pytest.fixture(params=BACKENDS)
def typed(request: pytest.FixtureRequest, tmp_path: Path) -> Shape:
    backend: str = request.param
    shape = Shape(
        "typed",
        backend,
        ErpSettings.model_validate({"url": fresh(backend, tmp_path), "table": "clients"}),
        MAPPING,
        {},
    )
    columns = ", ".join(f"{name} {kinds[backend]}" for name, kinds in TYPES.items())
    shape.sql(
        f"CREATE TABLE clients(id {SERIAL[backend]}, code VARCHAR(20) NOT NULL UNIQUE, {columns},"
        " is_active BOOLEAN NOT NULL DEFAULT TRUE)"
    )
    return shape


def code(number: int) -> str:
    return f"C-{number:05}"


def created(shape: Shape, number: int, values: Values) -> Client:
    wanted = {"code": code(number), **values}
    creation = Correction(
        id=number, action=Action.CREATE, key=code(number), ref=ref(number), after=wanted
    )
    [outcome] = shape.apply(creation).values()
    assert (outcome.state, outcome.detail) == (OutcomeState.APPLIED, "")
    return shape.read(number)


def fitted(shape: Shape, values: Values) -> Values:
    store = shape.store()
    try:
        return store.fitting(values)
    finally:
        store.close()


def test_check_tries_a_table_whose_typed_columns_are_not_null(typed: Shape) -> None:
    if typed.backend != "sqlite":
        for name, kinds in TYPES.items():
            kind = kinds[typed.backend].removesuffix(" NULL")
            change = (
                f"MODIFY {name} {kind} NOT NULL"
                if typed.backend == "mariadb"
                else f"ALTER {name} SET NOT NULL"
            )
            typed.sql(f"ALTER TABLE clients {change}")
    findings = list(check_store(typed.erp, MAPPING))
    assert [one for one in findings if one.level == "failure"] == []
    assert "create: tried and rolled back; sequences may advance" in {f.text for f in findings}


def typed_values(client: Client) -> dict[str, str | None]:
    """The values as 1C spells them; MariaDB's BOOLEAN is a number."""
    truth = {"1": "true", "0": "false"}
    invalid = client.values["invalid"]
    return {name: client.values[name] for name in TYPES} | {
        "invalid": truth.get(invalid or "", invalid)
    }


@pytest.mark.long
def test_values_converge_to_other_values_to_empty_and_back(typed: Shape) -> None:
    client = created(typed, 1, FULL)
    for number, values in enumerate([OTHER, EMPTY, FULL, EMPTY, OTHER]):
        assert typed_values(client) == (FULL, OTHER, EMPTY, FULL, EMPTY)[number]
        change = typed.change(Action.UPDATE, client, 1, **values)
        [outcome] = typed.apply(change).values()
        assert (outcome.state, outcome.detail) == (OutcomeState.APPLIED, "")
        client = typed.read(1)
        assert holds(MAPPING, fitted(typed, values), client.values)


@pytest.mark.long
def test_many_rows_change_in_one_statement(typed: Shape) -> None:
    clients = [created(typed, number, FULL) for number in range(1, 9)]
    changes = [typed.change(Action.UPDATE, client, **OTHER) for client in clients]
    assert {o.state for o in typed.apply(*changes).values()} == {OutcomeState.APPLIED}
    assert [typed_values(typed.read(number)) for number in range(1, 9)] == [OTHER] * 8


def test_a_row_that_was_changed_since_is_superseded(typed: Shape) -> None:
    client = created(typed, 1, FULL)
    typed.sql("UPDATE clients SET credit = 1001")
    change = typed.change(Action.UPDATE, client, 1, term="40")
    assert [o.state for o in typed.apply(change).values()] == [OutcomeState.SUPERSEDED]


def test_the_scan_spells_values_as_1c_does(typed: Shape) -> None:
    created(typed, 1, FULL)
    created(typed, 2, EMPTY)
    store = typed.store()
    try:
        images = [image for page in store.scan() for image in columns_of(page)[2]]
    finally:
        store.close()
    values = [image.split(IMAGE_SEPARATOR)[3:] for image in images]
    truth = "true" if typed.backend != "mariadb" else "1"  # MariaDB's BOOLEAN is a number
    assert values[0] == [*(FULL | {"invalid": truth}).values()]
    assert values[1] == [""] * len(TYPES)


@pytest.mark.long
@pytest.mark.parametrize(
    ("field", "value", "held"),
    [
        ("created", "2020-02-29T10:11:12", "2020-02-29T00:00:00"),
        ("created", EMPTY_DATE, None),
        ("seen", EMPTY_DATE, None),
        ("credit", "1E3", "1000"),
        ("credit", "-0.50", "-0.5"),
        ("credit", "-0.00", "0"),
        ("weight", "-12.250", "-12.25"),
        ("term", "30.0", "30"),
        ("zoned", "2024-03-31T03:30:00", "2024-03-31T03:30:00"),
    ],
)
def test_what_was_read_back_is_what_was_foretold(
    typed: Shape, field: str, value: str, held: str | None
) -> None:
    """One rule in Python and in SQL."""
    values = EMPTY | {field: value}
    client = created(typed, 1, values)
    assert client.values[field] == fitted(typed, values)[field]
    if typed.backend != "postgresql" or field != "zoned":  # an hour that Kyiv's clock leaves out
        assert client.values[field] == held


@pytest.mark.long
@pytest.mark.parametrize(
    ("field", "value", "why"),
    [
        ("credit", "0012345678", "would change the value"),
        ("term", "007", "would change the value"),
        ("term", "1.5", "would change the value"),
        ("credit", "1000.555", "has 3 decimals, column credit takes 2"),
        ("weight", "1234567890.123456789", "would change the value"),
        ("credit", "NaN", "would change the value"),
        ("created", "31.01.2014", "does not take such a value"),
        ("invalid", "так", "does not take such a value"),
    ],
)
def test_a_value_the_column_would_change_is_left_out_and_the_rest_written(
    typed: Shape, field: str, value: str, why: str
) -> None:
    if (typed.backend, field) == ("mariadb", "invalid"):
        why = "does not take such a value"
    client = created(typed, 1, FULL)
    change = typed.change(Action.UPDATE, client, 1, **(OTHER | {field: value}))
    writer = typed.writer()
    try:
        [outcome] = writer.apply([change], partly=True)
    finally:
        writer.close()
    assert (outcome.state, outcome.left_out) == (OutcomeState.APPLIED, (field,))
    assert why in outcome.detail
    assert typed_values(typed.read(1)) == OTHER | {field: FULL[field]}


@pytest.mark.long
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    number=decimals(min_value=-(10**12), max_value=10**12, places=2),
    moment=datetimes(
        min_value=datetime.fromisoformat("1753-01-01"),
        max_value=datetime.fromisoformat("2200-01-01"),
    ),
)
def test_any_number_and_moment_reads_back_as_foretold(
    typed: Shape, number: Decimal, moment: datetime
) -> None:
    typed.sql("DELETE FROM clients")
    text = moment.replace(microsecond=0).isoformat()
    values = EMPTY | {"credit": str(number), "seen": text, "created": text}
    client = created(typed, 1, values)
    assert holds(MAPPING, fitted(typed, values), client.values)
    assert Decimal(client.values["credit"] or "") == number
    assert client.values["seen"] == text

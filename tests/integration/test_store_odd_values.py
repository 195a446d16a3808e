"""Odd values and odd columns: what is stored reads back as foretold, and the rest is left out."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.databases import BACKENDS, fresh
from tests.integration.store_shapes import SERIAL, Shape, columns_of, ref
from zvirka.comparison import holds
from zvirka.domain import Action, Correction, OutcomeState
from zvirka.erp.protocol import IMAGE_SEPARATOR
from zvirka.erp.sql.store_check import check_store
from zvirka.mapping import Attribute, Field, Mapping
from zvirka.settings.model import ErpSettings

TYPES = {
    "day": {"sqlite": "DATE", "postgresql": "DATE", "mariadb": "DATE"},
    "moment": {"sqlite": "DATETIME", "postgresql": "TIMESTAMP", "mariadb": "DATETIME"},
    "zoned": {"sqlite": "TIMESTAMP", "postgresql": "TIMESTAMPTZ", "mariadb": "TIMESTAMP NULL"},
    "clock": {"sqlite": "TIME", "postgresql": "TIME", "mariadb": "TIME"},
    "money": {"sqlite": "DECIMAL(15,2)", "postgresql": "DECIMAL(15,2)", "mariadb": "DECIMAL(15,2)"},
    "wide": {"sqlite": "NUMERIC", "postgresql": "NUMERIC", "mariadb": "DECIMAL(30,10)"},
    "precise": {"sqlite": "DOUBLE", "postgresql": "DOUBLE PRECISION", "mariadb": "DOUBLE"},
    "rough": {"sqlite": "REAL", "postgresql": "REAL", "mariadb": "FLOAT"},
    "small": {"sqlite": "SMALLINT", "postgresql": "SMALLINT", "mariadb": "SMALLINT"},
    "big": {"sqlite": "BIGINT", "postgresql": "BIGINT", "mariadb": "BIGINT"},
    "truth": {"sqlite": "BOOLEAN", "postgresql": "BOOLEAN", "mariadb": "BOOLEAN"},
    "fixed": {"sqlite": "CHAR(40)", "postgresql": "CHAR(40)", "mariadb": "CHAR(40)"},
    "limited": {"sqlite": "VARCHAR(40)", "postgresql": "limited", "mariadb": "VARCHAR(40)"},
    "chosen": {"sqlite": "TEXT", "postgresql": "chosen", "mariadb": "ENUM('так', 'ні')"},
    "uid": {"sqlite": "CHAR(36)", "postgresql": "UUID", "mariadb": "UUID"},
}
NUMBERS = [
    *("0", "-0", "0.00", "-0.00", "1", "1.0", "1.50", "-0.001", "1.005", "0.125", "100", "150"),
    *("1E3", "1e+2", "1.5E20", "1E20", "1e15", "1e16", "1e-4", "1e-5", "1e-7", "0.0000001"),
    *("999999", "1000000", "16777217", "1234567.89", "123456789012345", "1234567890123456"),
    *("32767", "32768", "9223372036854775807", "9223372036854775808", "99999999999999.99"),
    *("12345678901234567.8912", "0.30000000000000004", "1E300", "1E999", "1E-999", "9" * 400),
    *("9" * 5000, "NaN", "Infinity", "-inf", "+1", "01", "1_0", "1,5", ".5", "5.", " 7 ", "٣"),
    *("true", "FALSE", "t", "yes", "так"),
]
MOMENTS = [
    *("0001-01-01T00:00:00", "0001-01-01T00:30:00", "0001-01-01T10:30:00", "0044-03-15T00:00:00"),
    *("1000-01-01T00:00:00", "1924-05-01T12:00:00", "1970-01-01T00:00:00", "1981-04-01T00:30:00"),
    *("2014-01-31", "20140131", "2014-W05-5", "2014-01-31T10", "2014-01-31 10:11:12"),
    *("2014-01-31T10:11:12.999", "2014-01-31T10:11:12Z", "2014-01-31T23:11:12+03:00"),
    *("2014-01-31T24:00:00", "2014-02-30T00:00:00", "10:11:12", "T10:11:12", "23:59:59.9"),
    *("2024-03-31T02:59:59", "2024-03-31T03:00:00", "2024-03-31T03:59:59", "2024-03-31T04:00:00"),
    *("2024-10-27T02:59:59", "2024-10-27T03:30:00", "2024-10-27T04:00:00", "2038-01-19T03:14:08"),
    *("3999-12-31T23:59:59", "9999-12-31T23:59:59", "10000-01-01T00:00:00", "0000-00-00T00:00:00"),
    *("infinity", "now", "today", "epoch"),
]
OTHERS = [
    *("", " ", "\u00a0", "\x00", "\ud800", "a b ", "{}", "$1.00"),
    *("0F1C0000-0000-4000-8000-00007A766972", "{0f1c0000-0000-4000-8000-00007a766972}"),
    *("0f1c000000004000800000007a766972", "00000000-0000-0000-0000-000000000000"),
]
VALUES = [*NUMBERS, *MOMENTS, *OTHERS]
ZONES = ("Europe/Kyiv", "America/New_York")


def mapping_of(*names: str) -> Mapping:
    return Mapping(
        catalog="Контрагенты",
        fields=tuple(Field(name, Attribute(name)) for name in ("code", *names)),
    )


def table(backend: str, directory: Path, columns: dict[str, str], zone: str = ZONES[0]) -> Shape:
    """A table with these columns, of these types, each mapped to the field of its name."""
    settings = {"url": fresh(backend, directory), "table": "clients", "timezone": zone}
    erp = ErpSettings.model_validate(settings)
    shape = Shape("odd", backend, erp, mapping_of(*columns), {})
    if backend == "postgresql":
        shape.sql("CREATE DOMAIN limited AS varchar(40) CHECK (length(value) < 30)")
        shape.sql("CREATE TYPE chosen AS ENUM ('так', 'ні')")
    typed = ", ".join(f"{name} {kind}" for name, kind in columns.items())
    shape.sql(
        f"CREATE TABLE clients(id {SERIAL[backend]}, code VARCHAR(20) NOT NULL UNIQUE, {typed},"
        " is_active BOOLEAN NOT NULL DEFAULT TRUE)"
    )
    return shape


@pytest.mark.long
@pytest.mark.parametrize("zone", [ZONES[0], pytest.param(ZONES[1], marks=pytest.mark.slow)])
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_value_reads_back_as_foretold_or_is_left_out(
    backend: str, zone: str, tmp_path: Path
) -> None:
    """One value at a time in every column: a row never fails as a whole, nor ends the run."""
    shape = table(backend, tmp_path, {name: kind[backend] for name, kind in TYPES.items()}, zone)
    store, writer = shape.store(), shape.writer()
    wrong = []
    for number, value in enumerate(VALUES):
        code = f"C-{number:05}"
        wanted: dict[str, str | None] = {"code": code, **dict.fromkeys(TYPES, value)}
        creation = Correction(
            id=number + 1, action=Action.CREATE, key=code, ref=ref(number), after=wanted
        )
        [outcome] = writer.apply([creation], partly=True)
        assert outcome.state is OutcomeState.APPLIED, (value[:40], outcome)
        [client] = store.read_keys([code])
        fitting = store.fitting(wanted)
        wrong += [
            (name, value[:40], fitting[name], client.values[name])
            for name in TYPES.keys() - set(outcome.left_out)
            if not holds(mapping_of(name), {name: fitting[name]}, client.values)
        ]
    store.close()
    writer.close()
    assert wrong == []


@pytest.mark.long
@pytest.mark.parametrize(
    ("backend", "name", "kind", "raw", "read"),
    [
        ("postgresql", "precise", "DOUBLE PRECISION", "1.5e20", "1.5e+20"),
        ("sqlite", "precise", "DOUBLE", "1.5e20", "1.5e+20"),
        ("mariadb", "precise", "DOUBLE", "1.5e20", "1.5e20"),
        ("sqlite", "clock", "TIME", "'10:11:12.000000'", "10:11:12"),
        ("sqlite", "clock", "TIME", "'after lunch'", "after lunch"),
        ("postgresql", "day", "DATE", "'infinity'", "infinity"),
        ("postgresql", "moment", "TIMESTAMP", "'-infinity'", "-infinity"),
        ("postgresql", "zoned", "TIMESTAMPTZ", "'infinity'", "infinity"),
        ("postgresql", "wide", "NUMERIC", "'NaN'", "NaN"),
        ("postgresql", "precise", "DOUBLE PRECISION", "'-Infinity'", "-Infinity"),
        ("sqlite", "big", "BIGINT", "'text'", "text"),
        ("sqlite", "day", "DATE", "'31.01.2014'", "31.01.2014"),
        ("mariadb", "day", "DATE", "'0000-00-00'", "0000-00-00T00:00:00"),
        ("mariadb", "moment", "DATETIME", "'2014-00-00 00:00:00'", "2014-00-00T00:00:00"),
    ],
)
def test_what_other_programs_stored_is_read_as_it_is_and_corrected(
    backend: str, name: str, kind: str, raw: str, read: str, tmp_path: Path
) -> None:
    """A value that 1C cannot have is never taken for one that it has."""
    shape = table(backend, tmp_path, {name: kind})
    if backend == "mariadb":
        # The two statements share a session, without the rules on zeros in dates.
        shape.sql(
            f"SET STATEMENT sql_mode = '' FOR INSERT INTO clients(code, {name}) VALUES"
            f" ('C-00001', {raw})"
        )
    else:
        shape.sql(f"INSERT INTO clients(code, {name}) VALUES ('C-00001', {raw})")
    store = shape.store()
    [image] = [image for page in store.scan() for image in columns_of(page)[2]]
    store.close()
    client = shape.read(1)
    assert (client.values[name], image.split(IMAGE_SEPARATOR)[-1]) == (read, read)
    change = shape.change(Action.UPDATE, client, 1, **{name: None})
    [outcome] = shape.apply(change).values()
    assert (outcome.state, outcome.detail) == (OutcomeState.APPLIED, "")
    assert shape.read(1).values[name] is None


@pytest.mark.parametrize(
    ("backend", "kind", "shown"),
    [
        ("postgresql", "MONEY", "MONEY"),
        ("postgresql", "JSONB", "JSONB"),
        ("postgresql", "BIT(1)", "BIT"),
        ("postgresql", "INET", "INET"),
        ("postgresql", "TEXT[]", "ARRAY"),
        ("mariadb", "BIT(1)", "BIT"),
        ("mariadb", "YEAR", "YEAR"),
        ("sqlite", "JSON", "JSON"),
        ("sqlite", "BLOB", "BLOB"),
    ],
)
def test_a_column_of_a_type_without_a_rule_is_told_and_never_written(
    backend: str, kind: str, shown: str, tmp_path: Path
) -> None:
    shape = table(backend, tmp_path, {"odd": kind})
    failures = [
        str(one.text) for one in check_store(shape.erp, shape.mapping) if one.level == "failure"
    ]
    assert any(f"clients.odd is of type {shown}" in text for text in failures), failures
    wanted: dict[str, str | None] = {"code": "C-00001", "odd": "1"}
    creation = Correction(id=1, action=Action.CREATE, key="C-00001", ref=ref(1), after=wanted)
    writer = shape.writer()
    [outcome] = writer.apply([creation], partly=True)
    writer.close()
    assert (outcome.state, outcome.left_out) == (OutcomeState.APPLIED, ("odd",))
    assert shown in outcome.detail


def test_a_domain_keeps_the_limits_of_the_type_under_it(tmp_path: Path) -> None:
    """A code of fixed length is found again, and decimals are held to the scale."""
    erp = ErpSettings.model_validate({"url": fresh("postgresql", tmp_path), "table": "clients"})
    shape = Shape("odd", "postgresql", erp, mapping_of("money", "short", "answer"), {})
    shape.sql("CREATE TYPE yes_or_no AS ENUM ('так', 'ні')")
    for domain in (
        *("code AS char(8)", "sum AS numeric(15,2)", "text5 AS varchar(5)", "t AS text5"),
        "answer AS yes_or_no",
    ):
        shape.sql(f"CREATE DOMAIN {domain}")
    shape.sql(
        f"CREATE TABLE clients(id {SERIAL['postgresql']}, code code NOT NULL UNIQUE, money sum,"
        " short t, answer answer, is_active BOOLEAN NOT NULL DEFAULT TRUE)"
    )
    values = {"money": "1000.555", "short": "123456", "answer": "так"}
    wanted: dict[str, str | None] = {"code": "C-00001", **values}
    creation = Correction(id=1, action=Action.CREATE, key="C-00001", ref=ref(1), after=wanted)
    writer = shape.writer()
    [outcome] = writer.apply([creation], partly=True)
    writer.close()
    assert (outcome.state, set(outcome.left_out)) == (OutcomeState.APPLIED, {"money", "short"})
    assert "field money has 3 decimals, column money takes 2" in outcome.detail
    assert "field short has 6 characters, column short takes 5" in outcome.detail
    assert (shape.read(1).key, shape.read(1).values["answer"]) == ("C-00001", "так")

"""The law of identity: Python, DuckDB and every database trim a text alike."""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path

import duckdb
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import (
    Column,
    Connection,
    Engine,
    MetaData,
    Table,
    Text,
    bindparam,
    create_engine,
    func,
)
from sqlalchemy import select as select_
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.types import CHAR, VARCHAR, TypeEngine

from tests.integration.databases import BACKENDS, fresh
from zvirka.comparison import canonical
from zvirka.erp.sql.expressions import AsText, Same, Trimmed, storable_blanks
from zvirka.erp.sql.key_columns import joined_key_of, part_of
from zvirka.identity import (
    BLANKS,
    EMPTY_PARTS,
    canonical_key,
    canonical_part,
    duckdb_joined_key,
    duckdb_part,
    duckdb_trimmed,
    duckdb_trimmed_list,
    joined_key,
    key_parts,
    trimmed,
)
from zvirka.mapping import Comparison
from zvirka.staging.database import page_of

EVERY = [chr(point) for point in range(sys.maxunicode + 1) if not 0xD800 <= point <= 0xDFFF]
UNUSED = {"Cn", "Co"}
"""Unassigned and private: a million characters of the upper planes."""
TEXTS = st.text(
    st.sampled_from(BLANKS) | st.characters(exclude_categories=["Cs"], exclude_characters="\0"),
    max_size=12,
)
COLUMNS: dict[str, dict[str, TypeEngine[str]]] = {
    "sqlite": {"text": Text(), "varchar": VARCHAR(40), "char": sqlite.CHAR(40)},
    "postgresql": {
        "text": Text(),
        "varchar": VARCHAR(40),
        "char": CHAR(40),
        "citext": postgresql.CITEXT(),
    },
    "mariadb": {
        "text": mysql.TEXT(charset="utf8mb4"),
        "varchar": mysql.VARCHAR(40, charset="utf8mb4"),
        "binary": mysql.VARCHAR(40, charset="utf8mb4", collation="utf8mb4_bin"),
        "char": mysql.CHAR(40, charset="utf8mb4"),
    },
}


def test_blanks_are_what_python_strips() -> None:
    assert [c for c in EVERY if not c.strip()] == list(BLANKS)


@given(TEXTS)
def test_keys_and_values_are_trimmed_as_python_strips(text: str) -> None:
    assert trimmed(text) == text.strip() == canonical_key(text)
    assert canonical(Comparison.TRIMMED, text) == text.strip()
    assert canonical_key(f"{text}Аб-C", is_ref=True) == f"{text}Аб-C".strip().lower()


PARTS = TEXTS | st.sampled_from([*EMPTY_PARTS, "~", "\\", "\\~", "~~"])
KEYS = st.lists(st.tuples(PARTS, PARTS, PARTS), min_size=1, max_size=12)


def key_of(texts: Sequence[str | None]) -> str:
    return joined_key([canonical_part(text) for text in texts])


@given(st.tuples(PARTS, PARTS, PARTS))
def test_a_composite_key_holds_its_parts(texts: tuple[str, ...]) -> None:
    parts = tuple(canonical_part(text) for text in texts)
    key = key_of(texts)
    assert key == canonical_key(key)
    assert key_parts(key, 3) == (parts if parts[0] else None)
    assert key_parts(key, 2) is None


@given(st.tuples(PARTS, PARTS), st.tuples(PARTS, PARTS))
@example(("a~b", "c"), ("a", "b~c"))
@example(("a\\", "b"), ("a", "\\b"))
def test_two_composite_keys_are_one_if_their_parts_are(
    one: tuple[str, ...], another: tuple[str, ...]
) -> None:
    [first, second] = [tuple(map(canonical_part, texts)) for texts in (one, another)]
    if first[0] and second[0]:
        assert (key_of(one) == key_of(another)) == (first == second)


@settings(max_examples=50, deadline=None)
@given(KEYS)
@example([("a~b", "c\\", ""), ("", "b", "c"), ("\xa0a", "0001-01-01T00:00:00", "~ ")])
def test_duckdb_joins_keys_alike(rows: list[tuple[str, ...]]) -> None:
    page = page_of(
        **{f"t{number}": column for number, column in enumerate(zip(*rows, strict=True))}
    )
    assert page
    joined = duckdb_joined_key([duckdb_part(f"t{n}", is_ref=False) for n in range(3)])
    found = duckdb.sql(f"SELECT {joined} FROM page")
    assert found is not None
    assert [key for (key,) in found.fetchall()] == [key_of(row) for row in rows]


def test_nothing_is_an_empty_text() -> None:
    assert trimmed(None) == canonical_key(None) == canonical_key(" \u2003") == ""


def _through_duckdb(texts: list[str]) -> list[str]:
    page = page_of(text=texts)
    assert page
    found = duckdb.sql(f"SELECT {duckdb_trimmed('text')} FROM page")
    assert found is not None
    return [text for (text,) in found.fetchall()]


def test_duckdb_trims_every_character_alike() -> None:
    texts = [f"{c}a{c}" for c in EVERY] + [text for c in BLANKS for text in (c, f"a{c}b")]
    assert _through_duckdb(texts) == [text.strip() for text in texts]


@settings(max_examples=50, deadline=None)
@given(st.lists(TEXTS, min_size=1, max_size=20))
def test_duckdb_trims_every_text_alike(texts: list[str]) -> None:
    assert _through_duckdb(texts) == [text.strip() for text in texts]


@settings(max_examples=50, deadline=None)
@given(st.lists(TEXTS.map(lambda text: text.replace("\x1f", "")), min_size=1, max_size=8))
@example(["", "\xa0", "a "])
def test_duckdb_trims_a_list_alike(texts: list[str]) -> None:
    trimmed_list = duckdb_trimmed_list("texts", "'1\x1f' || joined", "\x1f")
    page = page_of(joined=["\x1f".join(texts)])
    assert page
    split = "SELECT joined, string_split(joined, chr(31)) AS texts FROM page"
    row = duckdb.sql(f"SELECT {trimmed_list} FROM ({split})")
    assert row is not None
    [(found,)] = row.fetchall()
    assert found == [text.strip() for text in texts]


@pytest.fixture(scope="module", params=BACKENDS)
def engine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Engine:
    return create_engine(fresh(request.param, tmp_path_factory.mktemp("identity")))


@pytest.fixture(scope="module")
def tables(engine: Engine) -> Iterator[tuple[Connection, dict[str, Table]]]:
    """A table for each type of column that can hold a text."""
    made = {
        name: Table(f"t_{name}", MetaData(), Column("text", kind))
        for name, kind in COLUMNS[engine.dialect.name].items()
    }
    with engine.connect() as connection:
        if "citext" in made:
            known = "SELECT 1 FROM pg_available_extensions WHERE name = 'citext'"
            if connection.exec_driver_sql(known).first() is None:
                del made["citext"]
            else:
                connection.exec_driver_sql("CREATE EXTENSION citext")
        for table in made.values():
            table.create(connection)
        yield connection, made


def _through_table(connection: Connection, table: Table, texts: list[str]) -> None:
    """Store texts and compare what the database trims with what Python strips."""
    with connection.begin_nested() as savepoint:
        _insert(connection, table, texts)
        text = AsText(table.c.text)
        key = Trimmed(table.c.text, storable_blanks(connection))
        stored = connection.execute(select_(text, key)).all()
        assert len(stored) == len(texts)
        assert [found for _, found in stored] == [text.strip() for text, _ in stored]
        unclean = select_(func.count()).where(~Same(text, key))
        assert connection.execute(unclean).scalar() == sum(t != t.strip() for t, _ in stored)
        savepoint.rollback()


def _insert(connection: Connection, table: Table, texts: list[str]) -> None:
    if connection.dialect.name == "postgresql":  # row by row it takes a minute for all of Unicode
        statement = f"INSERT INTO {table.name} SELECT unnest(%s::text[])"
        connection.exec_driver_sql(statement, (texts,))
    else:
        connection.execute(table.insert(), [{"text": text} for text in texts])


@pytest.mark.long
def test_a_store_trims_every_character_alike(tables: tuple[Connection, dict[str, Table]]) -> None:
    connection, made = tables
    assigned = [c for c in EVERY[1:] if c < "\U00010000" or unicodedata.category(c) not in UNUSED]
    _through_table(connection, made["text"], [f"{c}a{c}" for c in assigned])
    suspects = [c for c in EVERY[1:0x3100] if not c.isprintable()]
    for table in made.values():
        _through_table(connection, table, [t for c in suspects for t in (f"{c}a{c}", f"a{c}b")])


@pytest.mark.long
@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(texts=st.lists(TEXTS, min_size=1, max_size=20))
@example(texts=["\xa0\n", "a\n", "\u2003 a\x1f\x85", "  ", ""])
def test_a_store_trims_every_text_alike(
    tables: tuple[Connection, dict[str, Table]], texts: list[str]
) -> None:
    connection, made = tables
    for table in made.values():
        _through_table(connection, table, texts)


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(rows=KEYS)
@example(rows=[("a~b", "c\\", ""), ("", "b", "c"), ("\xa0a", "0001-01-01T00:00:00", "~ ")])
@example(rows=[("\u200b", "b", "c")])
def test_a_store_joins_keys_alike(
    tables: tuple[Connection, dict[str, Table]], rows: list[tuple[str, ...]]
) -> None:
    connection, _ = tables
    names = ["t0", "t1", "t2"]
    blanks = storable_blanks(connection)
    parts = [part_of(bindparam(name, type_=Text()), blanks) for name in names]
    statement = select_(joined_key_of(parts))
    for row in rows:
        found = connection.execute(statement, dict(zip(names, row, strict=True))).scalar()
        assert found == key_of(row)


def test_an_old_encoding_trims_the_blanks_it_can_hold(tmp_path: Path) -> None:
    """PostgreSQL refuses a statement with a character its encoding lacks."""
    url = fresh("postgresql", tmp_path)
    server = create_engine(url, isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        connection.exec_driver_sql(
            "CREATE DATABASE old_encoding ENCODING 'WIN1251' TEMPLATE template0"
            " LC_COLLATE 'C' LC_CTYPE 'C'"
        )
    engine = create_engine(server.url.set(database="old_encoding"))
    table = Table("t", MetaData(), Column("text", Text()))
    with engine.connect() as connection:
        table.create(connection)
        _through_table(connection, table, ["\xa0Код 1\n", "Код 2"])

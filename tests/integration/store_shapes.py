"""The three shapes of stores every contract test runs over, each with its DDL and its settings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import create_engine

from tests.integration.databases import BACKENDS, fresh
from zvirka.domain import Action, Client, Correction, Outcome, OutcomeState
from zvirka.erp import open_store, open_writer
from zvirka.erp.embedded import create_embedded
from zvirka.erp.protocol import Scanned, Store, Writer
from zvirka.mapping import Attribute, Field, Mapping
from zvirka.settings.model import ErpSettings

FIELDS = ("code", "name", "tax_id", "phone", "email", "address")
PAYLOAD = ("Код", "Наименование", "ИНН", "Телефон", "Email", "Адрес")

BY_CODE = Mapping(
    catalog="Контрагенты",
    fields=tuple(
        Field(name, Attribute(payload), payload=payload)
        for name, payload in zip(FIELDS, PAYLOAD, strict=True)
    ),
)
BY_REF = Mapping(
    catalog="Контрагенты",
    key=("ref",),
    fields=tuple(field for field in BY_CODE.fields if field.name != "code"),
)

SERIAL = {
    "sqlite": "INTEGER PRIMARY KEY",
    "postgresql": "SERIAL PRIMARY KEY",
    "mariadb": "INT AUTO_INCREMENT PRIMARY KEY",
}
NOW = "CURRENT_TIMESTAMP"


def columns_of(page: Scanned) -> tuple[list[str], list[str], list[str]]:
    """Rows, keys and images of a page of a scan, in either of its two forms."""
    columns = [
        msgspec.json.decode(column, type=list[str]) if isinstance(column, bytes) else list(column)
        for column in (page.rows, page.keys, page.images)
    ]
    rows, keys, images = columns
    assert len(rows) == len(keys) == len(images) == page.size
    return rows, keys, images


def scanned_rows(store: Store) -> list[str]:
    """The primary keys of all owned rows."""
    return [row for page in store.scan() for row in columns_of(page)[0]]


@dataclass
class Shape:
    """A store of one shape on one database, with the means to look at it from aside."""

    name: str
    backend: str
    erp: ErpSettings
    mapping: Mapping
    unowned: dict[str, Any]

    def store(self) -> Store:
        return open_store(self.erp, self.mapping)

    def writer(self) -> Writer:
        return open_writer(self.erp, self.mapping)

    def sql(self, statement: str, *rows: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        """Run a statement past zvirka, with ? for parameters."""
        engine = create_engine(self.erp.url)
        mark = "?" if self.backend == "sqlite" else "%s"
        try:
            with engine.begin() as connection:
                result = None
                for row in rows or ((),):
                    text = statement.replace("?", mark) if row else statement
                    result = connection.exec_driver_sql(text, row)
                assert result is not None
                return [tuple(row) for row in result] if result.returns_rows else []
        finally:
            engine.dispose()

    @property
    def table(self) -> str:
        """The clients' own table."""
        return self.erp.table or "clients"

    def key(self, number: int) -> str:
        """The pairing key of the client of that number."""
        return f"C-{number:05}" if self.mapping.key == ("code",) else ref(number)

    def values(self, number: int, **changed: str | None) -> dict[str, str | None]:
        """Every mapped field of the client of that number, some of them changed."""
        values: dict[str, str | None] = {
            "code": f"C-{number:05}",
            "name": f"Клієнт {number}",
            "tax_id": f"{30000000 + number}",
            "phone": f"+38050{number:07}",
            "email": f"c{number}@example.ua",
            "address": f"вул. Лесі, {number}",
        }
        return {name: values[name] for name in self.mapping.names} | changed

    def creation(self, number: int, **changed: str | None) -> Correction:
        """A correction that creates the client of that number."""
        key = str(changed.get("code") or self.key(number))
        return Correction(
            id=number,
            action=Action.CREATE,
            key=key,
            ref=ref(number),
            after=self.values(number, **changed),
        )

    def change(
        self, action: Action, client: Client, number: int = 0, /, **after: str | None
    ) -> Correction:
        """A correction of the client as it was read; a new value of the key field re-keys it."""
        new_key = after.get(self.mapping.key[0])
        if new_key == client.key:
            new_key = None
        return Correction(
            id=number or number_of(client),
            action=action,
            key=client.key,
            ref=client.ref or "",
            row=client.row,
            active=client.active,
            before=client.values,
            after=after,
            new_key=new_key,
        )

    def apply(self, *corrections: Correction) -> dict[int, Outcome]:
        """Outcomes by the number of the correction, each of which has exactly one."""
        writer = self.writer()
        try:
            outcomes = list(writer.apply(corrections))
        finally:
            writer.close()
        found = {outcome.correction: outcome for outcome in outcomes}
        assert len(found) == len(outcomes) == len(corrections)
        return found

    def create(self, *numbers: int) -> list[Client]:
        """Create clients through the writer, and read them back in order."""
        outcomes = self.apply(*(self.creation(number) for number in numbers))
        assert {outcome.state for outcome in outcomes.values()} == {OutcomeState.APPLIED}
        return [self.read(number) for number in numbers]

    def read(self, number: int) -> Client:
        """The one client of that number."""
        (client,) = self.find(self.key(number))
        return client

    def find(self, *keys: str) -> list[Client]:
        """Clients by pairing key, in the order of their rows."""
        store = self.store()
        try:
            return sorted(store.read_keys(keys), key=lambda client: client.row)
        finally:
            store.close()

    def tables(self) -> dict[str, list[tuple[Any, ...]]]:
        """Every table, every row, in order."""
        names = [self.table, *(c.table for c in self.erp.children.values())]
        return {name: self.sql(f"SELECT * FROM {name} ORDER BY 1") for name in names}

    def insert_unowned(self) -> str:
        """Insert a row zvirka must never see or touch; gives its primary key."""
        names = ", ".join(self.unowned)
        marks = ", ".join("?" for _ in self.unowned)
        values = tuple(self.unowned.values())
        self.sql(f"INSERT INTO {self.table} ({names}) VALUES ({marks})", values)
        mark, value = next(iter(self.unowned.items()))
        pk = self.erp.primary_key
        return str(self.sql(f"SELECT {pk} FROM {self.table} WHERE {mark} = ?", (value,))[0][0])


def ref(number: int) -> str:
    """The Ref_Key of the counterparty of that number."""
    return f"{number:08x}-0000-4000-8000-000000000000"


def number_of(client: Client) -> int:
    """The number of a client made by :meth:`Shape.creation`."""
    return int(client.key[2:]) if client.key.startswith("C-") else int(client.key[:8], 16)


def embedded(backend: str, directory: Path) -> Shape:
    url = fresh(backend, directory)
    create_embedded(url, BY_CODE)
    unowned = {"code": "M-1", "name": "Ручний", "source": "manual", "is_active": True}
    return Shape("embedded", backend, ErpSettings(url=url), BY_CODE, unowned)


def production(backend: str, directory: Path) -> Shape:
    """A production ERP: child contacts, soft delete, ownership, a unique tax code."""
    shape = Shape(
        "production",
        backend,
        ErpSettings.model_validate(
            {
                "url": fresh(backend, directory),
                "table": "clients",
                "key": "external_id",
                "owned": "external_id IS NOT NULL AND source <> 'man:ual%'",
                "columns": {
                    "name": {"column": "name", "max_length": 60},
                    "tax_id": "tax_code",
                    "address": {"column": "legal_address", "max_length": 40, "truncate": True},
                },
                "children": {
                    "contact": {
                        "table": "client_contacts",
                        "parent": "client_id",
                        "where": {"is_primary": True},
                        "columns": {
                            "name": {"column": "full_name", "truncate": True},
                            "phone": "primary_phone",
                            "email": "email",
                        },
                        "on_create": {"source": "1c"},
                        "on_update": {"touched": 1},
                    }
                },
                "on_create": {"client_type_id": 1, "source": "1c", "created_at": {"sql": NOW}},
                "on_update": {"updated_at": {"sql": NOW}},
                "delete": {"mode": "soft", "column": "is_active"},
            }
        ),
        BY_CODE,
        {"name": "Ручний", "client_type_id": 1, "tax_code": "99999999", "source": "manual"},
    )
    boolean = "BOOLEAN DEFAULT " + ("1" if backend == "sqlite" else "true")
    shape.sql(
        f"""CREATE TABLE clients (
            id {SERIAL[backend]}, tax_code VARCHAR(20) UNIQUE NULL, name VARCHAR(255) NOT NULL,
            full_name VARCHAR(255), client_type_id INT NOT NULL, legal_address TEXT,
            external_id VARCHAR(100) NULL, source VARCHAR(20) DEFAULT 'manual',
            is_active {boolean}, phone VARCHAR(20), email VARCHAR(50),
            created_at TIMESTAMP NULL, updated_at TIMESTAMP NULL)"""
    )
    shape.sql("CREATE INDEX ix_clients_external ON clients (external_id)")
    shape.sql(
        f"""CREATE TABLE client_contacts (
            id {SERIAL[backend]}, client_id INT NOT NULL,
            full_name VARCHAR(20) NOT NULL, is_primary {boolean}, primary_phone VARCHAR(50),
            email VARCHAR(100), is_active {boolean}, source VARCHAR(20), touched INT DEFAULT 0,
            FOREIGN KEY (client_id) REFERENCES clients (id) ON DELETE CASCADE)"""
    )
    return shape


def hard(backend: str, directory: Path) -> Shape:
    """No soft delete, the key is Ref_Key in a column of its own, the primary key is a text."""
    shape = Shape(
        "hard",
        backend,
        ErpSettings.model_validate(
            {
                "url": fresh(backend, directory),
                "table": "partners",
                "primary_key": "guid",
                "key": "guid",
                "columns": {"name": "title", "tax_id": "inn"},
                "delete": {"mode": "hard"},
                "owned": "kind = 1",
                "on_create": {"kind": 1},
            }
        ),
        BY_REF,
        {"guid": "ffffffff-0000-4000-8000-00000000ffff", "title": "Ручний", "kind": 2},
    )
    guid = "UUID" if backend == "postgresql" else "CHAR(36)"
    shape.sql(
        f"""CREATE TABLE partners (guid {guid} PRIMARY KEY, title VARCHAR(100) NOT NULL,
            inn VARCHAR(12) UNIQUE, phone VARCHAR(50), email VARCHAR(100), address VARCHAR(500),
            kind INT NOT NULL)"""
    )
    return shape


SHAPES: dict[str, Callable[[str, Path], Shape]] = {
    "embedded": embedded,
    "production": production,
    "hard": hard,
}

CASES = [
    (name, backend)
    for name in SHAPES
    for backend in BACKENDS
    if name != "embedded" or backend == "sqlite"
]

IN_EVERY_BUILD = {("embedded", "sqlite"), ("production", "postgresql"), ("hard", "mariadb")}
"""The cases of `make test`: each shape and each database once. The others are slow."""


def params(cases: list[tuple[str, str]]) -> list[Any]:
    """The cases for pytest, all but those of every build marked slow."""
    often = IN_EVERY_BUILD.intersection(cases) or set(cases)
    slow = pytest.mark.slow
    return [
        pytest.param(case, marks=[] if case in often else slow, id="-".join(case)) for case in cases
    ]

"""The embedded ERP store: one table ``clients`` on SQLite, for those who have no ERP table yet.

It is read and written by the same code as any other table; all that is special is its definition
and the settings that go with it.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from pathlib import Path

from sqlalchemy import Column, DateTime, Index, MetaData, Table, Text, create_engine, make_url
from sqlalchemy import text as sql_text
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import Field, SQLModel

from zvirka.erp.sql.database_errors import store_error
from zvirka.mapping import Mapping
from zvirka.private_files import create_private_file
from zvirka.settings.model import ColumnSettings, DeleteSettings, ErpSettings
from zvirka.settings.value_types import SqlExpression

TABLE = "clients"
NOW = "CURRENT_TIMESTAMP"


class EmbeddedModel(SQLModel):
    """Base that keeps the embedded store's metadata apart from the journal's."""

    metadata = MetaData()


class ClientRow(EmbeddedModel, table=True):
    """One client. Rows whose ``source`` is ``manual`` were entered by people and are not owned."""

    __tablename__ = TABLE

    id: int | None = Field(default=None, primary_key=True)
    code: str | None = Field(default=None)
    ref: str | None = Field(default=None)
    name: str | None = Field(default=None)
    tax_id: str | None = Field(default=None)
    phone: str | None = Field(default=None)
    email: str | None = Field(default=None)
    address: str | None = Field(default=None)
    source: str = Field(default="1c", sa_column_kwargs={"server_default": "1c"})
    is_active: bool = Field(default=True, sa_column_kwargs={"server_default": sql_text("1")})
    created_at: datetime | None = Field(
        default=None, sa_column=Column(DateTime, server_default=sql_text(NOW))
    )
    updated_at: datetime | None = Field(
        default=None, sa_column=Column(DateTime, server_default=sql_text(NOW))
    )


def embedded_table(mapping: Mapping) -> Table:
    """The table for a mapping: the fields out of the box, a text column for each further one."""
    table = EmbeddedModel.metadata.tables[TABLE].to_metadata(MetaData())
    for name in mapping.names:
        if name not in table.c:
            table.append_column(Column(name, Text))
    key = [table.c[name] for name in mapping.key]
    Index(f"uq_{TABLE}_{'_'.join(mapping.key)}", *key, unique=True)
    if not mapping.key_is_ref:
        Index(f"ix_{TABLE}_ref", table.c.ref)
    return table


def embedded_settings(erp: ErpSettings, mapping: Mapping) -> ErpSettings:
    """The settings of ``[erp]`` completed for the embedded table; ``url`` and writer stay."""
    now = SqlExpression(sql=NOW)
    return erp.model_copy(
        update={
            "table": TABLE,
            "db_schema": None,
            "primary_key": "id",
            "key": mapping.key[0],
            "ref": "ref",
            "owned": "source <> 'manual'",
            "columns": {name: ColumnSettings(column=name) for name in mapping.names},
            "children": {},
            "on_create": {"source": "1c", "created_at": now, "updated_at": now},
            "on_update": {"updated_at": now},
            "delete": DeleteSettings(mode="soft", column="is_active", active=True, deleted=False)
            if erp.delete.mode == "soft"
            else erp.delete,
        }
    )


def effective(erp: ErpSettings, mapping: Mapping) -> ErpSettings:
    """The settings as the SQL code reads them: the embedded store's preset without a table."""
    return embedded_settings(erp, mapping) if erp.table is None else erp


def create_embedded(url: str, mapping: Mapping) -> None:
    """Create the embedded store unless it exists; an existing one is not changed.

    Raises:
        StoreError: the file cannot be created.
    """
    address = make_url(url)
    place = address.database or ":memory:"
    if address.get_backend_name() == "sqlite" and address.database not in {None, "", ":memory:"}:
        # A file that cannot be created is told by the engine, in the same words as every fault.
        with suppress(OSError):
            create_private_file(Path(place))
    engine = create_engine(address, hide_parameters=True)
    try:
        with engine.begin() as connection:
            if address.get_backend_name() == "sqlite":
                connection.exec_driver_sql("PRAGMA journal_mode = WAL")
            embedded_table(mapping).metadata.create_all(connection)
    except SQLAlchemyError as error:
        raise store_error(error, place) from None
    finally:
        engine.dispose()

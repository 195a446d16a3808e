"""Alembic's environment: always on the connection, and in the transaction, of the opener."""

from __future__ import annotations

from typing import Any, Literal

from alembic import context

from zvirka.journal.column_types import JsonText, UtcTime
from zvirka.journal.tables import metadata


def _render(kind: str, item: Any, _autogenerate: Any) -> str | Literal[False]:
    """Write the journal's own column types into migrations as what they are in the database."""
    if kind == "type" and isinstance(item, UtcTime):
        return "sa.DateTime(timezone=True)"
    if kind == "type" and isinstance(item, JsonText):
        return "sa.Text()"
    return False


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
    render_item=_render,
)
with context.begin_transaction():
    context.run_migrations()

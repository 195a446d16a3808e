"""Two flows into one table: their rows must not overlap, or each would undo the other's work."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import and_, func, select, text
from sqlalchemy.exc import SQLAlchemyError

from zvirka.erp.open_store import open_layout
from zvirka.erp.sharing import flows_of_one_table
from zvirka.erp.sql.database_errors import store_error
from zvirka.errors import SettingsError
from zvirka.findings import Finding
from zvirka.message import Message, coded
from zvirka.settings.model import Settings
from zvirka.settings.profiles import mapping_of


def require_own_rows(settings: Settings) -> None:
    """Make sure that a table of several flows says which rows are whose.

    Raises:
        SettingsError: one of these flows takes every row for its own.
    """
    for other in flows_of_one_table(settings):
        for one in (settings, other):
            if not one.erp.owned.strip():
                raise SettingsError(
                    coded(
                        "ZV3321",
                        "the flows {one} and {other} write into one table, and {all} takes every"
                        " row for its own",
                        one=settings.name,
                        other=other.name,
                        all=one.name,
                    ),
                    place="erp.owned",
                    remedy=Message(
                        "set erp.owned of both flows to conditions that no row fulfils together"
                    ),
                )


def overlap_findings(settings: Settings) -> Iterator[Finding]:
    """Prove on the rows that are there that no row belongs to two flows.

    Raises:
        SettingsError: as :func:`require_own_rows`, or the settings do not fit the table.
        StoreError: the database cannot be reached, or refuses a condition.
    """
    require_own_rows(settings)
    for other in flows_of_one_table(settings):
        engine, layout = open_layout(settings.erp, mapping_of(settings))
        both = select(func.count()).select_from(layout.table)
        both = both.where(and_(layout.owned, text(f"({other.erp.owned})")))
        try:
            with engine.connect() as connection:
                count = connection.execute(both).scalar_one()
        except SQLAlchemyError as error:
            raise store_error(error, layout.name) from None
        finally:
            engine.dispose()
        subject, name = "ownership", other.name
        if count:
            yield Finding(
                "failure",
                subject,
                coded(
                    "ZV3321",
                    "{count} rows belong to the flows {one} and {other} both",
                    count=count,
                    one=settings.name,
                    other=name,
                ),
                Message("set erp.owned of both flows to conditions that no row fulfils together"),
            )
        else:
            yield Finding(
                "ok",
                subject,
                Message(
                    "no row of the table belongs to the flow {other} as well", other=other.name
                ),
            )

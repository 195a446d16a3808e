"""Which other flows write into the table of a flow, and how a client of theirs is recognised."""

from __future__ import annotations

from dataclasses import dataclass

from zvirka.comparison import canonical
from zvirka.erp.protocol import ClientElsewhere
from zvirka.erp.sql.engines import database_of
from zvirka.errors import SettingsError
from zvirka.mapping import Comparison
from zvirka.message import Message, coded
from zvirka.settings.model import Settings
from zvirka.settings.profiles import mapping_of


@dataclass(frozen=True)
class Sharing:
    """The other flows of a table: their names with the condition that tells their rows.

    ``field`` tells which client of theirs is a counterparty of ours; empty when none can.
    """

    field: str = ""
    compare: Comparison = Comparison.EXACT
    region: str = ""
    owners: tuple[tuple[str, str], ...] = ()

    def canonical(self, value: str | None) -> str:
        """The form in which two values of the field are equal; '' tells nothing."""
        return canonical(self.compare, value, self.region)


ALONE = Sharing()
"""For a flow that has its table to itself."""


def flows_of_one_table(settings: Settings) -> list[Settings]:
    """The other flows that write into the same table."""
    return [
        other
        for name, other in settings.flows.items()
        if name != settings.name and _table(other) == _table(settings)
    ]


def sharing_of(settings: Settings) -> Sharing:
    """How a flow recognises the clients of the other flows of its table.

    Raises:
        SettingsError: policy.shared is "first", and the table of clients has no such field.
    """
    field, mapping, erp = settings.policy.shared_by, mapping_of(settings), settings.erp
    others = [one for one in flows_of_one_table(settings) if one.erp.owned.strip()]
    if not others:
        return ALONE
    if field not in mapping.names or any(field in one.columns for one in erp.children.values()):
        if settings.policy.shared == "first":
            raise SettingsError(
                coded(
                    "ZV3322",
                    "a client of another flow cannot be recognised by {field}: table {table} has"
                    " no such field",
                    field=field,
                    table=erp.table or "",
                ),
                place="policy.shared_by",
                remedy=Message("name a field that is mapped to a column of this table"),
            )
        return ALONE
    return Sharing(
        field,
        mapping.comparison(mapping.field(field)),
        mapping.region,
        tuple((one.name, one.erp.owned) for one in others),
    )


def kept_elsewhere(client: ClientElsewhere) -> Message:
    """Which flow keeps a client for a counterparty of ours, and in which row."""
    return Message("the flow {flow} keeps this client: row {row}", flow=client.flow, row=client.row)


def still_known(flow: str) -> Message:
    """Why the deletion of a client of ours waits for a person."""
    return Message("the flow {flow} is linked to this client: its base still has it", flow=flow)


def _table(settings: Settings) -> tuple[object, ...]:
    return (*database_of(settings.erp), settings.erp.db_schema, settings.erp.table)

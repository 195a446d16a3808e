"""Which tables of a store refer to which: worked out from the settings of all flows.

A field with ``reference = "FLOW"`` holds 1C's Ref_Key on 1C's side and, in the store, the primary
key of the row that the other flow keeps for it. It is compared as a Ref_Key.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from zvirka.erp.embedded import effective
from zvirka.erp.sql.engines import database_of
from zvirka.errors import SettingsError
from zvirka.message import Message, coded
from zvirka.settings.model import DeleteSettings, Settings
from zvirka.settings.profiles import mapping_of


@dataclass(frozen=True)
class ReferencedTable:
    """The table of the flow that a field refers to: ``ref`` is its column with 1C's Ref_Key."""

    flow: str
    table: str
    db_schema: str | None
    primary_key: str
    ref: str


@dataclass(frozen=True)
class ReferringTable:
    """A table whose ``column`` holds primary keys of ours; ``delete`` tells its living rows."""

    flow: str
    table: str
    db_schema: str | None
    column: str
    delete: DeleteSettings


References = Mapping[str, ReferencedTable]
"""What each reference field of a flow refers to, by field name."""

NO_REFERENCES: References = MappingProxyType({})


def references_of(
    flow: str, flows: Mapping[str, Settings]
) -> tuple[References, tuple[ReferringTable, ...]]:
    """What a flow refers to, by field name, and the tables that refer to it.

    A flow may refer to itself. ``flows`` are the settings of all flows by name.

    Raises:
        SettingsError: a field refers to a flow that does not exist, is in another database, or
            has no column for Ref_Key.
    """
    referenced = {
        name: _referenced(name, target, flows[flow], flows)
        for name, target in _references(flows[flow])
    }
    database = database_of(flows[flow].erp)
    referring = tuple(
        _referring(name, field, settings)
        for name, settings in flows.items()
        if database_of(settings.erp) == database
        for field, target in _references(settings)
        if target == flow
    )
    return referenced, referring


def _references(settings: Settings) -> Iterator[tuple[str, str]]:
    """Field names and the flows they refer to."""
    for field in mapping_of(settings).fields:
        if field.reference:
            yield field.name, field.reference


def _referenced(
    field: str, target: str, ours: Settings, flows: Mapping[str, Settings]
) -> ReferencedTable:
    if target not in flows:
        raise unfit_reference(
            field,
            target,
            Message("there is no such flow"),
            Message("name one of {names}", names=sorted(flows)),
        )
    theirs = flows[target]
    mapping = mapping_of(theirs)
    erp = effective(theirs.erp, mapping)
    ref = erp.ref or (erp.key if mapping.key_is_ref else None)
    if database_of(erp) != database_of(ours.erp):
        raise unfit_reference(
            field,
            target,
            Message("its table is in another database"),
            Message("keep both flows in one database, or drop the reference"),
        )
    if ref is None or erp.table is None:
        raise unfit_reference(
            field,
            target,
            Message("its table has no column for Ref_Key"),
            Message("set erp.ref of the flow {flow}", flow=target),
        )
    return ReferencedTable(target, erp.table, erp.db_schema, erp.primary_key, ref)


def _referring(flow: str, field: str, settings: Settings) -> ReferringTable:
    erp = effective(settings.erp, mapping_of(settings))
    column = erp.columns[field].column if field in erp.columns else field
    return ReferringTable(flow, erp.table or "", erp.db_schema, column, erp.delete)


def unfit_reference(field: str, flow: str, why: Message, remedy: Message) -> SettingsError:
    """The error about a field whose reference cannot be followed."""
    cause = coded(
        "ZV3320",
        "field {field} cannot refer to the flow {flow}: {why}",
        field=field,
        flow=flow,
        why=why,
    )
    return SettingsError(cause, place=f"onec.fields.{field}.reference", remedy=remedy)

"""Kinds of contact information: from a name people use to the references that lines carry."""

from __future__ import annotations

from functools import cached_property

from zvirka.message import Message, coded
from zvirka.onec.decoding import RowDecoder
from zvirka.onec.failures import MappingMismatchError
from zvirka.onec.mapping_fit import KINDS, is_guid
from zvirka.onec.paging import PageReader, Selection
from zvirka.onec.schema import Schema, near

_NAMES = ("ИмяПредопределенногоВида", "PredefinedDataName", "Description")
"""The properties that name a kind, the surest first: БСП 3.x looks at the first one before all
others, and leaves the second one empty."""


class Kinds:
    """Looks kinds up in Catalog_ВидыКонтактнойИнформации, which is read once and is small.

    A description may stand in it more than once, for counterparties, partners and persons: a line
    of a counterparty carries one of its own, so any of them is meant.
    """

    def __init__(self, reader: PageReader, schema: Schema) -> None:
        self._reader = reader
        self._schema = schema

    @cached_property
    def _columns(self) -> tuple[list[str], list[list[str]]]:
        """References of all kinds, and their names by each property of :data:`_NAMES` there is."""
        entity = self._schema.entity(KINDS)
        if entity is None:
            return [], []
        named = [name for name in _NAMES if entity.has(name)]
        shape = RowDecoder(entity, ["Ref_Key", *named])
        selection = Selection(shape, "", ("Ref_Key",))
        rows = [row for page in self._reader.pages(selection) for row in page]
        columns = [[(text or "").strip() for text in shape.texts(rows, name)] for name in named]
        return shape.refs(rows), columns

    @property
    def names(self) -> list[str]:
        """Every name a kind can be called by, for proposals."""
        return sorted({name for column in self._columns[1] for name in column if name})

    def refs(self, kind: str) -> frozenset[str]:
        """References of the kind: a GUID means itself, a name all kinds so called; may be empty.

        Names are compared without regard to case, property by property in the order of
        :data:`_NAMES`, as the push module does.
        """
        if is_guid(kind):
            return frozenset({kind.lower()})
        refs, columns = self._columns
        wanted = kind.strip().casefold()
        for column in columns:
            found = [
                ref for ref, name in zip(refs, column, strict=True) if name.casefold() == wanted
            ]
            if found:
                return frozenset(found)
        return frozenset()

    def required(self, kind: str, field: str) -> frozenset[str]:
        """References of the kind.

        Raises:
            MappingMismatchError: 1C has no kind of that name.
        """
        found = self.refs(kind)
        if not found:
            proposals = near(kind, self.names)
            raise MappingMismatchError(
                cause=coded(
                    "ZV1304", "1C has no kind of contact information called {kind}", kind=kind
                ),
                place=f"onec.fields.{field}.kind",
                remedy=Message("perhaps: {names}", names=proposals)
                if proposals
                else Message(
                    "name the kind by its GUID, {names} or Description",
                    names=", ".join(_NAMES[:-1]),
                ),
            )
        return found

"""Kinds of contact information: from a name people use to the references that lines carry."""

from __future__ import annotations

from functools import cached_property

from zvirka.onec.decoding import RowDecoder
from zvirka.onec.failures import MappingMismatchError
from zvirka.onec.mapping_fit import KINDS, is_guid
from zvirka.onec.paging import PageReader, Selection
from zvirka.onec.schema import Schema, near


class Kinds:
    """Looks kinds up in Catalog_ВидыКонтактнойИнформации, which is read once and is small.

    A description may stand in it more than once, for counterparties, partners and persons: a line
    of a counterparty carries one of its own, so any of them is meant.
    """

    def __init__(self, reader: PageReader, schema: Schema) -> None:
        self._reader = reader
        self._schema = schema

    @cached_property
    def _rows(self) -> list[tuple[str, str, str]]:
        entity = self._schema.entity(KINDS)
        if entity is None:
            return []
        named = [name for name in ("PredefinedDataName", "Description") if entity.has(name)]
        shape = RowDecoder(entity, ["Ref_Key", *named])
        rows = [
            row for page in self._reader.pages(Selection(shape, "", ("Ref_Key",))) for row in page
        ]
        names = [[text or "" for text in shape.texts(rows, name)] for name in named]
        names += [[""] * len(rows)] * (2 - len(named))
        return list(zip(shape.refs(rows), *names, strict=True))

    @property
    def names(self) -> list[str]:
        """Every name a kind can be called by, for proposals."""
        return sorted({name for _, *both in self._rows for name in both if name})

    def refs(self, kind: str) -> frozenset[str]:
        """References of the kind: a GUID means itself, a name all kinds so called; may be empty."""
        if is_guid(kind):
            return frozenset({kind.lower()})
        for same in (str, str.casefold):
            wanted = same(kind.strip())
            found = {ref for ref, *both in self._rows if wanted in [same(n.strip()) for n in both]}
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
                cause=f"1C has no kind of contact information called {kind}",
                place=f"onec.fields.{field}.kind",
                remedy=f"perhaps: {', '.join(proposals)}"
                if proposals
                else "name the kind by its GUID, PredefinedDataName or Description",
            )
        return found

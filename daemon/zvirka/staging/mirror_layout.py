"""How the mapped fields are laid out in the mirror: as columns of an object, or as lines.

Attributes of the object are columns ``f<number of the field>``, the links that other fields go
through are columns ``l<number>``. All other values are lines (field, link, holder, order, value),
where link 0 means that the holder is the counterparty itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from zvirka.domain import ZERO_REF, Counterparty
from zvirka.mapping import Attribute, Comparison, Field, Mapping, RegisterLine
from zvirka.onec.protocol import LineBatch, ObjectBatch
from zvirka.staging.database import Page, page_of
from zvirka.staging.values import with_short_values


class MirrorLayout:
    """The layout for one mapping.

    ``attributes`` are the fields stored in the object, by number. ``light`` are the numbers of
    the fields that no DataVersion of a counterparty covers.
    """

    def __init__(self, mapping: Mapping) -> None:
        self._fields = mapping.fields
        self._number = {field.name: number for number, field in enumerate(mapping.fields)}
        self.light = [
            number
            for number, field in enumerate(mapping.fields)
            if _link_of(field) or isinstance(field.source, RegisterLine)
        ]
        self.attributes = {
            number: field
            for number, field in enumerate(mapping.fields)
            if isinstance(field.source, Attribute) and not field.source.via
        }
        self.links = sorted({_link_of(field) for field in mapping.fields} - {""})

    @property
    def value_columns(self) -> list[str]:
        """The columns of the attributes."""
        return [f"f{number}" for number in self.attributes]

    @property
    def link_columns(self) -> list[str]:
        """The columns of the links."""
        return [f"l{number}" for number in range(len(self.links))]

    def is_light(self, field: str) -> bool:
        """Whether the lines of a field are not covered by the counterparty's DataVersion."""
        return self._number[field] in self.light

    def object_page(self, batch: ObjectBatch, kept: dict[str, str] | None) -> Page:
        """Columns of objects; ``kept`` collects long values by their short form."""
        values = [
            with_short_values(batch.values[field.name], exact=_is_exact(field), kept=kept)
            for field in self.attributes.values()
        ]
        links = [[ref or ZERO_REF for ref in batch.links[link]] for link in self.links]
        return page_of(
            ref=batch.refs,
            version=batch.versions,
            mark=batch.marks,
            **dict(zip(self.value_columns, values, strict=True)),
            **dict(zip(self.link_columns, links, strict=True)),
        )

    def line_page(
        self, batch: LineBatch, kept: dict[str, str] | None
    ) -> tuple[Page, tuple[int, int]]:
        """Columns of lines, and the constant columns: number of the field, number of the link."""
        number = self._number[batch.field]
        values = with_short_values(batch.values, exact=_is_exact(self._fields[number]), kept=kept)
        page = page_of(ref=batch.refs, ord=batch.orders, value=values)
        return page, (number, self._via(batch.via))

    def holders(self, rows: Sequence[Sequence[Any]]) -> list[str]:
        """The holders of all lines of objects (Ref_Key, version, mark, key, values, links)."""
        first_link = 4 + len(self.attributes)
        return sorted({str(ref) for row in rows for ref in (row[0], *row[first_link:]) if ref})

    def records(
        self, rows: Sequence[Sequence[Any]], lines: dict[tuple[str, int], str | None]
    ) -> Iterator[Counterparty]:
        """Counterparties of such objects and of the lines by holder and number of the field."""
        for ref, version, mark, key, *rest in rows:
            attributes, links = rest[: len(self.attributes)], rest[len(self.attributes) :]
            holders = [str(ref), *map(str, links)]
            values: dict[str, str | None] = {
                field.name: lines.get((holders[self._via(_link_of(field))], number))
                for number, field in enumerate(self._fields)
            }
            for field, value in zip(self.attributes.values(), attributes, strict=True):
                values[field.name] = value
            yield Counterparty(
                ref=str(ref), key=key, version=version, deletion_mark=mark, values=values
            )

    def _via(self, link: str) -> int:
        return self.links.index(link) + 1 if link else 0


def _link_of(field: Field) -> str:
    return getattr(field.source, "via", "")


def _is_exact(field: Field) -> bool:
    return field.compare is Comparison.EXACT

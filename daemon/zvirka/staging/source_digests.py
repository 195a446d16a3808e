"""What the store should hold of each counterparty: its pairing key and the digest of its values.

The values of one counterparty are stored apart (attributes in the object, contact lines in a
section, phones at a partner). The digest is a sum, so each place contributes its part and no wide
join is needed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from zvirka.identity import duckdb_joined_key, duckdb_part, duckdb_trimmed
from zvirka.mapping import Field
from zvirka.staging.database import Staging, parts

_PARTITION = 100_000


class SourceDigests:
    """Resolves objects and lines into rows (Ref_Key, key, deletion mark, digest).

    Args:
        staging: the session.
        attributes: numbers of the fields that are attributes of the object (columns ``f…``).
        links: the links other fields go through, in the order of the columns ``l…``.
    """

    def __init__(self, staging: Staging, attributes: Collection[int], links: Sequence[str]) -> None:
        self._staging = staging
        self._attributes = attributes
        self._links = links

    def queries(self, objects: str, lines: str, *, few: bool = False) -> Iterator[str]:
        """Queries that together return one row for each object, so that memory stays flat.

        ``objects`` and ``lines`` are what to read: tables, views or subqueries.
        """
        staging = self._staging
        count = 0 if few else staging.number_of(f"SELECT count(*) FROM {objects}")
        for here in parts("ref", max(1, count // _PARTITION)):
            own = f"{here} AND ref IN (SELECT ref FROM {objects})" if few else here
            joins = [f"LEFT JOIN ({self._sums(lines, 0, own)}) own ON own.ref = o.ref"]
            sums = ["coalesce(own.part, 0)"]
            for number in range(len(self._links)):
                holders = f"ref IN (SELECT l{number} FROM {objects} WHERE {here})"
                joins.append(
                    f"""
                    LEFT JOIN ({self._sums(lines, number + 1, holders)}) via{number}
                        ON via{number}.ref = o.l{number}
                    """
                )
                sums.append(f"coalesce(via{number}.part, 0)")
            sums += [staging.part(f"o.f{number}", number) for number in self._attributes]
            yield f"""
                SELECT o.ref, {self._key_of(lines)}, o.mark, ({" + ".join(sums)})::UBIGINT
                FROM (FROM {objects} WHERE {here}) o
                {" ".join(joins)}
            """

    def _sums(self, lines: str, via: int, where: str) -> str:
        return f"""
            SELECT ref, sum(part)::UBIGINT AS part
            FROM (
                SELECT ref, arg_min({self._staging.part("value", "field")}, ord) AS part
                FROM {lines}
                WHERE via = {via} AND {where}
                GROUP BY ref, field
            )
            GROUP BY ref
        """

    def _key_of(self, lines: str) -> str:
        fields = self._staging.mapping.key_fields
        if not fields:
            return "o.ref::VARCHAR"
        texts = [self._text_of(field, lines) for field in fields]
        if len(texts) == 1:
            return f"coalesce({duckdb_trimmed(texts[0])}, '')"
        return duckdb_joined_key(
            [
                duckdb_part(text, is_ref=bool(field.reference))
                for field, text in zip(fields, texts, strict=True)
            ]
        )

    def _text_of(self, field: Field, lines: str) -> str:
        """The value of a field, as it stands."""
        number = self._staging.number[field.name]
        if number in self._attributes:
            return f"o.f{number}"
        link = getattr(field.source, "via", "")
        holder = f"o.l{self._links.index(link)}" if link else "o.ref"
        return f"""
            (
                SELECT arg_min(value, ord)
                FROM {lines} lines
                WHERE lines.ref = {holder} AND lines.field = {number}
            )
        """

"""The pairing key in the client's own table: one column, or one for each part of a composite key.

A composite key is one text to everybody else (:mod:`zvirka.identity`). Here its parts are read and
compared as the values of their fields are: a reference as a Ref_Key, an enumeration as 1C's value,
a number in 1C's spelling.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    and_,
    case,
    func,
    literal,
    not_,
    or_,
    select,
)

from zvirka.domain import Values
from zvirka.erp.sql.conversion import storable_key
from zvirka.erp.sql.expressions import AsText, Same, Trimmed, among, field_text
from zvirka.erp.sql.mapped_column import OWN, MappedColumn, Parent
from zvirka.erp.sql.referenced_rows import ref_values
from zvirka.erp.sql.typed_values import (
    UnstorableError,
    column_values,
    takes_any_text,
)
from zvirka.identity import (
    EMPTY_PARTS,
    ESCAPE,
    SEPARATOR,
    canonical_key,
    canonical_part,
    joined_key,
    key_parts,
)


@dataclass(frozen=True)
class KeyColumns:
    """The columns of the pairing key. A key is never cut: it would name another record.

    ``blanks`` as in :class:`zvirka.erp.sql.table_layout.TableLayout`.
    """

    parts: tuple[MappedColumn, ...]
    is_ref: bool
    blanks: str

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The names of the columns."""
        return tuple(part.column.name for part in self.parts)

    @cached_property
    def fields(self) -> tuple[str, ...]:
        """The mapped fields that are the key; none when it is Ref_Key."""
        return () if self.is_ref else tuple(part.field for part in self.parts)

    @cached_property
    def label(self) -> str:
        """The columns with their table, for messages."""
        return " + ".join(f"{part.column.table.name}.{part.column.name}" for part in self.parts)

    @property
    def types(self) -> str:
        """The types of the columns, for messages."""
        return ", ".join(str(part.column.type) for part in self.parts)

    def split(self, key: str) -> tuple[str, ...] | None:
        """The parts of a key; ``None`` when it is not of so many parts."""
        return (key,) if len(self.parts) == 1 else key_parts(key, len(self.parts))

    def join(self, parts: Sequence[str]) -> str:
        """The key of canonical parts."""
        return parts[0] if len(self.parts) == 1 else joined_key(parts)

    def canonical(self, text: str | None) -> str:
        """A key as it is compared and written."""
        return canonical_key(text, is_ref=self.is_ref)

    def with_canonical(self, values: Values) -> dict[str, str | None]:
        """The values with those that are parts of the key as they are stored."""
        found = dict(values)
        for part in () if self.is_ref else self.parts:
            if part.field not in found:
                continue
            if len(self.parts) == 1:
                found[part.field] = self.canonical(found[part.field])
            else:
                text = canonical_part(found[part.field], is_ref=part.parent is not None)
                found[part.field] = text or _empty(part)
        return found

    def fits(self, key: str) -> bool:
        """Whether columns of other types than text hold their parts of a key as they are.

        A reference or a value that the settings do not list makes its own row wait or fail.
        """
        for part, text in zip(self.parts, self.split(key) or (), strict=False):
            if not text or takes_any_text(part.column) or part.parent or part.values:
                continue
            try:
                storable_key(part, text, nul=True)
            except UnstorableError:
                return False
        return True

    def column_values(self, key: str, *, nul: bool) -> dict[str, Any]:
        """What to write for a key, by column, whatever 1C pads it with.

        A part that is a reference is left out: it is written as the field that it is.

        Raises:
            UnstorableError: a part is too long, or would read back as another text.
        """
        return {
            part.column.name: storable_key(part, text, nul=nul)
            for part, text in zip(self.parts, self.split(key) or (), strict=True)
            if part.parent is None
        }

    # -- SQL -------------------------------------------------------------------------------------

    def text(self, rows: FromClause) -> ColumnElement[str]:
        """The key as text: one of one column as it stands, a composite one in canonical form."""
        if len(self.parts) > 1:
            return self.canonical_text(rows)
        return AsText(rows.c[self.names[0]])

    def canonical_text(self, rows: FromClause) -> ColumnElement[str]:
        """The key in canonical form; a key of one column is NULL where that is."""
        if len(self.parts) > 1:
            return joined_key_of([self._part_text(part, rows) for part in self.parts])
        return self._trimmed(rows.c[self.names[0]])

    def _part_text(self, part: MappedColumn, rows: FromClause) -> ColumnElement[str]:
        return part_of(field_text(part, rows.c[part.column.name]), self.blanks)

    def _trimmed(self, column: ColumnElement[Any]) -> ColumnElement[str]:
        text = Trimmed(column, self.blanks)
        return func.lower(text) if self.is_ref else text

    def unclean(self, rows: FromClause) -> ColumnElement[bool] | None:
        """Whether a stored key needs trimming to match; ``None`` where none ever does."""
        columns = [rows.c[part.column.name] for part in self.parts if self._is_padded(part)]
        if not columns:
            return None
        return or_(
            *(
                and_(column.is_not(None), not_(Same(AsText(column), self._trimmed(column))))
                for column in columns
            )
        )

    @staticmethod
    def _is_padded(part: MappedColumn) -> bool:
        """Whether the column may hold a part with blanks around it."""
        return takes_any_text(part.column) and part.parent is None and not part.values

    def among(
        self, connection: Connection, rows: FromClause, keys: Collection[str], *, clean: bool
    ) -> ColumnElement[bool]:
        """A condition that holds for every row with one of these keys, and for few others.

        A collation may take two texts for one, and the parts of two keys may meet in a third one,
        so the caller compares the keys again. ``clean``: no stored key needs trimming to match.
        """
        split = [parts for key in keys if (parts := self.split(key)) is not None]
        return and_(
            *(
                self._has_part(
                    connection,
                    part,
                    rows.c[part.column.name],
                    dict.fromkeys(parts[number] for parts in split),
                    clean=clean,
                )
                for number, part in enumerate(self.parts)
            )
        )

    def _has_part(
        self,
        connection: Connection,
        part: MappedColumn,
        column: ColumnElement[Any],
        texts: Iterable[str],
        *,
        clean: bool,
    ) -> ColumnElement[bool]:
        wanted = list(texts)
        if part.parent is not None:
            where = _refers_to(connection, part.parent, part, column, wanted)
        elif self._is_padded(part) and not clean:
            where = self._trimmed(column).in_(column_values(part.column, wanted))
        else:
            values = [value for text in wanted for value in _stored_as(part, text)]
            where = among(connection, column, values)
        return or_(where, column.is_(None)) if "" in wanted else where


def _empty(part: MappedColumn) -> str | None:
    """How an empty part reads back once it is written."""
    return None if part.column.nullable and (part.unique or not part.is_text) else ""


def _stored_as(part: MappedColumn, text: str) -> list[Any]:
    """The values of the column that read as this part; an empty one may be NULL besides."""
    if not text:
        return column_values(part.column, ["", *EMPTY_PARTS])
    try:
        return [storable_key(part, text, nul=True)]
    except UnstorableError:
        return []


def _refers_to(
    connection: Connection,
    parent: Parent,
    part: MappedColumn,
    column: ColumnElement[Any],
    texts: Sequence[str],
) -> ColumnElement[bool]:
    """Whether the column refers to a row of one of these Ref_Keys, or holds an orphan's key."""
    orphans = [text.removeprefix(OWN) for text in texts if text.startswith(OWN)]
    refs = [text for text in texts if text and not text.startswith(OWN)]
    rows = parent.pk.table.alias()
    found = select(rows.c[parent.pk.name]).where(
        among(connection, rows.c[parent.ref.name], ref_values(parent, refs))
    )
    return or_(column.in_(found), among(connection, column, column_values(part.column, orphans)))


def part_of(text: ColumnElement[str], blanks: str) -> ColumnElement[str]:
    """SQL for :func:`zvirka.identity.canonical_part`; NULL becomes ''."""
    part: ColumnElement[Any] = Trimmed(text, blanks)
    for empty in EMPTY_PARTS:
        part = func.nullif(part, empty)
    return func.coalesce(part, "")


def joined_key_of(parts: Sequence[ColumnElement[str]]) -> ColumnElement[str]:
    """SQL for :func:`zvirka.identity.joined_key` of canonical parts."""
    joined = _escaped(parts[0])
    for part in parts[1:]:
        joined = joined.concat(literal(SEPARATOR)).concat(_escaped(part))
    return case((Same(parts[0], literal("")), ""), else_=joined)


def _escaped(part: ColumnElement[str]) -> ColumnElement[str]:
    doubled = func.replace(part, ESCAPE, ESCAPE * 2)
    return func.replace(doubled, SEPARATOR, ESCAPE + SEPARATOR)

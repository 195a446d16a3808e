"""Paths and query strings, described by pyodata and never sent by it.

Everything from outside enters a query here and nowhere else: GUIDs are validated, since pyodata
does not, and quotes in strings are doubled.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import unquote

import msgspec
from pyodata.v2.service import GetEntitySetFilter

from zvirka.message import Message, coded
from zvirka.onec.failures import QueryRefusedError
from zvirka.onec.schema import Entity, Schema

JSON = "application/json;odata=nometadata"
"""Rows without navigation links, which would double their weight."""

_NUMBER = re.compile(r"-?\d+(\.\d+)?")
_NUMERIC = frozenset({"Edm.Int16", "Edm.Int32", "Edm.Int64", "Edm.Double", "Edm.Decimal"})


class Query(msgspec.Struct, frozen=True):
    """A path below the base and its query, both not yet encoded."""

    path: str
    params: dict[str, str]


def canonical(ref: str) -> str:
    """Ref_Key in lower-case canonical form.

    Raises:
        QueryRefusedError: it is not a GUID.
    """
    try:
        return str(uuid.UUID(ref))
    except ValueError:
        raise QueryRefusedError(
            cause=coded("ZV3509", "a Ref_Key is not a GUID"),
            remedy=Message("write it as 8-4-4-4-12 hexadecimal digits"),
        ) from None


def any_of(clauses: Sequence[str]) -> str:
    """Clauses joined by ``or``, in parentheses."""
    return clauses[0] if len(clauses) == 1 else f"({' or '.join(clauses)})"


def all_of(clauses: Iterable[str]) -> str:
    """Clauses joined by ``and``; the empty ones do not count."""
    return " and ".join(clause for clause in clauses if clause)


class Queries:
    """Makes the queries of one publication.

    Args:
        schema: names in queries are checked against it.
        allowed_only: whether sets are restricted to the rows the user may see.
        virtual: the path of a virtual table of a register, read in place of any set.
    """

    def __init__(self, schema: Schema, *, allowed_only: bool = False, virtual: str = "") -> None:
        self._schema = schema
        self._extra = {"allowedOnly": "true"} if allowed_only else {}
        self._virtual = virtual

    def _set(self, entity: Entity) -> Any:
        name = self._virtual.partition("/")[0] or entity.name
        return getattr(self._schema.service.entity_sets, name)

    def _path(self, request: Any) -> str:
        """The path of a request for rows, or for their number."""
        path: str = unquote(request.get_path())
        if not self._virtual:
            return path
        return self._virtual + ("/$count" if path.endswith("/$count") else "")

    def page(
        self,
        entity: Entity,
        select: Sequence[str],
        *,
        top: int,
        skip: int = 0,
        where: str = "",
        order: Sequence[str] = (),
    ) -> Query:
        """A page of a set. Without ``$top`` 1C builds the whole answer, so there always is one."""
        request = self._set(entity).get_entities().select(",".join(select)).top(top)
        if skip:
            request = request.skip(skip)
        if where:
            request = request.filter(where)
        if order:
            request = request.order_by(",".join(order))
        params = {name: str(value) for name, value in request.get_query_params().items()}
        return Query(self._path(request), params | self._extra | {"$format": JSON})

    def count(self, entity: Entity, where: str = "") -> Query:
        """The number of rows, as a plain number."""
        request = self._set(entity).get_entities().count()
        if where:
            request = request.filter(where)
        return Query(self._path(request), dict(request.get_query_params()) | self._extra)

    def one(self, entity: Entity, ref: str, select: Sequence[str]) -> Query:
        """One object by its key."""
        request = self._set(entity).get_entity(canonical(ref), encode_path=False)
        return Query(request.get_path(), {"$select": ",".join(select), "$format": JSON})

    def clause(self, entity: Entity, name: str, value: str, operator: str = "eq") -> str:
        """``name operator literal``, with the literal of the property's type.

        Raises:
            QueryRefusedError: the value is not one of that type, or the name is unknown.
        """
        kind = entity.properties.get(name, "")
        if kind == "Edm.Guid":
            value = canonical(value)
        elif kind in _NUMERIC:
            if not _NUMBER.fullmatch(value):
                raise QueryRefusedError(
                    cause=coded("ZV1305", "the value is not a number"), place=name
                )
            return f"{name} {operator} {value}"
        elif kind != "Edm.String":
            raise QueryRefusedError(
                cause=coded("ZV1305", "the property cannot be filtered by value"),
                place=f"{entity.name}.{name}",
            )
        prop = self._schema.service.schema.entity_type(entity.name).proprty(name)
        text: str = GetEntitySetFilter.format_filter(prop, operator, value)
        return text

"""Rows of 1C as typed columns: a Struct of just the wanted fields, made from the schema.

A decoder so made reads several hundred thousand rows a second, and it rejects missing fields,
``{"value": null}`` and an error body that came with status 200. Numbers are kept as 1C wrote
them: a double would lose digits.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from operator import attrgetter
from types import GenericAlias
from typing import Annotated, Any

import msgspec
from loguru import logger

from zvirka.domain import EMPTY_DATE, ZERO_REF
from zvirka.onec.schema import Entity

GUID_PATTERN = r"^[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}$"
_GUID = re.compile(GUID_PATTERN)
_Ref = Annotated[str, msgspec.Meta(min_length=36, max_length=36)]
"""A reference, checked by length only: a pattern would halve the speed of decoding. Invalid ones
fail later: staging casts to UUID, and addresses take ``canonical`` references only."""
_TEXTS = ("Edm.String", "Edm.Guid", "Edm.DateTime")
_EMPTY = {"Edm.Guid": ZERO_REF, "Edm.DateTime": EMPTY_DATE}
_FIXED: dict[str, Any] = {
    "Ref_Key": _Ref,
    "DeletionMark": bool | None,
    "DataVersion": str | None,
    "LineNumber": int,
}

Row = Any
"""An instance of a generated Struct; its fields are f0, f1, … in the order of the names."""


class _One(msgspec.Struct, rename={"ref": "Ref_Key"}):
    ref: _Ref


class RowDecoder:
    """The wanted properties of an entity: what to select, how to decode, columns out of rows.

    Args:
        entity: whose rows; the types come from it.
        names: properties to select, without doubles.
        nested: shapes of tabular sections to read within the owner, by section name.
    """

    def __init__(
        self, entity: Entity, names: Sequence[str], nested: dict[str, RowDecoder] | None = None
    ) -> None:
        self.entity = entity
        self.names = tuple(dict.fromkeys(names))
        self.nested = nested or {}
        self.select = (*self.names, *self.nested)
        self._at = {name: f"f{number}" for number, name in enumerate(self.select)}
        kinds = [_kind(entity.properties[name], name) for name in self.names]
        rows = [_list_of(inner) for inner in self.nested.values()]
        self.row: type[Any] = msgspec.defstruct(
            "Row",
            list(zip(self._at.values(), [*kinds, *rows], strict=True)),
            rename={field: name for name, field in self._at.items()},
            frozen=True,
            gc=False,
        )
        answer = msgspec.defstruct("Answer", [("value", _list_of(self))])
        self._decoder: Any = msgspec.json.Decoder(answer, strict=False)
        self._single: Any = msgspec.json.Decoder(self.row, strict=False)

    def decode(self, body: bytes) -> list[Row]:
        """The rows of an answer.

        Raises:
            msgspec.ValidationError: it has another shape.
            msgspec.DecodeError: it is no JSON, or only the beginning of it.
        """
        rows: list[Row] = _tolerant(self._decoder, body).value
        return rows

    def decode_one(self, body: bytes) -> Row:
        """The row of an answer that holds a single object; raises like :meth:`decode`."""
        return _tolerant(self._single, body)

    def getter(self, *names: str) -> Callable[[Row], Any]:
        """What takes the properties out of a row: one value, or a tuple of several."""
        return attrgetter(*(self._at[name] for name in names))

    def refs(self, rows: Sequence[Row], name: str = "Ref_Key") -> list[str]:
        """References in lower case; empty and composite ones become the zero GUID."""
        if name == "Ref_Key":
            return lowered(list(map(self.getter(name), rows)))
        return [as_ref(value) for value in map(self.getter(name), rows)]

    def texts(self, rows: Sequence[Row], name: str) -> list[str | None]:
        """The column as text, exactly as 1C holds it; an empty date or reference is ``None``."""
        column = list(map(self.getter(name), rows))
        kind = self.entity.properties[name]
        if kind == "Edm.String" or name in ("DataVersion", "Ref_Key"):
            return column
        if (empty := _EMPTY.get(kind)) is not None:
            return [None if value == empty else value for value in column]
        if name == "LineNumber":
            return list(map(str, column))
        if kind == "Edm.Boolean":
            return [None if value is None else str(value).lower() for value in column]
        found = list(map(bytes, column))
        text_of = {raw: _as_text(raw) for raw in set(found)}  # few numbers differ
        return [text_of[raw] for raw in found]


def _list_of(inner: RowDecoder) -> Any:
    return GenericAlias(list, (inner.row,))


def _tolerant(decoder: Any, body: bytes) -> Any:
    """Decode; a character that JSON cannot hold must not stop the whole catalogue.

    1C cuts texts at UTF-16 units, in the middle of an emoji too, and lets control characters in.
    What no text can hold is replaced, half a character by «?», and the rest comes as it is.
    """
    try:
        return decoder.decode(body)
    except msgspec.ValidationError:
        raise
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        try:
            text = body.decode("utf-8", "replace")
            loaded = json.loads(text, strict=False, parse_float=str)
        except (ValueError, RecursionError):
            raise msgspec.DecodeError(str(error)) from None
        logger.warning("an answer of 1C holds characters that JSON cannot hold; replaced")
        whole = json.dumps(loaded, ensure_ascii=False).encode("utf-8", "replace")
        return decoder.decode(whole)


def _kind(edm: str, name: str) -> Any:
    if name in _FIXED:
        return _FIXED[name]
    if edm in _TEXTS:
        return str | None
    return bool | None if edm == "Edm.Boolean" else msgspec.Raw


def _as_text(raw: bytes) -> str | None:
    text = raw.decode()
    if text == "null":
        return None
    if not text.startswith('"'):
        return text
    value = str(msgspec.json.decode(text))
    return None if value == EMPTY_DATE else value


def lowered(texts: list[str]) -> list[str]:
    """The texts in lower case; the argument itself if they are already, as 1C sends them."""
    whole = "".join(texts)
    return texts if whole == whole.lower() else [text.lower() for text in texts]


def as_ref(value: str | None) -> str:
    """A reference in lower case, the zero GUID when it is not one."""
    return value.lower() if value and _GUID.match(value) else ZERO_REF


def decode_count(body: bytes) -> int:
    """The plain number that ``/$count`` answers.

    Raises:
        msgspec.ValidationError: it is something else.
    """
    text = body.decode("utf-8-sig", "replace").strip()
    if not (text.isascii() and text.isdigit()):
        raise msgspec.ValidationError("the count is not a number")
    return int(text)


def decode_ref(body: bytes) -> str:
    """The Ref_Key of a single object, in lower case."""
    return msgspec.json.decode(body, type=_One).ref.lower()

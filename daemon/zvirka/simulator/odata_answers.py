"""Answers as 1C writes them: rows in JSON and Atom, errors in both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any
from xml.sax.saxutils import escape, quoteattr

import msgspec

from zvirka.simulator.configurations import EntityType
from zvirka.simulator.refusals import OdataRefusal
from zvirka.simulator.simulated_catalogue import Object

JSON = "application/json;odata=minimalmetadata;charset=utf-8"
ATOM = "application/atom+xml;type=feed;charset=utf-8"
XML = "application/xml;charset=utf-8"
HTML = "text/html;charset=utf-8"
TEXT = "text/plain;charset=utf-8"

_NAMESPACES = (
    'xmlns="http://www.w3.org/2005/Atom" '
    'xmlns:at="http://purl.org/atompub/tombstones/1.0" '
    'xmlns:d="http://schemas.microsoft.com/ado/2007/08/dataservices" '
    'xmlns:m="http://schemas.microsoft.com/ado/2007/08/dataservices/metadata"'
)


class OdataAnswer(msgspec.Struct):
    """One HTTP answer."""

    body: bytes
    content_type: str
    status: int = 200
    headers: dict[str, str] = {}


def encode_rows(names: Sequence[str], columns: Sequence[list[Any]]) -> bytes:
    """A JSON array of rows with these properties, in that order."""
    row = _row_struct(tuple(names))
    return msgspec.json.encode(list(map(row, *columns)))


@lru_cache(maxsize=256)
def _row_struct(names: tuple[str, ...]) -> type[msgspec.Struct]:
    fields = [(f"f{number}", Any) for number in range(len(names))]
    rename = {f"f{number}": name for number, name in enumerate(names)}
    return msgspec.defstruct("Row", fields, rename=rename, gc=False)


def turned(names: Sequence[str], turn: int) -> list[str]:
    """The names from another starting point: 1C keeps no order of properties between reads."""
    start = (turn % 3) * len(names) // 3
    return [*names[start:], *names[:start]]


def error_answer(refusal: OdataRefusal, *, json: bool) -> OdataAnswer:
    """A refusal in JSON or XML."""
    code = "" if refusal.code is None else str(refusal.code)
    if json:
        message = {"lang": "ru", "value": refusal.text}
        body = msgspec.json.encode({"odata.error": {"code": code, "message": message}})
        return OdataAnswer(body, "application/json;charset=utf-8", refusal.status)
    text = (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<m:error xmlns:m="http://schemas.microsoft.com/ado/2007/08/dataservices/metadata">'
        f'<m:code>{code}</m:code><m:message xml:lang="ru">{escape(refusal.text)}</m:message>'
        "</m:error>"
    )
    return OdataAnswer(text.encode(), XML, refusal.status)


def html(title: str, text: str, status: int) -> OdataAnswer:
    """A page of the web server, not of 1C."""
    page = (
        f'<!DOCTYPE html><html><head><meta charset="utf-8"><title>{title}</title></head>'
        f"<body><h2>{title}</h2><p>{text}</p></body></html>"
    )
    return OdataAnswer(page.encode(), HTML, status)


def feed(base: str, entries: Sequence[str], title: str = "") -> bytes:
    """An Atom feed of these entries."""
    head = f"<feed {_NAMESPACES} xml:base={quoteattr(base)}>"
    named = f'<title type="text">{escape(title)}</title>' if title else ""
    return "".join([head, named, *entries, "</feed>"]).encode()


def entry(base: str, type_: EntityType, held: Object, *, alone: bool = False) -> str:
    """One object as an Atom entry, its tabular sections nested."""
    name = f"{type_.name}({key_text(type_, held.values)})"
    links = "".join(
        f'<link rel="http://schemas.microsoft.com/ado/2007/08/dataservices/related/{target}" '
        f'href="{name}/{target}" type="application/atom+xml;type=entry;charset=utf-8" '
        f'title="{target}"/>'
        for target, _ in type_.navigations
    )
    values = "".join(
        _element(each.name, held.values[each.name])
        for each in type_.properties
        if each.name in held.values
    )
    sections = "".join(
        _collection(f"StandardODATA.{type_.name}_{section}_RowType", section, lines)
        for section, lines in held.sections.items()
    )
    return (
        f"<entry {_NAMESPACES if alone else ''}><id>{escape(base + name)}</id>"
        f'<category term="StandardODATA.{type_.name}" '
        'scheme="http://schemas.microsoft.com/ado/2007/08/dataservices/scheme"/>'
        '<title type="text"/><updated>2026-06-15T09:47:42</updated><author/><summary/>'
        f'{links}<link rel="edit" href="{name}" title="edit-link"/>'
        f'<content type="application/xml"><m:properties>{values}{sections}</m:properties></content>'
        "</entry>"
    )


def tombstone(base: str, set_: str, ref: str) -> str:
    """A physically deleted object in a feed of changes (RFC 6721)."""
    name = escape(f"{base}{set_}(guid'{ref}')")
    return f'<at:deleted-entry ref="{name}" when="2026-06-15T09:47:42"/>'


def key_text(type_: EntityType, values: Mapping[str, Any]) -> str:
    """The key of a row as in an address."""
    if type_.key == ("Ref_Key",):
        return f"guid'{values['Ref_Key']}'"
    return ",".join(f"{name}='{values.get(name, '')}'" for name in type_.key)


def _element(name: str, value: Any) -> str:
    if value is None:
        return f'<d:{name} m:null="true"/>'
    text = str(value).lower() if isinstance(value, bool) else escape(str(value))
    return f"<d:{name}>{text}</d:{name}>" if text else f"<d:{name}/>"


def _collection(row_type: str, name: str, lines: list[dict[str, Any]]) -> str:
    if not lines:
        return f'<d:{name} m:type="Collection({row_type})"/>'
    elements = "".join(
        f'<d:element m:type="{row_type}">'
        + "".join(_element(each, value) for each, value in line.items())
        + "</d:element>"
        for line in lines
    )
    return f'<d:{name} m:type="Collection({row_type})">{elements}</d:{name}>'

"""The query options of one request, read and checked."""

from __future__ import annotations

from urllib.parse import unquote

import msgspec

from zvirka.simulator.filters import Node, parse
from zvirka.simulator.refusals import BAD_OPTION, NOT_SUPPORTED, OdataRefusal
from zvirka.simulator.selection import Order

_KNOWN = {"$select", "$filter", "$orderby", "$top", "$skip", "$inlinecount", "$format", "$count"}


class Options(msgspec.Struct):
    """What a request asks for. ``select`` is ``None`` for everything, sections included."""

    select: list[str] | None = None
    where: Node | None = None
    order: Order = ()
    top: int | None = None
    skip: int = 0
    inline_count: bool = False
    allowed_only: bool = False
    json: bool = False
    detail: str = "minimalmetadata"


def decoded(raw: str) -> dict[str, str]:
    """The parameters of a raw query string. A plus sign stays one: 1C reads it as addition."""
    pairs = (part.partition("=") for part in raw.split("&") if part)
    return {unquote(name): unquote(value) for name, _, value in pairs}


def read(params: dict[str, str], accept: str) -> Options:
    """The options of these parameters and of the Accept header.

    Raises:
        OdataRefusal: an option is unknown or malformed.
    """
    unknown = [name for name in params if name.startswith("$") and name not in _KNOWN]
    if "$expand" in unknown:
        raise OdataRefusal(NOT_SUPPORTED, "Параметр $expand не поддерживается")
    if unknown:
        raise OdataRefusal(BAD_OPTION, f"Неизвестный параметр запроса {unknown[0]}")
    wanted = params.get("$format", accept).lower()
    details = ("nometadata", "minimalmetadata", "fullmetadata")
    select = params.get("$select")
    return Options(
        select=None if select is None else [each.strip() for each in select.split(",")],
        where=parse(params["$filter"]) if params.get("$filter", "").strip() else None,
        order=_order(params.get("$orderby", "")),
        top=_number(params, "$top"),
        skip=_number(params, "$skip") or 0,
        inline_count=_inline_count(params.get("$inlinecount", "none")),
        allowed_only=params.get("allowedOnly", "").lower() == "true",
        json="json" in wanted,
        detail=next((each for each in details if f"odata={each}" in wanted), "minimalmetadata"),
    )


def _order(text: str) -> Order:
    keys = []
    for part in filter(None, (each.strip() for each in text.split(","))):
        name, *direction = part.split()
        if len(direction) > 1 or (direction and direction[0] not in {"asc", "desc"}):
            raise OdataRefusal(BAD_OPTION, f"Ошибка разбора параметра $orderby: {part}")
        keys.append((name, direction == ["desc"]))
    return tuple(keys)


def _number(params: dict[str, str], name: str) -> int | None:
    text = params.get(name)
    if text is None:
        return None
    if not text.isdecimal():
        raise OdataRefusal(BAD_OPTION, f"Неверное значение параметра {name}: {text}")
    return int(text)


def _inline_count(text: str) -> bool:
    if text not in {"none", "allpages"}:
        raise OdataRefusal(BAD_OPTION, f"Неверное значение параметра $inlinecount: {text}")
    return text == "allpages"

"""Evaluating a filter for a row, as 1C does.

Strings compare without case and trailing spaces, references only for equality, strings of
unlimited length not at all; a reference compared with a string compares the wrong thing.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any

from zvirka.simulator.configurations import EntityType, section_type
from zvirka.simulator.filters import Binary, FunctionCall, Lambda, Literal, Name, Node, Not
from zvirka.simulator.refusals import incomparable, segment_not_found

Row = Mapping[str, Any]

_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "eq": operator.eq,
    "ne": operator.ne,
    "gt": operator.gt,
    "ge": operator.ge,
    "lt": operator.lt,
    "le": operator.le,
}
_ARITHMETIC: dict[str, Callable[[Any, Any], Any]] = {
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "div": operator.truediv,
    "mod": operator.mod,
}


def collated(value: str) -> str:
    """A string as the database compares it: without case, without trailing spaces."""
    return value.rstrip(" ").casefold()


def predicate(node: Node, type_: EntityType) -> Callable[[Row], bool]:
    """The filter as a function of a row of that entity type.

    Raises:
        Refusal: an unknown property, or a comparison 1C refuses.
    """
    value = _compile(node, type_)
    return lambda row: value(row) is True


def _compile(node: Node, type_: EntityType) -> Callable[[Row], Any]:
    match node:
        case Literal(_, value):
            return lambda _row: value
        case Name(name):
            return _reader(name, type_)
        case Not(operand):
            inner = _compile(operand, type_)
            return lambda row: inner(row) is False
        case Binary("and" | "or" as joint, left, right):
            one, two = _compile(left, type_), _compile(right, type_)
            if joint == "and":
                return lambda row: one(row) is True and two(row) is True
            return lambda row: one(row) is True or two(row) is True
        case Binary(operator_, left, right) if operator_ in _COMPARE:
            return _comparison(operator_, left, right, type_)
        case Binary(operator_, left, right):
            one, two = _compile(left, type_), _compile(right, type_)
            compute = _ARITHMETIC[operator_]
            return lambda row: compute(one(row), two(row))
        case FunctionCall(function, arguments):
            return _call(function, arguments, type_)
        case Lambda(quantifier, name, condition):
            section = next((each for each in type_.sections if each.name == name), None)
            if section is None:
                raise segment_not_found(name)
            holds = predicate(condition, section_type(type_, section))
            some = any if quantifier == "any" else all
            return lambda row: some(holds(line) for line in row[name])
    raise TypeError(node)


def _reader(name: str, type_: EntityType) -> Callable[[Row], Any]:
    found = type_.find(name)
    if found is None:
        raise segment_not_found(name)
    if found.type in {"Edm.Int64", "Edm.Int32", "Edm.Int16"}:
        return lambda row: None if row[name] is None else int(row[name])
    return lambda row: row[name]


def _comparison(
    operator_: str, left: Node, right: Node, type_: EntityType
) -> Callable[[Row], bool]:
    ordered = operator_ not in {"eq", "ne"}
    types = {_kind(left, type_), _kind(right, type_)}
    if "unlimited" in types or (ordered and "guid" in types):
        raise incomparable()
    one, two = _compile(left, type_), _compile(right, type_)
    if "reference" in types and "string" in types:
        one, two = (_presented(each, type_) for each in (left, right))
    elif types in _INCOMPARABLE or (ordered and types == {"reference"}):
        raise incomparable()
    compare = _COMPARE[operator_]

    def holds(row: Row) -> bool:
        a, b = one(row), two(row)
        if isinstance(a, str) and isinstance(b, str):
            return compare(collated(a), collated(b))
        if a is None or b is None:
            return (a is b) if operator_ == "eq" else (operator_ == "ne" and a is not b)
        return compare(a, b)

    return holds


_INCOMPARABLE = ({"string", "number"}, {"string", "boolean"}, {"number", "boolean"})


def _presented(node: Node, type_: EntityType) -> Callable[[Row], Any]:
    """A reference compared with a string stands for its presentation: the wrong thing."""
    if isinstance(node, Name) and _kind(node, type_) == "reference":
        presentation = type_.presentation
        return lambda row: str(row.get(presentation, ""))
    return _compile(node, type_)


def _kind(node: Node, type_: EntityType) -> str:
    """What sort of value a node gives: guid, reference, unlimited, string, number, boolean."""
    match node:
        case Literal(kind, _):
            return kind
        case Name(name):
            found = type_.find(name)
            if found is None:
                raise segment_not_found(name)
            if found.reference:
                return "reference"
            if found.unlimited:
                return "unlimited"
            return _EDM_KINDS[found.type]
        case FunctionCall("cast", _):
            return "guid"
        case FunctionCall(function, _):
            return (
                "string"
                if function in {"concat", "substring"}
                else (
                    "boolean" if function in {"substringof", "startswith", "endswith"} else "number"
                )
            )
        case Binary(operator_, _, _) if operator_ in _ARITHMETIC:
            return "number"
    return "boolean"


_EDM_KINDS = {
    "Edm.String": "string",
    "Edm.Boolean": "boolean",
    "Edm.DateTime": "datetime",
    "Edm.Int64": "number",
    "Edm.Int32": "number",
    "Edm.Int16": "number",
    "Edm.Double": "number",
}


def _call(function: str, arguments: tuple[Node, ...], type_: EntityType) -> Callable[[Row], Any]:
    values = [_compile(each, type_) for each in arguments]
    if function == "cast":
        return values[0]
    compute = _FUNCTIONS[function]

    def result(row: Row) -> Any:
        given = [each(row) for each in values]
        return None if any(each is None for each in given) else compute(*given)

    return result


def _part(start: int, end: int) -> Callable[[str], int]:
    return lambda moment: int(moment[start:end])


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "substringof": lambda part, whole: part.casefold() in whole.casefold(),
    "startswith": lambda whole, part: whole.casefold().startswith(part.casefold()),
    "endswith": lambda whole, part: whole.casefold().endswith(part.casefold()),
    "concat": lambda one, two: f"{one}{two}",
    "substring": lambda whole, start, length=None: (
        whole[start:] if length is None else whole[start : start + length]
    ),
    "year": _part(0, 4),
    "month": _part(5, 7),
    "day": _part(8, 10),
    "hour": _part(11, 13),
    "minute": _part(14, 16),
    "second": _part(17, 19),
    "round": round,
}

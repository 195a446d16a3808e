"""``$filter`` of OData v3 as 1C takes it: text into a tree, a tree into a predicate.

The tree is data; :func:`text_of` writes it back. :func:`predicate` gives a function of one row,
with 1C's own ways: strings compare without case and trailing spaces, references only for
equality, strings of unlimited length not at all.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from zvirka.simulator.errors import (
    BAD_FUNCTION,
    BAD_OPTION,
    NOT_SUPPORTED,
    Refusal,
    incomparable,
    segment_not_found,
)
from zvirka.simulator.shape import EntityType

Row = Mapping[str, Any]


class Literal(msgspec.Struct, frozen=True):
    """A constant: ``type`` is string, guid, datetime, number, boolean or null."""

    type: str
    value: str | int | float | bool | None


class Name(msgspec.Struct, frozen=True):
    """A property of the row."""

    name: str


class Call(msgspec.Struct, frozen=True):
    """A function of its arguments."""

    function: str
    arguments: tuple[Node, ...]


class Binary(msgspec.Struct, frozen=True):
    """A comparison, ``and``, ``or``, or arithmetic."""

    operator: str
    left: Node
    right: Node


class Not(msgspec.Struct, frozen=True):
    """A negation."""

    operand: Node


Node = Literal | Name | Call | Binary | Not

COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
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
_LEVELS = (("or",), ("and",), tuple(COMPARISONS), ("add", "sub"), ("mul", "div", "mod"))
_UNSUPPORTED = {"length", "indexof", "replace", "tolower", "toupper", "trim", "floor", "ceiling"}
_ARGUMENTS = {
    "substringof": 2,
    "startswith": 2,
    "endswith": 2,
    "concat": 2,
    "substring": 3,
    "year": 1,
    "month": 1,
    "day": 1,
    "hour": 1,
    "minute": 1,
    "second": 1,
    "round": 1,
    "cast": 2,
}

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<guid>guid'(?P<guid_value>[^']*)') |
        (?P<datetime>datetime'(?P<datetime_value>[^']*)') |
        (?P<string>'(?P<string_value>(?:[^']|'')*)') |
        (?P<number>-?\d+(?:\.\d+)?[LlMmDd]?) |
        (?P<name>[^\W\d][\w/@]*) |
        (?P<mark>[(),:+*])
    )""",
    re.VERBOSE,
)
_GUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_DATETIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")


def parse(text: str) -> Node:
    """The tree of a ``$filter``.

    Raises:
        Refusal: the text is no filter, or asks for what 1C does not serve.
    """
    parser = _Parser(_tokens(text))
    tree = parser.level(0)
    parser.expect_end()
    return tree


def text_of(node: Node) -> str:
    """The filter text of a tree, fully parenthesised; :func:`parse` reads it back."""
    match node:
        case Literal("string", value):
            return "'" + str(value).replace("'", "''") + "'"
        case Literal("guid" | "datetime" as type_, value):
            return f"{type_}'{value}'"
        case Literal("boolean", value):
            return "true" if value else "false"
        case Literal("null"):
            return "null"
        case Literal(_, value):
            return str(value)
        case Name(name):
            return name
        case Call(function, arguments):
            return f"{function}({','.join(text_of(each) for each in arguments)})"
        case Not(operand):
            return f"not ({text_of(operand)})"
        case Binary(operator_, left, right):
            return f"({text_of(left)}) {operator_} ({text_of(right)})"
    raise TypeError(node)


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


def names_in(node: Node) -> set[str]:
    """The properties a filter reads."""
    match node:
        case Name(name):
            return {name}
        case Call(_, arguments):
            return set().union(*(names_in(each) for each in arguments))
        case Binary(_, left, right):
            return names_in(left) | names_in(right)
        case Not(operand):
            return names_in(operand)
    return set()


def conjuncts(node: Node | None) -> list[Node]:
    """The parts of a filter that are joined by ``and`` at its top."""
    if node is None:
        return []
    if isinstance(node, Binary) and node.operator == "and":
        return conjuncts(node.left) + conjuncts(node.right)
    return [node]


def refs_named(node: Node | None, name: str = "Ref_Key") -> set[str] | None:
    """The references a filter admits at most, when it names them; otherwise ``None``."""
    match node:
        case Binary("eq", Name(found), Literal("guid", value)) if found == name:
            return {str(value)}
        case Binary("eq", Literal("guid", value), Name(found)) if found == name:
            return {str(value)}
        case Binary("eq", Name(found), Call("cast", (Literal("guid", value), _))) if found == name:
            return {str(value)}
        case Binary("or", left, right):
            one, two = refs_named(left, name), refs_named(right, name)
            return None if one is None or two is None else one | two
        case Binary("and", left, right):
            one, two = refs_named(left, name), refs_named(right, name)
            if one is not None and two is not None:
                return one & two
            return one if one is not None else two
    return None


class _Parser:
    """Recursive descent over the tokens, a level of precedence at a time."""

    def __init__(self, tokens: list[tuple[str, str]]) -> None:
        self.tokens = tokens
        self.place = 0

    def peek(self) -> tuple[str, str]:
        return self.tokens[self.place] if self.place < len(self.tokens) else ("end", "")

    def take(self) -> tuple[str, str]:
        token = self.peek()
        self.place += 1
        return token

    def expect(self, mark: str) -> None:
        if self.take() != ("mark", mark):
            raise _unreadable(f"Ожидается {mark}")

    def expect_end(self) -> None:
        if self.peek()[0] != "end":
            raise _unreadable(self.peek()[1])

    def level(self, depth: int) -> Node:
        if depth == len(_LEVELS):
            return self.unary()
        left = self.level(depth + 1)
        while self.peek()[0] == "name" and self.peek()[1] in _LEVELS[depth]:
            left = Binary(self.take()[1], left, self.level(depth + 1))
        return left

    def unary(self) -> Node:
        kind, text = self.take()
        if (kind, text) == ("mark", "("):
            inner = self.level(0)
            self.expect(")")
            return inner
        if (kind, text) == ("name", "not"):
            return Not(self.unary())
        if kind == "name":
            if self.peek() == ("mark", "("):
                return self.call(text)
            return _NAMED.get(text) or Name(text)
        if kind in {"string", "guid", "datetime", "number"}:
            return _literal(kind, text)
        raise _unreadable(text)

    def call(self, function: str) -> Node:
        if function in _UNSUPPORTED:
            raise Refusal(NOT_SUPPORTED, f"Функция {function} не поддерживается", status=501)
        if function.endswith(("/any", "/all")):
            raise Refusal(NOT_SUPPORTED, f"Лямбда-выражение {function} не поддерживается")
        if function not in _ARGUMENTS:
            raise Refusal(BAD_FUNCTION, f"Функция {function} не найдена")
        self.expect("(")
        arguments = [self.level(0)]
        while self.peek() == ("mark", ","):
            self.take()
            arguments.append(self.level(0))
        self.expect(")")
        if len(arguments) != _ARGUMENTS[function] and function != "substring":
            raise Refusal(BAD_FUNCTION, f"Неверное количество параметров функции {function}")
        return Call(function, tuple(arguments))


_NAMED: dict[str, Node] = {
    "true": Literal("boolean", True),
    "false": Literal("boolean", False),
    "null": Literal("null", None),
}


def _tokens(text: str) -> list[tuple[str, str]]:
    tokens: list[tuple[str, str]] = []
    place, end = 0, len(text.rstrip())
    while place < end:
        match = _TOKEN.match(text, place)
        if match is None:
            raise _unreadable(text[place : place + 20])
        place = match.end()
        kind = str(match.lastgroup).removesuffix("_value")
        value = match.group(f"{kind}_value") if kind in _QUOTED else match.group(kind)
        if (kind, value) in {("mark", "+"), ("mark", "*")}:
            raise Refusal(None, "Неверные параметры в операции сложения. Операция: '+'", 500)
        tokens.append((kind, value))
    return tokens


_QUOTED = {"guid", "datetime", "string"}


def _literal(kind: str, text: str) -> Literal:
    if kind == "string":
        return Literal("string", text.replace("''", "'"))
    if kind == "guid":
        if not _GUID.fullmatch(text):
            raise _unreadable(f"guid'{text}'")
        return Literal("guid", text.lower())
    if kind == "datetime":
        if not _DATETIME.fullmatch(text):
            raise _unreadable(f"datetime'{text}'")
        return Literal("datetime", text)
    number = text.rstrip("LlMmDd")
    return Literal("number", float(number) if "." in number else int(number))


def _unreadable(what: str) -> Refusal:
    return Refusal(BAD_OPTION, f"Ошибка разбора параметра $filter: {what}")


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
        case Binary(operator_, left, right) if operator_ in COMPARISONS:
            return _comparison(operator_, left, right, type_)
        case Binary(operator_, left, right):
            one, two = _compile(left, type_), _compile(right, type_)
            compute = _ARITHMETIC[operator_]
            return lambda row: compute(one(row), two(row))
        case Call(function, arguments):
            return _call(function, arguments, type_)
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
    compare = COMPARISONS[operator_]

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
        case Call("cast", _):
            return "guid"
        case Call(function, _):
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

"""``$filter`` of OData v3 as 1C accepts it: parsing, and questions about the parsed tree.

The tree is data; :func:`text_of` writes it back. What it holds of a row is said in
:mod:`zvirka.simulator.predicates`.
"""

from __future__ import annotations

import re

import msgspec

from zvirka.simulator.refusals import BAD_FUNCTION, BAD_OPTION, NOT_SUPPORTED, OdataRefusal


class Literal(msgspec.Struct, frozen=True):
    """A constant: ``type`` is string, guid, datetime, number, boolean or null."""

    type: str
    value: str | int | float | bool | None


class Name(msgspec.Struct, frozen=True):
    """A property of the row."""

    name: str


class FunctionCall(msgspec.Struct, frozen=True):
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


class Lambda(msgspec.Struct, frozen=True):
    """``any`` or ``all`` lines of a tabular section: names in ``condition`` are the line's."""

    quantifier: str
    section: str
    condition: Node


Node = Literal | Name | FunctionCall | Binary | Not | Lambda

COMPARISONS = ("eq", "ne", "gt", "ge", "lt", "le")
_LEVELS = (("or",), ("and",), COMPARISONS, ("add", "sub"), ("mul", "div", "mod"))
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
        OdataRefusal: the text is no filter, or asks for what 1C does not serve.
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
        case FunctionCall(function, arguments):
            return f"{function}({','.join(text_of(each) for each in arguments)})"
        case Not(operand):
            return f"not ({text_of(operand)})"
        case Lambda(quantifier, section, condition):
            return f"{section}/{quantifier}(line: {_prefixed(condition)})"
        case Binary(operator_, left, right):
            return f"({text_of(left)}) {operator_} ({text_of(right)})"
    raise TypeError(node)


def names_in(node: Node) -> set[str]:
    """The properties a filter reads."""
    match node:
        case Name(name):
            return {name}
        case FunctionCall(_, arguments):
            return set().union(*(names_in(each) for each in arguments))
        case Binary(_, left, right):
            return names_in(left) | names_in(right)
        case Not(operand):
            return names_in(operand)
        case Lambda(_, section, _):
            return {section}
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
        case Binary("eq", Name(found), FunctionCall("cast", (Literal("guid", value), _))) if (
            found == name
        ):
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
            raise OdataRefusal(NOT_SUPPORTED, f"Функция {function} не поддерживается", status=501)
        if function.endswith(("/any", "/all")):
            return self.quantified(*function.rsplit("/", 1))
        if function not in _ARGUMENTS:
            raise OdataRefusal(BAD_FUNCTION, f"Функция {function} не найдена")
        self.expect("(")
        arguments = [self.level(0)]
        while self.peek() == ("mark", ","):
            self.take()
            arguments.append(self.level(0))
        self.expect(")")
        if len(arguments) != _ARGUMENTS[function] and function != "substring":
            raise OdataRefusal(BAD_FUNCTION, f"Неверное количество параметров функции {function}")
        return FunctionCall(function, tuple(arguments))

    def quantified(self, section: str, quantifier: str) -> Node:
        self.expect("(")
        variable = self.take()[1]
        self.expect(":")
        condition = self.level(0)
        self.expect(")")
        return Lambda(quantifier, section, _renamed(condition, f"{variable}/", ""))


def _renamed(node: Node, before: str, after: str) -> Node:
    """The tree with one prefix of its names put in place of another."""
    match node:
        case Name(name):
            if not name.startswith(before):
                raise _unreadable(name)
            return Name(after + name.removeprefix(before))
        case FunctionCall(function, arguments):
            return FunctionCall(
                function, tuple(_renamed(each, before, after) for each in arguments)
            )
        case Binary(operator, left, right):
            return Binary(operator, _renamed(left, before, after), _renamed(right, before, after))
        case Not(operand):
            return Not(_renamed(operand, before, after))
        case Lambda():
            raise _unreadable("any, all")
    return node


def _prefixed(condition: Node) -> str:
    return text_of(_renamed(condition, "", "line/"))


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
            raise OdataRefusal(None, "Неверные параметры в операции сложения. Операция: '+'", 500)
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


def _unreadable(what: str) -> OdataRefusal:
    return OdataRefusal(BAD_OPTION, f"Ошибка разбора параметра $filter: {what}")

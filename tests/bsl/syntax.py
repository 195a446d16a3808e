"""Syntax trees of the language of 1C: parsing and the few questions the checks ask of a tree."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import tree_sitter_bsl
from tree_sitter import Node, Parser

_PARSER = Parser(tree_sitter_bsl.Language())
ROUTINES = ("procedure_definition", "function_definition")


def parse(source: str) -> Node:
    return _PARSER.parse(source.lstrip("\ufeff").encode()).root_node


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8-sig")


def listed(words: str) -> frozenset[str]:
    """The words of a text, as a set."""
    return frozenset(words.split())


def lowered(words: str) -> frozenset[str]:
    """The words of a text as the language compares them: without case."""
    return listed(words.casefold())


def text(node: Node) -> str:
    assert node.text is not None
    return node.text.decode()


def name_of(node: Node) -> str:
    """The name field of a routine, a parameter or a call."""
    named = node.child_by_field_name("name")
    assert named is not None
    return text(named)


def walk(node: Node, *, into_routines: bool = True) -> Iterator[Node]:
    left = [node]
    while left:
        found = left.pop()
        yield found
        children = found.children
        if not into_routines:
            children = [child for child in children if child.type not in ROUTINES]
        left.extend(reversed(children))


def errors(root: Node) -> list[str]:
    if not root.has_error:
        return []
    return [
        f"{node.start_point.row + 1}: {text(node)[:40]!r}"
        for node in walk(root)
        if node.is_error or node.is_missing
    ]


def routines(root: Node) -> dict[str, Node]:
    return {name_of(node): node for node in walk(root) if node.type in ROUTINES}


def string_value(node: Node) -> str:
    """The value of a string literal, continuation lines and doubled quotes resolved."""
    return literal_value(text(node))


def literal_value(written: str) -> str:
    """The value of a string literal as written."""
    if "|" not in written and '""' not in written[1:-1]:
        return written[1:-1]
    return re.sub(r"\r?\n[ \t]*\|", "\n", written[1:-1]).replace('""', '"')


def arguments_of(call: Node) -> list[Node | None]:
    """The arguments of a call or of Новый in order, ``None`` for one left out."""
    listed = call.child_by_field_name("arguments")
    if listed is None:
        return []
    found: list[Node | None] = []
    current: Node | None = None
    empty = True
    for child in listed.children[1:-1]:
        if child.type == ",":
            found.append(current)
            current, empty = None, False
        elif child.type != "line_comment":
            current, empty = child, False
    return found if empty else [*found, current]

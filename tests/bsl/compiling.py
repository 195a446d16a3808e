"""Compiles a module: what the grammar or the platform refuses does not get past here."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from tree_sitter import Node

from tests.bsl.refusals import refused
from tests.bsl.syntax import ROUTINES, errors, name_of, parse, text

DEFINED = frozenset({"сервер"})
"""What the preprocessor finds true: the modules run on a server."""


class Step:
    """A node of the syntax tree, held in Python: the interpreter visits it many times.

    An expression around a single node is left out.
    """

    __slots__ = ("children", "fields", "type", "word")

    def __init__(self, node: Node) -> None:
        self.type, self.word = node.type, text(node)
        self.children: list[Step] = []
        self.fields: dict[str, list[Step]] = {}
        for position, child in enumerate(node.children):
            step = _step(child)
            self.children.append(step)
            if name := node.field_name_for_child(position):
                self.fields.setdefault(name, []).append(step)

    @property
    def child_count(self) -> int:
        return len(self.children)

    def field(self, name: str) -> Step | None:
        found = self.fields.get(name)
        return found[0] if found else None

    @property
    def name(self) -> str:
        return self.fields["name"][0].word

    @property
    def arguments(self) -> list[Step | None]:
        """The arguments of a call or of Новый in order, ``None`` for one left out."""
        listed = self.field("arguments")
        if listed is None:
            return []
        found: list[Step | None] = [None]
        for child in listed.children[1:-1]:
            if child.type == ",":
                found.append(None)
            elif child.type != "line_comment":
                found[-1] = child
        return [] if found == [None] else found


def _step(node: Node) -> Step:
    while node.type == "expression" and node.child_count == 1:
        node = node.children[0]
    return Step(node)


@dataclass(frozen=True)
class Compiled:
    """A module as the platform keeps it: what objects of it share."""

    routines: dict[str, Step]
    variables: tuple[str, ...]
    body: tuple[Step, ...]


@cache
def compile_module(source: str) -> Compiled:
    """Compile the source.

    Raises:
        SyntaxError: the grammar or the platform refuses it.
    """
    root = parse(source)
    if found := errors(root) or refused(root):
        raise SyntaxError(found[0])
    routines: dict[str, Step] = {}
    variables: list[str] = []
    body: list[Step] = []
    for node in _compiled(root):
        if node.type in ROUTINES:
            routines[name_of(node).casefold()] = Step(node)
        elif node.type == "var_definition":
            named = node.children_by_field_name("var_name")
            variables += [text(child).casefold() for child in named]
        else:
            body.append(_step(node))
    return Compiled(routines, tuple(variables), tuple(body))


def _compiled(root: Node) -> list[Node]:
    """The top-level nodes the preprocessor leaves, in order."""
    kept: list[Node] = []
    active = [True]
    for node in root.children:
        if node.type != "preprocessor":
            if all(active):
                kept.append(node)
            continue
        directive = text(node).split()[0].casefold()
        if directive == "#если":
            words = {word.casefold() for word in text(node).split()}
            active.append(bool(words & DEFINED))
        elif directive == "#иначе":
            active[-1] = not active[-1]
        elif directive == "#конецесли":
            active.pop()
    return kept

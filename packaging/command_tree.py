"""The commands of ``zvirka`` as data: what the man page and the reference say."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from typer.main import get_command

from zvirka.cli.app import app
from zvirka.cli.help import paragraphs, parameter_row
from zvirka.cli.invocation import Invocation
from zvirka.cli.options import Group

COMMON = ("config", "lang", "json", "log_level", "verbose", "help")
"""Parameters that every command takes."""


@dataclass(frozen=True)
class Parameter:
    """An option or an argument: as help writes it, and what it is for."""

    written: str
    text: str


@dataclass(frozen=True)
class Command:
    """One command: its words, its help in paragraphs, its parameters, its examples."""

    name: str
    summary: str
    paragraphs: tuple[str, ...]
    parameters: tuple[Parameter, ...]
    examples: tuple[str, ...]
    raw: Any


def commands() -> Iterator[Command]:
    """Yield every command that can be run, in the order of ``zvirka --help``."""
    yield from _below(get_command(app), "")


def common_parameters() -> tuple[Parameter, ...]:
    """Return the options that every command takes."""
    return tuple(_parameters(get_command(app), "zvirka", common=True))


def _below(group: Any, above: str) -> Iterator[Command]:
    for word, found in group.commands.items():
        name = f"{above} {word}".strip()
        if isinstance(found, Group):
            yield from _below(found, name)
        else:
            yield _command(name, found)


def _command(name: str, found: Any) -> Command:
    texts = tuple(paragraphs(found.help))
    _, *examples = next(paragraphs(found.epilog)).splitlines()
    return Command(
        name,
        texts[0],
        texts,
        tuple(_parameters(found, name, common=False)),
        tuple(line.strip() for line in examples),
        found,
    )


def _parameters(found: Any, name: str, *, common: bool) -> Iterator[Parameter]:
    context = found.make_context(name, [], obj=Invocation({}), resilient_parsing=True)
    for parameter in found.get_params(context):
        if (parameter.name in COMMON) != common:
            continue
        row = parameter_row(parameter, context, str)
        if row is not None:
            yield Parameter(*row)

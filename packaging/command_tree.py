"""The commands of ``zvirka`` as data: what the man page, the completion and the reference say."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from typer.main import get_command

from zvirka.cli.app import app
from zvirka.cli.invocation import Invocation
from zvirka.cli.options import Group

COMMON = ("config", "lang", "json", "log_level", "verbose", "help")
"""Parameters that every command takes."""

_TYPES = {"<int range>": "N", "<int>": "N", "<str>": "TEXT", "<path>": "PATH"}


@dataclass(frozen=True)
class Parameter:
    """An option or an argument: as help writes it, what it is for, its spellings with dashes."""

    written: str
    text: str
    dashed: tuple[str, ...]


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
    paragraphs = [" ".join(part.split()) for part in found.help.split("\n\n")]
    _, _, shown = (found.epilog or "").partition("Examples:\n")
    return Command(
        name,
        paragraphs[0],
        tuple(paragraphs),
        tuple(_parameters(found, name, common=False)),
        tuple(line.strip() for line in shown.splitlines() if line.strip()),
        found,
    )


def _parameters(found: Any, name: str, *, common: bool) -> Iterator[Parameter]:
    context = found.make_context(name, [], obj=Invocation({}), resilient_parsing=True)
    for parameter in found.get_params(context):
        if (parameter.name in COMMON) != common:
            continue
        record = parameter.get_help_record(context)
        if record is None:
            continue
        written, text = record
        for shown, plain in _TYPES.items():
            written = written.replace(shown, plain)
        dashed = (*parameter.opts, *parameter.secondary_opts) if written.startswith("-") else ()
        yield Parameter(written, " ".join(text.split()), tuple(dashed))

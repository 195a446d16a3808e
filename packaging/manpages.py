"""Writes the man pages zvirka(1) and zvirka.toml(5), and the completion for bash.

Usage: manpages.py DIRECTORY
"""

from __future__ import annotations

import gzip
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from command_tree import Command, Parameter, commands, common_parameters
from project import version

from zvirka.cli.completion import script
from zvirka.errors import ExitCode
from zvirka.package_files import shipped

CODES = {
    ExitCode.IN_SYNC: "in sync, or all corrected and verified",
    ExitCode.DIFFERENCES: "differences remain",
    ExitCode.FAILED: "the run failed",
    ExitCode.HELD: "held for approval",
    ExitCode.USAGE: "usage or configuration",
}


def main(directory: Path) -> None:
    """Write ``man1/zvirka.1.gz``, ``man5/zvirka.toml.5.gz`` and ``zvirka.bash``."""
    found = list(commands())
    _write(directory / "man1/zvirka.1.gz", "\n".join(_commands_page(found)))
    example = shipped("config").joinpath("zvirka.example.toml").read_text("utf-8")
    _write(directory / "man5/zvirka.toml.5.gz", "\n".join(_settings_page(example)))
    (directory / "zvirka.bash").write_text(f"{script('bash')}\n", "utf-8")


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress((text + "\n").encode(), mtime=0))


def _head(title: str, section: int, name: str, purpose: str) -> list[str]:
    return [
        f'.TH {title} {section} "" "zvirka {version()}"',
        ".nh",
        ".SH NAME",
        rf"{name} \- {purpose}",
    ]


def _commands_page(found: Iterable[Command]) -> Iterator[str]:
    yield from _head("ZVIRKA", 1, "zvirka", "keeps an ERP true to 1C")
    yield from (".SH SYNOPSIS", ".B zvirka", r"\fICOMMAND\fR [\fIOPTIONS\fR]", ".SH OPTIONS")
    for parameter in common_parameters():
        yield from _described(parameter)
    yield ".SH COMMANDS"
    for command in found:
        yield f".SS zvirka {_plain(command.name)}"
        for paragraph in command.paragraphs:
            yield from (".PP", _plain(paragraph))
        for parameter in command.parameters:
            yield from _described(parameter)
        yield from (".PP", "Examples:", ".nf", *map(_plain, command.examples), ".fi")
    yield ".SH EXIT STATUS"
    for code, text in CODES.items():
        yield from (".TP", f".B {int(code)}", text)
    yield from (".SH FILES", "/etc/zvirka/zvirka.toml, /var/lib/zvirka, /etc/credstore/zvirka.*")
    yield from (".SH SEE ALSO", r".BR zvirka.toml (5)")


def _described(parameter: Parameter) -> Iterator[str]:
    yield from (".TP", f".B {_plain(parameter.written)}", _plain(parameter.text))


def _settings_page(example: str) -> Iterator[str]:
    yield from _head("ZVIRKA.TOML", 5, "zvirka.toml", "the settings of zvirka")
    yield from (".SH DESCRIPTION", "Every key, with its default value or an example:", ".nf")
    yield from map(_plain, example.splitlines())
    yield from (".fi", ".SH SEE ALSO", r".BR zvirka (1)")


def _plain(text: str) -> str:
    """Return a line that roff prints as it is."""
    escaped = text.replace("\\", r"\e").replace("-", r"\-")
    return re.sub(r"^(?=[.'])", r"\\&", escaped)


if __name__ == "__main__":
    main(Path(sys.argv[1]))

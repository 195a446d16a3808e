"""Every command explains itself by example, and is documented."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from typer import TyperException
from typer.main import get_command

from tests.unit.cli.lines import run
from zvirka.cli.app import app
from zvirka.cli.help import paragraphs
from zvirka.cli.invocation import Common, Invocation

REFERENCE = Path(__file__).parents[3] / "docs/reference/commands.md"


def commands(group: Any, above: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    for name, found in group.commands.items():
        if getattr(found, "commands", None):
            yield from commands(found, (*above, name))
        else:
            yield " ".join((*above, name)), found


ALL = dict(commands(get_command(app)))
WANTED = {
    "check", "plan", "reconcile", "resync", "runs", "show", "approve", "reject", "undo", "report",
    "suppress",
    "explain",
    "audit verify", "audit rotate-key", "audit anchor", "audit history", "audit export", "prune",
    "config show", "config check",
    "demo", "simulate", "serve", "daemon", "bsl render", "systemd install", "alert",
    "web hash-password", "feed", "flows", "init", "worker", "fleet status",
    "systemd uninstall", "upgrade", "backup", "restore",
    "simulated list", "simulated create", "simulated edit", "simulated delete",
}  # fmt: skip


def examples(found: Any) -> list[str]:
    _, *lines = next(paragraphs(found.epilog)).splitlines()
    return [line.strip() for line in lines]


def test_the_commands_are_those_that_are_promised() -> None:
    assert set(ALL) == WANTED


@pytest.mark.long
@pytest.mark.parametrize("name", sorted(ALL))
def test_command_has_help_with_an_example_that_can_be_typed(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*name.split(), "--help", "--lang", "uk") == 0
    shown = capsys.readouterr().out
    assert "Приклади:" in shown
    of_this_command = 0
    for example in examples(ALL[name]):
        words = [word for word in shlex.split(example) if "=" not in word or word[0] == "-"]
        words = words[1:] if words[0] == "sudo" else words
        assert words.pop(0) == "zvirka", example
        path = next(other for other in ALL if words[: len(other.split())] == other.split())
        given = words[len(path.split()) :]
        given = given[: given.index("<")] if "<" in given else given
        # Parsed by the command itself: an unknown option or a missing argument raises.
        ALL[path].make_context(path, given, obj=Invocation({}))
        of_this_command += path == name
    assert of_this_command


@pytest.mark.parametrize("name", sorted(ALL))
def test_every_option_of_a_command_is_explained(name: str) -> None:
    context = ALL[name].make_context(name, [], obj=Invocation({}), resilient_parsing=True)
    for parameter in ALL[name].get_params(context):
        if parameter.name != "help":
            assert getattr(parameter, "help", None), f"{name}: {parameter.name}"


@pytest.mark.parametrize("name", sorted(ALL))
def test_command_is_documented(name: str) -> None:
    assert f"## zvirka {name}\n" in REFERENCE.read_text(encoding="utf-8")


@pytest.mark.long
@pytest.mark.parametrize("line", ["--help", "reconcile --help", "audit verify --help"])
def test_help_starts_without_the_heavy_libraries(line: str) -> None:
    program = (
        "import sys; from zvirka.cli import main; main(sys.argv[1:]);"
        "print(*{'sqlalchemy', 'duckdb', 'numpy', 'requests', 'loguru', 'rich'} & {*sys.modules},"
        "file=sys.stderr)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program, *line.split()], capture_output=True, text=True, check=True
    )
    assert "--json" in ended.stdout
    assert ended.stderr.strip() == ""


@pytest.mark.parametrize("name", sorted(ALL))
def test_common_options_are_taken_by_every_command(name: str) -> None:
    call = Invocation({})
    given = ["--config", "x.toml", "--lang", "en", "--json", "--log-level", "ERROR"]
    with suppress(TyperException):  # required arguments are missing; they are read afterwards
        ALL[name].make_context(name, given, obj=call)
    assert call.common == Common(Path("x.toml"), "en", True, "ERROR")


def test_options_of_every_command_stand_before_or_after_its_name(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for line in (["--config", "/none.toml", "--lang", "en", "config", "check"],
                 ["config", "check", "--config", "/none.toml", "--lang", "en"]):  # fmt: skip
        assert run(*line) == 64
        shown = capsys.readouterr().err
        assert "/none.toml" in shown
        assert shown.startswith("Error: ")


@pytest.mark.long
@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ("zvirka re", {"reconcile", "resync", "reject", "report", "restore"}),
        ("zvirka audit ver", {"verify"}),
        ("zvirka runs --he", {"--held", "--help"}),
        ("zvirka report 1 --format cs", {"csv"}),
        ("zvirka --lang ", {"uk", "en"}),
    ],
)
def test_a_shell_completes_commands_options_and_choices(
    words: str, wanted: set[str], tmp_path: Path
) -> None:
    """As bash does it: by the function that --show-completion prints."""
    program = tmp_path / "zvirka"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m zvirka.cli "$@"\n')
    program.chmod(0o755)
    script = f"""
        eval "$({program} --show-completion bash)"
        COMP_WORDS=({words}{" ''" if words[-1] == " " else ""})
        COMP_CWORD=$(( ${{#COMP_WORDS[@]}} - 1 ))
        _zvirka_completion {program}
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    ended = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    assert set(ended.stdout.split()) == wanted, ended.stderr

"""Completion of commands, options and choices in bash, zsh and fish: typer's own."""

from __future__ import annotations

from typing import Any, Literal

import typer

from zvirka.cli.invocation import Invocation

COMPLETE = "_ZVIRKA_COMPLETE"
"""The variable by which a shell asks what completes a word."""

Shell = Literal["bash", "zsh", "fish"]


def complete(command: Any, call: Invocation, instruction: str) -> int:
    """Answer a shell that asks what completes a word."""
    from typer._completion_classes import completion_init
    from typer.completion import shell_complete

    completion_init()
    return shell_complete(command, {"obj": call}, "zvirka", COMPLETE, instruction)


def script(shell: Shell) -> str:
    """Return what makes a shell ask."""
    from typer._completion_shared import get_completion_script

    return get_completion_script(prog_name="zvirka", complete_var=COMPLETE, shell=shell)


def show(context: typer.Context, shell: Shell | None) -> None:
    """Print the script for a shell and end."""
    if shell and not context.resilient_parsing:
        call: Invocation = context.obj
        call.print(script(shell))
        raise typer.Exit

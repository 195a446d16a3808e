"""How a command is declared: its options, those of every command, its examples, its exit code."""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Concatenate, Literal, ParamSpec, get_type_hints

import typer

from zvirka.cli.invocation import Common, Invocation

Given = ParamSpec("Given")

ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        help="The settings file; otherwise $ZVIRKA_CONFIG, ./zvirka.toml, /etc/zvirka.",
    ),
]
LangOption = Annotated[
    Literal["uk", "en"] | None, typer.Option("--lang", help="Language of results and reports.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Results as JSON on standard output.")]
LogLevelOption = Annotated[
    Literal["DEBUG", "INFO", "WARNING", "ERROR"] | None,
    typer.Option("--log-level", help="How much the log on standard error tells."),
]
_COMMON: dict[str, Any] = {
    "config": ConfigOption,
    "lang": LangOption,
    "json": JsonOption,
    "log_level": LogLevelOption,
}

ReasonOption = Annotated[
    str, typer.Option("--reason", metavar="TEXT", help="Why; goes to the journal and the report.")
]
RunArgument = Annotated[int, typer.Argument(metavar="RUN", min=1, help="The number of the run.")]


@dataclass
class Line:
    """One command line while it is read: options before the command's name, then the call."""

    common: Common = field(default_factory=Common)
    call: Invocation | None = None


def new_group(help_text: str) -> typer.Typer:
    """Return an empty group of commands."""
    return typer.Typer(
        help=help_text,
        no_args_is_help=True,
        add_completion=False,
        # A traceback with local values would print what must never be printed.
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
    )


def command(
    group: typer.Typer, name: str, *, examples: str
) -> Callable[
    [Callable[Concatenate[Invocation, Given], int | None]],
    Callable[Concatenate[Invocation, Given], int | None],
]:
    """Declare a command: a function of an :class:`Invocation` and its options; gives the exit code.

    The options of every command (``--config``, ``--lang``, ``--json``, ``--log-level``) are added
    to its own. ``examples`` are shown in its help as they stand.
    """

    def register(
        function: Callable[Concatenate[Invocation, Given], int | None],
    ) -> Callable[Concatenate[Invocation, Given], int | None]:
        hints = get_type_hints(function, include_extras=True)
        own = list(inspect.signature(function).parameters.values())[1:]

        @functools.wraps(function)
        def run(context: typer.Context, **given: Any) -> None:
            common = Common(**{option: given.pop(option) for option in _COMMON})
            line: Line = context.obj
            line.call = call = Invocation(common.over(line.common), os.environ)
            code = function(call, **given)  # type: ignore[call-arg]
            if code:
                raise typer.Exit(int(code))

        parameters = [
            inspect.Parameter("context", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)
        ]
        parameters += [
            parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY, annotation=hints[parameter.name])
            for parameter in own
        ]
        parameters += [
            inspect.Parameter(
                option,
                inspect.Parameter.KEYWORD_ONLY,
                annotation=annotation,
                default=False if option == "json" else None,
            )
            for option, annotation in _COMMON.items()
        ]
        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        text = inspect.cleandoc(function.__doc__ or "")
        shown = "\n".join(f"  {line}" for line in inspect.cleandoc(examples).splitlines())
        group.command(
            name,
            help=f"{text}\n\n\b\nExamples:\n{shown}",
            short_help=text.partition("\n\n")[0].replace("\n", " ").rstrip("."),
        )(run)
        return function

    return register

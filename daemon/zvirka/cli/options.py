"""What all commands share: the common options, help with examples, repeated annotations."""

from __future__ import annotations

import inspect
import os
from contextlib import suppress
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from zvirka.cli.help import summary, write_help
from zvirka.cli.invocation import Invocation
from zvirka.errors import UsageError, ZvirkaError
from zvirka.message import Message, coded


def require_reason(context: typer.Context, reason: str) -> str:
    """Return the reason of a person.

    Raises:
        UsageError: it is blank.
    """
    if not context.resilient_parsing and not reason.strip():
        raise UsageError(
            coded("ZV3501", "a reason is missing"),
            place=context.command_path,
            remedy=Message("say why with --reason; it goes to the journal"),
        )
    return reason


ReasonOption = Annotated[
    str,
    typer.Option(
        "--reason",
        metavar="TEXT",
        callback=require_reason,
        help="Why; kept in the journal and the report.",
    ),
]
CodesOption = Annotated[
    list[str] | None,
    typer.Option("--code", metavar="CODE", help="Код of a counterparty; repeatable."),
]
RefsOption = Annotated[
    list[str] | None,
    typer.Option("--ref", metavar="REF", help="Ref_Key of a counterparty; repeatable."),
]
LARGEST_INTEGER = 2**31 - 1
"""The largest integer that the journal takes in every database."""
RunArgument = Annotated[
    int, typer.Argument(metavar="RUN", min=1, max=LARGEST_INTEGER, help="The number of the run.")
]
WaitOption = Annotated[
    float | None,
    typer.Option(
        "--wait",
        metavar="SECONDS",
        min=0,
        help="How long to wait for another run to end; by default the command does not wait.",
    ),
]


def _keep(context: typer.Context, parameter: typer.CallbackParam, value: Any) -> None:
    """Store a common option; one given after the command's name replaces one given before it."""
    call: Invocation = context.obj
    if value:
        setattr(call.common, str(parameter.name), value)


def _keep_verbose(context: typer.Context, value: bool) -> None:
    call: Invocation = context.obj
    if value and call.common.log_level is None:
        call.common.log_level = "INFO"


def _keep_flows(context: typer.Context, value: list[str]) -> None:
    call: Invocation = context.obj
    if value:
        call.common.flows = tuple(dict.fromkeys(value))


def _complete_flow(incomplete: str) -> list[str]:
    """Return the flows of the settings in their usual place that begin like that."""
    from zvirka.settings.loading import flow_names

    try:
        names = flow_names(None, os.environ)
    except ZvirkaError:
        return []
    return [name for name in names if name.startswith(incomplete)]


def _common(
    config: Annotated[
        Path | None,
        typer.Option(
            "--config",
            metavar="FILE",
            callback=_keep,
            expose_value=False,
            help="The settings file; otherwise $ZVIRKA_CONFIG, ./zvirka.toml, /etc/zvirka.",
        ),
    ] = None,
    lang: Annotated[
        Literal["uk", "en"] | None,
        typer.Option(
            "--lang", callback=_keep, expose_value=False, help="Language of results and reports."
        ),
    ] = None,
    json: Annotated[
        bool,
        typer.Option(
            "--json", callback=_keep, expose_value=False, help="Results as JSON on standard output."
        ),
    ] = False,
    log_level: Annotated[
        Literal["DEBUG", "INFO", "WARNING", "ERROR"] | None,
        typer.Option(
            "--log-level",
            callback=_keep,
            expose_value=False,
            help="Level of the log on standard error.",
        ),
    ] = None,
    verbose: Annotated[
        bool,
        typer.Option(
            "--verbose",
            "-v",
            callback=_keep_verbose,
            expose_value=False,
            help="Say what happens; the same as --log-level INFO.",
        ),
    ] = False,
) -> None:
    """Declare the common options; never called."""


def _flow_options(
    flow: Annotated[
        list[str] | None,
        typer.Option(
            "--flow",
            metavar="NAME",
            callback=_keep_flows,
            expose_value=False,
            autocompletion=_complete_flow,
            help="The flow; may be given several times. By default the one in zvirka.toml.",
        ),
    ] = None,
    all_flows: Annotated[
        bool,
        typer.Option(
            "--all-flows", callback=_keep, expose_value=False, help="Every flow, one by one."
        ),
    ] = False,
) -> None:
    """Declare the options of commands that act on flows; never called."""


_declaring = typer.Typer(add_completion=False)
_declaring.command()(_common)
_COMMON = get_command(_declaring).params
_declaring_flows = typer.Typer(add_completion=False)
_declaring_flows.command()(_flow_options)
_FLOW_OPTIONS = get_command(_declaring_flows).params


class CliCommand(TyperCommand):
    """A command that takes the common options and configures logging before it runs."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help in the language of the call."""
        write_help(self, ctx, formatter)

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the command's own parameters, the common options, and ``--help``."""
        *own, help_option = super().get_params(ctx)
        return [*own, *_COMMON, help_option]

    def invoke(self, ctx: Any) -> Any:
        """Run the command; until the settings are read, the log shows warnings only."""
        call: Invocation = ctx.obj
        call.configure_logs()
        _require_unicode(ctx)
        return super().invoke(ctx)


def _require_unicode(ctx: Any) -> None:
    """Make sure that what was typed, names of files aside, is text.

    Raises:
        UsageError: a value holds bytes that are not UTF-8.
    """
    for parameter in ctx.command.get_params(ctx):
        value = ctx.params.get(parameter.name)
        texts = value if isinstance(value, list | tuple) else [value]
        if any(isinstance(one, str) and not _is_unicode(one) for one in texts):
            name = max(parameter.opts, key=len)
            raise UsageError(
                coded("ZV3503", "the value of {name} is not valid UTF-8", name=name),
                place=str(ctx.command_path),
                remedy=Message("type it in a terminal whose encoding is UTF-8"),
            )


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


_OF_ONE_FLOW = frozenset({"run", "out", "target", "source"})
"""Parameters that several flows cannot share: the number of a run, and a file.

A target that is a directory can be shared: each flow writes a file of its own into it.
"""


def is_directory(path: Path) -> bool:
    """Whether there is such a directory; none has a name that is too long."""
    with suppress(OSError):
        return path.is_dir()
    return False


def _require_many(ctx: Any) -> None:
    """Make sure that a command line can be meant for several flows.

    Raises:
        UsageError: it names a run, which is another one in each flow, or one file for all.
    """
    given = {name for name in _OF_ONE_FLOW if ctx.params.get(name) is not None}
    if "target" in given and is_directory(Path(ctx.params["target"])):
        given.discard("target")
    if given:
        raise UsageError(
            coded("ZV3503", "a run or a file belongs to one flow, and several were given"),
            place=str(ctx.command_path),
            remedy=Message("name one flow with --flow"),
        )


class FlowCommand(CliCommand):
    """A command about one flow; given several, it runs for each and returns the worst code."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the parameters, those that choose flows among them."""
        *own, help_option = super().get_params(ctx)
        return [*own, *_FLOW_OPTIONS, help_option]

    def invoke(self, ctx: Any) -> Any:
        """Run the command for each flow that is asked for."""
        from zvirka.cli.each_flow import for_each_flow

        call: Invocation = ctx.obj
        names = call.flow_names if call.common.all_flows else call.common.flows
        if len(names) < 2 and not call.common.all_flows:
            return super().invoke(ctx)

        _require_many(ctx)

        def one(of_flow: Invocation) -> int:
            ctx.obj = of_flow
            return int(super(FlowCommand, self).invoke(ctx) or 0)

        return for_each_flow(call, names, one)


class FlowsCommand(FlowCommand):
    """A command that takes several flows together."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command once, whatever flows are asked for."""
        return CliCommand.invoke(self, ctx)


class Group(TyperGroup):
    """A group of commands that takes the common options before the command's name."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help in the language of the call."""
        write_help(self, ctx, formatter)

    def shell_complete(self, ctx: Any, incomplete: str) -> list[Any]:
        """Return what completes a word; commands with their summaries."""
        found = super().shell_complete(ctx, incomplete)
        for item in found:
            if item.value in self.commands:
                item.help = summary(self.commands[item.value], ctx.obj.messages.text)
        return found

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the group's own parameters, the common options, and ``--help``."""
        *own, help_option = super().get_params(ctx)
        return [*own, *_COMMON, help_option]


def new_group(help_text: str | None = None) -> typer.Typer:
    """Return an empty group of commands."""
    return typer.Typer(
        cls=Group,
        help=help_text,
        no_args_is_help=True,
        add_completion=False,
        # Typer's own tracebacks print local values, which may be secrets.
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
    )


def examples(text: str) -> str:
    """Return the epilog of a command's help: example command lines, not re-wrapped."""
    lines = inspect.cleandoc(text).splitlines()
    return "\n".join(["\b", "Examples:", *(f"  {line}" for line in lines)])


def day_of(option: str, text: str) -> date:
    """The day an option names.

    Raises:
        UsageError: it is no date.
    """
    for form in ("%Y-%m-%d", "%d.%m.%Y"):
        with suppress(ValueError):
            return datetime.strptime(text, form).date()  # noqa: DTZ007 - a day has no zone
    raise UsageError(
        coded("ZV3502", "{text} is not a valid date (expected YYYY-MM-DD)", text=repr(text)),
        place=option,
        remedy=Message("write it as 2026-10-01 or 01.10.2026"),
    )

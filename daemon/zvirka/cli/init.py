"""``zvirka init``: asks, looks at both sides, and writes a configuration that fits them."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from zvirka.cli.demo import run_and_show
from zvirka.cli.init_output import InitOutput
from zvirka.cli.invocation import Invocation
from zvirka.cli.options import CliCommand, examples, new_group
from zvirka.errors import ExitCode, UsageError
from zvirka.message import Message, coded

app = new_group()

_DEMO_COUNTERPARTIES = 200
_SYSTEM = Path("/etc/zvirka")


@app.command(
    cls=CliCommand,
    epilog=examples("""
        zvirka init
        zvirka init --yes --onec-url http://1c/base --onec-user zv --erp-url postgresql://zv@db/erp
        zvirka init --from zvirka.toml
        zvirka init --flow branch
    """),
)
def init(
    context: typer.Context,
    onec_url: Annotated[
        str, typer.Option("--onec-url", help="1C's address; /odata… may be left out.")
    ] = "",
    onec_user: Annotated[str | None, typer.Option("--onec-user", help="The user of 1C.")] = None,
    onec_password_file: Annotated[
        Path | None, typer.Option("--onec-password-file", help="A file with that user's password.")
    ] = None,
    profile: Annotated[
        str, typer.Option("--profile", help="The kind of base, if not the one found.")
    ] = "",
    erp_url: Annotated[
        str | None,
        typer.Option("--erp-url", help="The ERP's database; empty for the embedded store."),
    ] = None,
    erp_password_file: Annotated[
        Path | None, typer.Option("--erp-password-file", help="A file with its password.")
    ] = None,
    schema: Annotated[str, typer.Option("--schema", help="The schema of the ERP's tables.")] = "",
    table: Annotated[str, typer.Option("--table", help="The table of clients.")] = "",
    key: Annotated[str, typer.Option("--key", help="Its column with 1C's key.")] = "",
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="The settings file to write.")
    ] = None,
    state_dir: Annotated[
        Path | None, typer.Option("--state-dir", metavar="DIR", help="Journal, cache and reports.")
    ] = None,
    repair: Annotated[
        Path | None,
        typer.Option("--from", metavar="FILE", help="Repair this settings file, keep the rest."),
    ] = None,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Ask nothing; take what is proposed.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Replace an existing settings file.")
    ] = False,
    show_values: Annotated[
        bool, typer.Option("--show-values", help="Show names and phones in the examples.")
    ] = False,
    flow: Annotated[
        str, typer.Option("--flow", metavar="NAME", help="Add this flow beside zvirka.toml.")
    ] = "",
    demo: Annotated[
        Path | None,
        typer.Option("--demo", metavar="DIR", help="A simulated 1C and ERP to try every command."),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check/--no-check", help="Run check and plan at the end.")
    ] = True,
) -> int:
    """Look at 1C and the ERP, and write the settings that fit them.

    Every answer is also an option. Passwords come from files, from $ZVIRKA_ONEC__PASSWORD and
    $ZVIRKA_ERP__PASSWORD, or are asked for. Nothing is written to 1C or the ERP.
    """
    from zvirka.init.conversation import Answers, Conversation

    call: Invocation = context.obj
    if demo is not None:
        return run_and_show(call, _DEMO_COUNTERPARTIES, demo, open_report=False)
    asking = not yes and sys.stdin.isatty()
    answers = Answers(
        onec_url=onec_url,
        onec_user=onec_user,
        onec_password_file=onec_password_file,
        profile=profile,
        erp_url=erp_url,
        erp_password_file=erp_password_file,
        schema=schema,
        table=table,
        key=key,
        out=(repair or out or _place_of(call, flow)).absolute(),
        state_dir=state_dir,
        flow=flow,
    )
    if repair is None and answers.out.exists() and not force:
        raise UsageError(
            coded("ZV3106", "there is a settings file already"),
            place=str(answers.out),
            remedy=Message(
                "repair it with --from, replace it with --force, or name another with --out"
            ),
        )
    shown = InitOutput(call, asking=asking, show_values=show_values)
    Conversation(answers, shown, call.environ).settle(repair)
    return shown.conclude(answers.out, flow) if check else ExitCode.IN_SYNC


def _place_of(call: Invocation, flow: str) -> Path:
    """Return the file to write: ``zvirka.toml``, or that of a flow beside the one there is.

    Raises:
        SettingsError: there is no ``zvirka.toml`` to put a flow beside.
        UsageError: no flow can have that name.
    """
    if not flow:
        return _usual_place()
    from zvirka.settings.flow_values import require_name
    from zvirka.settings.places import find_settings

    require_name(flow)
    file = find_settings(call.common.config or _usual_place(), call.environ)
    assert file is not None  # it was asked for by its path
    return file.parent / "flows" / f"{flow}.toml"


def _usual_place() -> Path:
    """Return where the units look, for root on a machine that has them; else the directory here."""
    system = os.geteuid() == 0 and _SYSTEM.is_dir()
    return _SYSTEM / "zvirka.toml" if system else Path("zvirka.toml")

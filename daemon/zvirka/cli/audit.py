"""``zvirka audit``: prove what happened, follow one counterparty, export a period."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Annotated, Literal

import typer

from zvirka.cli import audit_anchor, audit_keys, audit_verify
from zvirka.cli.invocation import Invocation
from zvirka.cli.options import FlowCommand, day_of, examples, new_group
from zvirka.errors import ExitCode, UsageError
from zvirka.message import Message, coded

app = new_group("Prove what happened, follow one counterparty, export a period.")
app.command(cls=FlowCommand, epilog=audit_verify.EXAMPLES)(audit_verify.verify)
app.command(cls=FlowCommand, epilog=audit_anchor.EXAMPLES)(audit_anchor.anchor)
app.command(cls=FlowCommand, epilog=audit_keys.EXAMPLES)(audit_keys.rotate_key)


@app.command(
    cls=FlowCommand,
    epilog=examples("""
        zvirka audit history --code 000000123
        zvirka audit history --ref 0f9e375d-6e83-11e5-96ed-0025907c0298 --json
    """),
)
def history(
    context: typer.Context,
    code: Annotated[
        str, typer.Option("--code", metavar="CODE", help="Код, or another pairing key.")
    ] = "",
    ref: Annotated[str, typer.Option("--ref", metavar="REF", help="Ref_Key.")] = "",
) -> int:
    """Show the history of one counterparty across runs.

    What 1C and the ERP held, what was changed, by which run, at whose request.
    """
    call: Invocation = context.obj
    if bool(code) == bool(ref):
        raise UsageError(
            coded("ZV3501", "give exactly one of --code and --ref"),
            place="zvirka audit history",
            remedy=Message("name one counterparty by its Код or by its Ref_Key"),
        )
    from zvirka.report.history import render_history

    stream = BytesIO()
    with call.journal() as journal:
        render_history(
            journal,
            "json" if call.common.json else "text",
            call.language,
            stream,
            key=code,
            ref=ref.lower(),
            timezone=call.settings.schedule.timezone,
        )
    call.print(stream.getvalue().decode().rstrip("\n"))
    return ExitCode.IN_SYNC


@app.command(
    cls=FlowCommand,
    epilog=examples("zvirka audit export --from 2026-10-01 --to 2026-10-31 --format xlsx"),
)
def export(
    context: typer.Context,
    start: Annotated[str, typer.Option("--from", metavar="DAY", help="First day, as 2026-10-01.")],
    end: Annotated[str, typer.Option("--to", metavar="DAY", help="Last day, as 2026-10-31.")],
    form: Annotated[Literal["xlsx", "json"], typer.Option("--format", help="The form.")] = "xlsx",
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="The file to write.")
    ] = None,
) -> int:
    """Write all runs of a period into one workbook (акт звірки)."""
    from zvirka.report.export import write_export

    call: Invocation = context.obj
    first, last = day_of("--from", start), day_of("--to", end)
    path = out or Path(f"zvirka-{first}-{last}.{form}")
    with call.journal() as journal:
        write_export(
            journal,
            first,
            last,
            path,
            language=call.language,
            timezone=call.settings.schedule.timezone,
            form=form,
            parties=call.settings.report.act,
        )
    if call.common.json:
        call.print_json([path])
    else:
        call.print(call.say("written", path=path))
    return ExitCode.IN_SYNC

"""``zvirka audit``: prove what happened, follow one counterparty, export a period."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from zvirka.cli import audit_anchor, audit_keys, audit_verify
from zvirka.cli.invocation import Invocation
from zvirka.cli.options import FlowCommand, day_of, examples, new_group
from zvirka.errors import ExitCode, UsageError
from zvirka.message import Message, coded

if TYPE_CHECKING:
    from zvirka.journal.client_search import FoundClient

_CANDIDATES = 20

app = new_group("Prove what happened, follow one counterparty, export a period.")
app.command(cls=FlowCommand, epilog=audit_verify.EXAMPLES)(audit_verify.verify)
app.command(cls=FlowCommand, epilog=audit_anchor.EXAMPLES)(audit_anchor.anchor)
app.command(cls=FlowCommand, epilog=audit_keys.EXAMPLES)(audit_keys.rotate_key)


@app.command(
    cls=FlowCommand,
    epilog=examples("""
        zvirka audit history --code 000000123
        zvirka audit history --ref 0f9e375d-6e83-11e5-96ed-0025907c0298 --json
        zvirka audit history --tax-id 32855961
    """),
)
def history(
    context: typer.Context,
    code: Annotated[
        str, typer.Option("--code", metavar="CODE", help="Код, or another pairing key.")
    ] = "",
    ref: Annotated[str, typer.Option("--ref", metavar="REF", help="Ref_Key.")] = "",
    tax_id: Annotated[str, typer.Option("--tax-id", metavar="ID", help="The tax id.")] = "",
    name: Annotated[
        str, typer.Option("--name", metavar="TEXT", help="The name, or a part of it.")
    ] = "",
) -> int:
    """Show the history of one counterparty across runs.

    What 1C and the ERP held, what was changed, by which run, at whose request. A tax id or a name
    that fits several counterparties lists them: exit code 64.
    """
    call: Invocation = context.obj
    if [bool(one) for one in (code, ref, tax_id, name)].count(True) != 1:
        raise UsageError(
            coded("ZV3501", "give exactly one of --code, --ref, --tax-id and --name"),
            place="zvirka audit history",
            remedy=Message("name one counterparty"),
        )
    from zvirka.journal.client_search import find_clients
    from zvirka.report.history import render_history

    stream = BytesIO()
    with call.journal() as journal:
        if tax_id or name:
            with journal.reading() as connection:
                found = find_clients(connection, tax_id or name, _CANDIDATES)
            if len(found) > 1:
                return _show_candidates(call, found)
            code, ref = (found[0].key, found[0].ref) if found else (tax_id or name, "")
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


def _show_candidates(call: Invocation, found: Sequence[FoundClient]) -> int:
    """List counterparties to choose one of."""
    if call.common.json:
        call.print_json({"candidates": found})
        return ExitCode.USAGE
    from zvirka.i18n.visible_text import one_line

    call.print(call.say("several_fit"))
    rows = [[one_line(one.key), one.ref, one_line(one.name)] for one in found]
    call.print_table([call.say("code"), "Ref_Key", call.words.field("name")], rows)
    return ExitCode.USAGE


@app.command(
    cls=FlowCommand,
    epilog=examples("zvirka audit export --from 2026-10-01 --to 2026-10-31 --format xlsx"),
)
def export(
    context: typer.Context,
    start: Annotated[
        str, typer.Option("--from", metavar="DAY", help="First day, as 2026-10-01 or 01.10.2026.")
    ],
    end: Annotated[
        str, typer.Option("--to", metavar="DAY", help="Last day, as 2026-10-31 or 31.10.2026.")
    ],
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
        call.print_json({"files": [path]})
    else:
        call.print(call.say("written", path=path))
    return ExitCode.IN_SYNC

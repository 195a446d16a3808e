"""``zvirka audit``: prove what happened, follow one counterparty, export a period."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from zvirka.cli.invocation import Invocation
from zvirka.cli.options import CliCommand, examples, new_group
from zvirka.errors import ExitCode, UsageError, os_reason
from zvirka.message import Message, coded

if TYPE_CHECKING:
    from zvirka.journal.chain import ChainProblem
    from zvirka.journal.journal import Journal

app = new_group("Prove what happened, follow one counterparty, export a period.")

KeyOption = Annotated[
    Path | None,
    typer.Option(
        "--public-key",
        metavar="FILE",
        help="Also check every signature against this Ed25519 key (PEM).",
    ),
]


@app.command(
    cls=CliCommand,
    epilog=examples("""
        zvirka audit verify
        zvirka audit verify --from 120 --public-key zvirka.pub.pem
        zvirka audit verify --report zvirka-run-000042.html
    """),
)
def verify(
    context: typer.Context,
    start: Annotated[
        int | None, typer.Option("--from", metavar="RUN", min=1, help="The first run to check.")
    ] = None,
    public_key: KeyOption = None,
    report: Annotated[
        list[Path] | None,
        typer.Option("--report", metavar="FILE", help="Also check this report file; repeatable."),
    ] = None,
) -> int:
    """Check the chain of digests; name every altered, removed or inserted run.

    Exit code 0 when nothing was altered, 1 otherwise. A report file is genuine when it equals,
    byte for byte, what the journal yields for its run.
    """
    call: Invocation = context.obj
    with call.journal() as journal:
        problems = [problem.text for problem in _problems(journal, start, public_key)]
        problems += _report_problems(call, journal, report or [])
        sealed = journal.last_seal()
    if call.common.json:
        end = {"run": sealed[0], "digest": sealed[1]} if sealed else None
        call.print_json({"whole": not problems, "end": end, "problems": problems})
    elif problems:
        from zvirka.i18n.visible_text import one_line

        call.print(f"{call.say('chain_bad')}:")
        for problem in problems:
            call.print(f"  ✗ {one_line(problem)}")
    elif sealed is None:
        call.print(call.say("no_runs"))
    else:
        call.print(call.say("chain_good", run=sealed[0], digest=sealed[1]))
    return ExitCode.DIFFERENCES if problems else ExitCode.IN_SYNC


@app.command(
    cls=CliCommand,
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
    cls=CliCommand,
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
    first, last = _day("--from", start), _day("--to", end)
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
        )
    if call.common.json:
        call.print_json([path])
    else:
        call.print(call.say("written", path=path))
    return ExitCode.IN_SYNC


def _problems(
    journal: Journal, start: int | None, public_key: Path | None
) -> Iterator[ChainProblem]:
    from zvirka.journal.chain import verify_chain, verify_signatures

    yield from verify_chain(journal, start)
    if public_key is not None:
        try:
            pem = public_key.read_bytes()
        except OSError as error:
            raise UsageError(
                coded("ZV4102", "the public key cannot be read: {why}", why=os_reason(error)),
                place=str(public_key),
                remedy=Message("write it with: openssl pkey -in PRIVATE -pubout"),
            ) from None
        yield from verify_signatures(journal, pem)


def _report_problems(call: Invocation, journal: Journal, reports: list[Path]) -> list[str]:
    from zvirka.report.file_check import Authenticity, verify_report

    timezone = call.settings.schedule.timezone
    checks = [verify_report(journal, path, timezone=timezone) for path in reports]
    return [
        f"{check.path}: {check.text}"
        for check in checks
        if check.authenticity is not Authenticity.GENUINE
    ]


def _day(option: str, text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise UsageError(
            coded("ZV3502", "{text} is not a valid date (expected YYYY-MM-DD)", text=repr(text)),
            place=option,
            remedy=Message("write it as 2026-10-01"),
        ) from None

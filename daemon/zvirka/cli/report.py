"""``zvirka report``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from zvirka.cli.invocation import Invocation
from zvirka.cli.options import FlowCommand, RunArgument, examples, new_group
from zvirka.errors import ExitCode

app = new_group()


class Format(StrEnum):
    """A form of the report."""

    HTML = "html"
    XLSX = "xlsx"
    CSV = "csv"
    JSON = "json"
    MD = "md"
    PDF = "pdf"


@app.command(
    cls=FlowCommand,
    epilog=examples("""
        zvirka report 42
        zvirka report 42 --format xlsx --format csv --lang en --out /tmp/reports
    """),
)
def report(
    context: typer.Context,
    run: RunArgument,
    formats: Annotated[
        list[Format] | None,
        typer.Option("--format", help="Repeatable; by default report.formats."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Directory; by default report.dir.")
    ] = None,
) -> int:
    """Write the report of a run again, also in other formats."""
    from zvirka.report import write_reports

    call: Invocation = context.obj
    settings = call.settings
    with call.journal() as journal:
        paths = write_reports(
            journal,
            run,
            formats=formats or settings.report.formats,
            language=call.language,
            directory=out or settings.report_directory,
            timezone=settings.schedule.timezone,
        )
    if call.common.json:
        call.print_json({"files": paths})
    else:
        for path in paths:
            call.print(str(path))
    return ExitCode.IN_SYNC

"""``zvirka audit`` and ``zvirka prune``: proving what happened, and forgetting what must go."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from pydantic import TypeAdapter, ValidationError

from zvirka.cli.declaration import ReasonOption, command, new_group
from zvirka.cli.invocation import Invocation
from zvirka.errors import ExitCode, UsageError
from zvirka.settings.model import Duration

if TYPE_CHECKING:
    from zvirka.journal.chain import ChainProblem
    from zvirka.journal.journal import Journal

KeyOption = Annotated[
    Path | None,
    typer.Option(
        "--public-key",
        metavar="FILE",
        help="Also prove every signature with this Ed25519 key (PEM).",
    ),
]


def register(app: typer.Typer) -> None:
    """Add the commands of this family."""
    audit = new_group("Prove what happened, look at one counterparty, export a period.")
    command(
        audit,
        "verify",
        examples="""
            zvirka audit verify
            zvirka audit verify --from 120 --public-key zvirka.pub.pem
            zvirka audit verify --report zvirka-run-000042.html
        """,
    )(verify)
    command(
        audit,
        "history",
        examples="""
            zvirka audit history --code 000000123
            zvirka audit history --ref 0f9e375d-6e83-11e5-96ed-0025907c0298 --json
        """,
    )(history)
    command(
        audit,
        "export",
        examples="zvirka audit export --from 2026-10-01 --to 2026-10-31 --format xlsx",
    )(export)
    app.add_typer(audit, name="audit")
    command(
        app,
        "prune",
        examples='zvirka prune --older-than 3y --reason "retention rule of the company"',
    )(prune)


def verify(
    call: Invocation,
    start: Annotated[
        int | None, typer.Option("--from", metavar="RUN", min=1, help="The run to begin with.")
    ] = None,
    public_key: KeyOption = None,
    report: Annotated[
        list[Path] | None,
        typer.Option("--report", metavar="FILE", help="Also prove this report file; repeatable."),
    ] = None,
) -> int:
    """Walk the chain of digests and name every run that was altered, removed or inserted.

    Exit code 0 when everything holds, 1 when something does not. A report file holds when it is,
    byte for byte, what the journal yields for its run.
    """
    with call.journal() as journal:
        problems = [problem.text for problem in _problems(journal, start, public_key)]
        problems += _report_problems(call, journal, report or [])
        sealed = journal.last_seal()
    if call.common.json:
        end = {"run": sealed[0], "digest": sealed[1]} if sealed else None
        call.print_json({"whole": not problems, "end": end, "problems": problems})
    elif problems:
        call.print(f"{call.say('chain_bad')}:")
        for problem in problems:
            call.print(f"  ✗ {problem}")
    elif sealed is None:
        call.print(call.say("no_runs"))
    else:
        call.print(call.say("chain_good", run=sealed[0], digest=sealed[1]))
    return ExitCode.DIFFERENCES if problems else ExitCode.IN_SYNC


def history(
    call: Invocation,
    code: Annotated[
        str, typer.Option("--code", metavar="CODE", help="Код, or whatever pairs both sides.")
    ] = "",
    ref: Annotated[str, typer.Option("--ref", metavar="REF", help="Ref_Key.")] = "",
) -> int:
    """Show the life of one counterparty across runs.

    What 1C said, what the ERP held, what was changed, by which run, asked for by whom.
    """
    if bool(code) == bool(ref):
        raise UsageError(
            "a history is of one counterparty",
            place="zvirka audit history",
            remedy="name it by --code or by --ref",
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


def export(
    call: Invocation,
    start: Annotated[str, typer.Option("--from", metavar="DAY", help="First day, as 2026-10-01.")],
    end: Annotated[str, typer.Option("--to", metavar="DAY", help="Last day, as 2026-10-31.")],
    form: Annotated[Literal["xlsx", "json"], typer.Option("--format", help="The form.")] = "xlsx",
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="The file to write.")
    ] = None,
) -> int:
    """Write all runs of a period into one workbook, like an акт звірки."""
    from zvirka.report.export import write_export

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


def prune(
    call: Invocation,
    older_than: Annotated[
        str, typer.Option("--older-than", metavar="AGE", help="An age such as 3y or 400d.")
    ],
    reason: ReasonOption,
) -> int:
    """Remove personal values of old runs; digests, counts and the chain stay verifiable."""
    from zvirka.reconcile.pruning import forget

    try:
        age = TypeAdapter(Duration).validate_python(older_than)
    except ValidationError:
        raise UsageError(
            f"{older_than!r} is no age", place="--older-than", remedy="write it as 3y, 26w or 400d"
        ) from None
    with call.journal() as journal:
        pruned = forget(call.settings, journal, age, datetime.now(UTC), call.who, reason)
    if call.common.json:
        call.print_json(pruned)
    else:
        call.print(call.say("pruned", count=len(pruned.runs)))
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
                f"the public key cannot be read: {error.strerror}",
                place=str(public_key),
                remedy="write it with: openssl pkey -in PRIVATE -pubout",
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
            f"{text!r} is no day", place=option, remedy="write it as 2026-10-01"
        ) from None

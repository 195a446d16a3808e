"""``zvirka backup`` and ``zvirka restore``."""

from __future__ import annotations

import os
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Annotated, BinaryIO

import typer

from zvirka.cli.invocation import Invocation
from zvirka.cli.options import FlowCommand, examples, is_directory, new_group
from zvirka.errors import ExitCode, UsageError, os_reason
from zvirka.message import Message, coded

app = new_group()

_WAIT = 600.0


@app.command(
    cls=FlowCommand,
    epilog=examples("""
        zvirka backup /backup
        zvirka backup /backup/before-upgrade.zvirka
        zvirka backup /backup --all-flows
    """),
)
def backup(
    context: typer.Context,
    target: Annotated[
        Path, typer.Argument(metavar="TARGET", help="A new file, or a directory for one.")
    ],
    wait: Annotated[
        float,
        typer.Option("--wait", metavar="SECONDS", min=0, help="How long to wait for a run to end."),
    ] = _WAIT,
) -> int:
    """Write journal, agreement, embedded store and settings into one file.

    The daemon and the receiver may go on working. --all-flows writes a file for each flow into a
    directory, and `zvirka restore FILE --flow NAME` puts one back. Reports are not part of it:
    `zvirka report` writes them again. The file holds personal data: mode 0600.
    """
    from zvirka.backup.making import back_up

    call: Invocation = context.obj
    file = target
    if is_directory(target):
        flow = "".join(f"-{name}" for name in call.common.flows)
        file = target / f"zvirka{flow}-{datetime.now().astimezone():%Y%m%d-%H%M%S}.zvirka"
    # Root opens the file before it becomes the user of the service.
    stream = _opened(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    try:
        with stream:
            loaded = call.loaded
            manifest = back_up(loaded.settings, loaded.path, stream, who=call.who, wait=wait)
            stream.flush()
            os.fsync(stream.fileno())
    except BaseException:
        with suppress(OSError):
            file.unlink()
        raise
    if call.common.json:
        call.print_json({"file": file, **_content(manifest)})
    else:
        call.print(call.say("written", path=file))
        call.print(call.say("backup_holds", runs=manifest.runs))
    return ExitCode.IN_SYNC


@app.command(
    cls=FlowCommand,
    epilog=examples("""
        zvirka restore /backup/before-upgrade.zvirka
        zvirka restore /backup/zvirka-20261129-023000.zvirka --replace
    """),
)
def restore(
    context: typer.Context,
    source: Annotated[Path, typer.Argument(metavar="FILE", help="What `zvirka backup` wrote.")],
    replace: Annotated[
        bool, typer.Option("--replace", help="Put away a journal that has runs.")
    ] = False,
) -> int:
    """Put a backup in place of the journal, and prove its chain.

    What is replaced stays beside it as *.before-restore. Stop the units that run `zvirka serve`
    first. The settings are not replaced; the backup holds a copy of them.
    """
    from zvirka.backup.making import restore as put_back

    call: Invocation = context.obj
    with _opened(source, os.O_RDONLY) as stream:
        manifest = put_back(call.settings, stream, str(source), who=call.who, replace=replace)
    if call.common.json:
        call.print_json(_content(manifest))
    elif manifest.last is None:
        call.print(call.say("no_runs"))
    else:
        run, digest = manifest.last
        call.print(call.say("chain_good", run=run, digest=digest))
    return ExitCode.IN_SYNC


def _opened(file: Path, flags: int) -> BinaryIO:
    reads = flags == os.O_RDONLY
    try:
        return os.fdopen(os.open(file, flags, 0o600), "rb" if reads else "wb")
    except OSError as error:
        raise UsageError(
            coded("ZV4102", "the backup cannot be read: {why}", why=os_reason(error))
            if reads
            else coded("ZV4101", "the backup cannot be written: {why}", why=os_reason(error)),
            place=str(file),
            remedy=Message("name another file"),
        ) from None


def _content(manifest: object) -> dict[str, object]:
    import msgspec

    built: dict[str, object] = msgspec.to_builtins(manifest)
    return {key: built[key] for key in ("version", "made_at", "runs", "last")}

"""``zvirka flows``."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import typer

from zvirka.cli.invocation import Invocation
from zvirka.cli.options import CliCommand, examples, new_group
from zvirka.errors import ExitCode, ZvirkaError
from zvirka.now import utc_now

if TYPE_CHECKING:
    from zvirka.settings.model import Settings

app = new_group()


@app.command(
    cls=CliCommand,
    epilog=examples("""
        zvirka flows
        zvirka flows --json
    """),
)
def flows(context: typer.Context) -> int:
    """List the flows of this installation, and how each stands.

    A flow is one catalogue of one base kept equal to one table. Exit code 2 when one of them has
    settings or a journal that cannot be used.
    """
    from zvirka.settings.loading import load_flows

    call: Invocation = context.obj
    names = call.flow_names
    found = load_flows(call.common.config, call.environ)
    lines = [
        _line(call, name, found.loaded[name].settings)
        if name in found.loaded
        else {"flow": name, "error": call.words.told(found.broken[name].sentence)}
        for name in names
    ]
    if call.common.json:
        call.print_json({"flows": lines})
    else:
        columns = ("flow", "base", "catalog", "table", "standing", "last_run", "next_run")
        call.print_table(
            [call.say(column) for column in ("flow", "base", "catalog", "table")]
            + [call.say(column) for column in ("status", "last_run", "next_run")],
            [[_cell(call, line, column) for column in columns] for line in lines],
        )
        for line in lines:
            if "error" in line:
                call.print(f"{line['flow']}: {line['error']}")
    return ExitCode.FAILED if any("error" in line for line in lines) else ExitCode.IN_SYNC


def _line(call: Invocation, name: str, settings: Settings) -> dict[str, Any]:
    """What is known of a flow; a journal that does not exist yet is left so."""
    from zvirka.journal.engine import journal_url
    from zvirka.journal.journal import open_journal
    from zvirka.journal.standing import flow_state
    from zvirka.settings.profiles import mapping_of

    line: dict[str, Any] = {"flow": name, "base": urlsplit(settings.onec.url).netloc}
    try:
        line["catalog"] = mapping_of(settings).catalog
        line["table"] = settings.erp.table or ""
        url = journal_url(settings)
        if url.get_backend_name() == "sqlite" and not _is_file(url.database):
            return {**line, "standing": None, "last_run": None, "next_run": None, "waiting": 0}
        now = utc_now()
        with closing(open_journal(settings)) as journal:
            waiting = journal.held(now)
            with journal.reading() as connection:
                state = flow_state(connection, now)
    except ZvirkaError as error:
        return {**line, "error": call.words.told(error.sentence)}
    stale_after = settings.schedule.stale_after
    return {
        **line,
        "standing": state.standing(now, waiting=bool(waiting), stale_after=stale_after),
        "last_run": state.last.finished_at if state.last is not None else None,
        "next_run": state.due,
        "waiting": len(waiting),
    }


def _is_file(path: str | None) -> bool:
    from pathlib import Path

    return bool(path) and Path(path or "").is_file()


def _cell(call: Invocation, line: dict[str, Any], column: str) -> str:
    from zvirka.i18n.words import STANDINGS

    value = line.get(column)
    if column == "standing" and "error" in line:
        return call.say("broken")
    if column == "standing":
        return call.words.word(STANDINGS, value) if value else call.say("no_runs")
    if column in ("last_run", "next_run"):
        return call.words.clock(value) if value is not None else "—"
    return str(value or "—")

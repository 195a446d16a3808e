"""What is taken away from the page: reports in every form, the act of a period, a verification."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from datetime import date, timedelta
from itertools import islice
from typing import IO, Any

from starlette.background import BackgroundTask
from starlette.responses import Response, StreamingResponse

from zvirka.errors import UsageError
from zvirka.journal.chain import verify_chain
from zvirka.journal.queries import sealed_runs
from zvirka.report import FORMATS, render, report_stem
from zvirka.report.export import PERIOD_FORMATS, export_period
from zvirka.web.request_context import Refused, RequestContext

_IN_MEMORY = 8 << 20
_CHUNK = 1 << 16
_MOST_PROBLEMS = 50
_TYPES = {
    "html": "text/html; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "csv": "text/csv; charset=utf-8",
    "json": "application/json",
    "md": "text/markdown; charset=utf-8",
    "pdf": "application/pdf",
}


def report(context: RequestContext) -> Response:
    """A run's report as a file."""
    number, form = context.number("run"), str(context.request.path_params["form"])
    context.journal.get(number)
    if form not in FORMATS:
        raise Refused(404, context.words.gettext("There is no such page."))

    def write(stream: Any) -> None:
        language, zone = context.words.language, context.web.timezone
        render(context.journal, number, form, language, stream, timezone=zone)

    return _file(context, write, f"{report_stem(number)}.{form}", _TYPES[form])


def records(context: RequestContext) -> Response:
    """The page of periods and of the chain."""
    return _records(context)


def export(context: RequestContext) -> Response:
    """The act of a period as a file."""
    _ = context.words.gettext
    form = context.query.get("format", "xlsx")
    try:
        first = date.fromisoformat(context.query.get("from", ""))
        last = date.fromisoformat(context.query.get("to", ""))
    except ValueError:
        return _records(context, 422, error=_("Give the first and the last day of the period."))
    if form not in PERIOD_FORMATS or last < first:
        return _records(context, 422, error=_("The period ends before it begins."))

    def write(stream: Any) -> None:
        language, zone = context.words.language, context.web.timezone
        parties = context.web.settings.report.act
        journal = context.journal
        export_period(journal, first, last, form, language, stream, timezone=zone, parties=parties)

    return _file(context, write, f"zvirka-{first}-{last}.{form}", _TYPES[form])


def verify(context: RequestContext) -> Response:
    """Check the whole chain, and say what that proves."""
    problems = list(islice(verify_chain(context.journal), _MOST_PROBLEMS))
    with context.journal.reading() as connection:
        checked = sealed_runs(connection)
    return _records(context, problems=problems, checked=checked)


def _records(context: RequestContext, status: int = 200, **more: Any) -> Response:
    today = context.words.local(context.web.now()).date()
    first = (today.replace(day=1) - timedelta(days=1)).replace(day=1)
    defaults: dict[str, Any] = {
        "error": "",
        "checked": None,
        "problems": [],
        "first": first,
        "today": today,
    }
    return context.render("records.html", status, **{**defaults, **more})


def _file(
    context: RequestContext, write: Callable[[Any], None], name: str, media_type: str
) -> Response:
    """A file to save; made on disk where it is large, so that memory stays flat."""
    stream: IO[bytes] = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115
    try:
        write(stream)
    except UsageError as error:
        stream.close()
        raise Refused(409, context.words.told(error.sentence)) from None
    stream.seek(0)
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return StreamingResponse(
        iter(lambda: stream.read(_CHUNK), b""),
        media_type=media_type,
        headers=headers,
        background=BackgroundTask(stream.close),
    )

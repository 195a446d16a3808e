"""The page of the timeline: runs and what happened beside them."""

from __future__ import annotations

from urllib.parse import urlencode

from starlette.responses import Response

from zvirka.journal.events import Event
from zvirka.journal.timeline import KINDS, TimelineFilter, everybody, timeline
from zvirka.web import event_texts
from zvirka.web.days import between, day_of
from zvirka.web.pages import tone_of
from zvirka.web.request_context import RequestContext

LINES = 50
"""Lines on one page."""


def show_timeline(context: RequestContext) -> Response:
    """The newest lines, or those that are asked for."""
    query = context.query
    what, page = query.get("what", ""), query.get("page", "")
    days = {name: day_of(query.get(name, "")) for name in ("from", "to")}
    wanted = TimelineFilter(
        what=what if what in KINDS else "",
        who=query.get("who", ""),
        between=between(context, days["from"], days["to"]),
        page=max(int(page), 1) if page.isascii() and page.isdigit() and len(page) < 7 else 1,
    )
    with context.journal.reading() as connection:
        found = timeline(connection, wanted, LINES)
        people = everybody(connection)
    shown = found[:LINES]
    numbers = [one.id for one in shown if not isinstance(one, Event)]
    decided = context.journal.decisions(numbers, context.web.now())
    asked = {"what": wanted.what, "who": wanted.who, **days}
    chosen = {name: word for name, word in asked.items() if word}
    return context.render(
        "timeline.html",
        lines=[
            (one, None, "")
            if isinstance(one, Event)
            else (one, decided.get(one.id), tone_of(one, decided.get(one.id)))
            for one in shown
        ],
        wanted=wanted,
        days=days,
        people=people,
        kinds=KINDS,
        event_texts=event_texts,
        narrowed=bool(chosen),
        query=lambda page: urlencode({**chosen, **({"page": page} if page > 1 else {})}),
        older=len(found) > LINES,
    )

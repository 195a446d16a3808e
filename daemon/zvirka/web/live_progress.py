"""How far the run under way is: on the pages, and as server-sent events that keep them up to date.

Without JavaScript the pages show how far it was when they were asked for.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass
from datetime import datetime
from time import monotonic

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response, StreamingResponse

from zvirka.domain import RunStatus
from zvirka.errors import ZvirkaError
from zvirka.i18n.words import Words
from zvirka.journal.beats import Beat, BeatName, read_beats
from zvirka.journal.queries import list_runs
from zvirka.journal.records import RunRecord
from zvirka.web.request_context import RequestContext, WebContext

EVERY_SECONDS = 1.0
STREAM_SECONDS = 10.0
"""An answer is over after so long, and the browser asks again: the page can always be stopped."""
_AGAIN_MS = 1000


@dataclass(frozen=True, slots=True)
class RunProgress:
    """How far a run is, in words and in numbers; ``total`` is 0 where it is not known."""

    run: int
    text: str
    done: int = 0
    total: int = 0


def progress_of(run: RunRecord, beat: Beat | None, words: Words) -> RunProgress:
    """The progress of a run from its last beat; of the phase alone without one."""
    if beat is None or beat.detail["run"] != run.id:
        return RunProgress(run.id, words.phase(run.phase))
    phase, done, total = beat.detail["phase"], beat.detail["done"], beat.detail["total"] or 0
    text = [words.phase(phase), *counted(done, total, words)]
    if speed := _speed(beat):
        per_second = words.gettext("%(count)s a second")
        text.append(per_second % {"count": words.number(round(speed))})
    return RunProgress(run.id, " · ".join(text), min(done, total), total)


def counted(done: int, total: int, words: Words) -> list[str]:
    """«120 of 500», «120», or nothing."""
    if not (done or total):
        return []
    if not total:
        return [words.number(done)]
    return [f"{words.number(done)} {words.gettext('of')} {words.number(total)}"]


def _speed(beat: Beat) -> float:
    """Units a second in the phase under way."""
    since = datetime.fromisoformat(beat.detail["since"])
    return float(beat.detail["done"] / max((beat.at - since).total_seconds(), 1.0))


def stream(context: RequestContext) -> Response:
    """The events: one at once, then one whenever something has changed."""
    return StreamingResponse(_events(context.web, context.words), media_type="text/event-stream")


async def _events(web: WebContext, words: Words) -> AsyncIterator[str]:
    end, told = monotonic() + STREAM_SECONDS, ""
    yield f"retry: {_AGAIN_MS}\n\n"
    while monotonic() < end:
        now = await run_in_threadpool(_look, web, words)
        if now != told:
            yield f"data: {now}\n\n"
            told = now
        await asyncio.sleep(EVERY_SECONDS)


def _look(web: WebContext, words: Words) -> str:
    """The progress as JSON; ``null`` when nothing is under way."""
    try:
        with web.journal.reading() as connection:
            running = list_runs(connection, limit=1, status=RunStatus.RUNNING)
            beat = read_beats(connection).get(BeatName.RUN)
    except ZvirkaError:
        return "null"
    if running:
        return json.dumps(asdict(progress_of(running[0], beat, words)))
    work = web.worker.work
    if work is not None and not work.over:
        return json.dumps(asdict(RunProgress(0, words.phase(work.phase))))
    return "null"

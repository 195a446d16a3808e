"""How a flow stands, in one word, from its journal alone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection

from zvirka.domain import RunStatus, Standing
from zvirka.journal.beats import Beat, BeatName, read_beats
from zvirka.journal.queries import last_good, last_over_everything, list_runs
from zvirka.journal.records import RunRecord
from zvirka.journal.run_writes import FINAL

SILENT_AFTER = timedelta(minutes=12)
"""A daemon beats every five minutes; one not heard of for so long is not alive."""


@dataclass(frozen=True, slots=True)
class FlowState:
    """What the journal says of a flow now.

    ``last`` is the newest ended run over everything, ``good`` the last good one, ``running`` the
    one under way. ``daemon`` is its last sign of life, ``due`` when its next run begins.
    """

    last: RunRecord | None
    good: RunRecord | None
    running: RunRecord | None
    daemon: Beat | None
    alive: bool
    due: datetime | None

    def standing(self, now: datetime, *, waiting: bool, stale_after: timedelta) -> Standing:
        """The word; ``waiting`` is whether a plan waits for a person."""
        if self.running is not None:
            return Standing.RUNNING
        if self.last is not None and self.last.status.broke_off:
            return Standing.FAILING
        if waiting:
            return Standing.HELD
        ended = self.good.finished_at if self.good is not None else None
        if ended is None or now - ended > stale_after:
            return Standing.STALE
        if self.daemon is not None and "next" not in self.daemon.detail:
            return Standing.PAUSED
        return Standing.HEALTHY


def flow_state(connection: Connection, now: datetime) -> FlowState:
    """Read how the flow stands."""
    daemon = read_beats(connection).get(BeatName.DAEMON)
    due = daemon.detail.get("next") if daemon else None
    alive = daemon is not None and due is not None and now - daemon.at < SILENT_AFTER
    return FlowState(
        last=last_over_everything(connection, FINAL),
        good=next(iter(last_good(connection, 1)), None),
        running=next(iter(list_runs(connection, limit=1, status=RunStatus.RUNNING)), None),
        daemon=daemon,
        alive=alive,
        due=datetime.fromisoformat(due) if due and alive else None,
    )

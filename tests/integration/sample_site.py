"""The page over a journal with something of everything, for browsers and for pictures."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from tests.integration.web_site import serving
from tests.unit.report.sample import STORY, failed_run, held_run, hostile_run, nights, story_run
from tests.unit.web.page_client import PageClient, open_page, settings_of
from tests.unit.web.test_workers_page import busy_fleet
from zvirka.domain import Command, Trigger
from zvirka.journal.beats import BeatName, put_beat
from zvirka.journal.events import EventKind, add_event
from zvirka.reconcile.noting import note_schema, note_settings
from zvirka.reconcile.request import Request, Targets
from zvirka.reconcile.run import perform

BEFORE = {"clients.phone": "VARCHAR(20)", "clients.email": "VARCHAR(100)"}
AFTER = {"clients.phone": "VARCHAR(10)", "clients.email": "VARCHAR(100)"}


@dataclass
class Site:
    """Where it is, what is in it, and its pages by name."""

    address: str
    made: PageClient
    story: int
    held: int
    failed: int
    hostile: int

    @property
    def pages(self) -> dict[str, str]:
        """Every page that can be asked for by an address."""
        return {
            "overview": "/",
            "runs": "/runs",
            "timeline": "/timeline",
            "run": f"/runs/{self.story}",
            "run-sorted": f"/runs/{self.story}?sort=-name",
            "held-run": f"/runs/{self.held}",
            "failed-run": f"/runs/{self.failed}",
            "decisions": "/held",
            "client": f"/runs/{self.story}/2",
            "search": "/counterparty",
            "records": "/records",
            "start": "/start",
            "settings": "/settings",
            "workers": "/workers",
            "work": "/work",
            "nothing": "/nothing",
        }

    def begin_night(self) -> int:
        """A night under way, a third of which is done."""
        journal, now = self.made.journal, self.made.clock()
        run = journal.begin(
            command=Command.RECONCILE,
            trigger=Trigger.SCHEDULE,
            who="zvirka.service",
            reason="",
            now=now,
        )
        self.beat(run, done=8000)
        return run

    def beat(self, run: int, *, done: int) -> None:
        """The night says how far it is."""
        now = self.made.clock()
        since = (now - timedelta(minutes=1)).isoformat()
        detail = {"run": run, "phase": "pull", "done": done, "total": 24000, "since": since}
        with self.made.journal.writing() as connection:
            put_beat(connection, BeatName.RUN, now, detail)


@contextmanager
def sample_site(directory: Path, *, many: int = 5) -> Iterator[Site]:
    """Serve the page; ``many`` nights are older than the runs that :class:`Site` names."""
    with open_page(
        directory, performed=perform, policy={"approvals": 2}, workers=busy_fleet
    ) as made:
        nights(made.journal, many)
        story, held, failed, hostile = (
            one(made.journal) for one in (story_run, held_run, failed_run, hostile_run)
        )
        _happenings(made, directory)
        _first_approval(made, held)
        made.environment.settings.report_directory.mkdir(exist_ok=True)
        client = Targets(refs=(STORY[1].ref,))
        request = Request(
            command=Command.SUPPRESS,
            who="taras",
            reason="суд триває, питайте Олену",
            targets=client,
            until=date(2026, 12, 31),
        )
        perform(made.environment, request)
        with serving(made.client.app) as address:
            yield Site(address, made, story, held, failed, hostile)


def _happenings(made: PageClient, directory: Path) -> None:
    journal, now, who = made.journal, made.clock(), "zvirka.service"
    note_settings(journal, made.environment.settings, who, now)
    note_settings(journal, settings_of(directory, session_for="3h"), who, now)
    for shape in (BEFORE, AFTER):
        note_schema(made.environment, "erp", shape, who)
    source = {"Catalog_Контрагенты.КПП": "Edm.String", "Catalog_Контрагенты.ОГРН": "Edm.String"}
    for fields in (source, {"Catalog_Контрагенты.Code": "Edm.String"}):
        note_schema(made.environment, "1c", fields, who)
    with journal.writing() as connection:
        add_event(connection, EventKind.BACKUP, now, "root on pts/0", {"runs": 7})
        due = (now + timedelta(hours=15)).isoformat()
        put_beat(connection, BeatName.DAEMON, now - timedelta(minutes=3), {"next": due})


def _first_approval(made: PageClient, held: int) -> None:
    request = Request(
        command=Command.APPROVE,
        who="ivan on pts/1",
        reason="філію закрито",
        parent=held,
        targets=Targets(codes=("000000001", "000000002")),
    )
    perform(made.environment, request)

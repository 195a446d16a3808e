"""Nights over three workers that are killed, cut off and left without a database.

Every flow converges, no night is lost, no correction is applied twice, and runs that may not go
together do not.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from random import Random
from subprocess import Popen

import pytest
from sqlalchemy import create_engine, make_url, text

from tests.integration.cut_proxy import CutProxy
from tests.integration.fleet_world import Fleet, fleet
from zvirka.domain import RunStatus, Trigger
from zvirka.errors import ZvirkaError
from zvirka.fleet.dispatching import Dispatcher
from zvirka.fleet.fleet_watch import FleetWatch
from zvirka.now import utc_now
from zvirka.reconcile.request import Request, Summary
from zvirka.service.run_slots import lanes_of
from zvirka.service.watchdog import Pulse
from zvirka.settings.model import Settings

pytestmark = pytest.mark.long

EDITED = 4
"""So many clients of each store are edited before each night."""

TROUBLES = {"kill", "cut", "database"}

AUDIT = """
CREATE TABLE IF NOT EXISTS writes(was TEXT);
CREATE TRIGGER IF NOT EXISTS log AFTER UPDATE ON clients
WHEN OLD.name LIKE 'edited%' AND NEW.name NOT LIKE 'edited%'
BEGIN INSERT INTO writes VALUES (OLD.name); END;
"""


class Nights:
    """The nights of all flows, ordered as the daemon orders them, and what befalls the workers."""

    def __init__(self, world: Fleet, chance: Random) -> None:
        self.world = world
        self.chance = chance
        self.settings = world.settings()
        self.proxy = CutProxy(world.journal)
        self.workers = [self.start(through) for through in (False, False, True)]
        first = next(iter(self.settings.values()))
        self.dispatcher = Dispatcher(first, FleetWatch(first, utc_now), look_seconds=0.1)
        self.befell: list[str] = []

    def start(self, through_proxy: bool) -> Popen[bytes]:
        url = self.proxy.url if through_proxy else self.world.journal
        return self.world.start("worker", "--concurrency", "2", journal=url)

    def edit(self, night: int) -> int:
        for name in self.world.names:
            with closing(sqlite3.connect(self.world.folder / f"{name}.db", timeout=60)) as store:
                store.executescript(AUDIT)
                ids = [row[0] for row in store.execute("SELECT id FROM clients ORDER BY id")]
                store.executemany(
                    "UPDATE clients SET name = ? WHERE id = ?",
                    [(f"edited {night} {one}", one) for one in ids[:EDITED]],
                )
                store.commit()
        return EDITED * len(self.world.names)

    def all_flows(self) -> None:
        """One night; attempts that pass are tried again, as the daemon does."""
        with ThreadPoolExecutor(len(self.world.names)) as threads:
            list(threads.map(self.one, self.settings.values()))

    def one(self, settings: Settings) -> None:
        request = Request(trigger=Trigger.SCHEDULE, who="zvirka daemon", wait=60)
        for _ in range(20):
            try:
                ended = self.perform(settings, request)
            except ZvirkaError as error:
                assert error.passing, str(error)
                continue
            if ended.status is RunStatus.FINISHED:
                return
            assert ended.passing or ended.status is RunStatus.INTERRUPTED, ended.error
        raise AssertionError(f"the night of {settings.name} is lost\n{self.world.log}")

    def perform(self, settings: Settings, request: Request) -> Summary:
        over = threading.Event()
        runs = self.dispatcher.runs_of(settings.name, over.set)
        runs.begin(settings, request, Pulse(time.monotonic))
        over.wait()
        ending = runs.take()
        assert ending is not None
        if ending.error is not None:
            raise ending.error
        assert ending.value is not None
        return ending.value

    def trouble(self, over: threading.Event, pause: float) -> None:
        """Until the nights are over: kill a worker, cut one off, take the database away."""
        kinds = [self.kill, self.cut, self.no_database]
        while True:
            self.chance.shuffle(kinds)
            for befall in kinds:
                if over.wait(pause * self.chance.uniform(0.5, 1.5)):
                    return
                befall()

    def kill(self) -> None:
        number = self.chance.randrange(len(self.workers))
        self.workers[number].kill()
        self.workers[number].wait()
        self.workers[number] = self.start(number == 2)
        self.befell.append("kill")

    def cut(self) -> None:
        self.proxy.cut()
        self.befell.append("cut")

    def no_database(self) -> None:
        """What a restart does to the clients: sessions end, and none begins for a while."""
        url = make_url(self.world.journal)
        engine = create_engine(url.set(database="postgres"), isolation_level="AUTOCOMMIT")
        allow = f'ALTER DATABASE "{url.database}" ALLOW_CONNECTIONS'
        end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name"
        with engine.connect() as connection:
            connection.execute(text(f"{allow} false"))
            connection.execute(text(end), {"name": url.database})
            time.sleep(1.0)
            connection.execute(text(f"{allow} true"))
        engine.dispose()
        self.befell.append("database")

    def close(self) -> None:
        for worker in self.workers:
            worker.kill()
        self.proxy.close()

    # -- what must hold --------------------------------------------------------------------------

    def written_once(self, edits: int) -> None:
        writes: list[str] = []
        for name in self.world.names:
            with closing(sqlite3.connect(self.world.folder / f"{name}.db")) as store:
                left = store.execute("SELECT count(*) FROM clients WHERE name LIKE 'edited%'")
                assert left.fetchone() == (0,), f"{name} has not converged"
                writes += [f"{name} {was}" for (was,) in store.execute("SELECT was FROM writes")]
        assert len(writes) == len(set(writes)) == edits

    def lanes_kept(self) -> None:
        """No two finished runs of one lane were under way at the same time."""
        query = "SELECT started_at, finished_at FROM run WHERE status = 'finished'"
        by_lane: dict[str, list[tuple[datetime, datetime]]] = {}
        for name, lane in lanes_of(self.settings).items():
            by_lane.setdefault(lane, []).extend(self.world.ask(f"zvirka_{name}", query, {}))
        for spans in by_lane.values():
            spans.sort()
            for (_, ended), (began, _) in pairwise(spans):
                assert ended <= began


def lived_through(folder: Path, *, flows: int, servers: int, nights: int) -> None:
    """So many nights at least, and as many more as it takes for every trouble to befall them."""
    seed = int(os.environ.get("FLEET_SEED", "19"))
    with fleet(folder, flows=flows, servers=servers, takeover="3s", own=["sessions = 2"]) as world:
        lived = Nights(world, Random(seed))
        try:
            began = time.monotonic()
            lived.all_flows()
            quiet = time.monotonic() - began
            began = time.monotonic()
            over = threading.Event()
            # Often, but not so often that a slow machine gets nothing done in between.
            trouble = threading.Thread(target=lived.trouble, args=(over, 0.8 * quiet))
            trouble.start()
            try:
                edits = 0
                for night in range(10 * nights):
                    edits += lived.edit(night)
                    lived.all_flows()
                    print(f"night {night + 1}: {time.monotonic() - began:.0f} s", flush=True)
                    if night + 1 >= nights and set(lived.befell) >= TROUBLES:
                        break
            finally:
                over.set()
                trouble.join()
            assert set(lived.befell) >= TROUBLES, lived.befell
            lived.written_once(edits)
            lived.lanes_kept()
            seconds = time.monotonic() - began
            print(
                f"{night + 1} nights of {flows} flows in {seconds:.0f} s: {Counter(lived.befell)}"
            )
        finally:
            lived.close()


@pytest.mark.timeout(300)
def test_a_few_nights_through_every_trouble(tmp_path: Path) -> None:
    lived_through(tmp_path, flows=6, servers=2, nights=5)


@pytest.mark.slow
@pytest.mark.timeout(4 * 3600)
def test_two_hundred_nights_of_sixty_flows(tmp_path: Path) -> None:
    nights = int(os.environ.get("FLEET_NIGHTS", "200"))
    lived_through(tmp_path, flows=60, servers=20, nights=nights)

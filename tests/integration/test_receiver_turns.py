"""Receivers of several machines on one journal: they take turns, and every effect happens once."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_OID, uuid5

import httpx
import msgspec
import pytest
from sqlalchemy import Connection, create_engine, text

from tests import processes
from tests.integration import receiver_child
from tests.integration.databases import fresh
from tests.integration.receiver_world import (
    PATH,
    STAMP,
    World,
    new_body,
    receiver,
    running,
    settings,
)
from tests.integration.store_shapes import SHAPES, Shape
from tests.integration.test_receiver_kill import free_port
from zvirka.erp.sql.upsert import Upsert, UpsertRequest, UpsertResult
from zvirka.errors import LockHeldError
from zvirka.journal import receiver_turns
from zvirka.journal.engine import open_engine
from zvirka.journal.receipt_checks import verify_receipts
from zvirka.journal.run_lock import receiver_lock
from zvirka.receiver import batching
from zvirka.receiver.run_receiver import receiver_apps
from zvirka.settings.model import Settings
from zvirka.settings.profiles import mapping_of

TERMINATE = """
    SELECT pg_terminate_backend(pid)
    FROM pg_stat_activity
    WHERE application_name LIKE 'zvirka/serve/%/' || :who AND datname = current_database()
"""


def about(code: str, stamp: int = STAMP, **values: Any) -> dict[str, Any]:
    """A message about a client with a Ref_Key of its own."""
    ref = uuid5(NAMESPACE_OID, code)
    tax_id = str(10**9 + ref.int % 10**9)
    return new_body("create", stamp, ref=str(ref), code=code, tax_id=tax_id, **values)


class Machines:
    """One store and one journal for the receivers of two machines."""

    def __init__(self, folder: Path, *, together: bool) -> None:
        self.folder = folder
        self.shape: Shape = SHAPES["production"]("postgresql", folder)
        self.journal = self.shape.erp.url if together else fresh("postgresql", folder)
        self.tables: dict[str, Any] = {"erp": self.shape.erp, "journal": {"url": self.journal}}
        self.children: list[BaseProcess] = []

    @contextmanager
    def receiver(self, who: str) -> Iterator[World]:
        with receiver(self.folder / who, self.shape.mapping, who=who, **self.tables) as world:
            yield world

    def start(self, who: str, killed_in: str = "") -> str:
        """Start a receiver in a process of its own, and return its address."""
        listen = f"127.0.0.1:{free_port()}"
        made = settings(self.folder / who, receiver={"listen": listen}, **self.tables)
        given = (made.model_dump_json(by_alias=True), msgspec.json.encode(self.shape.mapping))
        self.children.append(processes.start(receiver_child.receive, *given, killed_in))
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                if httpx.get(f"http://{listen}/healthz").status_code == 200:
                    return f"http://{listen}{PATH}"
            except httpx.HTTPError:
                time.sleep(0.05)
        raise TimeoutError("the receiver does not come up")

    def stop(self) -> None:
        for child in self.children:
            child.kill()
            child.join()

    def lose_turn(self, who: str) -> None:
        engine = create_engine(self.journal, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            assert connection.execute(text(TERMINATE), {"who": who}).scalar() is True
        engine.dispose()

    def clients(self) -> dict[str, str]:
        """Name by code; the test fails on a code that is there twice."""
        rows = self.shape.sql("SELECT external_id, name FROM clients WHERE external_id IS NOT NULL")
        names = {str(code): str(name) for code, name in rows}
        assert len(names) == len(rows)
        return names

    def receipts(self) -> list[dict[str, Any]]:
        """All receipts; their chain is whole and none is open."""
        journal, _ = open_engine(settings(self.folder, **self.tables))
        try:
            assert list(verify_receipts(journal)) == []
            with journal.connect() as connection:
                rows = connection.execute(text("SELECT * FROM receipt ORDER BY id")).mappings()
                found = [dict(row) for row in rows]
        finally:
            journal.dispose()
        assert [row for row in found if not row["outcome"]] == []
        return found


@pytest.fixture(params=["two databases", "one database"])
def machines(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Machines]:
    for machine in ("one", "two"):
        (tmp_path / machine).mkdir()
    made = Machines(tmp_path, together=request.param == "one database")
    yield made
    made.stop()


def taken(world: World, body: dict[str, Any]) -> str:
    """Send as 1C does: again, while the other receiver has its turn for too long."""
    answer = until(lambda: world.post(body), lambda got: got.status_code != 503)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["outcome"])


def test_the_same_message_to_both_at_once_has_one_effect(machines: Machines) -> None:
    with (
        machines.receiver("one") as one,
        machines.receiver("two") as two,
        ThreadPoolExecutor(8) as pool,
    ):
        messages = [about(f"C-{number}") for number in range(40)]
        sent = [pool.submit(taken, world, body) for body in messages for world in (one, two)]
        outcomes = Counter(future.result() for future in sent)
    assert outcomes == {"created": 40, "stale": 40}
    assert set(machines.clients()) >= {f"C-{number}" for number in range(40)}
    assert len(machines.receipts()) >= 80


def test_an_older_message_to_the_other_receiver_is_stale(machines: Machines) -> None:
    with machines.receiver("one") as one, machines.receiver("two") as two:
        assert one.outcome(new_body("create", STAMP)) == "created"
        assert two.outcome(new_body("update", STAMP + 2, name="Бета")) == "updated"
        assert one.outcome(new_body("update", STAMP + 1, name="Гамма")) == "stale"
        assert two.outcome(new_body("update", STAMP + 3, name="Дельта")) == "updated"
    assert machines.clients()["000000001"] == "Дельта"
    assert len(machines.receipts()) == 4


class Load:
    """Threads that each change clients of their own, at either receiver, some changes at both."""

    def __init__(
        self, addresses: Sequence[str], clients: int, refusals: frozenset[int] = frozenset({503})
    ) -> None:
        self.addresses = addresses
        self.clients = clients
        self.refusals = refusals
        self.last: dict[str, tuple[int, str]] = {}
        self.ids: set[str] = set()
        self.taken = 0
        self.over = threading.Event()
        self.running: list[Future[None]] = []

    def run(self, number: int) -> None:
        chosen, step = random.Random(number), 0
        with httpx.Client(timeout=40) as client:
            while not self.over.is_set():
                step += 1
                code = f"{number}-{chosen.randrange(self.clients)}"
                stamp = STAMP + step
                body = about(code, stamp, name=f"Н{step}")
                for address in chosen.sample(self.addresses, chosen.choice((1, 1, 2))):
                    if self._post(client, address, body):
                        self.last[code] = (stamp, f"Н{step}")
                        self.ids.add(body["messageId"])
                        self.taken += 1

    def _post(self, client: httpx.Client, address: str, body: dict[str, Any]) -> bool:
        try:
            answer = client.post(address, json=body)
        except httpx.HTTPError:
            return False  # it was killed
        assert answer.status_code in {200, *self.refusals}, answer.text
        return answer.status_code == 200

    @contextmanager
    def at_work(self, threads: int = 6) -> Iterator[None]:
        with ThreadPoolExecutor(threads) as pool:
            self.running = [pool.submit(self.run, number) for number in range(threads)]
            try:
                yield
            finally:
                self.over.set()
            for one in self.running:
                one.result()

    def wait(self, taken: int) -> None:
        deadline = time.monotonic() + 100
        while self.taken < taken:
            assert not any(one.done() for one in self.running), "a client saw what it must not"
            assert time.monotonic() < deadline, f"only {self.taken} messages were taken in"
            time.sleep(0.02)


def proven(machines: Machines, load: Load) -> None:
    """The newest message of each client is in the store, and each message had one effect."""
    names = machines.clients()
    receipts = machines.receipts()
    for code, (_, name) in load.last.items():
        assert names[code] == name
    done = Counter(
        row["message_id"] for row in receipts if row["outcome"] in {"created", "updated"}
    )
    assert max(done.values()) == 1
    seen = {row["message_id"] for row in receipts}
    assert load.ids <= seen


@pytest.mark.long
@pytest.mark.timeout(300)
def test_two_receivers_under_load_keep_the_order_of_each_client(machines: Machines) -> None:
    load = Load([machines.start("one"), machines.start("two")], clients=5)
    with load.at_work():
        load.wait(300)
    proven(machines, load)
    assert len(load.last) > 15


@pytest.mark.long
@pytest.mark.timeout(300)
@pytest.mark.parametrize("killed_in", ["waves", "settle_receipts"])
def test_what_a_killed_receiver_left_is_settled_by_the_other(
    machines: Machines, killed_in: str
) -> None:
    load = Load([machines.start("one", killed_in), machines.start("two")], clients=5)
    fatal = about(receiver_child.FATAL)
    with load.at_work():
        load.wait(100)
        with pytest.raises(httpx.HTTPError):
            httpx.post(load.addresses[0], json=fatal, timeout=30)
        load.wait(load.taken + 200)
    machines.children[0].join(10)
    assert machines.children[0].exitcode == -9
    proven(machines, load)
    if machines.journal != machines.shape.erp.url:  # else it left nothing
        assert machines.clients()[receiver_child.FATAL] == "Альфа"


def during_the_batch_of(
    monkeypatch: pytest.MonkeyPatch, code: str, happens: Callable[[], None]
) -> None:
    """Have something happen when a batch with this client is about to write the store, once."""
    apply, left = Upsert.apply, [happens]

    def disturbed(
        self: Upsert, connection: Connection, requests: Sequence[UpsertRequest]
    ) -> list[UpsertResult]:
        if left and any(request.key == code for request in requests):
            left.pop()()
        return apply(self, connection, requests)

    monkeypatch.setattr(Upsert, "apply", disturbed)


def test_a_receiver_that_lost_its_turn_in_a_batch_writes_nothing_more(
    machines: Machines, monkeypatch: pytest.MonkeyPatch
) -> None:
    apart = machines.journal != machines.shape.erp.url
    with machines.receiver("one") as one, machines.receiver("two") as two:
        assert one.outcome(new_body("create")) == "created"
        newer: list[str] = []

        def other_takes_over() -> None:
            machines.lose_turn("one")
            newer.append(two.outcome(new_body("update", STAMP + 2, name="Гамма")))

        if apart:
            during_the_batch_of(monkeypatch, "000000001", other_takes_over)
        else:  # the other one would wait for the receipts of the same transaction
            during_the_batch_of(monkeypatch, "000000001", lambda: machines.lose_turn("one"))
        answer = one.post(new_body("update", STAMP + 1, name="Бета"))
        assert answer.status_code == 503
        assert newer == (["updated"] if apart else [])
        assert machines.clients()["000000001"] == ("Гамма" if apart else "Альфа")
        assert one.outcome(new_body("update", STAMP + 3, name="Дельта")) == "updated"
        assert two.outcome(new_body("update", STAMP + 4, name="Епсилон")) == "updated"
    outcomes = [row["outcome"] for row in machines.receipts()]
    assert outcomes == ["created", *["updated"] * (4 if apart else 2)]


@pytest.mark.long
def test_a_turn_that_does_not_end_is_503_with_its_holder_and_is_waited_for_without_messages(
    machines: Machines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receiver_turns, "TURN_SECONDS", 1)
    monkeypatch.setattr(batching, "LOOK_SECONDS", 0.2)
    go = threading.Event()
    during_the_batch_of(monkeypatch, "slow", lambda: assert_set(go))
    with (
        machines.receiver("one") as one,
        machines.receiver("two") as two,
        ThreadPoolExecutor(1) as pool,
    ):
        slow = pool.submit(one.outcome, about("slow"))
        answer = until(lambda: two.post(new_body("create")), lambda got: got.status_code == 503)
        assert "does not end its batch" in answer.json()["reason"]
        assert two.client.get("/healthz").status_code == 503
        go.set()
        assert slow.result() == "created"
        until(lambda: two.client.get("/healthz"), lambda got: got.status_code == 200)
    machines.receipts()


def assert_set(event: threading.Event) -> None:
    assert event.wait(20)


def until(
    ask: Callable[[], httpx.Response], reached: Callable[[httpx.Response], bool]
) -> httpx.Response:
    deadline = time.monotonic() + 60
    while not reached(answer := ask()):
        assert time.monotonic() < deadline, answer.text
        time.sleep(0.05)
    return answer


def test_a_connection_that_was_lost_between_batches_is_made_again(machines: Machines) -> None:
    with machines.receiver("one") as world:
        assert world.outcome(new_body("create")) == "created"
        machines.lose_turn("one")
        assert world.outcome(new_body("update", STAMP + 1, name="Бета")) == "updated"
    assert len(machines.receipts()) == 2


def test_a_restore_is_refused_while_a_receiver_waits_for_messages(machines: Machines) -> None:
    made = settings(machines.folder, **machines.tables)
    with machines.receiver("one"):
        with (
            pytest.raises(LockHeldError, match="another receiver") as caught,
            receiver_lock(made, who="restore"),
        ):
            pytest.fail("the journal would be replaced under the receiver")
        assert "serve by one since" in caught.value.place
    with (
        receiver_lock(made, who="restore"),
        pytest.raises(LockHeldError, match="another receiver"),
        machines.receiver("two"),
    ):
        pytest.fail("a receiver works on a journal that is being restored")


def test_the_receivers_of_further_flows_take_turns_too(tmp_path: Path) -> None:
    journal = fresh("postgresql", tmp_path)

    def flow(machine: str, name: str) -> Settings:
        return settings(
            tmp_path / machine,
            erp={"url": f"sqlite:///{tmp_path}/{name}.db"},
            journal={"url": journal, "schema": f"zvirka_{name}"},
            receiver={"path": f"/{name}"},
        )

    with ExitStack() as opened:
        clients = []
        for machine in ("one", "two"):
            first, further = flow(machine, "first"), flow(machine, "further")
            app = opened.enter_context(receiver_apps(first, mapping_of(first), [further]))
            address = opened.enter_context(running(app))
            clients.append(opened.enter_context(httpx.Client(base_url=address, timeout=30)))
        for stamp, path in enumerate(("/first", "/further") * 2):
            for client in clients:
                answer = client.post(path, json=new_body("create", STAMP + stamp))
                assert answer.status_code == 200, answer.text
    for name in ("first", "further"):
        found, _ = open_engine(flow("one", name))
        with found.connect() as connection:
            assert connection.execute(text("SELECT count(*) FROM receipt")).scalar() == 4
        assert list(verify_receipts(found)) == []
        found.dispose()

"""A receiver that dies at any step loses nothing and repeats nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, event, text

from tests.integration.receiver_world import MAPPING, NOW, STAMP, body, new_body, settings
from zvirka.domain import (
    Action,
    Cause,
    Command,
    Correction,
    Difference,
    Kind,
    RunStatus,
    Trigger,
)
from zvirka.erp.open_store import open_layout
from zvirka.erp.sql.upsert import Upsert, UpsertRequest, UpsertResult
from zvirka.errors import JournalError
from zvirka.journal.engine import open_engine
from zvirka.journal.journal import Journal
from zvirka.journal.receipt_checks import verify_receipts
from zvirka.journal.receipts import find_receipts
from zvirka.message import coded
from zvirka.policy import Policy
from zvirka.receiver import ingest as ingest_module
from zvirka.receiver.ingest import Ingest
from zvirka.receiver.payload import PayloadReader, WebhookMessage


class Killed(BaseException):
    """What stands for kill -9: nothing in the receiver catches it and goes on."""


class Station:
    """An ingest over real databases, and what a look from aside sees."""

    def __init__(self, directory: Path) -> None:
        made = settings(directory)
        self.store, layout = open_layout(made.erp, MAPPING)
        self.journal, _ = open_engine(made)
        policy = Policy(deletes_marked=False, rekey="propose")
        self.ingest = Ingest(
            self.journal, self.store, layout, MAPPING, policy, lambda: NOW, shared=False
        )

    def close(self) -> None:
        self.store.dispose()
        self.journal.dispose()

    def clients(self) -> list[tuple[Any, ...]]:
        return _rows(self.store, "SELECT code, name FROM clients ORDER BY id")

    def outcomes(self) -> list[str]:
        return [row[0] for row in _rows(self.journal, "SELECT outcome FROM receipt ORDER BY id")]


def _rows(engine: Engine, statement: str) -> list[tuple[Any, ...]]:
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(statement))]


@contextmanager
def station(directory: Path) -> Iterator[Station]:
    opened = Station(directory)
    try:
        yield opened
    finally:
        opened.close()


def message(content: dict[str, Any]) -> WebhookMessage:
    return PayloadReader(MAPPING).read(json.dumps(content).encode(), NOW)


def die_at(monkeypatch: pytest.MonkeyPatch, function: str) -> None:
    def dies(*_: object, **__: object) -> None:
        raise Killed

    monkeypatch.setattr(ingest_module, function, dies)


@pytest.mark.parametrize(
    ("step", "in_store"), [("waves", False), ("settle_receipts", True)]
)  # before the store, after it
def test_what_a_crash_left_open_is_settled_at_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, in_store: bool
) -> None:
    batch = [message(new_body("create")), message(body("create", code="2"))]
    with station(tmp_path) as killed, monkeypatch.context() as patched:
        killed.ingest.recover()
        die_at(patched, step)
        with pytest.raises(Killed):
            killed.ingest.take(batch)
        assert killed.outcomes() == ["", ""]
        assert len(killed.clients()) == (2 if in_store else 0)
    with station(tmp_path) as again:
        assert again.ingest.recover() == 2
        assert again.clients() == [("000000001", "Альфа"), ("2", "Альфа")]
        assert again.outcomes() == ["unchanged" if in_store else "created"] * 2
        assert again.ingest.recover() == 0
        assert list(verify_receipts(again.journal)) == []
        assert _rows(again.journal, "SELECT DISTINCT payload FROM receipt") == [("{}",)]


def test_a_receipt_that_could_not_be_settled_is_settled_before_the_next_batch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with station(tmp_path) as one:
        one.ingest.recover()
        with monkeypatch.context() as patched:

            def full(*_: object) -> None:
                raise JournalError(coded("ZV0000", "the disk is full"))

            patched.setattr(ingest_module, "settle_receipts", full)
            with pytest.raises(JournalError):
                one.ingest.take([message(body("create"))])
        one.ingest.take([message(body("update", name="Бета"))])
        assert one.outcomes() == ["unchanged", "updated"]
        assert list(verify_receipts(one.journal)) == []


def test_a_message_that_cannot_be_taken_in_keeps_neither_the_others_nor_the_start_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    apply = Upsert.apply

    def stumbles(
        self: Upsert, connection: Connection, requests: Sequence[UpsertRequest]
    ) -> list[UpsertResult]:
        if any(request.key == "poison" for request in requests):
            raise TypeError
        return apply(self, connection, requests)

    monkeypatch.setattr(Upsert, "apply", stumbles)
    batch = [message(body("create", code=code)) for code in ("1", "poison", "2")]
    with station(tmp_path) as one:
        with pytest.raises(TypeError):
            one.ingest.take(batch)
        one.ingest.take([message(body("create", code="3"))])
        assert [code for code, _ in one.clients()] == ["1", "2", "3"]
        assert one.outcomes() == ["created", "left", "created", "created"]
        assert list(verify_receipts(one.journal)) == []


def test_an_open_receipt_of_another_version_of_zvirka_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with station(tmp_path) as killed, monkeypatch.context() as patched:
        killed.ingest.recover()
        die_at(patched, "waves")
        with pytest.raises(Killed):
            killed.ingest.take([message(body("create"))])
        with killed.journal.begin() as connection:
            connection.exec_driver_sql('UPDATE receipt SET payload = \'{"of": "old"}\'')
    with station(tmp_path) as again:
        assert again.ingest.recover() == 1
        assert again.outcomes() == ["left"]


@pytest.mark.parametrize(
    ("command", "status"),
    [
        ("reconcile", "finished"),
        ("reconcile", "held"),
        ("reconcile", "running"),
        ("resync", "finished"),
        ("approve", "failed"),
        ("undo", "finished"),
    ],
)
def test_after_a_run_that_may_have_written_an_open_receipt_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, status: str
) -> None:
    with station(tmp_path) as killed, monkeypatch.context() as patched:
        killed.ingest.recover()
        die_at(patched, "waves")
        with pytest.raises(Killed):
            killed.ingest.take([message(body("create"))])
        journal = Journal(killed.journal, "journal")
        moment = NOW + timedelta(minutes=1)
        run = journal.begin(
            command=Command(command), trigger=Trigger.MANUAL, who="a", reason="", now=moment
        )
        if status != "running":
            journal.finish(run, status=RunStatus(status), exit_code=0, now=moment)
    with station(tmp_path) as again:
        again.ingest.recover()
        assert again.clients() == []
        assert again.outcomes() == ["left"]
        assert list(verify_receipts(again.journal)) == []


def test_after_a_plan_an_open_receipt_is_taken_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with station(tmp_path) as killed, monkeypatch.context() as patched:
        killed.ingest.recover()
        die_at(patched, "waves")
        with pytest.raises(Killed):
            killed.ingest.take([message(body("create"))])
        journal = Journal(killed.journal, "journal")
        run = journal.begin(
            command=Command.PLAN, trigger=Trigger.MANUAL, who="a", reason="", now=NOW
        )
        journal.finish(run, status=RunStatus.FINISHED, exit_code=0, now=NOW)
    with station(tmp_path) as again:
        again.ingest.recover()
        assert again.outcomes() == ["created"]


def test_a_message_that_a_run_has_overtaken_is_sent_again_by_1c(tmp_path: Path) -> None:
    with station(tmp_path) as one:
        one.ingest.take([message(body("create", name="V1")), message(body("create", code="2"))])
        journal = Journal(one.journal, "journal")
        moment = NOW + timedelta(seconds=1)
        run = journal.begin(
            command=Command.RESYNC, trigger=Trigger.MANUAL, who="a", reason="", now=moment
        )
        difference = Difference(
            number=1,
            kind=Kind.DIFFERENT,
            cause=Cause.MISSED_UPDATE,
            key="000000001",
            ref="",
            name="",
            action=Action.UPDATE,
        )
        journal.add_differences(run, [difference])
        correction = Correction(id=0, action=Action.UPDATE, key="000000001", ref="", row="1")
        journal.intend(run, [(1, correction)], moment)
        with one.store.begin() as store:
            store.execute(text("UPDATE clients SET name = 'V3' WHERE code = '000000001'"))
        results = one.ingest.take(
            [message(body("update", name="V2")), message(body("update", code="2", name="Б"))]
        )
        assert [result.outcome for result in results] == ["left", "updated"]
        assert one.clients() == [("000000001", "V3"), ("2", "Б")]


def test_in_one_batch_each_message_sees_what_those_before_it_did(tmp_path: Path) -> None:
    batch = [
        new_body("create"),
        new_body("update", STAMP + 2, name="Друга"),
        new_body("update", STAMP + 1, name="Перша"),
        new_body("delete", STAMP + 3),
        body("create", code="2"),
        body("create", code="2"),
    ]
    with station(tmp_path) as one:
        results = one.ingest.take([message(content) for content in batch])
        assert [result.outcome for result in results] == [
            "created",
            "updated",
            "stale",
            "deleted",
            "created",
            "unchanged",
        ]
        assert one.clients() == [("000000001", "Друга"), ("2", "Альфа")]


def test_receipts_are_found_by_ref_and_by_key_since_a_moment(tmp_path: Path) -> None:
    with station(tmp_path) as one:
        one.ingest.take([message(new_body("create")), message(body("create", code="2"))])
        first = message(new_body("create"))
        found = find_receipts(one.journal, refs=[first.ref], keys=["2", "000000001"], since=NOW)
        assert sorted((receipt.key, receipt.outcome) for receipt in found) == [
            ("000000001", "created"),
            ("2", "created"),
        ]
        later = NOW + timedelta(seconds=1)
        assert list(find_receipts(one.journal, keys=["2"], since=later)) == []
        assert list(find_receipts(one.journal, keys=["3"])) == []


@pytest.fixture
def filled(tmp_path: Path) -> Iterator[Station]:
    with station(tmp_path) as one:
        for number in range(1, 4):
            one.ingest.take(
                [
                    message(body("create", code=f"{number}-{half}") | {"origin": "x"})
                    for half in range(2)
                ]
            )
        yield one


def test_an_untouched_chain_verifies(filled: Station) -> None:
    assert list(verify_receipts(filled.journal)) == []


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("UPDATE receipt SET key = 'x' WHERE id = 3", "receipt 3: what was received"),
        ("UPDATE receipt SET received_at = '2020-01-01 00:00:00.000000' WHERE id = 3", "receipt 3"),
        ("UPDATE receipt SET outcome = 'failed' WHERE id = 6", "receipt 6: the outcome does not"),
        ("UPDATE receipt SET detail = 'x' WHERE id = 4", "receipt 4: the outcome does not"),
        ("UPDATE receipt SET outcome = '' WHERE id = 6", "receipt 6: the outcome was removed"),
        ("UPDATE receipt SET extra = '{\"a\":1}' WHERE id = 2", "receipt 2: the extra keys"),
        ("DELETE FROM receipt WHERE id = 3", "receipt 4: a link before it"),
        ("DELETE FROM receipt WHERE id = 1", "receipt 2: a link before it"),
        (
            "INSERT INTO receipt SELECT 9, received_at, action, key, ref, message_id, stamp,"
            " payload_digest, payload, extra, extra_digest, 'p', digest, outcome, detail,"
            " settled_at, settled_previous, settled_digest FROM receipt WHERE id = 2",
            "receipt 9: a link before it",
        ),
    ],
)
def test_whatever_is_changed_in_a_receipt_is_told(
    filled: Station, statement: str, told: str
) -> None:
    with filled.journal.begin() as connection:
        assert connection.exec_driver_sql(statement).rowcount == 1
    problems = list(verify_receipts(filled.journal))
    assert any(problem.startswith(told) for problem in problems), problems


def test_extra_keys_emptied_by_prune_do_not_break_the_chain(filled: Station) -> None:
    with filled.journal.begin() as connection:
        connection.execute(text("UPDATE receipt SET extra = '{}'"))
    assert list(verify_receipts(filled.journal)) == []


def test_a_full_disk_of_the_journal_is_explained_as_to_a_run(filled: Station) -> None:
    with filled.journal.connect() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()

    def no_more_pages(raw: Any, *_others: object) -> None:
        raw.execute(f"PRAGMA max_page_count = {pages}")

    filled.journal.dispose()
    event.listen(filled.journal, "connect", no_more_pages)
    long = [message(body("create", code=str(number), name="я" * 900)) for number in range(10, 40)]
    with pytest.raises(JournalError, match="the disk of the journal is full"):
        filled.ingest.take(long)


def test_a_second_writer_that_takes_no_turns_cannot_fork_the_chain(
    filled: Station, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Station(tmp_path)
    try:
        other.ingest.recover()
        monkeypatch.setattr(ingest_module, "is_followed", lambda *_: False)
        filled.ingest.take([message(body("create", code="9"))])
        with pytest.raises(JournalError, match="make sure only one zvirka writes to it"):
            other.ingest.take([message(body("create", code="10"))])
    finally:
        other.close()
    assert list(verify_receipts(filled.journal)) == []

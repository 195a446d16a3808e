"""The outbox of the extension, read from a real HTTP server that publishes its register."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from lxml import etree

from tests.unit.onec.scripted import Reply, served
from zvirka.onec import failures
from zvirka.onec.session import OnecSession
from zvirka.onec.undelivered import PROPERTIES, REGISTER, OutboxReader, Waiting
from zvirka.simulator import Simulator, SimulatorOptions
from zvirka.simulator.outbox_register import OUTBOX_TYPE

SOURCES = Path(__file__).resolve().parents[3] / "bsl" / "extension" / "InformationRegisters"
REF = "6f9619ff-8b86-d011-b42d-00c04fc964ff"
SINCE = datetime(2026, 11, 24, 21, 0, 0, 42_000, tzinfo=UTC)


@contextmanager
def outbox_of(
    simulator: Simulator, page_bytes: int = 4_000_000, catalogue: str = ""
) -> Iterator[OutboxReader]:
    session = OnecSession(
        simulator.url, simulator.user, simulator.password, retries=1, sleep=lambda _: None
    )
    with session:
        yield OutboxReader(session, page_bytes=page_bytes, max_url=2000, catalogue=catalogue)


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator(SimulatorOptions(counterparties=3, outbox=True)) as running:
        yield running


def test_a_message_is_read_with_its_attempts_its_error_and_its_times(simulator: Simulator) -> None:
    outbox = simulator.base.outbox
    message = outbox.put(REF.upper(), "update", SINCE, code="000000042 ")
    tried = SINCE
    for attempt in range(1, 9):
        tried += timedelta(hours=2)
        outbox.fail(message, tried, "HTTP 503", 503)
        with outbox_of(simulator) as reader:
            (found,) = reader.newest()
        assert (found.attempts, found.tried) == (attempt, tried)
    assert (found.ref, found.code, found.action) == (REF, "000000042", "update")
    assert (found.created, found.status, found.error) == (SINCE, 503, "HTTP 503")


def test_a_flow_reads_the_messages_of_its_own_catalogue(simulator: Simulator) -> None:
    """Код repeats from catalogue to catalogue."""
    outbox = simulator.base.outbox
    other = "7f9619ff-8b86-d011-b42d-00c04fc964ff"
    outbox.put(REF, "update", SINCE, code="1", catalogue="")  # of an earlier module
    outbox.put(other, "update", SINCE, code="1", catalogue="ДоговорыКонтрагентов")
    for catalogue, refs in (
        ("", {REF, other}),
        ("Контрагенты", {REF}),
        ("ДоговорыКонтрагентов", {REF, other}),
    ):
        with outbox_of(simulator, catalogue=catalogue) as reader:
            assert {one.ref for one in reader.newest()} == refs


def test_a_message_never_sent_has_no_attempt(simulator: Simulator) -> None:
    simulator.base.outbox.put(REF, "delete", SINCE)
    with outbox_of(simulator) as reader:
        (found,) = reader.newest()
    assert (found.action, found.attempts, found.tried, found.error) == ("delete", 0, None, "")


def test_a_delivered_message_is_not_there_any_more(simulator: Simulator) -> None:
    outbox = simulator.base.outbox
    outbox.deliver(outbox.put(REF, "update", SINCE))
    with outbox_of(simulator) as reader:
        assert list(reader.newest()) == []


def test_the_data_of_a_deleted_counterparty_are_never_asked_for(simulator: Simulator) -> None:
    simulator.base.outbox.put(REF, "delete", SINCE, data='{"Телефон": "+380441234567"}')
    with outbox_of(simulator) as reader:
        assert len(list(reader.newest())) == 1
    (selected,) = [one.query["$select"] for one in simulator.requests if "$select" in one.query]
    assert selected.split(",") == list(PROPERTIES)
    assert "Данные" not in selected


def test_many_messages_come_in_pages_newest_first_and_none_twice(simulator: Simulator) -> None:
    outbox = simulator.base.outbox
    for number in range(700):
        outbox.put(REF, "update", SINCE + timedelta(seconds=number), code=str(number))
    with outbox_of(simulator, page_bytes=30_000) as reader:
        codes = [message.code for message in reader.newest()]
        newest = [message.code for message in reader.newest(250)]
    assert codes == [str(number) for number in reversed(range(700))]
    assert newest == codes[:250]


def test_what_looks_personal_in_an_error_is_masked(simulator: Simulator) -> None:
    outbox = simulator.base.outbox
    message = outbox.put(REF, "update", SINCE)
    outbox.fail(message, SINCE, "refused\nfor ivan@example.com, +380 44 123-45-67, 12345678")
    with outbox_of(simulator) as reader:
        (found,) = reader.newest()
    assert "refused" in found.error
    for personal in ("ivan", "example.com", "123-45", "12345678", "\n"):
        assert personal not in found.error


def test_a_row_that_is_no_message_is_passed_over(simulator: Simulator) -> None:
    outbox = simulator.base.outbox
    outbox.put("nobody", "update", SINCE)
    outbox.put(REF, "upsert", SINCE)
    outbox.put(REF, "update", SINCE)
    outbox.table.rows[-1]["Создано"] = "учора"
    outbox.put(REF, "create", SINCE, code="7")
    with outbox_of(simulator) as reader:
        assert [message.code for message in reader.newest()] == ["7"]


@pytest.mark.parametrize("loaded", [False, True])
def test_a_register_that_is_not_published_is_an_empty_one(loaded: bool) -> None:
    """Either the extension is not loaded, or its register is not in the composition."""
    with Simulator(SimulatorOptions(counterparties=3, outbox=loaded)) as simulator:
        simulator.faults.unpublished = {REGISTER} if loaded else frozenset()
        simulator.base.outbox.put(REF, "update", SINCE)
        with outbox_of(simulator) as reader:
            assert list(reader.newest()) == []
            assert reader.waiting() is None


def test_a_register_that_cannot_be_read_is_an_error_and_not_an_empty_one(
    simulator: Simulator,
) -> None:
    simulator.faults.fail_500 = True
    with outbox_of(simulator) as reader:
        with pytest.raises(failures.ServerFailureError):
            list(reader.newest())
        with pytest.raises(failures.ServerFailureError):
            reader.waiting()


@pytest.mark.parametrize("counted", [True, False])
def test_what_waits_is_counted_and_what_was_sent_in_vain_apart(
    simulator: Simulator, counted: bool
) -> None:
    simulator.faults.no_count = not counted
    outbox = simulator.base.outbox
    for number in range(5):
        message = outbox.put(REF, "update", SINCE + timedelta(seconds=number))
        if number < 2:
            outbox.fail(message, SINCE, "HTTP 503", 503)
    with outbox_of(simulator) as reader:
        assert reader.waiting() == Waiting(messages=5, failed=2)


def test_a_message_that_is_not_sent_any_more_says_so(simulator: Simulator) -> None:
    """After an answer 4xx the extension stops until a person repeats or drops the message."""
    outbox = simulator.base.outbox
    outbox.put(REF, "update", SINCE)
    stopped = outbox.put(REF, "create", SINCE + timedelta(seconds=1))
    outbox.fail(stopped, SINCE, "HTTP 422", 422, stopped=True)
    with outbox_of(simulator) as reader:
        assert [(m.action, m.stopped) for m in reader.newest()] == [
            ("create", True),
            ("update", False),
        ]
        assert reader.waiting() == Waiting(messages=2, failed=1, stopped=1)


def test_the_register_of_an_older_extension_has_no_stopped_state() -> None:
    """1C answers code 6 to a name that the register does not have."""
    row = dict.fromkeys(PROPERTIES, "") | {
        "Идентификатор": "m",
        "Ссылка": REF,
        "Действие": "update",
        "Создано": "2026-11-24T21:00:00.042Z",
        "Попыток": 0,
        "СледующаяПопытка": "0",
        "КодСостояния": 0,
    }
    del row["Остановлено"], row["Справочник"]
    unknown = {"odata.error": {"code": "6", "message": {"lang": "ru", "value": "Остановлено"}}}
    replies = [
        Reply(json.dumps(unknown, ensure_ascii=False).encode(), status=400),
        Reply(json.dumps({"value": [row]}, ensure_ascii=False).encode()),
    ]
    with served(*replies) as script, OnecSession(script.url, retries=0, sessions=False) as session:
        reader = OutboxReader(session, page_bytes=4_000_000, max_url=2000)
        (message,) = reader.newest(1)
    assert (message.ref, message.stopped) == (REF, False)


def test_reader_and_simulator_name_what_the_extension_has() -> None:
    root = etree.parse(SOURCES / "ZvirkaOutbox.xml").getroot()
    kinds = {}
    for tag in ("Dimension", "Resource"):
        for found in root.iter(f"{{*}}{tag}"):
            boolean = found.findtext(".//{http://v8.1c.ru/8.1/data/core}Type") == "xs:boolean"
            kind = "Edm.Boolean" if boolean else _edm(found.findtext(".//{*}Digits"))
            kinds[found.findtext("{*}Properties/{*}Name")] = kind
    assert {one.name: one.type for one in OUTBOX_TYPE.properties} == kinds
    assert {name: kinds[name] for name in PROPERTIES} == PROPERTIES
    dimensions = [one.findtext("{*}Properties/{*}Name") for one in root.iter("{*}Dimension")]
    assert list(OUTBOX_TYPE.key) == dimensions


def _edm(digits: str | None) -> str:
    """The type OData gives a string or a whole number of so many digits."""
    if digits is None:
        return "Edm.String"
    return "Edm.Int16" if int(digits) < 5 else "Edm.Int32" if int(digits) < 10 else "Edm.Int64"

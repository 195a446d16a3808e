"""A run and its report state only what that run itself counted; the rest is absent, not 0."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from io import BytesIO
from pathlib import Path

import pytest

from tests.integration.engine_world import World, world
from zvirka.domain import RunStatus, Trigger
from zvirka.onec.open_source import open_feed
from zvirka.reconcile.feeding import follow
from zvirka.report import render
from zvirka.service.alerts import Alerts
from zvirka.service.daemon_records import JournalRecords


@pytest.fixture
def night(tmp_path: Path) -> Iterator[World]:
    feed = {"exchange_plan": "Звірка", "exchange_node": "ZV"}
    with world(tmp_path, counterparties=30, onec=feed) as made:
        made.run()
        with open_feed(made.settings.onec, made.mapping) as feed_:
            feed_.confirm(feed_.pending().message)
        yield made


def report(made: World, run: int, form: str = "md") -> str:
    stream = BytesIO()
    with made.environment() as environment:
        render(environment.journal, run, form, "en", stream)
    return stream.getvalue().decode()


def test_a_night_counts_both_sides(night: World) -> None:
    facts = night.row(night.run().run).facts
    assert facts.source_count_before == facts.source_rows == facts.source_count_after
    assert facts.source_rows == len(night.refs())
    assert (facts.found, facts.remaining) == (0, 0)


def test_a_feed_does_not_repeat_the_counts_of_the_run_before(night: World) -> None:
    night.base.update(night.refs()[0], name="Через план обміну")
    with night.environment() as environment:
        run = follow(environment, who="test")
    assert run is not None
    facts = night.row(run.run).facts
    assert (facts.source_rows, facts.store_rows, facts.store_active) == (None, None, None)
    assert (facts.found, facts.remaining) == (1, 0)
    told = report(night, run.run)
    assert "in 1C, read" not in told
    assert "in the ERP, owned" not in told


def test_a_resync_of_one_states_what_1c_counted_and_no_zeros(night: World) -> None:
    run = night.resync(night.base.get(night.refs()[0]).values["code"])
    facts = night.row(run.run).facts
    assert facts.source_count_before == len(night.refs())
    assert facts.source_rows is None
    told = report(night, run.run)
    assert f"in 1C, counted before: {facts.source_count_before}" in told
    assert "in 1C, read" not in told


def test_a_run_that_failed_before_it_compared_counts_no_differences(night: World) -> None:
    night.simulator.faults.fail_500 = True
    run = night.run()
    assert run.status is RunStatus.FAILED
    assert (run.causes, run.remaining) == (None, None)
    told = report(night, run.run)
    assert "Left: 0" not in told
    assert "Differences by cause" not in told
    assert '"remaining": null' in report(night, run.run, "json")


def test_a_rejection_counts_what_it_leaves(night: World) -> None:
    careful = night.with_settings(guard={"max_deletes": 0})
    night.base.delete(night.refs()[0])
    held = careful.run()
    assert held.status is RunStatus.HELD
    rejected = careful.run("reject", parent=held.run, reason="ні")
    assert (rejected.causes, rejected.remaining, rejected.exit_code) == ({"rejected": 1}, 1, 1)


@pytest.mark.long
def test_a_1c_that_never_yields_a_complete_snapshot_raises_the_stale_alert(night: World) -> None:
    mail: list[str] = []

    def send(_address: str, title: str, _body: str) -> bool:
        mail.append(title)
        return True

    restricted = night.with_settings(
        onec={"allowed_only": True}, alerts={"urls": ["json://host"], "language": "en"}
    )
    night.simulator.faults.hide = frozenset(night.refs()[:5])
    alerts = Alerts(restricted.settings, send)
    records = JournalRecords(lambda: restricted.settings)
    before = records.situation(night.clock()).good
    assert before is not None
    for _ in range(3):
        night.clock.forward(days=1)
        run = restricted.run(full=True, trigger=Trigger.SCHEDULE)
        assert run.status is RunStatus.FINISHED
        alerts.judge(records.situation(night.clock()), None, night.clock())
    alerts.flush(night.clock())
    assert records.situation(night.clock()).good == before
    assert night.clock() - before > timedelta(days=2)
    assert mail.count("zvirka: no successful run for a long time") == 1

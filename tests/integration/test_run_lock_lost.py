"""A run that loses its lock in the middle of the writing: nothing is written past the journal."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from tests.integration.databases import fresh
from tests.integration.engine_world import World, world
from tests.integration.misbehaving_erp import MisbehavingErp
from zvirka.domain import OutcomeState
from zvirka.erp.sql.writer import SqlWriter
from zvirka.erp.webhook.endpoint import Endpoint

BATCH = 20


@pytest.fixture
def night(tmp_path: Path) -> Iterator[World]:
    """Sixty counterparties whose clients were edited; the journal is on PostgreSQL."""
    with world(tmp_path, shape="production", counterparties=60) as made:
        here = made.with_settings(
            journal={"url": fresh("postgresql", tmp_path)}, erp={"batch": BATCH}
        )
        assert here.run().exit_code == 0
        here.shape.sql("UPDATE clients SET name = 'edited'")
        yield here


def lose_the_lock(made: World) -> None:
    """End the session of the journal's database that holds the lock, as a failover does."""
    engine = create_engine(made.settings.journal.url or "", isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        ended = connection.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE application_name LIKE 'zvirka/%' AND datname = current_database()"
            )
        ).all()
    engine.dispose()
    assert ended


def applied(made: World, run: int) -> set[str]:
    with made.environment() as environment:
        return {
            correction.row
            for page in environment.journal.corrections(run)
            for _, correction, outcome in page
            if outcome.state is OutcomeState.APPLIED
        }


@pytest.mark.long
@pytest.mark.parametrize("lost_in", [1, 2, 3])
def test_no_transaction_is_committed_once_the_lock_is_lost(
    night: World, lost_in: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lock was looked at once in 5,000 corrections: up to 500 rows changed unrecorded."""
    commit = SqlWriter._commit
    transactions = 0

    def losing(self: SqlWriter, *given: Any) -> Any:
        nonlocal transactions
        transactions += 1
        if transactions == lost_in:
            lose_the_lock(night)
        return commit(self, *given)

    monkeypatch.setattr(SqlWriter, "_commit", losing)
    run = night.run()
    monkeypatch.undo()
    assert run.status == "failed"
    assert "the run lock is lost" in run.error
    changed = night.shape.sql("SELECT id FROM clients WHERE name <> 'edited'")
    assert len(changed) == BATCH * (lost_in - 1)
    assert night.run().exit_code == 0
    assert {str(row) for (row,) in changed} == applied(night, run.run)
    night.assert_in_sync()


@pytest.mark.long
def test_no_message_is_posted_once_the_lock_is_lost(
    night: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    with MisbehavingErp(night.settings.erp.url) as erp:
        webhook = {"url": erp.url, "per_second": 500, "concurrency": 1}
        posting = night.with_settings(erp={"writer": "webhook", "webhook": webhook})

        post = Endpoint.post

        def losing(self: Endpoint, message: Any) -> Any:
            if len(erp.posts) == 3:
                lose_the_lock(night)
            return post(self, message)

        monkeypatch.setattr(Endpoint, "post", losing)
        run = posting.run()
        assert run.status == "failed"
        assert "the run lock is lost" in run.error
        assert len(erp.posts) == 4

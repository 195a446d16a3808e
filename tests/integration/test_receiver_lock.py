"""Two receivers never work on one journal, even with different state directories."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from tests.integration.databases import fresh
from tests.integration.receiver_world import STAMP, World, new_body, receiver
from zvirka.errors import LockHeldError
from zvirka.journal.receipt_checks import verify_receipts

TERMINATE = """
    SELECT pg_terminate_backend(pid)
    FROM pg_stat_activity
    WHERE application_name LIKE 'zvirka/serve/%' AND datname = current_database()
"""


@pytest.fixture
def journal(tmp_path: Path) -> dict[str, Any]:
    """The settings of one PostgreSQL journal for two machines."""
    for machine in ("one", "two"):
        (tmp_path / machine).mkdir()
    return {"journal": {"url": fresh("postgresql", tmp_path)}}


def lose_lock(url: str) -> None:
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        assert connection.execute(text(TERMINATE)).scalar() is True
    engine.dispose()


def whole(world: World) -> bool:
    engine = world.journal()
    try:
        return list(verify_receipts(engine)) == []
    finally:
        engine.dispose()


def test_a_receiver_on_another_machine_is_refused_and_told_who_works(
    journal: dict[str, Any], tmp_path: Path
) -> None:
    with receiver(tmp_path / "one", **journal) as first:
        with (
            pytest.raises(LockHeldError, match="another receiver") as caught,
            receiver(tmp_path / "two", **journal),
        ):
            pytest.fail("two receivers work on one journal")
        assert "serve by zvirka since" in caught.value.place
        assert "systemctl stop" in caught.value.remedy
        assert first.outcome(new_body("create")) == "created"
    with receiver(tmp_path / "two", **journal) as second:
        assert second.outcome(new_body("create", STAMP + 1)) == "created"
        assert whole(second)


def test_a_lock_lost_with_its_connection_is_taken_again(
    journal: dict[str, Any], tmp_path: Path
) -> None:
    with receiver(tmp_path / "one", **journal) as world:
        assert world.outcome(new_body("create")) == "created"
        lose_lock(journal["journal"]["url"])
        assert world.outcome(new_body("update", STAMP + 1, name="Бета")) == "updated"
        with pytest.raises(LockHeldError), receiver(tmp_path / "two", **journal):
            pytest.fail("two receivers work on one journal")
        assert whole(world)


def test_a_receiver_whose_lock_another_took_takes_nothing_in_until_that_one_ends(
    journal: dict[str, Any], tmp_path: Path
) -> None:
    with receiver(tmp_path / "one", **journal) as first:
        assert first.outcome(new_body("create")) == "created"
        lose_lock(journal["journal"]["url"])
        with receiver(tmp_path / "two", **journal) as second:
            assert second.outcome(new_body("create", STAMP + 1)) == "created"
            assert first.post(new_body("update", STAMP + 2, name="Бета")).status_code == 503
            assert len(first.receipts()) == 2
        assert first.outcome(new_body("update", STAMP + 3, name="Гамма")) == "updated"
        assert whole(first)

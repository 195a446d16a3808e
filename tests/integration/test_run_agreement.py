"""The last agreement outlives the cache, and a damaged cache or agreement ends no night."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import pytest

from tests.integration.engine_world import World, world
from zvirka.domain import Cause
from zvirka.message import Message, coded
from zvirka.reconcile.request import Summary
from zvirka.staging import database
from zvirka.staging.database import DamagedFileError
from zvirka.staging.source_mirror import SourceMirror

FIXTURE = Path(__file__).parents[1] / "fixtures" / "state-0.1.0"
MISSING = "the agreement of both sides is missing; causes of this run are unknown"


@pytest.fixture
def night(tmp_path: Path) -> Iterator[World]:
    """A world after its first good night: both sides agree."""
    with world(tmp_path, counterparties=8, report={"formats": []}) as made:
        first = made.run()
        assert (first.exit_code, made.row(first.run).facts.warnings) == (0, [])
        yield made


def mirror(made: World) -> Path:
    return made.settings.state_dir / "staging" / "mirror.duckdb"


def agreement(made: World) -> Path:
    return made.settings.state_dir / "agreement.duckdb"


def edit(made: World) -> dict[str, Cause]:
    """Change each side alone and both; the cause of each by Ref_Key."""
    in_1c, in_erp, in_both, gone, removed = made.refs()[:5]
    made.base.update(in_1c, name="ТОВ «Змінено в 1С»")
    made.base.update(in_both, name="ТОВ «Змінено тут і там»")
    made.base.delete(gone)
    made.shape.sql("UPDATE clients SET phone = '+380500000000' WHERE ref = ?", (in_erp,))
    made.shape.sql("UPDATE clients SET name = 'Правка' WHERE ref = ?", (in_both,))
    made.shape.sql("DELETE FROM clients WHERE ref = ?", (removed,))
    return {
        in_1c: Cause.MISSED_UPDATE,
        in_erp: Cause.ERP_EDIT,
        in_both: Cause.CONFLICT,
        gone: Cause.MISSED_DELETE,
        removed: Cause.ERP_EDIT,
    }


def causes(made: World, run: Summary) -> dict[str, Cause]:
    return {one.ref: one.cause for one in made.differences(run.run)}


def zero_the_middle(path: Path) -> None:
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(size // 4)
        file.write(bytes(size // 2))


def cut_in_half(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)


def overwrite(path: Path) -> None:
    path.write_bytes(b"no database at all")


DAMAGES = [zero_the_middle, cut_in_half, overwrite]


def delete_staging(made: World, _: pytest.MonkeyPatch) -> None:
    shutil.rmtree(mirror(made).parent)


def change_the_hash(_: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What another version of DuckDB may do: the same text, another hash."""
    monkeypatch.setattr(database, "_DIGEST_FORMAT", 999)
    part = database.Staging.part
    trimmed = database.Staging.trimmed_part
    monkeypatch.setattr(
        database.Staging,
        "part",
        lambda *given: part(*given).replace("hash(", "hash('another', "),
    )
    monkeypatch.setattr(
        database.Staging,
        "trimmed_part",
        lambda *given: trimmed(*given).replace("hash(", "hash('another', "),
    )


@pytest.mark.long
@pytest.mark.parametrize("lose", [delete_staging, change_the_hash])
def test_losing_the_cache_costs_a_full_pull_and_no_cause(
    night: World,
    monkeypatch: pytest.MonkeyPatch,
    lose: Callable[[World, pytest.MonkeyPatch], None],
) -> None:
    expected = edit(night)
    lose(night, monkeypatch)
    plan = night.run("plan")
    assert (causes(night, plan), night.row(plan.run).mode) == (expected, "full")
    assert night.run().exit_code == 0
    night.assert_in_sync()
    calm = night.run()
    assert (calm.exit_code, calm.causes, night.row(calm.run).mode) == (0, {}, "light")
    assert night.row(calm.run).facts.warnings == []


@pytest.mark.long
def test_a_resync_after_a_change_of_the_hash_still_knows_the_causes(
    night: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = edit(night)
    change_the_hash(night, monkeypatch)
    both_there = tuple(expected)[:3]
    run = night.resync(refs=both_there)
    assert causes(night, run) == {ref: expected[ref] for ref in both_there}


@pytest.mark.long
def test_a_lost_agreement_is_told_once_and_rebuilt(night: World) -> None:
    edit(night)
    agreement(night).unlink()
    plan = night.run("plan")
    run = night.run()
    for told in (plan, run):
        assert night.row(told.run).facts.warnings == [MISSING]
        assert set(causes(night, told).values()) == {Cause.UNKNOWN}
    calm = night.run()
    assert (calm.exit_code, night.row(calm.run).facts.warnings) == (0, [])


@pytest.mark.long
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_agreement_is_set_aside_and_told(
    night: World, damage: Callable[[Path], None]
) -> None:
    damage(agreement(night))
    run = night.run()
    assert (run.exit_code, night.row(run.run).facts.warnings) == (0, [MISSING])
    assert len(list(agreement(night).parent.glob("agreement.duckdb.damaged-*"))) == 1
    calm = night.run()
    assert (calm.exit_code, night.row(calm.run).facts.warnings) == (0, [])


@pytest.mark.long
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_mirror_is_set_aside_and_1c_is_pulled_in_full(
    night: World, damage: Callable[[Path], None]
) -> None:
    expected = edit(night)
    damage(mirror(night))
    plan = night.run("plan")
    assert (plan.exit_code, night.row(plan.run).mode) == (1, "full")
    assert causes(night, plan) == expected
    night.clock.forward(hours=1)
    damage(mirror(night))
    run = night.run()
    assert (run.exit_code, night.row(run.run).mode) == (0, "full")
    night.assert_in_sync()
    assert len(list(mirror(night).parent.glob("mirror.duckdb.damaged-*"))) == 1


@pytest.mark.long
def test_a_damage_found_during_a_light_pull_leads_to_a_full_one(
    night: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise DamagedFileError(
            coded("ZV0000", "a file of the staging database is damaged"),
            place="",
            remedy=Message(""),
        )

    expected = edit(night)
    monkeypatch.setattr(SourceMirror, "renew_light_lines", fail)
    plan = night.run("plan")
    assert (causes(night, plan), night.row(plan.run).mode) == (expected, "full")
    assert night.row(plan.run).facts.store_rows == 7


@pytest.mark.long
def test_a_full_pull_from_the_future_is_not_a_recent_one(night: World) -> None:
    night.clock.forward(days=400)
    ahead = night.run()
    assert night.row(ahead.run).mode == "full"
    night.clock.forward(days=-399)
    back = night.run()
    assert night.row(back.run).mode == "full"
    assert night.row(night.run().run).mode == "light"


@pytest.mark.long
def test_a_huge_value_is_written_compared_and_ends_no_night(night: World) -> None:
    in_1c, in_erp = night.refs()[:2]
    night.base.update(in_1c, name="ї" * 7_000_000)
    night.shape.sql("UPDATE clients SET address = ? WHERE ref = ?", ("є" * 7_000_000, in_erp))
    run = night.run()
    assert (run.exit_code, causes(night, run)) == (
        0,
        {in_1c: Cause.MISSED_UPDATE, in_erp: Cause.ERP_EDIT},
    )
    night.assert_in_sync()
    for full in (False, True):
        calm = night.run(full=full)
        assert (calm.exit_code, calm.causes) == (0, {})
    night.base.update(in_1c, name="ї" * 7_000_000 + "!")
    assert night.run("plan").causes == {"missed_update": 1}
    assert night.run().exit_code == 0
    night.assert_in_sync()


# -- version 0.1.0 ------------------------------------------------------------------------------


@pytest.fixture
def upgraded(tmp_path: Path) -> Iterator[World]:
    """The world in which the fixture was made, with the state directory it left."""
    with world(tmp_path, counterparties=8, report={"formats": []}) as made:
        shutil.copytree(FIXTURE, made.settings.state_dir, dirs_exist_ok=True)
        store = str(made.settings.erp.url).removeprefix("sqlite:///")
        shutil.copy(FIXTURE / "clients.db", store)
        made.clock.forward(days=1)
        in_1c, _, in_both, gone = made.refs()[:4]
        made.base.update(in_1c, name="ТОВ «Змінено в 1С»")
        made.base.update(in_both, name="ТОВ «Змінено тут і там»")
        made.base.delete(gone)
        yield made


def written_by(made: World, version: str | None = None) -> str:
    """The DuckDB that wrote the mirror, after an optional change of what it says."""
    with duckdb.connect(str(mirror(made))) as database:
        ((stamp,),) = database.execute("SELECT stamp FROM stamp").fetchall()
        number, before, mapping = str(stamp).split("|")
        stamp = f"{number}|{version or before}|{mapping}"
        database.execute("UPDATE stamp SET stamp = ?", [stamp])
    return version or before


def test_the_agreement_of_version_0_1_0_is_taken_over(upgraded: World) -> None:
    written_by(upgraded, duckdb.__version__)
    held = {one.ref: one.cause for one in upgraded.differences(2)}
    assert len(held) == 5
    plan = upgraded.run("plan")
    assert (causes(upgraded, plan), upgraded.row(plan.run).mode) == (held, "full")
    assert upgraded.row(plan.run).facts.warnings == []
    assert upgraded.run().exit_code == 0
    upgraded.assert_in_sync()


def test_an_agreement_of_version_0_1_0_under_another_duckdb_is_told_as_missing(
    upgraded: World,
) -> None:
    written_by(upgraded, "0.0.1")
    plan = upgraded.run("plan")
    assert upgraded.row(plan.run).facts.warnings == [MISSING]
    assert plan.causes == {"unknown": 5}

"""Between two nights: what 1C's exchange plan recorded is corrected, and only then forgotten."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.integration.engine_world import World, world
from tests.integration.flows_world import Flows, flows
from zvirka.cli import main
from zvirka.domain import Cause
from zvirka.errors import HeldError, JournalError, SettingsError, SourceError
from zvirka.onec.open_source import open_feed
from zvirka.reconcile.feeding import Followed, follow, follow_together, readers_of_the_node
from zvirka.reconcile.request import Summary
from zvirka.simulator import Simulator, SimulatorOptions


@pytest.fixture
def night(tmp_path: Path) -> Iterator[World]:
    feed = {"exchange_plan": "Звірка", "exchange_node": "ZV"}
    with world(tmp_path, counterparties=30, onec=feed) as made:
        made.run()
        with open_feed(made.settings.onec, made.mapping) as feed_:
            feed_.confirm(feed_.pending().message)
        yield made


def followed(made: World) -> Summary | None:
    made.clock.forward(minutes=1)
    with made.environment() as environment:
        return follow(environment, who="test")


@pytest.mark.long
def test_what_the_plan_recorded_is_corrected_and_forgotten(night: World) -> None:
    changed, gone = night.refs()[:2]
    night.base.update(changed, name="Через план обміну")
    night.base.delete(gone)
    night.base.create(name="Новий", code="F-1")
    asked = len(night.simulator.requests)
    run = followed(night)
    assert run is not None
    assert (run.exit_code, run.outcomes) == (0, {"applied": 3})
    assert len(night.simulator.requests) - asked < 20
    night.assert_in_sync()
    assert night.row(run.run).trigger == "feed"
    assert followed(night) is None


@pytest.mark.long
def test_a_failed_run_forgets_nothing(night: World) -> None:
    night.base.update(night.refs()[0], name="Ще прийде")
    night.simulator.faults.only = "Catalog_"
    night.simulator.faults.fail_500 = True
    run = followed(night)
    assert run is not None
    assert run.status == "failed"
    night.simulator.faults.fail_500 = 0
    again = followed(night)
    assert again is not None
    assert again.outcomes == {"applied": 1}
    night.assert_in_sync()


@pytest.mark.long
def test_a_mass_deletion_in_the_feed_is_held_and_not_forgotten(night: World) -> None:
    careful = night.with_settings(guard={"max_deletes": 2})
    codes = [night.base.get(ref).values["code"] for ref in night.refs()[:4]]
    for ref in night.refs()[:4]:
        night.base.delete(ref)
    run = followed(careful)
    assert run is not None
    assert (run.status, run.exit_code) == ("held", 3)
    assert set(codes) <= set(night.in_store())
    with pytest.raises(HeldError, match=f"run {run.run} "):
        followed(careful)
    assert careful.run("approve", parent=run.run, reason="так").outcomes == {"applied": 4}
    assert not set(codes) & set(night.in_store())
    empty = followed(careful)
    assert empty is not None
    assert empty.causes == {}
    assert followed(careful) is None


@pytest.mark.long
def test_deletions_of_the_feed_that_were_rejected_are_reported_and_confirmed(night: World) -> None:
    careful = night.with_settings(guard={"max_deletes": 2})
    codes = [night.base.get(ref).values["code"] for ref in night.refs()[:4]]
    for ref in night.refs()[:4]:
        night.base.delete(ref)
    run = followed(careful)
    assert run is not None
    careful.run("reject", parent=run.run, reason="ні")
    again = followed(careful)
    assert again is not None
    assert (again.status, again.outcomes, again.causes) == ("finished", {}, {"rejected": 4})
    assert followed(careful) is None
    assert set(codes) <= set(night.in_store())


@pytest.mark.long
def test_a_touch_does_not_redo_what_a_person_undid(night: World) -> None:
    ref = night.refs()[0]
    night.base.update(ref, name="Помилка")
    run = followed(night)
    assert run is not None
    night.run("undo", parent=run.run, reason="помилка")
    night.base.touch(ref)
    again = followed(night)
    assert again is not None
    assert again.outcomes == {}
    assert [d.cause for d in night.differences(again.run)] == [Cause.UNDONE]


def test_without_a_plan_in_the_settings_the_remedy_is_named(night: World) -> None:
    bare = night.with_settings(onec={"exchange_plan": ""})
    with pytest.raises(SettingsError, match="exchange plan"):
        followed(bare)


NODE = {"exchange_plan": "Звірка", "exchange_node": "ZV"}


def follow_both(both: Flows) -> Followed:
    both.clock.forward(minutes=1)
    readers = readers_of_the_node(both.settings["contracts"])
    assert [one.name for one in readers] == ["main", "contracts"]
    return follow_together(readers, lambda flow: both.environment(flow.name), who="test")


@pytest.mark.long
def test_one_message_serves_all_flows_of_its_base(tmp_path: Path) -> None:
    with flows(tmp_path, onec=NODE) as both:
        both.run("main")
        both.run("contracts")
        follow_both(both)
        firm = both.base.create(name="Нова фірма")
        contract = both.base.contracts.create(Description="Новий договір", Owner_Key=firm)
        asked = len(both.simulator.requests)
        followed = follow_both(both)
        posts = [one.path for one in both.simulator.requests[asked:] if one.method == "POST"]
        assert [path.rpartition("/")[2] for path in posts] == [
            "SelectChanges",
            "NotifyChangesReceived",
        ]
        assert {name: one.outcomes for name, one in followed.runs.items()} == {
            "main": {"applied": 1},
            "contracts": {"applied": 1},
        }
        assert both.stored()[contract][1] == firm
        assert follow_both(both) == Followed({}, {})
        both.base.contracts.update(contract, Description="Ще новіший")
        with both.environment("main") as alone, pytest.raises(SourceError, match="1 other object"):
            follow(alone, who="test")
        assert [*follow_both(both).runs] == ["contracts"]


@pytest.mark.long
def test_a_flow_that_fails_keeps_the_message_and_not_the_other_flows(tmp_path: Path) -> None:
    with flows(tmp_path, onec=NODE) as both:
        both.run("main")
        both.run("contracts")
        follow_both(both)
        both.base.update(next(iter(both.base.refs())), name="Нова назва")
        contract = both.base.contracts.create(
            Description="Новий договір", Owner_Key=next(iter(both.base.refs()))
        )
        journal = tmp_path / "main" / "journal.db"
        journal.rename(tmp_path / "kept")
        journal.mkdir()
        followed = follow_both(both)
        assert isinstance(followed.failures.pop("main"), JournalError)
        assert {name: one.outcomes for name, one in followed.runs.items()} == {
            "contracts": {"applied": 1}
        }
        assert both.stored()[contract][0] == "Новий договір"
        journal.rmdir()
        (tmp_path / "kept").rename(journal)
        again = follow_both(both)
        assert {name: one.outcomes for name, one in again.runs.items()} == {
            "main": {"applied": 1},
            "contracts": {},
        }
        assert follow_both(both) == Followed({}, {})


@pytest.mark.long
def test_the_command_reads_each_node_once_and_a_base_out_of_reach_keeps_nobody_waiting(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Simulator(SimulatorOptions(counterparties=5, contracts=5, seed=7)) as simulator:
        file = _two_bases(tmp_path, simulator)
        for flow in ("main", "contracts"):
            asked = ["--config", str(file), "--flow", flow]
            assert main(["reconcile", *asked]) == 3
            assert main(["approve", "1", "--reason", "first load", *asked]) in {0, 1}
            if flow == "main":
                with closing(sqlite3.connect(tmp_path / "erp.db")) as erp, erp:
                    erp.execute(CONTRACTS)
        command = ["feed", "--config", str(file), "--json"]
        main([*command, "--all-flows"])
        simulator.base.update(next(iter(simulator.base.refs())), name="Нова назва")
        capsys.readouterr()
        seen = len(simulator.requests)
        assert main([*command, "--all-flows"]) == 2
        told = json.loads(capsys.readouterr().out)
        assert {*told} == {"main", "contracts", "elsewhere"}
        assert told["main"]["outcomes"] == {"applied": 1}
        assert told["contracts"] == {"run": None, "exit_code": 0}
        assert told["elsewhere"]["error"]["code"]
        posts = [one.path for one in simulator.requests[seen:] if one.method == "POST"]
        assert len(posts) == 2
        assert main([*command, "--flow", "contracts"]) == 0
        assert json.loads(capsys.readouterr().out) == {"run": None, "exit_code": 0}


CONTRACTS = """
CREATE TABLE contracts(
    id INTEGER PRIMARY KEY, ref TEXT NOT NULL UNIQUE, name TEXT, number TEXT, date TEXT,
    kind TEXT, client_id INTEGER, is_active BOOLEAN NOT NULL DEFAULT 1
)
"""


def _two_bases(folder: Path, simulator: Simulator) -> Path:
    """One base with two flows on one node, one that cannot be reached, one without a plan."""
    node = 'exchange_plan = "Звірка"\nexchange_node = "ZV"\n'
    access = f'user = "{simulator.user}"\npassword = "{simulator.password}"\nretries = 0\n'
    fields = "".join(
        f"fields.{name} = false\n" for name in ("organisation", "currency", "valid_until")
    )
    flow = f'[onec]\nbase = "one"\nprofile = "contracts"\n{fields}'
    texts = {
        "zvirka.toml": f"""
            state_dir = "state"
            [onec]
            base = "one"
            [erp]
            url = "sqlite:///{folder}/erp.db"
            [bases.one]
            url = "{simulator.url}"
            {node}{access}
            [bases.gone]
            url = "http://127.0.0.1:9/odata/standard.odata/"
            {access}
            """,
        "flows/contracts.toml": f'{flow}fields.counterparty.reference = "main"\n'
        f'[erp]\nurl = "sqlite:///{folder}/erp.db"\ntable = "contracts"\nkey = "ref"\n'
        'columns.counterparty = "client_id"\n',
        "flows/elsewhere.toml": f'[onec]\nbase = "gone"\n{node}'
        f'[erp]\nurl = "sqlite:///{folder}/elsewhere.db"\n',
        "flows/nightly.toml": f'[onec]\nbase = "gone"\n'
        f'[erp]\nurl = "sqlite:///{folder}/nightly.db"\n',
    }
    (folder / "flows").mkdir()
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder / "zvirka.toml"

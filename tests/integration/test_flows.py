"""Several flows of one installation, by command and by the daemon: two bases, one ERP."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path

import pytest

from tests.integration.service_world import KYIV, PASSWORD
from zvirka.cli import main
from zvirka.simulator import Simulator, SimulatorOptions


@pytest.fixture
def bases() -> Iterator[tuple[Simulator, Simulator]]:
    options = {"password": PASSWORD}
    with (
        Simulator(SimulatorOptions(counterparties=30, **options)) as one,
        Simulator(SimulatorOptions(counterparties=20, **options)) as other,
    ):
        yield one, other


def configure(folder: Path, bases: tuple[Simulator, Simulator], at: str = "02:30") -> Path:
    one, other = bases
    file = folder / "zvirka.toml"
    file.write_text(
        f"""
state_dir = "state"
[onec]
base = "one"
[erp]
url = "sqlite:///{folder}/one.db"
[schedule]
at = "{at}"
[report]
language = "en"
[bases.one]
url = "{one.url}"
user = "{one.user}"
password = "{PASSWORD}"
[bases.other]
url = "{other.url}"
user = "{other.user}"
password = "{PASSWORD}"
""",
        encoding="utf-8",
    )
    (folder / "flows").mkdir()
    (folder / "flows/branch.toml").write_text(
        f'[onec]\nbase = "other"\n[erp]\nurl = "sqlite:///{folder}/other.db"\n', encoding="utf-8"
    )
    return file


def count(database: Path) -> int:
    if not database.exists():
        return 0
    with closing(sqlite3.connect(database)) as connection:
        try:
            return int(connection.execute("SELECT count(*) FROM clients").fetchone()[0])
        except sqlite3.OperationalError:
            return 0


def approve_first_loads(file: Path, *flows: str) -> None:
    """A first load into an empty store waits for a person."""
    for flow in flows:
        chosen = ["--config", str(file), "--flow", flow]
        assert main(["reconcile", *chosen]) == 3
        assert main(["approve", "1", "--reason", "first load", *chosen]) == 0


def test_commands_act_on_one_flow_on_several_and_on_all(
    bases: tuple[Simulator, Simulator], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = configure(tmp_path, bases)
    common = ["--config", str(file)]
    approve_first_loads(file, "branch", "main")
    assert count(tmp_path / "one.db") > count(tmp_path / "other.db") > 0
    bases[1].base.create(name="ТОВ «Філія»")
    capsys.readouterr()
    assert main(["plan", *common, "--all-flows", "--json"]) == 1
    plans = json.loads(capsys.readouterr().out)
    assert {name: plan["exit_code"] for name, plan in plans.items()} == {"main": 0, "branch": 1}
    assert main(["reconcile", *common, "--flow", "main", "--flow", "branch"]) == 0
    out = capsys.readouterr().out
    assert out.index("── main") < out.index("── branch")
    assert main(["flows", *common, "--json"]) == 0
    lines = {line["flow"]: line for line in json.loads(capsys.readouterr().out)}
    assert [lines[name]["standing"] for name in ("main", "branch")] == ["healthy", "healthy"]
    assert (tmp_path / "state/flows/branch/journal.db").is_file()
    assert list((tmp_path / "state/flows/branch/reports").glob("*.html"))
    assert main(["audit", "verify", *common, "--all-flows"]) == 0


def test_a_flow_that_fails_does_not_keep_the_others_from_their_turn(
    bases: tuple[Simulator, Simulator],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file = configure(tmp_path, bases)
    approve_first_loads(file, "branch")
    (tmp_path / "flows/alpha.toml").write_text('[onec]\nbase = "nowhere"\n', encoding="utf-8")
    monkeypatch.setenv("ZVIRKA_ONEC__PASSWORD", "wrong")
    capsys.readouterr()
    assert main(["reconcile", "--config", str(file), "--all-flows"]) == 64
    told = capsys.readouterr()
    assert "nowhere" in told.err
    assert "── branch" in told.out
    assert main(["flows", "--lang", "en", "--config", str(file)]) == 2
    shown = capsys.readouterr().out
    assert "alpha" in shown
    assert "failing" in shown


def test_the_daemon_runs_every_flow_and_a_broken_one_is_a_failed_run_of_its_own(
    bases: tuple[Simulator, Simulator], tmp_path: Path
) -> None:
    now = datetime.now(KYIV)
    file = configure(tmp_path, bases, at=f"{now:%H:%M}")
    approve_first_loads(file, "main", "branch")
    (tmp_path / "flows/alpha.toml").write_text('[onec]\nbase = "nowhere"\n', encoding="utf-8")
    for simulator in bases:
        simulator.base.create(name="ТОВ «Нове»")
    before = count(tmp_path / "one.db"), count(tmp_path / "other.db")
    log = (tmp_path / "log").open("w")
    command = [sys.executable, "-m", "zvirka.cli", "daemon", "--config", str(file)]
    with subprocess.Popen(command, stderr=log) as process:
        try:
            _wait(
                lambda: (
                    (count(tmp_path / "one.db"), count(tmp_path / "other.db"))
                    == (before[0] + 1, before[1] + 1)
                )
            )
            _wait(lambda: _statuses(tmp_path / "state/flows/alpha/journal.db") == ["failed"])
            for state in ("state", "state/flows/branch"):
                _wait(
                    lambda state=state: (
                        _statuses(tmp_path / state / "journal.db")[2:] == ["finished"]
                    )
                )
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0
    assert "nowhere" in (tmp_path / "log").read_text()


def _statuses(journal: Path) -> list[str]:
    if not journal.exists():
        return []
    with closing(sqlite3.connect(journal)) as connection:
        try:
            rows = connection.execute("SELECT status FROM run ORDER BY id").fetchall()
        except sqlite3.OperationalError:
            return []
    return [status for (status,) in rows]


def _wait(met: Callable[[], bool], seconds: float = 90) -> None:
    end = time.monotonic() + seconds
    while not met():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.2)

"""Several flows of one installation, by command and by the daemon: two bases, one ERP."""

from __future__ import annotations

import json
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.integration.service_world import KYIV, PASSWORD
from tests.unit.web.page_client import HASH, SECRET
from tests.unit.web.page_client import PASSWORD as SIGN_IN
from zvirka.cli import main
from zvirka.receiver.run_receiver import receiver_apps
from zvirka.settings.loading import load_flows
from zvirka.settings.profiles import mapping_of
from zvirka.simulator import Simulator, SimulatorOptions
from zvirka.web.run_page import page


@pytest.fixture
def bases() -> Iterator[tuple[Simulator, Simulator]]:
    options: dict[str, Any] = {"password": PASSWORD}
    with (
        Simulator(SimulatorOptions(counterparties=30, **options)) as one,
        Simulator(SimulatorOptions(counterparties=20, **options)) as other,
    ):
        yield one, other


FIELDS = ("name", "tax_id", "phone", "email", "address")
PAGE = f"""
[web]
enabled = true
secret = "{SECRET}"
public_url = "http://127.0.0.1"
[[web.users]]
name = "taras"
role = "admin"
password_hash = "{HASH}"
"""


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


@pytest.mark.long
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
    lines = {line["flow"]: line for line in json.loads(capsys.readouterr().out)["flows"]}
    assert [lines[name]["standing"] for name in ("main", "branch")] == ["healthy", "healthy"]
    assert (tmp_path / "state/flows/branch/journal.db").is_file()
    assert list((tmp_path / "state/flows/branch/reports").glob("*.html"))
    assert main(["audit", "verify", *common, "--all-flows"]) == 0


@pytest.mark.long
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


@pytest.mark.long
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
                _wait(partial(_went_on, tmp_path / state / "journal.db"))
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0
    assert "nowhere" in (tmp_path / "log").read_text()


@pytest.mark.long
def test_one_page_serves_all_flows_and_one_sign_in_is_enough(
    bases: tuple[Simulator, Simulator], tmp_path: Path
) -> None:
    file = configure(tmp_path, bases)
    approve_first_loads(file, "main", "branch")
    with file.open("a", encoding="utf-8") as settings:
        settings.write(PAGE)
    loaded = load_flows(file, {}).loaded["main"].settings
    with page(loaded, mapping_of(loaded)) as app, TestClient(app, "http://127.0.0.1") as client:
        form = client.get("/sign-in").text
        token = re.search(r'name="token" value="([^"]+)"', form)
        assert token is not None
        answer = client.post(
            "/sign-in", data={"token": token[1], "name": "taras", "password": SIGN_IN}
        )
        assert answer.status_code == 200
        front = client.get("/").text
        assert "/flows/branch/" in front
        of_branch = client.get("/flows/branch/").text
        assert 'href="/flows/branch/runs/2"' in of_branch
        assert 'href="/runs/' not in of_branch
        for path in ("runs", "runs/2", "held", "timeline", "records", "style.css", "start"):
            assert client.get(f"/flows/branch/{path}").status_code == 200, path
        assert client.get("/flows/nowhere/").status_code == 404
        english = client.get("/flows/branch/runs?lang=en").text
        assert "/flows/branch/runs?lang=uk" in english


@pytest.mark.long
def test_each_flow_receives_on_its_own_path(
    bases: tuple[Simulator, Simulator], tmp_path: Path
) -> None:
    file = configure(tmp_path, bases)
    approve_first_loads(file, "main", "branch")
    flows = {name: loaded.settings for name, loaded in load_flows(file, {}).loaded.items()}
    paths = {name: settings.receiver.path for name, settings in flows.items()}
    assert paths["branch"] == f"{paths['main']}/branch"
    with closing(sqlite3.connect(tmp_path / "other.db")) as erp:
        code = erp.execute("SELECT code FROM clients").fetchone()[0]
    message = {"action": "delete", "clientData": {"Код": code}}
    with (
        receiver_apps(flows["main"], mapping_of(flows["main"]), [flows["branch"]]) as app,
        TestClient(app, "http://127.0.0.1") as client,
    ):
        assert client.post(paths["branch"], json=message).json()["outcome"] == "deleted"
        assert client.get("/healthz").status_code == 200
    active = "SELECT count(*) FROM clients WHERE is_active"
    left = []
    for name in ("one.db", "other.db"):
        with closing(sqlite3.connect(tmp_path / name)) as erp:
            left.append(erp.execute(active).fetchone()[0])
    assert left == [30, 19]


def _went_on(journal: Path) -> bool:
    return _statuses(journal)[2:] == ["finished"]


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


def test_two_flows_of_one_table_must_tell_their_rows_apart(
    bases: tuple[Simulator, Simulator], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = configure(tmp_path, bases)
    with closing(sqlite3.connect(tmp_path / "shared.db")) as erp, erp:
        erp.execute(
            "CREATE TABLE client (id INTEGER PRIMARY KEY, code TEXT, name TEXT, tax_id TEXT,"
            " phone TEXT, email TEXT, address TEXT, base TEXT, is_active BOOLEAN)"
        )
        erp.execute(
            "INSERT INTO client (id, code, base, is_active)"
            " VALUES (1, '1', 'one', 1), (2, '2', 'other', 1)"
        )

    def write(owned_by_main: str, owned_by_branch: str) -> None:
        store = f'url = "sqlite:///{tmp_path}/shared.db"\ntable = "client"\n'
        store += "".join(f'columns.{name} = "{name}"\n' for name in FIELDS)
        text = file.read_text(encoding="utf-8")
        head = text[: text.index("[erp]")] + f'[erp]\n{store}owned = "{owned_by_main}"\n'
        file.write_text(head + text[text.index("[schedule]") :], encoding="utf-8")
        branch = f'[onec]\nbase = "other"\n[erp]\n{store}owned = "{owned_by_branch}"\n'
        (tmp_path / "flows/branch.toml").write_text(branch, encoding="utf-8")

    def checked() -> list[tuple[str, str]]:
        capsys.readouterr()
        main(["check", "--config", str(file), "--flow", "branch", "--json"])
        found = json.loads(capsys.readouterr().out)["findings"]
        return [(one["level"], one["code"]) for one in found if one["subject"] == "ownership"]

    write("base = 'one'", "")
    assert main(["plan", "--config", str(file)]) == 64
    assert "ZV3321" in capsys.readouterr().err
    write("base = 'one'", "base <> 'nowhere'")
    assert ("failure", "ZV3321") in checked()
    write("base = 'one'", "base = 'other'")
    assert all(level == "ok" for level, _ in checked())


@pytest.mark.long
def test_all_flows_are_backed_up_into_one_directory_and_restored_one_by_one(
    bases: tuple[Simulator, Simulator], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = configure(tmp_path, bases)
    approve_first_loads(file, "main", "branch")
    (tmp_path / "kept").mkdir()
    capsys.readouterr()
    kept = ["backup", str(tmp_path / "kept"), "--config", str(file), "--all-flows", "--json"]
    assert main(kept) == 0
    told = json.loads(capsys.readouterr().out)
    assert {name: one["runs"] for name, one in told.items()} == {"main": 2, "branch": 2}
    assert len({one["file"] for one in told.values()}) == 2
    assert "branch" in Path(told["branch"]["file"]).name
    journal = tmp_path / "state/flows/branch/journal.db"
    for part in journal.parent.glob("journal.db*"):
        part.unlink()
    back = ["restore", told["branch"]["file"], "--config", str(file), "--flow", "branch"]
    assert main(back) == 0
    assert _statuses(journal) == ["held", "finished"]


@pytest.mark.long
@pytest.mark.parametrize(
    "line",
    [
        "approve 1 --reason x",
        "reject 1 --reason x",
        "undo 1 --reason x",
        "show 1",
        "report 1",
        "backup all.zvirka",
        "restore all.zvirka --replace",
        "audit export --from 2026-01-01 --to 2026-01-31 --out all.xlsx",
        "bsl render --out out",
    ],
)
def test_what_is_of_one_flow_is_refused_for_several(
    line: str,
    bases: tuple[Simulator, Simulator],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A run number means another run in each flow, and one file would be written over."""
    file = configure(tmp_path, bases)
    approve_first_loads(file, "main")
    monkeypatch.chdir(tmp_path)
    before = (
        sorted(path.name for path in tmp_path.iterdir()),
        _statuses(tmp_path / "state/journal.db"),
    )
    capsys.readouterr()
    assert main([*line.split(), "--config", str(file), "--all-flows"]) == 64
    assert "ZV3503" in capsys.readouterr().err
    assert before == (
        sorted(path.name for path in tmp_path.iterdir()),
        _statuses(tmp_path / "state/journal.db"),
    )

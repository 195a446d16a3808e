"""The whole job by its commands: a real server on one side, a real database on the other."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.unit.cli.lines import PASSWORD, run
from zvirka.simulator import Simulator, SimulatorOptions


@pytest.fixture
def onec(settled: Path) -> Iterator[Simulator]:
    """1C with forty counterparties; the settings in the working directory lead to it."""
    options = SimulatorOptions(counterparties=40, password=PASSWORD)
    with Simulator(options) as simulator:
        file = settled / "zvirka.toml"
        text = file.read_text(encoding="utf-8").replace("http://127.0.0.1:9/base", simulator.url)
        limits = "\n[guard]\nmax_change_share = 1.0\nmax_delete_share = 1.0\nmax_deletes = 1\n"
        file.write_text(text + limits, encoding="utf-8")
        yield simulator


def counterparties(onec: Simulator) -> list[Any]:
    held = (onec.base.get(ref) for ref in onec.base.refs())
    return [one for one in held if not one.group]


def clients(directory: Path, column: str) -> dict[str, Any]:
    with closing(sqlite3.connect(directory / "erp.db")) as erp:
        return dict(erp.execute(f"SELECT code, {column} FROM clients").fetchall())


def answer(capsys: pytest.CaptureFixture[str], *line: str) -> tuple[int, Any]:
    code = run(*line, "--json")
    shown = capsys.readouterr()
    assert PASSWORD not in shown.out + shown.err
    return code, json.loads(shown.out)


@contextmanager
def asked_by(name: str) -> Iterator[None]:
    """The next command is asked for by this person or unit."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("zvirka.cli.invocation.who", lambda _environ: name)
        yield


@pytest.mark.long
def test_plan_writes_nothing_and_reconcile_corrects_and_proves(
    onec: Simulator, settled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, planned = answer(capsys, "plan")
    size = len(counterparties(onec))
    assert code == 1
    assert planned["actions"] == {"create": size}
    assert clients(settled, "name") == {}
    code, done = answer(capsys, "reconcile", "--reason", "перша ніч")
    assert code == 0
    assert done["outcomes"] == {"applied": size}
    assert len(clients(settled, "name")) == size
    assert all(Path(path).is_file() for path in done["reports"])
    code, again = answer(capsys, "reconcile")
    assert (code, again["causes"], again["remaining"]) == (0, {}, 0)

    code, listed = answer(capsys, "runs")
    found = listed["runs"]
    assert [(one["run"], one["command"]) for one in found] == [
        (3, "reconcile"),
        (2, "reconcile"),
        (1, "plan"),
    ]
    assert found[1]["reason"] == "перша ніч"
    assert found[1]["who"]
    code, seen = answer(capsys, "show", "2")
    assert (code, seen["total"], len(seen["differences"])) == (0, size, size)


@pytest.mark.long
def test_results_are_for_people_in_their_language(
    onec: Simulator, settled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("reconcile", "--lang", "uk") == 0
    shown = capsys.readouterr()
    assert "причина невідома" in shown.out
    assert "Звіти:" in shown.out
    _, done = answer(capsys, "reconcile", "--lang", "en")
    report = next(Path(path) for path in done["reports"] if path.endswith(".html"))
    assert 'lang="en"' in report.read_text(encoding="utf-8")
    assert run("reconcile", "--lang", "en") == 0
    assert "The ERP and 1C agree." in capsys.readouterr().out
    assert run("show", "1", "--lang", "en") == 0
    shown = capsys.readouterr()
    assert "missing in the ERP" in shown.out
    assert run("runs", "--lang", "en") == 0
    assert "Reconciliation" in capsys.readouterr().out


@pytest.mark.long
def test_held_deletes_wait_for_a_person_who_approves_or_rejects(
    onec: Simulator, settled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("reconcile") == 0
    gone = [one.values["code"] for one in counterparties(onec)[:2]]
    for one in counterparties(onec)[:2]:
        onec.base.delete(one.ref)
    capsys.readouterr()
    assert run("reconcile", "--lang", "en") == 3
    shown = capsys.readouterr().out
    assert "Run 2 is held for approval." in shown
    assert "zvirka approve 2" in shown
    assert all(clients(settled, "is_active")[code] == 1 for code in gone)
    code, held = answer(capsys, "runs", "--held")
    assert [one["run"] for one in held["runs"]] == [2]
    code, approved = answer(capsys, "approve", "2", "--reason", "філію закрито")
    assert (code, approved["outcomes"]) == (0, {"applied": 2})
    assert all(clients(settled, "is_active")[code] == 0 for code in gone)
    assert answer(capsys, "runs", "--held") == (0, {"runs": []})
    assert run("approve", "2", "--reason", "ще раз") == 64
    assert f"запуск {approved['run']}" in capsys.readouterr().err
    assert run("runs", "--lang", "en") == 0
    assert "approved" in capsys.readouterr().out
    assert run("show", "2", "--lang", "en") == 0
    shown = capsys.readouterr().out
    assert f"Decision: run {approved['run']}" in shown
    assert "deletes a run: 2 > 1" in shown
    assert "zvirka approve" not in shown

    for one in counterparties(onec)[:2]:
        onec.base.delete(one.ref)
    assert run("reconcile") == 3
    capsys.readouterr()
    held_run = answer(capsys, "runs", "--held")[1]["runs"][0]["run"]
    assert run("reject", str(held_run), "--reason", "помилка в 1С", "--lang", "en") == 1
    shown = capsys.readouterr().out
    assert "2 corrections rejected; nothing was written to the ERP" in shown
    assert "agree" not in shown
    assert answer(capsys, "runs", "--held") == (0, {"runs": []})
    code, told = answer(capsys, "reconcile")
    assert (code, told["status"], told["causes"]) == (1, "finished", {"rejected": 2})


@pytest.mark.long
def test_run_of_a_timer_tells_alerts_and_metrics_as_the_daemon_does(
    onec: Simulator, settled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = settled / "zvirka.toml"
    spool = settled / "metrics.prom"
    file.write_text(file.read_text() + f'\n[metrics]\ntextfile = "{spool}"\n', encoding="utf-8")
    assert run("reconcile", "--trigger", "timer") == 0
    assert "zvirka_" in spool.read_text()
    for one in counterparties(onec)[:2]:
        onec.base.delete(one.ref)
    assert run("reconcile", "--trigger", "timer") == 3
    told = json.loads((settled / "state" / "alerts.json").read_text())
    assert "held" in told["active"]
    capsys.readouterr()
    assert answer(capsys, "runs")[1]["runs"][0]["trigger"] == "timer"


@pytest.mark.long
def test_one_counterparty_is_resynced_undone_and_its_history_told(
    onec: Simulator, settled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("reconcile") == 0
    one, other = counterparties(onec)[:2]
    key = one.values["code"]
    before = clients(settled, "name")[key]
    onec.base.update(one.ref, name="ТОВ «Нова назва»")
    onec.base.update(other.ref, name="ТОВ «Інша назва»")
    capsys.readouterr()
    code, done = answer(capsys, "resync", "--code", key, "--reason", "дзвінок")
    assert (code, done["outcomes"]) == (0, {"applied": 1})
    assert clients(settled, "name")[key] == "ТОВ «Нова назва»"
    assert clients(settled, "name")[other.values["code"]] != "ТОВ «Інша назва»"
    code, undone = answer(capsys, "undo", str(done["run"]), "--reason", "рано")
    assert (code, undone["outcomes"]) == (0, {"applied": 1})
    assert clients(settled, "name")[key] == before
    assert run("audit", "history", "--code", key, "--lang", "en") == 0
    assert "ТОВ «Нова назва»" in capsys.readouterr().out
    code, told = answer(capsys, "audit", "history", "--ref", one.ref.upper())
    assert [entry["run"] for entry in told["entries"]] == [1, done["run"], undone["run"]]


@pytest.mark.long
def test_reports_are_written_again_and_proven(
    onec: Simulator, settled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("reconcile") == 0
    capsys.readouterr()
    line = ["report", "1", "--format", "md", "--format", "xlsx", "--out", "again", "--lang", "en"]
    code, written = answer(capsys, *line)
    assert code == 0
    assert {Path(path).suffix for path in written["files"]} == {".md", ".xlsx"}
    report = next(path for path in written["files"] if path.endswith(".md"))
    code, proof = answer(capsys, "audit", "verify", "--report", report)
    assert (code, proof["whole"], proof["problems"]) == (0, True, [])
    with Path(report).open("a", encoding="utf-8") as file:
        file.write("і ще рядок\n")
    code, proof = answer(capsys, "audit", "verify", "--report", report)
    assert (code, proof["whole"]) == (1, False)


def test_altered_journal_is_named(
    onec: Simulator, settled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("reconcile") == 0
    assert run("audit", "verify", "--lang", "en") == 0
    assert "The chain is whole up to run 1" in capsys.readouterr().out
    with closing(sqlite3.connect(settled / "state" / "journal.db")) as journal, journal:
        journal.execute("UPDATE run SET who = 'хтось інший' WHERE id = 1")
    assert run("audit", "verify", "--lang", "en") == 1
    assert "run 1" in capsys.readouterr().out


def test_a_period_is_exported_and_old_values_are_pruned(
    onec: Simulator, settled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("reconcile") == 0
    capsys.readouterr()
    period = ["audit", "export", "--from", "2020-01-01", "--to", "2099-12-31"]
    code, written = answer(capsys, *period, "--out", "act.xlsx")
    assert code == 0
    assert Path(written["files"][0]).read_bytes()[:2] == b"PK"
    code, pruned = answer(capsys, "prune", "--older-than", "0d", "--reason", "строк минув", "--yes")
    assert (code, pruned["runs"]) == (0, [1])
    assert run("audit", "verify") == 0


def test_wrong_password_is_a_failed_run_that_says_so(
    onec: Simulator, settled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (settled / "password").write_text("не той")
    code = run("reconcile", "--lang", "en")
    shown = capsys.readouterr()
    assert code == 2
    assert "Run 1 failed." in shown.out
    assert "не той" not in shown.out + shown.err
    assert not (settled / "erp.db").exists() or clients(settled, "name") == {}


@pytest.mark.long
def test_one_person_alone_does_not_approve_where_two_must(
    onec: Simulator, settled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with (settled / "zvirka.toml").open("a", encoding="utf-8") as file:
        file.write("\n[policy]\napprovals = 2\n")
    assert answer(capsys, "reconcile")[0] == 0
    for one in counterparties(onec)[:2]:
        onec.base.delete(one.ref)
    before = clients(settled, "is_active")
    with asked_by("zvirka.service"):
        code, held = answer(capsys, "reconcile")
    assert code == 3
    number = str(held["run"])
    code, first = answer(capsys, "approve", number, "--reason", "так")
    assert (code, first["command"], first["parent"]) == (3, "endorse", held["run"])
    assert clients(settled, "is_active") == before
    assert run("show", number, "--lang", "en") == 0
    assert "Approvals: 1 of 2, by" in capsys.readouterr().out
    assert run("approve", number, "--reason", "ще раз") == 64
    assert "ZV5409" in capsys.readouterr().err
    with asked_by("olena (sudo) on pts/3"):
        code, done = answer(capsys, "approve", number, "--reason", "друга людина")
    assert (code, done["outcomes"]) == (0, {"applied": 2})


@pytest.mark.long
def test_a_client_is_suppressed_listed_and_left_alone(
    onec: Simulator, settled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("reconcile", "--reason", "перша ніч") == 0
    capsys.readouterr()
    one = counterparties(onec)[0]
    key = one.values["code"]
    line = ("suppress", "--code", key, "--until", "2999-12-31", "--reason", "суд")
    assert answer(capsys, *line)[0] == 0
    onec.base.update(one.ref, name="ТОВ «Змінено»")
    code, night = answer(capsys, "reconcile")
    assert (code, night["causes"]) == (1, {"rejected": 1})
    assert clients(settled, "name")[key] != "ТОВ «Змінено»"
    [report] = [Path(path) for path in night["reports"] if path.endswith(".html")]
    assert "не виправляється до 31.12.2999 включно" in report.read_text(encoding="utf-8")
    assert run("suppress", "--list", "--lang", "en") == 0
    shown = capsys.readouterr().out
    assert key in shown
    assert "2999-12-31" in shown
    assert run("suppress", "--code", key) == 64
    assert run("suppress", "--code", key, "--until", "31.12", "--reason", "x") == 64
    capsys.readouterr()
    code, again = answer(capsys, "resync", "--code", key, "--reason", "суд завершено")
    assert (code, again["outcomes"]) == (0, {"applied": 1})
    assert answer(capsys, "suppress", "--list") == (0, {"suppressions": []})

"""`zvirka init --demo`: a directory in which every command can be tried, 1C included."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.cli.lines import run
from zvirka.simulator import Simulator
from zvirka.simulator.kept import edited_base, kept_simulator

pytestmark = pytest.mark.long


@pytest.fixture
def demo(settled: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Simulator]:
    assert run("init", "--demo", "demo") == 0
    monkeypatch.chdir(settled / "demo")
    with kept_simulator(settled / "demo") as simulator:
        yield simulator


def shown(capsys: pytest.CaptureFixture[str], *line: str, code: int = 0) -> str:
    capsys.readouterr()
    assert run(*line, "--lang", "en") == code
    return capsys.readouterr().out


def test_every_command_works_in_the_directory(
    demo: Simulator, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "All is well." in shown(capsys, "check")
    assert "The ERP and 1C agree." in shown(capsys, "plan")
    listed = json.loads(shown(capsys, "simulated", "list", "--json", "--limit", "3"))[
        "counterparties"
    ]
    code = listed[1]["code"]
    told = shown(capsys, "simulated", "edit", code, "--name", "ТОВ Інакше", "--lose-webhook")
    assert f"{code}: written in 1C; the ERP was not told." in told
    shown(capsys, "simulated", "create", "--name", "ТОВ Нове", "--phone", "+380441234567")
    shown(capsys, "simulated", "delete", listed[2]["code"], "--lose-webhook")
    assert "3" in shown(capsys, "plan", code=1)
    shown(capsys, "reconcile")
    assert "The ERP and 1C agree." in shown(capsys, "plan")
    last = json.loads(shown(capsys, "runs", "--json"))["runs"][1]["run"]
    assert "missed" in shown(capsys, "show", str(last))
    shown(capsys, "report", str(last), "--format", "xlsx")
    shown(capsys, "audit", "history", "--code", code)
    shown(capsys, "resync", "--code", code, "--reason", "a try")
    shown(capsys, "undo", str(last), "--reason", "a try", code=0)
    shown(capsys, "audit", "verify")
    shown(capsys, "backup", "kept.zvirka")
    assert shown(capsys, "simulated", "edit", "нема", "--name", "А", code=64) == ""


def test_the_edits_of_1c_survive_a_restart(
    demo: Simulator, settled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    listed = json.loads(shown(capsys, "simulated", "list", "--json", "--limit", "1"))
    code = listed["counterparties"][0]["code"]
    shown(capsys, "simulated", "edit", code, "--name", "ТОВ Збережене")
    before = {ref: demo.base.get(ref) for ref in demo.base.refs()}
    shown(capsys, "check")  # the served base reads the edit
    with_edit = [demo.base.get(ref).values["name"] for ref in before]
    assert "ТОВ Збережене" in with_edit
    base, _ = edited_base(settled / "demo")
    assert [base.get(ref) for ref in base.refs()] == [demo.base.get(ref) for ref in before]


def test_what_the_demo_proposes_next_works(
    settled: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    told = shown(capsys, "demo", "--keep", "kept", "--counterparties", "200")
    monkeypatch.chdir(settled / "kept")
    [edit] = [line for line in told.splitlines() if "zvirka simulated edit" in line]
    with kept_simulator(settled / "kept"):
        assert "The ERP and 1C agree." in shown(capsys, "plan", "--flow", "contracts")
        shown(capsys, *shlex.split(edit)[1:])
        assert "1" in shown(capsys, "plan", code=1)
        shown(capsys, "reconcile", "--all-flows")

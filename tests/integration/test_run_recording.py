"""The main job on real input: a recorded base, served by ``zvirka simulate``, brought in sync."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from zvirka.cli.simulate import PASSWORD_VARIABLE
from zvirka.simulator.recording import recorded

HERE = Path(__file__).resolve()
FIXTURES = HERE.parents[1] / "fixtures"
PASSWORD = "пароль-запису"

SETTINGS = """
state_dir = "{directory}/state"
[onec]
url = "{url}"
user = "{user}"
profile = "trade"
[onec.fields]
tax_id = {{ attribute = "{tax_id}" }}
phone = {{ contact = "Телефон" }}
email = {{ contact = "АдресЭлектроннойПочты" }}
address = {{ contact = "Адрес" }}
[erp]
url = "sqlite:///{directory}/erp.db"
[guard]
max_change_share = 1.0
[report]
formats = ["json"]
"""


@contextmanager
def served(recording: Path) -> Iterator[dict[str, str]]:
    """The recording behind the simulator's own command; how to reach it."""
    command = [sys.executable, "-m", "zvirka.cli", "simulate", "--recording", str(recording)]
    with subprocess.Popen(
        [*command, "--profile", "trade", "--json"],
        stdout=subprocess.PIPE,
        env={**os.environ, PASSWORD_VARIABLE: PASSWORD},
        text=True,
    ) as process:
        assert process.stdout is not None
        text = ""
        while not text.rstrip().endswith("}"):
            line = process.stdout.readline()
            assert line, "the simulator ended before it was ready"
            text += line
        try:
            yield json.loads(text)
        finally:
            process.terminate()
            assert process.wait(timeout=20) == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("recording", "tax_id"),
    [("recording", "КодПоЕДРПОУ"), ("onec", "ИНН")],
)
def test_a_recorded_base_is_planned_reconciled_and_then_in_sync(
    recording: str, tax_id: str, tmp_path: Path
) -> None:
    base, _ = recorded(FIXTURES / recording)
    held = {ref: base.get(ref) for ref in base.refs()}
    with served(FIXTURES / recording) as door:
        file = tmp_path / "zvirka.toml"
        text = SETTINGS.format(
            directory=tmp_path, url=door["url"], user=door["user"], tax_id=tax_id
        )
        file.write_text(text, encoding="utf-8")

        def zvirka(command: str) -> tuple[int, Any]:
            done = subprocess.run(
                [sys.executable, "-m", "zvirka.cli", command, "--json", "--config", str(file)],
                env={**os.environ, "ZVIRKA_ONEC__PASSWORD": PASSWORD},
                capture_output=True,
                text=True,
                timeout=100,
            )
            assert "Traceback" not in done.stderr, done.stderr
            return done.returncode, json.loads(done.stdout)

        code, plan = zvirka("plan")
        assert (code, plan["actions"]) == (1, {"create": len(held)})
        code, done = zvirka("reconcile")
        assert (code, done["outcomes"]) == (0, {"applied": len(held)})
        code, again = zvirka("reconcile")
        assert (code, again["causes"], again["remaining"]) == (0, {}, 0)
    with closing(sqlite3.connect(tmp_path / "erp.db")) as erp:
        rows = erp.execute("SELECT ref, name, tax_id, phone, address FROM clients").fetchall()
    stored = {ref: [value or "" for value in values] for ref, *values in rows}
    assert stored == {
        ref: [
            one.values["name"] or "",
            str(one.attributes[tax_id] or ""),
            one.values.get("phone") or "",
            one.values.get("address") or "",
        ]
        for ref, one in held.items()
    }
    assert any(values[3] for values in stored.values()), "no address came through"

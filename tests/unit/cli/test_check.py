"""``zvirka check``: a line for each thing, with its remedy, and nothing written."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.unit.cli.lines import PASSWORD, run
from zvirka.simulator import Simulator, SimulatorOptions


@pytest.fixture
def onec(settled: Path) -> Iterator[Simulator]:
    with Simulator(SimulatorOptions(counterparties=5, password=PASSWORD)) as simulator:
        change(settled, "http://127.0.0.1:9/base", simulator.url)
        yield simulator


def change(directory: Path, old: str, new: str) -> None:
    file = directory / "zvirka.toml"
    file.write_text(file.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")


def findings(capsys: pytest.CaptureFixture[str]) -> tuple[int, list[dict[str, str]]]:
    code = run("check", "--json")
    return code, json.loads(capsys.readouterr().out)["findings"]


def test_everything_fits(
    onec: Simulator, settled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, found = findings(capsys)
    assert {one["level"] for one in found} <= {"ok", "warning"}, found
    assert code == 0
    assert run("check", "--lang", "en") == 0
    assert capsys.readouterr().out.endswith("All is well.\n")


def test_unverified_tls_and_an_unencrypted_password_are_each_told_once(
    settled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change(settled, "http://127.0.0.1:9/base", "http://1c.invalid/base/odata/standard.odata/")
    change(settled, "retries = 0", "retries = 0\nverify_tls = false\nconnect_timeout = '1s'")
    _, found = findings(capsys)
    told = [one["subject"] for one in found if one["level"] == "warning"]
    assert sorted(told) == ["onec.url", "onec.verify_tls", "store"]


def test_password_of_an_sqlite_store_is_found_before_a_run(
    settled: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZVIRKA_ERP__PASSWORD", "tainted")
    for line in (["check"], ["config", "check"], ["reconcile"]):
        assert run(*line, "--lang", "en") == 64
        shown = capsys.readouterr().err
        assert "erp.password: found a password, and erp.url is an SQLite file" in shown
        assert "tainted" not in shown


def test_wrong_password_is_a_failure_with_a_remedy_and_the_rest_is_checked(
    onec: Simulator, settled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (settled / "password").write_text("не-той-пароль")
    code, found = findings(capsys)
    failures = [one for one in found if one["level"] == "failure"]
    assert code == 2
    assert len(failures) == 1
    assert failures[0]["remedy"]
    assert any(one["subject"] == "journal" for one in found)
    assert "не-той-пароль" not in str(found)


def test_property_that_does_not_exist_and_a_store_that_cannot_be_reached_are_both_told(
    onec: Simulator, settled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change(settled, "[erp]", '[onec.fields.tax_id]\nattribute = "НемаєТакого"\n[erp]')
    url = f'"sqlite:///{settled}/erp.db"'
    change(settled, url, f'"sqlite:///{settled}/no/such/erp.db"\ntable = "clients"')
    code = run("check", "--lang", "uk")
    shown = capsys.readouterr().out
    assert code == 2
    assert "✗ збій" in shown
    assert "НемаєТакого" in shown
    assert f"{settled}/no/such" in shown
    assert "→ " in shown
    assert "Збоїв: " in shown


def test_base_that_does_not_answer_is_a_failure(
    settled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, found = findings(capsys)
    assert code == 2
    assert any(one["level"] == "failure" and one["remedy"] for one in found)


def erp_table(directory: Path, key: str, *keys: str) -> None:
    """An ERP of one table with that key column and some clients."""
    file = directory / "erp.db"
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute(
            f"CREATE TABLE clients (id integer PRIMARY KEY, {key}, name text, tax_id text,"
            " phone text, email text, address text, is_active boolean DEFAULT 1)"
        )
        connection.executemany("INSERT INTO clients (code) VALUES (?)", [(key,) for key in keys])
    change(directory, f'"sqlite:///{file}"', f'"sqlite:///{file}"\ntable = "clients"')


def failure(capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    """The only failure of a check."""
    code, found = findings(capsys)
    assert code == 2
    [told] = [one for one in found if one["level"] == "failure"]
    return told


def test_a_key_column_of_numbers_is_a_failure_with_the_code_it_cannot_hold(
    onec: Simulator, settled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number, ref in enumerate(onec.base.refs(), start=1):
        if not onec.base.get(ref).group:
            onec.base.update(ref, code=f"{number:09}")
    erp_table(settled, "code integer")
    assert "clients.code (INTEGER) не може зберегти ключ 1С 0000000" in failure(capsys)["text"]


def test_a_key_column_without_any_key_of_1c_is_a_failure_with_examples(
    onec: Simulator, settled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    erp_table(settled, "code text", *(f"X-{number}" for number in range(6)))
    told = failure(capsys)
    assert "із клієнтів (6) ключ, що є в 1С, мають лише 0" in told["text"]
    assert "X-5" in told["text"]
    assert "min_key_share" in told["remedy"]

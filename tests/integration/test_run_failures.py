"""What goes wrong around a run, through the real command line in a process of its own.

Each failure is told with cause, place and remedy under its documented exit code, and the store is
as it was.
"""

from __future__ import annotations

import dataclasses
import json
import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.integration.databases import fresh
from tests.integration.engine_world import World, world

pytestmark = pytest.mark.long

PASSWORD = "ZVIRKA_ONEC__PASSWORD"


@pytest.fixture
def night(tmp_path: Path) -> Iterator[World]:
    """A world after a good night, with one correction waiting and a settings file."""
    with world(tmp_path, counterparties=12, report={"formats": ["json"]}) as made:
        assert made.run().exit_code == 0
        made.base.update(made.refs()[0], name="Змінено")
        yield made


def command(made: World, *line: str, **tables: dict[str, Any]) -> list[str]:
    """The command line under the world's settings, some of them changed. No secret in it."""
    raw = made.settings.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    del raw["onec"]["password"]
    for table, values in tables.items():
        raw[table] = {**raw.get(table, {}), **values}
    raw["state_dir"] = str(raw.get("state_dir"))
    file = made.directory / f"zvirka-{len(list(made.directory.glob('*.toml')))}.toml"
    file.write_text(toml(raw), encoding="utf-8")
    return [sys.executable, "-m", "zvirka.cli", *line, "--config", str(file), "--lang", "en"]


def toml(raw: dict[str, Any]) -> str:
    """Plain values, then a header for each table; JSON's literals are TOML's as well."""
    return "\n".join(_lines(raw, ""))


def _lines(table: dict[str, Any], path: str) -> Iterator[str]:
    for name, value in table.items():
        if not isinstance(value, dict):
            yield f"{name} = {json.dumps(value, ensure_ascii=False)}"
    for name, value in table.items():
        if isinstance(value, dict):
            yield f"[{path}{name}]"
            yield from _lines(value, f"{path}{name}.")


def environment(made: World, password: str = "") -> dict[str, str]:
    return {**os.environ, PASSWORD: password or made.simulator.password}


def zvirka(
    made: World, *line: str, password: str = "", limit: int = 0, **tables: dict[str, Any]
) -> tuple[int, str]:
    """Exit code and everything said; ``limit`` is the largest file it may write, in bytes."""

    def limited() -> None:
        if limit:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    done = subprocess.run(
        command(made, *line, **tables),
        env=environment(made, password),
        capture_output=True,
        text=True,
        timeout=100,
        preexec_fn=limited,
    )
    said = done.stdout + done.stderr
    assert made.simulator.password not in said
    assert "Traceback" not in said
    return done.returncode, said


def assert_told(said: str, *, cause: str, place: str, remedy: str) -> None:
    """A failed run says in one line what happened, where, and what can be done."""
    [line] = [line for line in said.splitlines() if "] → " in line]
    told = line.rpartition(" → ")[0].rpartition(" [")
    assert cause in told[0], line
    assert place in told[2], line
    assert remedy in line.rpartition(" → ")[2], line


def test_a_wrong_password(night: World) -> None:
    before = night.shape.tables()
    code, said = zvirka(night, "reconcile", password="не той")
    assert code == 2
    assert_told(said, cause="401", place=night.simulator.url, remedy="onec.user")
    assert "не той" not in said
    assert night.shape.tables() == before


@pytest.mark.slow
def test_a_wrong_name_of_the_publication(night: World) -> None:
    before = night.shape.tables()
    url = night.simulator.url.replace("/base/", "/nobase/")
    code, said = zvirka(night, "reconcile", onec={"url": url})
    assert code == 2
    assert_told(said, cause="404", place="/nobase/", remedy="onec.url")
    assert night.shape.tables() == before


@pytest.mark.slow
def test_a_catalogue_that_is_not_published(night: World) -> None:
    before = night.shape.tables()
    night.simulator.faults.unpublished = {"Catalog_Контрагенты"}
    code, said = zvirka(night, "reconcile")
    assert code == 2
    assert_told(said, cause="shrank since the last run", place="onec.catalog", remedy="publish it")
    assert night.shape.tables() == before
    code, said = zvirka(night, "reconcile")  # and the next night sees it too
    assert_told(said, cause="shrank since the last run", place="onec.catalog", remedy="publish it")


@pytest.mark.slow
def test_a_mapped_property_that_does_not_exist(night: World) -> None:
    before = night.shape.tables()
    code, said = zvirka(night, "reconcile", onec={"fields": {"phone": {"attribute": "Телефун"}}})
    assert code == 2
    assert_told(said, cause="no property Телефун", place="onec.fields.phone", remedy="Телефон")
    assert night.shape.tables() == before


@pytest.mark.slow
def test_1c_is_down(night: World) -> None:
    before = night.shape.tables()
    code, said = zvirka(night, "reconcile", onec={"url": "http://127.0.0.1:9/base", "retries": 0})
    assert code == 2
    assert_told(said, cause="connect", place="127.0.0.1:9", remedy="onec.url")
    assert night.shape.tables() == before


@pytest.mark.slow
def test_a_locked_database_of_the_erp(night: World) -> None:
    before = night.shape.tables()
    file = night.shape.erp.url.removeprefix("sqlite:///")
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        code, said = zvirka(night, "reconcile", erp={"url": f"{night.shape.erp.url}?timeout=1"})
        other.execute("ROLLBACK")
    assert code == 2
    assert_told(said, cause="locked", place=file, remedy="again")
    assert night.shape.tables() == before
    assert night.run().exit_code == 0, "the next night takes up what the lock had kept back"
    night.assert_in_sync()


@contextmanager
def small_disk(directory: Path) -> Iterator[bool]:
    """A file system of half a megabyte there, where this user may mount one; whether it is so."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    mounted = (
        shutil.which("mount") is not None
        and subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=512k", "zvirka-test", str(directory)],
            capture_output=True,
        ).returncode
        == 0
    )
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", str(directory)], check=True)


@pytest.mark.slow
def test_a_full_disk_in_staging(tmp_path: Path) -> None:
    with world(tmp_path, counterparties=2000, report={"formats": ["json"]}) as made:
        before = made.shape.tables()
        staging = tmp_path / "state" / "staging"
        with small_disk(staging) as mounted:
            code, said = zvirka(made, "reconcile", limit=0 if mounted else 300_000)
        assert code == 2
        cause = "no space left on the disk" if mounted else "staging database cannot be"
        remedy = "free disk space" if mounted else "state_dir"
        assert_told(said, cause=cause, place=str(staging), remedy=remedy)
        assert made.shape.tables() == before


@contextmanager
def busy(made: World) -> Iterator[subprocess.Popen[bytes]]:
    """A reconciliation in a process of its own, held up by a 1C that takes its time."""
    asked = len(made.simulator.requests)
    made.simulator.faults.latency = 3.0
    process = subprocess.Popen(
        command(made, "reconcile"),
        env=environment(made),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    with process:
        try:
            while len(made.simulator.requests) == asked:
                assert process.poll() is None, "the run ended before it asked 1C anything"
                time.sleep(0.02)
            yield process
        finally:
            made.simulator.faults.latency = 0.0
            if process.poll() is None and sys.exc_info()[0] is not None:
                process.kill()


@contextmanager
def waiting(made: World) -> Iterator[subprocess.Popen[str]]:
    """A second reconciliation that waits for the first to end."""
    process = subprocess.Popen(
        command(made, "reconcile", "--wait", "60", "--json"),
        env=environment(made),
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.slow
def test_of_two_runs_at_once_the_second_says_who_runs_or_waits(night: World) -> None:
    with busy(night) as first:
        code, said = zvirka(night, "reconcile")
        assert code == 2
        assert "another run is under way" in said
        assert f"process {first.pid}" in said
        assert "--wait" in said
        with waiting(night) as second:
            assert first.poll() is None, "the first one ended too early to prove anything"
            night.simulator.faults.latency = 0.0
            out, _ = second.communicate(timeout=60)
            assert (second.returncode, json.loads(out)["causes"]) == (0, {})
        assert first.wait(timeout=60) == 0
    night.assert_in_sync()


def test_a_standby_machine_takes_over_from_one_that_was_killed(
    night: World, tmp_path: Path
) -> None:
    """The journal is on PostgreSQL, each machine has a state directory of its own."""
    active = night.with_settings(journal={"url": fresh("postgresql", tmp_path)})
    standby = dataclasses.replace(
        active, settings=active.settings.model_copy(update={"state_dir": tmp_path / "other"})
    )
    with busy(active) as first:
        code, said = zvirka(standby, "reconcile")
        assert code == 2
        assert f"process {first.pid}" in said
        with waiting(standby) as second:
            assert first.poll() is None, "the active one ended by itself"
            first.send_signal(signal.SIGKILL)
            first.wait(timeout=10)
            night.simulator.faults.latency = 0.0
            out, _ = second.communicate(timeout=60)
            assert (second.returncode, json.loads(out)["outcomes"]) == (0, {"applied": 1})
    with standby.environment() as opened:
        runs = opened.journal.runs()
        assert [run.status for run in runs] == ["finished", "interrupted"]
        assert "interrupted" in runs[0].facts.recovered[0]
    night.assert_in_sync()


def test_a_report_that_cannot_be_written_is_no_success(night: World) -> None:
    place = night.directory / "taken"
    place.write_text("a file where the directory should be")
    code, said = zvirka(night, "reconcile", report={"dir": str(place)})
    assert code == 2
    assert str(place) in said
    assert night.run().causes == {}  # the correction itself was done

"""The main job for many counterparties, as ratios against a floor measured in the same run.

The *floor* downloads the same pages with plain requests, decodes them with msgspec and reads the
same store rows with the bare driver. Beside it, for scale, the script a user would write instead.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from tests.benchmarks.million.catalogue import lazy_infobase
from zvirka.erp.embedded import create_embedded
from zvirka.mapping import Mapping
from zvirka.onec.open_source import open_source
from zvirka.settings.model import Settings
from zvirka.settings.profiles import mapping_of
from zvirka.simulator import Simulator, SimulatorOptions
from zvirka.simulator.configurations import ConfigurationKind
from zvirka.simulator.simulated_catalogue import SmallTable

DIFFERENT_EVERY = 1000
"""One counterparty in so many differs: 0.1 %."""


def measure(counterparties: int, *, with_script: bool, rounds: int) -> dict[str, Any]:
    """Measure floor, full, light and, if asked, the script; each in a process of its own.

    Every round measures all of them from the same beginning; each is told by its median round,
    since on a shared machine one of them may well meet a slow moment.
    """
    directory = Path(tempfile.mkdtemp(prefix="zvirka-bench-"))
    try:
        base = lazy_infobase(ConfigurationKind.ACCOUNTING, counterparties, seed=1)
        with Simulator(SimulatorOptions(gzip=False), base) as simulator:
            simulator.warm()
            settings = Settings.model_validate(_settings(directory, simulator))
            _fill(directory / "filled.db", settings, mapping_of(settings))
            found = [_measured(directory, simulator, with_script) for _ in range(rounds)]
            return {name: _median([each[name] for each in found]) for name in found[0]}
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _median(counts: list[dict[str, Any]]) -> dict[str, Any]:
    """The round in the middle by time, with the highest peak memory of all."""
    ordered = sorted(counts, key=lambda each: float(each["seconds"]))
    peak = max(each["peak_mb"] for each in counts)
    return {**ordered[len(ordered) // 2], "peak_mb": peak}


def _measured(directory: Path, simulator: Simulator, with_script: bool) -> dict[str, Any]:
    shutil.rmtree(directory / "state", ignore_errors=True)
    for name in ("erp.db", "by_hand.db"):
        for left in directory.glob(f"{name}*"):
            left.unlink()
        shutil.copy(directory / "filled.db", directory / name)
    world: dict[str, Any] = {
        "url": simulator.url,
        "user": simulator.user,
        "password": simulator.password,
        "settings": _settings(directory, simulator),
        "erp": str(directory / "erp.db"),
        "erp_by_hand": str(directory / "by_hand.db"),
    }
    before = len(simulator.requests)
    found = {"full": _child("reconcile", world, directory)}
    asked = simulator.requests[before:]
    world["pages"] = [
        (f"{simulator.url}{quote(each.path)}?{urlencode(each.query, quote_via=quote)}", select)
        for each in asked
        if (select := each.query.get("$select", "")) and _is_page(each.path, each.query)
    ]
    world["address_kind"] = _address_kind(simulator)
    found["floor"] = _child("floor", world, directory)
    found["light"] = _child("reconcile", world, directory)
    if with_script:
        found["script"] = _child("by_hand", world, directory)
    return found


def _is_page(path: str, query: dict[str, str]) -> bool:
    """A page of the full pull: not a second look at named counterparties, not a count."""
    by_name = "Ref_Key eq" in query.get("$filter", "")
    return path.startswith("Catalog_Контрагенты") and "$count" not in path and not by_name


def _address_kind(simulator: Simulator) -> str:
    kinds = simulator.base.tables["Catalog_ВидыКонтактнойИнформации"]
    assert isinstance(kinds, SmallTable)
    for row in kinds.rows:
        if row.get("PredefinedDataName") == "ЮрАдресКонтрагента":
            return str(row["Ref_Key"])
    raise LookupError("the kind of the legal address")


def _settings(directory: Path, simulator: Simulator) -> dict[str, Any]:
    return {
        "state_dir": str(directory / "state"),
        "onec": {"url": simulator.url, "user": simulator.user, "password": simulator.password},
        "erp": {"url": f"sqlite:///{directory / 'erp.db'}"},
    }


def _fill(path: Path, settings: Settings, mapping: Mapping) -> None:
    """The store as the webhooks left it: everything, but for one in a thousand."""
    create_embedded(f"sqlite:///{path}", mapping)
    store = sqlite3.connect(path)
    names = list(mapping.names)
    marks = ", ".join("?" for _ in range(len(names) + 1))
    statement = f"INSERT INTO clients (ref, {', '.join(names)}) VALUES ({marks})"
    with store:
        store.executemany(statement, _rows(settings, mapping))
        store.execute(
            "UPDATE clients SET name = name || ' (old)' WHERE id % ? = 0", (DIFFERENT_EVERY,)
        )
    store.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    store.close()


def _rows(settings: Settings, mapping: Mapping) -> Iterator[tuple[str | None, ...]]:
    outside: dict[str, dict[bytes, str | None]] = {}
    with open_source(settings.onec, mapping, settings.state_dir) as source:
        source.preflight()
        for lines in source.lines():
            held = outside.setdefault(lines.field, {})
            for ref, value in zip(lines.refs, lines.values, strict=True):
                held.setdefault(uuid.UUID(ref).bytes, value)
        for objects in source.objects():
            for place, ref in enumerate(objects.refs):
                yield (
                    ref,
                    *(
                        objects.values[name][place]
                        if name in objects.values
                        else outside.get(name, {}).get(uuid.UUID(ref).bytes)
                        for name in mapping.names
                    ),
                )


def _child(activity: str, world: dict[str, Any], directory: Path) -> dict[str, Any]:
    file = directory / f"{activity}.json"
    file.write_text(json.dumps(world, ensure_ascii=False), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.child", activity, str(file)],
        check=True,
        capture_output=True,
        text=True,
    )
    counts: dict[str, Any] = json.loads(done.stdout)
    return counts

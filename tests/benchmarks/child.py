"""One measured activity in a process of its own: prints seconds, peak memory and counts as JSON.

``python -m tests.benchmarks.child ACTIVITY FILE`` where FILE is the JSON the parent wrote: the
address of the simulated 1C, the settings, and, for the floor, the requests to repeat.
"""

from __future__ import annotations

import json
import sqlite3
import sys
import time
from pathlib import Path
from typing import Any

Counts = dict[str, Any]


def reconcile(world: dict[str, Any]) -> Counts:
    """One reconciliation as the daemon does it, whatever state the directory is in."""
    from loguru import logger

    from zvirka.reconcile.environment import open_environment
    from zvirka.reconcile.request import Request
    from zvirka.reconcile.run import perform
    from zvirka.settings.model import Settings
    from zvirka.settings.profiles import mapping_of

    logger.remove()
    settings = Settings.model_validate(world["settings"])
    with open_environment(settings, mapping_of(settings)) as environment:
        began = time.perf_counter()
        summary = perform(environment, Request(who="bench"))
        seconds = time.perf_counter() - began
        facts = environment.journal.get(summary.run).facts
    assert summary.outcomes is not None
    return {
        "seconds": seconds,
        "status": summary.status,
        "exit_code": summary.exit_code,
        "error": summary.error,
        "applied": summary.outcomes.get("applied", 0),
        "rows": facts.source_rows,
        "store_rows": facts.store_rows,
        "requests": facts.requests,
        "bytes": facts.bytes,
        "phases": facts.seconds,
    }


def floor(world: dict[str, Any]) -> Counts:
    """The least there is to do: download the same pages, decode them, read the same store rows."""
    import msgspec
    import requests

    any_value = str | int | bool | None
    decoders: dict[str, Any] = {}
    rows = 0
    with requests.Session() as session:
        session.auth = (world["user"].encode(), world["password"].encode())
        first = session.get(f"{world['url']}$metadata", headers={"IBSession": "start"}, timeout=60)
        first.raise_for_status()
        began = time.perf_counter()
        for url, select in world["pages"]:
            if select not in decoders:
                names = select.split(",")
                row = msgspec.defstruct(
                    "Row",
                    [(f"f{number}", any_value) for number in range(len(names))],
                    rename={f"f{number}": name for number, name in enumerate(names)},
                    frozen=True,
                    gc=False,
                )
                answer_type = msgspec.defstruct(
                    "Answer",
                    [("value", list[row])],  # type: ignore[valid-type]  # made at run time
                )
                decoders[select] = msgspec.json.Decoder(answer_type)
            answer = session.get(url, timeout=60)
            answer.raise_for_status()
            rows += len(decoders[select].decode(answer.content).value)
        store = sqlite3.connect(world["erp"])
        held = 0
        cursor = store.execute(
            "SELECT id, code, ref, name, tax_id, phone, email, address, is_active FROM clients"
            " WHERE source <> 'manual'"
        )
        while page := cursor.fetchmany(5000):
            held += len(page)
        seconds = time.perf_counter() - began
    return {"seconds": seconds, "rows": rows, "store_rows": held}


def by_hand(world: dict[str, Any]) -> Counts:
    """The script a user would write instead: no checks, no journal, no read-back."""
    import pandas
    import requests

    fields = ["code", "name", "tax_id", "phone", "email", "address"]
    began = time.perf_counter()
    with requests.Session() as session:
        session.auth = (world["user"].encode(), world["password"].encode())
        parties: list[dict[str, Any]] = []
        lines: list[dict[str, Any]] = []
        for url, select in world["pages"]:
            rows = json.loads(session.get(url, timeout=60).content)["value"]
            (lines if "LineNumber" in select else parties).extend(rows)
    left = pandas.DataFrame(parties).rename(
        columns={"Code": "code", "Description": "name", "КодПоЕДРПОУ": "tax_id"}
    )
    outside = pandas.DataFrame(lines)
    for field, kind in (("phone", "Телефон"), ("email", "АдресЭлектроннойПочты")):
        chosen = outside[outside["Тип"] == kind].drop_duplicates("Ref_Key")
        left = left.merge(
            chosen[["Ref_Key", "Представление"]].rename(columns={"Представление": field}),
            on="Ref_Key",
            how="left",
        )
    legal = outside[outside["Вид_Key"] == world["address_kind"]].drop_duplicates("Ref_Key")
    left = left.merge(
        legal[["Ref_Key", "Представление"]].rename(columns={"Представление": "address"}),
        on="Ref_Key",
        how="left",
    )
    store = sqlite3.connect(world["erp_by_hand"])
    right = pandas.read_sql(f"SELECT {', '.join(fields)} FROM clients WHERE is_active", store)
    both = left.merge(right, on="code", how="outer", suffixes=("", "_erp"), indicator=True)
    differing = False
    for field in fields[1:]:
        differing |= both[field].fillna("") != both[f"{field}_erp"].fillna("")
    changed = both[(both["_merge"] == "both") & differing]
    with store:
        store.executemany(
            "UPDATE clients SET name=?, tax_id=?, phone=?, email=?, address=? WHERE code=?",
            changed[[*fields[1:], "code"]].itertuples(index=False, name=None),
        )
        store.executemany(
            "INSERT INTO clients (code, name, tax_id, phone, email, address)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            both[both["_merge"] == "left_only"][fields].itertuples(index=False, name=None),
        )
        store.executemany(
            "UPDATE clients SET is_active = 0 WHERE code = ?",
            both[both["_merge"] == "right_only"][["code"]].itertuples(index=False, name=None),
        )
    return {"seconds": time.perf_counter() - began, "rows": len(left), "changed": len(changed)}


def _peak_mb() -> float:
    """The high-water mark of this very program; ru_maxrss would count the parent before exec."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise LookupError("VmHWM")


def main() -> None:
    """Do it and print what it cost."""
    activity, file = sys.argv[1:]
    world = json.loads(Path(file).read_text(encoding="utf-8"))
    counts = {"reconcile": reconcile, "floor": floor, "by_hand": by_hand}[activity](world)
    counts["peak_mb"] = _peak_mb()
    print(json.dumps(counts))


if __name__ == "__main__":
    main()

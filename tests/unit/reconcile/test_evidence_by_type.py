"""A deletion cannot be derived from a partial snapshot: the type checker refuses it."""

from __future__ import annotations

from pathlib import Path

from mypy import api

_PROGRAM = """
from zvirka.mapping import Mapping
from zvirka.onec.protocol import Source
from zvirka.reconcile.absence import absence_of
from zvirka.reconcile.snapshot import CompleteSnapshot, PartialSnapshot, Snapshot

def ask(source: Source, mapping: Mapping, complete: CompleteSnapshot) -> None:
    absence_of(source, mapping, complete, refs=[], key="1", namesakes=[], has_client=bool)

def refused(source: Source, mapping: Mapping, partial: PartialSnapshot) -> None:
    absence_of(source, mapping, partial, refs=[], key="1", namesakes=[], has_client=bool)

def refused_too(source: Source, mapping: Mapping, either: Snapshot) -> None:
    absence_of(source, mapping, either, refs=[], key="1", namesakes=[], has_client=bool)
"""
ROOT = Path(__file__).resolve().parents[3]


def test_only_a_complete_snapshot_may_be_asked_for_absences(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(_PROGRAM, encoding="utf-8")
    cache = str(ROOT / ".mypy_cache")
    out, _, status = api.run(["--strict", "--cache-dir", cache, str(program)])
    # The cache may answer with the directory of an earlier run: only the file's name counts.
    told = [line.partition("program.py:")[2] for line in out.splitlines() if ": error: " in line]
    assert status == 1
    assert [line.split(":")[0] for line in told] == ["11", "14"], out
    assert all('expected "CompleteSnapshot | NamedOnly"' in line for line in told)

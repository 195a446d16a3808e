"""Every DuckDB table has one owner: the module that names it and writes to it."""

from __future__ import annotations

import ast
import re
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

import zvirka.staging
from tests.unit.reconcile.test_matching import REFS, staged
from zvirka.staging.database import Staging

MODULES = sorted(Path(zvirka.staging.__path__[0]).glob("*.py"))
SCHEMAS = "scratch|mirror|next|agreement|memory|temp"
NAME = re.compile(rf"\b(?:{SCHEMAS})\.([a-z]\w*)")
WRITTEN = re.compile(
    r"\s*(?:CREATE (?:OR REPLACE )?(?:TEMP )?(?:TABLE|VIEW)|INSERT INTO|DELETE FROM|DROP TABLE"
    r"|ALTER TABLE|UPDATE) ([\w.]+)"
)


def literals(module: Path) -> set[str]:
    """The qualified table names in a module's strings, docstrings left out."""
    tree = ast.parse(module.read_text("utf-8"))
    prose = {
        id(statement.value)
        for node in ast.walk(tree)
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef))
        for statement in node.body
        if isinstance(statement, ast.Expr)
    }
    return {
        name
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose
        for name in NAME.findall(node.value)
        if f"{name}.duckdb" not in node.value and name != "duckdb"
    }


def test_a_table_is_named_in_one_module() -> None:
    named: dict[str, set[str]] = defaultdict(set)
    for module in MODULES:
        for name in literals(module):
            named[name].add(module.stem)
    assert len(named) > 20
    # The agreement of version 0.1.0 is read from a schema of its own, "previous".
    assert {name: modules for name, modules in named.items() if len(modules) > 1} == {}


def test_a_table_is_written_by_one_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writers: dict[str, set[str]] = defaultdict(set)
    run, insert = Staging.run, Staging.insert

    def caller() -> str:
        frame = sys._getframe(2)
        while frame.f_code.co_filename.endswith("database.py") and frame.f_back is not None:
            frame = frame.f_back
        return Path(frame.f_code.co_filename).stem

    def recorded_run(self: Staging, sql: str, values: Any = ()) -> Any:
        if found := WRITTEN.match(sql):
            writers[found[1]].add(caller())
        return run(self, sql, values)

    def recorded_insert(self: Staging, page: Any, table: str, **given: Any) -> None:
        writers[table].add(caller())
        insert(self, page, table, **given)

    monkeypatch.setattr(Staging, "run", recorded_run)
    monkeypatch.setattr(Staging, "insert", recorded_insert)
    parties = [("1", "а", False), ("2", "а", True), ("3", "а", False), ("3", "б", False)]
    clients = [("1", REFS[0], "а", True), ("4", None, "а", True), ("2", None, "а", True)]
    for brief in (False, True):
        staging, candidates = staged(tmp_path, parties, clients, marks_count=True, brief=brief)
        candidates.agree(tidy=True, complete=True)
        staging.close()
        clients[0] = ("1", REFS[0], "я", True)
    assert len(writers) > 30
    assert {table: modules for table, modules in writers.items() if len(modules) > 1} == {}

"""Only the journal's own package reads and writes its tables."""

from __future__ import annotations

import ast
from pathlib import Path

import zvirka

PACKAGE = Path(zvirka.__file__).parent
TABLES = "zvirka.journal.tables"


def imported(path: Path) -> set[str]:
    """Full names of modules and of what is taken from them."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {str(node.module), *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


def test_no_other_package_imports_the_tables() -> None:
    users = {
        path.relative_to(PACKAGE).parts[0]
        for path in PACKAGE.rglob("*.py")
        if TABLES in imported(path)
    }
    assert users == {"journal"}

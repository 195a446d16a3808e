"""The layout of the source, derived from its syntax trees: who imports whom, and how it is named.

Imports go one way, from the last floor to the first. A new package or module of ``zvirka`` needs a
floor here before the tests pass.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

import zvirka

ROOT = Path(zvirka.__file__).parent

FLOORS = (
    {  # terms and helpers that know nothing of the rest
        "atomic_files",
        "bounded_http",
        "comparison",
        "database_address",
        "deadline_session",
        "domain",
        "errors",
        "findings",
        "identity",
        "joined_apps",
        "mapping",
        "message",
        "net",
        "now",
        "package_files",
        "prefetch",
        "private_files",
        "push_log",
        "redaction",
    },
    {"settings", "i18n", "policy"},
    {"report", "staging", "onec", "erp", "journal", "simulator", "bsl", "logs"},
    {"reconcile", "backup"},
    {"web", "service", "receiver", "fleet", "demonstration", "demonstration_flows", "init"},
    {"cli"},  # a command starts each of the others
)
SIDEWAYS = {
    ("policy", "settings"),  # it is read from them
    ("staging", "onec"),  # it stages what both sides' protocols yield
    ("staging", "erp"),
    ("report", "journal"),  # a report is rendered from the journal
    ("fleet", "service"),  # workers perform the nights of the daemon
    ("web", "fleet"),  # what is asked for on the page goes to workers, too
    ("demonstration", "demonstration_flows"),  # its second part
    ("demonstration_flows", "init"),
    ("demonstration", "init"),  # the demo leaves a settings file
    ("demonstration", "receiver"),  # the demo pushes a webhook
}

MAY_REPEAT = {
    "__init__.py": "every package has one",
    "__main__.py": "what `python -m` runs",
    "protocol.py": "what a package asks of its implementations",
    "writer.py": "an implementation of erp.protocol.Writer",
}
Imports = dict[tuple[str, str], list[str]]


def modules(root: Path) -> Iterator[tuple[str, ast.Module]]:
    for file in sorted(root.rglob("*.py")):
        path = file.relative_to(root)
        yield path.as_posix(), ast.parse(file.read_text(encoding="utf-8"))


def imports(root: Path) -> Imports:
    """Which part of ``zvirka`` imports which, and in which files; a part is a package or module."""
    parts = {path.stem for path in root.iterdir() if path.stem != "__init__"}
    found: Imports = defaultdict(list)
    for path, tree in modules(root):
        importer = path.split("/")[0].removesuffix(".py")
        for imported in _imported(tree):
            if imported in parts and imported != importer:
                found[importer, imported].append(path)
    return found


def _imported(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                paths = [alias.name for alias in names]
            case ast.ImportFrom(module="zvirka", names=names):
                paths = [f"zvirka.{alias.name}" for alias in names]
            case ast.ImportFrom(module=str(module), level=0):
                paths = [module]
            case _:
                continue
        yield from (path.split(".")[1] for path in paths if path.startswith("zvirka."))


def allowed(importer: str, imported: str) -> bool:
    """Whether the layout has the arrow: down a floor, in the lowest floor, or named as sideways."""
    (above,) = [number for number, floor in enumerate(FLOORS) if importer in floor]
    (below,) = [number for number, floor in enumerate(FLOORS) if imported in floor]
    return below < above or above == below == 0 or (importer, imported) in SIDEWAYS


ARROWS = imports(ROOT)


def test_every_part_has_one_floor() -> None:
    parts = {path.stem for path in ROOT.iterdir() if (path / "__init__.py").exists()}
    parts |= {path.stem for path in ROOT.glob("*.py") if path.stem != "__init__"}
    for part in sorted(parts - {"shipped"}):
        floors = [number for number, floor in enumerate(FLOORS) if part in floor]
        assert len(floors) == 1, f"give {part} a floor in FLOORS"


@pytest.mark.parametrize(("importer", "imported"), sorted(ARROWS))
def test_imports_go_one_way(importer: str, imported: str) -> None:
    assert allowed(importer, imported), f"imported in {ARROWS[importer, imported]}"


def test_an_import_against_the_layout_is_found(tmp_path: Path) -> None:
    for name, source in {
        "onec/session.py": "def read():\n    from zvirka.erp.protocol import Store",
        "erp/protocol.py": "import zvirka.errors",
        "settings/model.py": "from zvirka import reconcile",
        "reconcile/run.py": "from zvirka.onec import session",
        "errors.py": "",
    }.items():
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(source)
    found = imports(tmp_path)
    assert {arrow: allowed(*arrow) for arrow in found} == {
        ("onec", "erp"): False,
        ("erp", "errors"): True,
        ("settings", "reconcile"): False,
        ("reconcile", "onec"): True,
    }


def test_no_two_public_classes_share_a_name() -> None:
    places: dict[str, list[str]] = defaultdict(list)
    for path, tree in modules(ROOT):
        for node in tree.body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places[node.name].append(path)
    assert {name: paths for name, paths in places.items() if len(paths) > 1} == {}


def _repeated() -> dict[str, list[str]]:
    places: dict[str, list[str]] = defaultdict(list)
    for path, _ in modules(ROOT):
        places[path.rpartition("/")[2]].append(path)
    return {name: paths for name, paths in sorted(places.items()) if len(paths) > 1}


@pytest.mark.parametrize(("name", "paths"), list(_repeated().items()))
def test_a_file_name_repeats_only_with_a_reason(name: str, paths: list[str]) -> None:
    assert name in MAY_REPEAT, f"one name, several things: {paths}"

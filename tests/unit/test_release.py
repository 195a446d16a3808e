"""A release gives the unreleased changes a version, and refuses what would mislead."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
CHANGES = "# Changelog\n\n## [Unreleased]\n\n### Added\n- This.\n\n## [0.1.0]\n\nThe first.\n"
PROJECT = '[project]\nname = "zvirka"\nversion = "0.1.0"\n'


@pytest.fixture
def release(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT / "packaging"))
    return importlib.import_module("release")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    (tmp_path / "CHANGELOG.md").write_text(CHANGES)
    (tmp_path / "pyproject.toml").write_text(PROJECT)
    return tmp_path


def test_the_unreleased_changes_get_the_version(release: ModuleType, checkout: Path) -> None:
    release.begin(checkout, "0.2.0")
    changes = (checkout / "CHANGELOG.md").read_text()
    assert release.changes_of("0.2.0", changes) == "## [0.2.0]\n\n### Added\n- This.\n"
    assert release.changes_of("Unreleased", changes) == "## [Unreleased]\n"
    assert 'version = "0.2.0"' in (checkout / "pyproject.toml").read_text()
    release.begin(checkout, "")  # the same version again


@pytest.mark.parametrize(
    ("changes", "version", "told"),
    [
        (CHANGES, "", "unreleased changes"),
        (CHANGES, "next", "not a version"),
        (CHANGES.replace("### Added\n- This.\n", ""), "0.2.0", "nothing to release"),
    ],
)
def test_what_would_mislead_is_refused(
    changes: str, version: str, told: str, release: ModuleType, checkout: Path
) -> None:
    (checkout / "CHANGELOG.md").write_text(changes)
    with pytest.raises(SystemExit, match=told):
        release.begin(checkout, version)
    assert (checkout / "CHANGELOG.md").read_text() == changes
    assert (checkout / "pyproject.toml").read_text() == PROJECT

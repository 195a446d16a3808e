"""`make` on a Debian without python3-venv: the package is named, and works once it is there."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WITHOUT_VENV = """#!/bin/sh
case "$*" in
    *ensurepip*) exit 1 ;;
esac
exec {python} "$@"
"""

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="there is no make here")


def make(directory: Path, python: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", f"VENV={directory}", f"PYTHON={python}", f"{directory}/.made"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.long
def test_the_missing_package_is_named_and_a_broken_environment_heals(tmp_path: Path) -> None:
    python = tmp_path / "python3"
    python.write_text(WITHOUT_VENV.format(python=sys.executable))
    python.chmod(0o755)
    environment = tmp_path / "environment"
    ended = make(environment, str(python))
    assert ended.returncode
    assert "sudo apt install python3-venv" in ended.stderr
    # What an older Makefile left: an interpreter without pip.
    (environment / "bin").mkdir(parents=True)
    (environment / "bin" / "python").symlink_to(sys.executable)
    healed = make(environment, sys.executable)
    assert healed.returncode == 0, healed.stderr
    subprocess.run([environment / "bin" / "python", "-m", "pip", "--version"], check=True)

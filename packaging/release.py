"""Makes everything a release consists of in dist/: release.py [VERSION].

Wheel, sdist, .deb, the changelog of the version, an SBOM (CycloneDX) of what requirements.lock
pins, and SHA256SUMS of them all. A VERSION is first written into pyproject.toml, and the section
[Unreleased] of CHANGELOG.md becomes its own; both files are left to be committed. Without one, the
version of pyproject.toml is made again; then nothing may be unreleased.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import build_deb
import project
from project import CHECKOUT


def main(directory: Path, version: str) -> None:
    """Write the files of the release, of which the last is SHA256SUMS."""
    begin(CHECKOUT, version)
    version = project.version()
    notes = changes_of(version, (CHECKOUT / "CHANGELOG.md").read_text("utf-8"))
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    (directory / f"zvirka-{version}.changes.md").write_text(notes, "utf-8")
    _call("uv", "build", "--quiet", "--out-dir", str(directory), str(CHECKOUT))
    (directory / ".gitignore").unlink(missing_ok=True)
    sbom = directory / f"zvirka-{version}.cdx.json"
    _call(
        *("cyclonedx-py", "requirements", str(CHECKOUT / "requirements.lock")),
        *("--pyproject", str(CHECKOUT / "pyproject.toml"), "--output-reproducible"),
        *("--output-file", str(sbom)),
    )
    build_deb.main(directory)
    sums = [f"{_digest(file)}  {file.name}\n" for file in sorted(directory.iterdir())]
    (directory / "SHA256SUMS").write_text("".join(sums), "utf-8")


def begin(checkout: Path, version: str) -> None:
    """Give the unreleased changes a version; without one there must be none."""
    changes, settings = checkout / "CHANGELOG.md", checkout / "pyproject.toml"
    text = changes.read_text("utf-8")
    unreleased = changes_of("Unreleased", text).partition("\n")[2].strip()
    if not version:
        if unreleased:
            sys.exit("CHANGELOG.md has unreleased changes: make release VERSION=X.Y.Z")
        return
    if not re.fullmatch(r"\d+\.\d+\.\d+", version):
        sys.exit(f"{version!r} is not a version (expected X.Y.Z)")
    if not unreleased:
        sys.exit("CHANGELOG.md has no unreleased changes: nothing to release")
    heading = "## [Unreleased]\n"
    changes.write_text(text.replace(heading, f"{heading}\n## [{version}]\n", 1), "utf-8")
    line = f'version = "{version}"'
    before = settings.read_text("utf-8")
    settings.write_text(re.sub(r'^version = ".*"', line, before, count=1, flags=re.M), "utf-8")


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
    main(CHECKOUT / "dist", sys.argv[1] if len(sys.argv) > 1 else "")

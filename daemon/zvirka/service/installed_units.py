"""What the units installed on this machine say about one configuration: user, secrets, sandbox.

The unit files are read as systemd reads them: the first directory that has a unit wins, drop-ins
of all directories follow, an empty assignment clears a list.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

DIRECTORIES = (
    "etc/systemd/system",
    "run/systemd/system",
    "usr/local/lib/systemd/system",
    "usr/lib/systemd/system",
)
CREDENTIAL_STORES = (
    "etc/credstore",
    "run/credstore",
    "usr/local/lib/credstore",
    "usr/lib/credstore",
)


@dataclass(frozen=True)
class InstalledUnit:
    """One ``zvirka*.service``: its name and its assignments in order."""

    name: str
    assignments: tuple[tuple[str, str], ...]

    def last(self, key: str) -> str:
        """Return the value in effect of a key that holds one."""
        return next((value for name, value in reversed(self.assignments) if name == key), "")

    def all(self, key: str) -> list[str]:
        """Return the values in effect of a key that holds a list."""
        values: list[str] = []
        for name, value in self.assignments:
            if name == key:
                values = [*values, value] if value else []
        return values

    def names(self, settings: Path) -> bool:
        """Whether the unit runs zvirka with that settings file."""
        return any(str(settings) in command.split() for command in self.all("ExecStart"))


def units_of(settings: Path, root: Path = Path("/")) -> list[InstalledUnit]:
    """Return the installed units of zvirka that use a settings file."""
    directories = [root / directory for directory in DIRECTORIES]
    names = {file.name for place in directories for file in place.glob("zvirka*.service")}
    units = [InstalledUnit(name, tuple(_assignments(name, directories))) for name in sorted(names)]
    return [unit for unit in units if unit.names(settings)]


def credentials_of(units: list[InstalledUnit], root: Path = Path("/")) -> dict[str, Path]:
    """Return the files that systemd would hand to the units as credentials, by their keys."""
    found: dict[str, Path] = {}
    for unit in units:
        for value in unit.all("LoadCredential"):
            key, _, place = value.partition(":")
            for file in _credential_files(place or key, root):
                if file.is_file():
                    # %i is the flow of a template: its files are found by their names.
                    name = key if "%i" not in key else file.name.removeprefix("zvirka.")
                    found.setdefault(name, file)
    return found


def _credential_files(place: str, root: Path) -> list[Path]:
    if place.startswith("/"):
        return [root / place.lstrip("/")]
    stores = [root / store for store in CREDENTIAL_STORES]
    return [file for store in stores for file in sorted(store.glob(place.replace("%i", "*")))]


def _assignments(name: str, directories: list[Path]) -> Iterator[tuple[str, str]]:
    file = next((place / name for place in directories if (place / name).is_file()), None)
    if file is not None:
        yield from _read(file)
    dropins = {
        dropin.name: dropin
        for place in reversed(directories)
        for dropin in (place / f"{name}.d").glob("*.conf")
    }
    for _, dropin in sorted(dropins.items()):
        yield from _read(dropin)


def _read(file: Path) -> Iterator[tuple[str, str]]:
    text = re.sub(r"\\\n\s*", " ", file.read_text(encoding="utf-8", errors="replace"))
    for line in text.splitlines():
        key, found, value = line.partition("=")
        if found and not line.lstrip().startswith(("#", ";")):
            yield key.strip(), value.strip()

"""Where the settings file is; without the models, for what must be quick or must not fail."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path

from zvirka.errors import SettingsError
from zvirka.message import Message, coded

SYSTEM_FILE = Path("/etc/zvirka/zvirka.toml")


def find_settings(path: Path | None, environ: Mapping[str, str]) -> Path | None:
    """Return the settings file, ``None`` when none was asked for and none is in a usual place.

    Raises:
        SettingsError: the file asked for does not exist.
    """
    asked = path or (Path(environ["ZVIRKA_CONFIG"]) if environ.get("ZVIRKA_CONFIG") else None)
    if asked is not None:
        if not _is_file(asked, otherwise=True):
            raise SettingsError(
                coded("ZV3101", "the settings file does not exist"),
                place=str(asked),
                remedy=Message("check --config or $ZVIRKA_CONFIG"),
            )
        return asked.absolute()
    return next(
        (place for place in (Path("zvirka.toml").absolute(), SYSTEM_FILE) if _is_file(place)), None
    )


def written_language(path: Path | None, environ: Mapping[str, str]) -> str | None:
    """Return report.language as it is written, also of settings that cannot be used."""
    given = environ.get("ZVIRKA_REPORT__LANGUAGE")
    if given:
        return given
    try:
        file = find_settings(path, environ)
        report = tomllib.loads(file.read_text("utf-8-sig")).get("report") if file else None
    except (SettingsError, OSError, ValueError, RecursionError):
        return None
    language = report.get("language") if isinstance(report, dict) else None
    return language if isinstance(language, str) else None


def _is_file(path: Path, *, otherwise: bool = False) -> bool:
    """Whether there is such a file; ``otherwise`` where this user may not even look."""
    try:
        return path.is_file()
    except PermissionError:
        return otherwise
    except OSError:  # a name that is too long
        return False

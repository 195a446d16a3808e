"""Whether a report file is what the journal yields: it is rendered anew and compared.

The same sealed run, form, language and time zone give the same bytes, so any change to a file is
found, wherever it is. This binds the file to the journal; that the journal itself was not changed
is what the digest chain proves (:mod:`zvirka.journal.chain`), and the caller checks both.
"""

from __future__ import annotations

import re
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import tzinfo
from enum import StrEnum
from itertools import zip_longest
from pathlib import Path

from zvirka import __version__
from zvirka.errors import UsageError
from zvirka.i18n.words import LANGUAGES
from zvirka.journal.journal import Journal
from zvirka.report import render, report_stem, write_reports

_NAME = re.compile(r"zvirka-run-(\d{6,})(?:-p\d+|-comma)?\.(html|json|csv|md|xlsx)")
_GENERATOR = re.compile(rb'(?:content="|"generator": ")zvirka ([0-9][0-9A-Za-z.+-]*)"')


class Authenticity(StrEnum):
    """What the comparison showed."""

    GENUINE = "genuine"
    ALTERED = "altered"
    UNKNOWN = "unknown"  # it cannot be told: another version wrote it, or the values are pruned


@dataclass(frozen=True, slots=True)
class ReportCheck:
    """The answer for one file; ``text`` is an English sentence, ``line`` the first that differs."""

    path: Path
    run: int
    authenticity: Authenticity
    text: str
    line: int | None = None


def verify_report(
    journal: Journal, path: Path, *, run: int | None = None, timezone: str | tzinfo = "Europe/Kyiv"
) -> ReportCheck:
    """Compare a report file with what the journal yields for its run.

    Args:
        journal: the journal.
        path: the file, under the name zvirka gave it.
        run: its run, when the file was renamed; the ending must have stayed.
        timezone: the zone reports are written in (``schedule.timezone``).

    Raises:
        UsageError: the file cannot be read, its name does not say what it is, or the journal has
            no such run.
    """
    if not path.is_file():
        raise UsageError("there is no such report file", place=str(path), remedy="check the path")
    named = _NAME.fullmatch(path.name)
    form = named[2] if named else path.suffix.removeprefix(".")
    number = run if run is not None else int(named[1]) if named else None
    if number is None or form not in {"html", "json", "csv", "md", "xlsx"}:
        raise UsageError(
            "the file's name does not say which run's report it is",
            place=str(path),
            remedy="give the file the name zvirka wrote it under, or name the run with --run",
        )
    row = journal.get(number)
    nearest: int | None = 0
    with tempfile.TemporaryDirectory(prefix="zvirka-verify-") as directory:
        for candidate in _candidates(journal, number, form, path.name, Path(directory), timezone):
            line = _first_difference(path, candidate, form)
            if line is None:
                text = f"run {number}: the file is what the journal yields"
                return ReportCheck(path, number, Authenticity.GENUINE, text)
            nearest = max(nearest or 0, line)
    if row.pruned_at is not None:
        text = f"run {number}: its personal values were pruned, the file cannot be checked any more"
        return ReportCheck(path, number, Authenticity.UNKNOWN, text)
    writer = _written_by(path)
    if writer not in {None, __version__}:
        text = f"run {number}: zvirka {writer} wrote the file, this is {__version__}; ask that one"
        return ReportCheck(path, number, Authenticity.UNKNOWN, text)
    return ReportCheck(
        path,
        number,
        Authenticity.ALTERED,
        f"run {number}: the file is not what the journal yields",
        nearest if form != "xlsx" else None,
    )


def _candidates(
    journal: Journal, run: int, form: str, name: str, directory: Path, timezone: str | tzinfo
) -> Iterator[Path]:
    """The files zvirka would have written, the likeliest first."""
    for language in LANGUAGES:
        made = write_reports(
            journal,
            run,
            formats=[form],
            language=language,
            directory=directory / language,
            timezone=timezone,
        )
        same = [path for path in made if path.name == name]
        yield from same or made
    if form == "html" and not re.search(r"-p\d+\.html$", name):
        for language in LANGUAGES:
            whole = directory / f"{report_stem(run)}-{language}.html"
            with whole.open("wb") as stream:
                render(journal, run, form, language, stream, timezone=timezone)
            yield whole


def _first_difference(path: Path, candidate: Path, form: str) -> int | None:
    """The first line (or, of a workbook, part) that differs, counted from 1."""
    if form == "xlsx":
        return _first_part(path, candidate)
    with path.open("rb") as one, candidate.open("rb") as other:
        for number, (left, right) in enumerate(zip_longest(one, other), start=1):
            if left != right:
                return number
    return None


def _first_part(path: Path, candidate: Path) -> int | None:
    """As :func:`_first_difference` for a workbook, part by part.

    Two builds of zlib may pack the same parts into different bytes; what a reader sees are the
    parts.
    """
    if path.read_bytes() == candidate.read_bytes():
        return None
    try:
        with zipfile.ZipFile(path) as one, zipfile.ZipFile(candidate) as other:
            if one.namelist() != other.namelist():
                return 1
            for number, name in enumerate(one.namelist(), start=1):
                if one.read(name) != other.read(name):
                    return number
    except (zipfile.BadZipFile, zipfile.LargeZipFile, OSError, ValueError, NotImplementedError):
        return 1
    return None


def _written_by(path: Path) -> str | None:
    """The version of zvirka the file says it is from; ``None`` when its form does not say."""
    with path.open("rb") as file:
        match = _GENERATOR.search(file.read(4096))
    return match[1].decode() if match else None

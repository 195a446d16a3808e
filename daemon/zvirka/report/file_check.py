"""Checks a report file: the report is rendered from the journal again and compared.

The same sealed run, format, language and time zone give the same bytes, so any change to a file is
found, wherever it is. The run is the one the file itself names: a browser or a person may have
renamed it. This binds the file to the journal; the digest chain proves that the journal itself was
not changed (:mod:`zvirka.journal.chain`), and the caller checks both.
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
from zvirka.i18n import LANGUAGES
from zvirka.journal.journal import Journal
from zvirka.message import Message, coded
from zvirka.report import render, report_stem, write_reports

_FORMS = frozenset({"html", "json", "csv", "md", "xlsx"})
_NAME = re.compile(r"zvirka-run-(\d{6,})")
_HEADING = re.compile(
    r'(?:<title>|<dc:title>|\A# zvirka: )[^<\n]*№ (\d+)|"run": \{\s*"number": (\d+),'
)
_BAD_WORKBOOK = (
    zipfile.BadZipFile,
    zipfile.LargeZipFile,
    OSError,
    ValueError,
    NotImplementedError,
)
_GENERATOR = re.compile(rb'(?:content="|"generator": ")zvirka ([0-9][0-9A-Za-z.+-]*)"')


class Authenticity(StrEnum):
    """The result of the comparison."""

    GENUINE = "genuine"
    ALTERED = "altered"
    UNKNOWN = "unknown"  # another version wrote it, or the values are pruned


@dataclass(frozen=True, slots=True)
class ReportCheck:
    """The result for one file; ``text`` is an English sentence, ``line`` the first that differs."""

    path: Path
    run: int
    authenticity: Authenticity
    text: str
    line: int | None = None


def verify_report(
    journal: Journal, path: Path, *, timezone: str | tzinfo = "Europe/Kyiv"
) -> ReportCheck:
    """Compare a report file with what the journal yields for its run.

    Args:
        journal: the journal.
        path: the file; its ending names the format.
        timezone: the zone reports are written in (``schedule.timezone``).

    Raises:
        UsageError: the file cannot be read, neither its content nor its name names its run, or the
            journal has no such run.
    """
    if not path.is_file():
        raise UsageError(
            coded("ZV3511", "there is no such report file"),
            place=str(path),
            remedy=Message("check the path"),
        )
    form = path.suffix.removeprefix(".").lower()
    named = _NAME.search(path.name)
    number = _run_in(path, form) or (int(named[1]) if named else None)
    if number is None or form not in _FORMS:
        raise UsageError(
            coded("ZV3511", "the file does not say which run's report it is"),
            place=str(path),
            remedy=Message(
                "keep the ending zvirka wrote it with, and for CSV the number in the name too"
            ),
        )
    if named and int(named[1]) != number:
        text = f"run {number}: the file is named as a report of run {int(named[1])}"
        return ReportCheck(path, number, Authenticity.ALTERED, text)
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
        text = f"run {number}: written by zvirka {writer}, this is {__version__}; use that version"
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
    except _BAD_WORKBOOK:
        return 1
    return None


def _run_in(path: Path, form: str) -> int | None:
    """The run a report names in its heading; ``None`` when it names none, as CSV does."""
    if form == "xlsx":
        try:
            with zipfile.ZipFile(path) as workbook:
                head = workbook.read("docProps/core.xml")
        except (*_BAD_WORKBOOK, KeyError):
            return None
    else:
        with path.open("rb") as file:
            head = file.read(4096)
    match = _HEADING.search(head.decode("utf-8", "replace"))
    return int(match[1] or match[2]) if match else None


def _written_by(path: Path) -> str | None:
    """The version of zvirka named in the file; ``None`` when its format names none."""
    with path.open("rb") as file:
        match = _GENERATOR.search(file.read(4096))
    return match[1].decode() if match else None

"""Checks a report file: the report is rendered from the journal again and compared.

The same sealed run, format, language and time zone give the same bytes, so any change anywhere in
a file is found. The run is the one the file itself names: a browser or a person may have
renamed it. This binds the file to the journal; the digest chain proves that the journal itself was
not changed (:mod:`zvirka.journal.chain`), and the caller checks both.

A file of another version of zvirka has other bytes. Its data are compared then, member by member:
those of a JSON report, and those embedded in an HTML report or a workbook.
"""

from __future__ import annotations

import re
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import tzinfo
from enum import StrEnum
from itertools import zip_longest
from pathlib import Path

from zvirka import __version__
from zvirka.errors import UsageError
from zvirka.i18n import LANGUAGES
from zvirka.i18n.words import Words
from zvirka.journal.journal import Journal
from zvirka.message import Message, coded, joined
from zvirka.report import content_of, render_content, report_stem, write_content
from zvirka.report.content import ReportContent
from zvirka.report.embedded_data import BAD_WORKBOOK, Embedded, embedded_in, in_html, in_sheet
from zvirka.report.format_json import VERSION
from zvirka.report.older_json import holds_data_of

_FORMS = frozenset({"html", "json", "csv", "md", "xlsx"})
_NAME = re.compile(r"zvirka-run-(\d{6,})")
_HEADING = re.compile(
    r'(?:<title>|<dc:title>|\A# zvirka: )[^<\n]*№ (\d+)|"run": \{\s*"number": (\d+),'
)
_BROWSER = re.compile(r" ?\(\d+\)$")
_VERSION = re.compile(rb'\A\{\s*"version": ?(\d+)')
_GENERATOR = re.compile(rb'(?:content="|"generator": ")zvirka ([0-9][0-9A-Za-z.+-]*)"')


class Authenticity(StrEnum):
    """The result of the comparison."""

    GENUINE = "genuine"
    ALTERED = "altered"
    UNKNOWN = "unknown"  # another version wrote it, or the values are pruned


@dataclass(frozen=True, slots=True)
class ReportCheck:
    """The result for one file; ``text`` is a sentence, ``line`` the first that differs."""

    path: Path
    run: int
    authenticity: Authenticity
    text: Message
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
        text = Message(
            "run {run}: the file is named as a report of run {other}",
            run=str(number),
            other=str(int(named[1])),
        )
        return ReportCheck(path, number, Authenticity.ALTERED, text)
    findings = content_of(journal, number)
    line = first_difference(findings, path, LANGUAGES, timezone)
    if line is None:
        text = Message("run {run}: the file is what the journal yields", run=str(number))
        return ReportCheck(path, number, Authenticity.GENUINE, text)
    if findings.run.pruned_at is not None:
        text = Message(
            "run {run}: its personal values were pruned, the file cannot be checked any more",
            run=str(number),
        )
        return ReportCheck(path, number, Authenticity.UNKNOWN, text)
    writer = _written_by(path)
    if writer not in {None, __version__} or _version_in(path, form) not in {None, VERSION}:
        return _by_data(path, form, findings, writer or "?")
    text = Message("run {run}: the file is not what the journal yields", run=str(number))
    return ReportCheck(path, number, Authenticity.ALTERED, text, line if form != "xlsx" else None)


def first_difference(
    findings: ReportContent, path: Path, languages: Iterable[str], timezone: str | tzinfo
) -> int | None:
    """The first line (or, of a workbook, part) unlike what the content yields, from 1.

    Of the candidates the likeliest counts; ``None`` when the file equals one of them.
    """
    nearest, form = 1, path.suffix.removeprefix(".").lower()
    with tempfile.TemporaryDirectory(prefix="zvirka-verify-") as directory:
        for candidate in _candidates(findings, path, form, Path(directory), languages, timezone):
            line = _compare(path, candidate, form)
            if line is None:
                return None
            nearest = max(nearest, line)
    return nearest


def _by_data(path: Path, form: str, findings: ReportContent, writer: str) -> ReportCheck:
    """The result for a file of another version: by its data, if it has any."""
    number = findings.run.id
    document = path.read_bytes() if form == "json" else None
    if form in {"html", "xlsx"} and (held := embedded_in(path)):
        document = held.document
    if document is None:
        text = Message(
            "run {run}: written by zvirka {writer}, this is {version}; use that version",
            run=str(number),
            writer=writer,
            version=__version__,
        )
        return ReportCheck(path, number, Authenticity.UNKNOWN, text)
    if not holds_data_of(document, findings):
        text = Message(
            "run {run}: the file's data are not what the journal yields", run=str(number)
        )
        return ReportCheck(path, number, Authenticity.ALTERED, text)
    text = Message("run {run}: the file's data are what the journal yields", run=str(number))
    if form != "json":
        layout = Message(
            "its layout is that of zvirka {writer} and was not compared", writer=writer
        )
        text = joined([text, layout])
    return ReportCheck(path, number, Authenticity.GENUINE, text)


def _candidates(
    findings: ReportContent,
    path: Path,
    form: str,
    directory: Path,
    languages: Iterable[str],
    timezone: str | tzinfo,
) -> Iterator[Path]:
    """The files zvirka would have written, the likeliest first."""
    for language in languages:
        words = Words(language, timezone)
        made = write_content(findings, words, formats=[form], directory=directory / language)
        same = [one for one in made if one.stem == _BROWSER.sub("", path.stem)]
        yield from same or made
        if form == "html" and not re.search(r"-p\d+$", path.stem):
            whole = directory / f"{report_stem(findings.run.id)}-{language}.html"
            with whole.open("wb") as stream:
                render_content(findings, words, form, stream)
            yield whole


def _compare(path: Path, candidate: Path, form: str) -> int | None:
    """The first line (or, of a workbook, part) that differs, counted from 1."""
    if form == "xlsx":
        return _first_part(path, candidate)
    with path.open("rb") as one, candidate.open("rb") as other:
        for number, (left, right) in enumerate(zip_longest(one, other), start=1):
            if left != right and not _same_data(left, right, in_html):
                return number
    return None


def _same_data(
    left: bytes | None, right: bytes | None, held_in: Callable[[bytes], Embedded | None]
) -> bool:
    """Whether both hold the same embedded report: builds of zlib pack it into different bytes."""
    data = held_in(left or b""), held_in(right or b"")
    return data[0] is not None and data[0] == data[1]


def _first_part(path: Path, candidate: Path) -> int | None:
    """As :func:`_compare` for a workbook, part by part.

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
                left, right = one.read(name), other.read(name)
                if left != right and not _same_data(left, right, in_sheet):
                    return number
    except BAD_WORKBOOK:
        return 1
    return None


def _run_in(path: Path, form: str) -> int | None:
    """The run a report names in its heading; ``None`` when it names none, as CSV does."""
    if form == "xlsx":
        try:
            with zipfile.ZipFile(path) as workbook:
                head = workbook.read("docProps/core.xml")
        except (*BAD_WORKBOOK, KeyError):
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


def _version_in(path: Path, form: str) -> int | None:
    """The version of a JSON report's format; ``None`` for other forms."""
    if form != "json":
        return None
    with path.open("rb") as file:
        match = _VERSION.search(file.read(4096))
    return int(match[1]) if match else None

"""Reports of a run as HTML, XLSX, CSV, JSON, Markdown and PDF.

:func:`write_reports` writes files, :func:`render` writes to a stream. The same sealed run, form,
language and time zone always give the same bytes, by the same version of zvirka: that is how a
report file is verified (:mod:`zvirka.report.file_check`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, tzinfo
from pathlib import Path
from typing import BinaryIO

from zvirka.errors import UsageError, ZvirkaError, os_reason
from zvirka.i18n.words import Words
from zvirka.journal.journal import Journal
from zvirka.message import Message, coded
from zvirka.report import (
    format_csv,
    format_html,
    format_json,
    format_markdown,
    format_pdf,
    format_xlsx,
)
from zvirka.report.anchors import SUFFIXES
from zvirka.report.assembly import content_of
from zvirka.report.content import ReportContent
from zvirka.report.files import atomic, cannot_write

__all__ = [
    "FORMATS",
    "content_of",
    "prepare",
    "remove_reports",
    "render",
    "render_content",
    "report_files",
    "report_stem",
    "set_aside",
    "write_content",
    "write_reports",
]

FORMATS = ("html", "xlsx", "csv", "json", "md", "pdf")


def report_stem(run: int) -> str:
    """The name of a run's report files, without the ending."""
    return f"zvirka-run-{run:06}"


def report_files(directory: Path, run: int) -> list[Path]:
    """All report files of a run in a directory; anchors hold no personal data and are none."""
    found = directory.glob(f"{report_stem(run)}[.-]*")
    return sorted(path for path in found if path.suffix not in SUFFIXES)


def remove_reports(directory: Path, runs: Iterable[int]) -> list[Path]:
    """Remove the report files of these runs, and return which they were.

    Called after a prune: the files hold the personal values that the journal no longer does.
    ``zvirka report RUN`` writes such a report again, without them.

    Raises:
        ZvirkaError: a file cannot be removed.
    """
    removed = []
    for run in runs:
        for path in report_files(directory, run):
            try:
                path.unlink()
            except OSError as error:
                raise ZvirkaError(
                    coded(
                        "ZV4104",
                        "a report of a pruned run cannot be removed ({why})",
                        why=os_reason(error),
                    ),
                    place=str(path),
                    remedy=Message(
                        "remove it by hand: it holds personal data that must not be kept"
                    ),
                ) from error
            removed.append(path)
    return removed


def set_aside(directory: Path, run: int, now: datetime) -> int:
    """Rename the files that another run of this number left; return how many there were.

    There are some where an older journal was put back, so that its numbers come again. The files
    are the only trace of the runs that are missing: under their new names they are kept, and
    ``zvirka audit verify`` still compares the digests they carry.

    Raises:
        ZvirkaError: a file cannot be renamed.
    """
    stem = report_stem(run)
    earlier = f"{stem}-earlier-{now:%Y%m%dT%H%M%SZ}"
    found = sorted(directory.glob(f"{stem}[.-]*"))
    aside = [path for path in found if not path.name.startswith(f"{stem}-earlier-")]
    for path in aside:
        try:
            path.rename(path.with_name(earlier + path.name.removeprefix(stem)))
        except OSError as error:
            raise cannot_write(path, error) from error
    return len(aside)


def prepare(formats: Sequence[str], language: str) -> None:
    """Do beforehand what :func:`write_reports` does for every run alike."""
    if "html" in formats:
        format_html.prepare(language)


def write_reports(
    journal: Journal,
    run: int,
    *,
    formats: Sequence[str],
    language: str,
    directory: Path,
    timezone: str | tzinfo = "Europe/Kyiv",
) -> list[Path]:
    """Write a run's report in these forms, and return the files in the order written.

    Each file appears whole or not at all, readable by owner and group. ``csv`` gives two files,
    ``;`` and ``,``; ``html`` gives pages beside the summary when there are many differences.

    Raises:
        UsageError: no such run, form or language.
        ZvirkaError: the directory cannot be written.
    """
    return write_content(
        content_of(journal, run), Words(language, timezone), formats=formats, directory=directory
    )


def write_content(
    findings: ReportContent, words: Words, *, formats: Sequence[str], directory: Path
) -> list[Path]:
    """As :func:`write_reports`, from content that is at hand."""
    stem = report_stem(findings.run.id)
    written: list[Path] = []

    @contextmanager
    def open_file(name: str) -> Iterator[BinaryIO]:
        with atomic(directory / name) as stream:
            yield stream
        written.append(directory / name)

    for form in formats:
        if form == "html":
            format_html.write_files(findings, words, open_file, stem=stem)
        elif form == "csv":
            for variant, name in (("csv", f"{stem}.csv"), ("csv-comma", f"{stem}-comma.csv")):
                with open_file(name) as stream:
                    render_content(findings, words, variant, stream)
        else:
            with open_file(f"{stem}.{form}") as stream:
                render_content(findings, words, form, stream)
    return written


def render(
    journal: Journal,
    run: int,
    form: str,
    language: str,
    stream: BinaryIO,
    *,
    timezone: str | tzinfo = "Europe/Kyiv",
) -> None:
    """Write a run's report in one form to a binary stream.

    ``csv`` is the ``;`` variant, ``csv-comma`` the other; HTML is one document whatever its size.

    Raises:
        UsageError: no such run, form or language.
    """
    render_content(content_of(journal, run), Words(language, timezone), form, stream)


def render_content(findings: ReportContent, words: Words, form: str, stream: BinaryIO) -> None:
    """As :func:`render`, from content that is at hand."""
    if form == "html":
        format_html.write(findings, words, stream, name=f"{report_stem(findings.run.id)}.html")
    elif form == "json":
        format_json.write(findings, stream)
    elif form == "md":
        format_markdown.write(findings, words, stream)
    elif form == "pdf":
        format_pdf.write(findings, words, stream)
    elif form == "xlsx":
        format_xlsx.write(findings, words, stream)
    elif form in {"csv", "csv-comma"}:
        format_csv.write(findings, words, stream, ";" if form == "csv" else ",")
    else:
        raise UsageError(
            coded("ZV3507", "there is no report in the form {form}", form=repr(form)),
            place="--format",
            remedy=Message("choose one of: {names}", names=FORMATS),
        )

"""Proves a report file alone, with a public key and nothing else: no settings, no journal."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from zvirka import __version__
from zvirka.errors import UsageError, os_reason
from zvirka.i18n import LANGUAGES, N_
from zvirka.journal.keyring import Keyring
from zvirka.message import Message, coded
from zvirka.report.anchor_check import Anchors
from zvirka.report.embedded_data import Embedded, embedded_in
from zvirka.report.file_check import first_difference
from zvirka.report.period_proof import prove_period, read_period
from zvirka.report.proof import ProofStep, Verdict, broken, not_checked, prove, proven
from zvirka.report.read_back import content_of_report, read_report

_PAGE = re.compile(r"(zvirka-run-\d{6,})-p\d+(?: ?\(\d+\))?\.html", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class FileProof:
    """What was found about one file, in the order it was checked; ``signed`` counts its runs."""

    path: Path
    runs: tuple[int, ...]
    signed: int
    findings: tuple[ProofStep, ...]

    @property
    def holds(self) -> bool:
        """Whether nothing was altered."""
        return all(one.verdict is not Verdict.BROKEN for one in self.findings)


def prove_file(path: Path, keys: Keyring | None, anchors: Anchors | None = None) -> FileProof:
    """Check a report in JSON, HTML or XLSX, or the export of a period, against its seals.

    Args:
        path: the file, under whatever name.
        keys: the public keys; signatures are not checked without.
        anchors: heads written down elsewhere, to compare the run's digest with.

    Raises:
        UsageError: the file cannot be read, or carries no seal.
    """
    page = _PAGE.fullmatch(path.name)
    source = path.with_name(f"{page[1]}.html") if page else path
    held = _held(path, source)
    period = read_period(held.document)
    if period is not None:
        findings = list(prove_period(period, keys))
        if held.timezone:
            findings.append(
                not_checked(
                    N_(
                        "What the sheets show was not compared with the data; docs/verify.html"
                        " shows the proven rows."
                    )
                )
            )
    else:
        period = (read_report(held.document, path),)
        findings = list(prove(period[0], keys))
        if all(one.verdict is not Verdict.BROKEN for one in findings):
            findings.append(_shown(path, held, period[0]))
    for report in period:
        findings += _anchored(report.run.id, report.chain.digest, anchors or Anchors())
    findings += [
        broken(N_("Anchor: %(problem)s."), problem=problem)
        for problem in (anchors or Anchors()).problems
    ]
    signed = sum(bool(report.chain.signature) for report in period)
    return FileProof(path, tuple(one.run.id for one in period), signed, tuple(findings))


def _anchored(run: int, digest: str, anchors: Anchors) -> Iterator[ProofStep]:
    """Whether the digest is the one that was written down elsewhere for this run."""
    for anchor in anchors.found:
        if anchor.head.run != run:
            continue
        if anchor.head.digest != digest:
            yield broken(
                N_("Run %(run)s: its digest is not the one anchored in %(source)s."),
                run=run,
                source=anchor.source,
            )
        for at in anchor.times:
            yield proven(N_("Run %(run)s: timestamped on %(at)s."), run=run, at=at)
        if not anchor.times and anchor.head.digest == digest:
            yield proven(
                N_("Run %(run)s: its digest is the one anchored in %(source)s."),
                run=run,
                source=anchor.source,
            )


def _held(path: Path, source: Path) -> Embedded:
    form = source.suffix.lower()
    if form not in {".json", ".html", ".xlsx"}:
        raise UsageError(
            coded("ZV3511", "only JSON, HTML and XLSX reports carry their seal"),
            place=str(path),
            remedy=Message(
                "give one of these, or check the file with the journal: zvirka audit verify"
                " --report FILE"
            ),
        )
    try:
        held = Embedded("", "", source.read_bytes()) if form == ".json" else embedded_in(source)
    except OSError as error:
        raise UsageError(
            coded("ZV4102", "the report cannot be read ({why})", why=os_reason(error)),
            place=str(source),
            remedy=Message("check the path; a page of a large report needs its summary beside it"),
        ) from None
    if held is None:
        raise UsageError(
            coded(
                "ZV3511", "the report does not carry its seal, or it was saved by another program"
            ),
            place=str(source),
            remedy=Message(
                "take the file as zvirka wrote it, or check it with the journal: zvirka audit"
                " verify --report FILE"
            ),
        )
    return held


def _shown(path: Path, held: Embedded, report: object) -> ProofStep:
    """Whether the document shows what its data yield."""
    content = content_of_report(report)
    languages = LANGUAGES if path.suffix.lower() == ".json" else (held.language,)
    line = first_difference(content, path, languages, held.timezone or "UTC")
    if line is None:
        return proven(N_("The file shows exactly these data."))
    writer = getattr(report, "generator", "").removeprefix("zvirka ")
    if writer != __version__:
        return not_checked(
            N_(
                "What the file shows was not compared with its data: it was written by zvirka"
                " %(writer)s, this is %(version)s. docs/verify.html shows the proven data."
            ),
            writer=writer,
            version=__version__,
        )
    return broken(N_("The file does not show what was sealed (line or part %(line)s)."), line=line)

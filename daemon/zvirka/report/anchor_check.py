"""Reads anchors back and checks them offline: heads, timestamps, and the digests of reports."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
from cryptography.x509 import Certificate, load_pem_x509_certificates
from rfc3161_client import VerificationError, VerifierBuilder

from zvirka.errors import NOT_JSON, UsageError, os_reason
from zvirka.journal.head import Head, head_problems, read_head
from zvirka.journal.journal import Journal
from zvirka.message import Message, coded
from zvirka.report.embedded_data import embedded_in
from zvirka.report.timestamps import decoded, is_about

LATE = timedelta(days=7)
"""A timestamp made so long after its run proves little about that night."""


@dataclass(frozen=True, slots=True)
class Anchor:
    """A head that was written down, and the times that authorities vouch for."""

    head: Head
    source: str
    times: tuple[datetime, ...] = ()


@dataclass(slots=True)
class Anchors:
    """All anchors found, and what is wrong with the anchors themselves."""

    found: list[Anchor] = field(default_factory=list)
    problems: list[Message] = field(default_factory=list)
    unchecked: int = 0
    """Timestamps whose authority was not checked, for want of its certificate."""

    @property
    def times(self) -> int:
        """How many timestamps are about a head that was found."""
        return sum(len(one.times) for one in self.found)


def read_anchors(places: Iterable[Path], authorities: Sequence[bytes]) -> Anchors:
    """Read the anchors of folders, and of files of heads.

    In a folder these are ``….head`` files with their timestamps, and the digests that JSON and
    HTML reports carry.

    Args:
        places: folders of reports, or files that ``report.head_file`` named.
        authorities: PEM texts with the certificates of timestamp authorities.

    Raises:
        UsageError: a place cannot be read, or holds no anchor; a certificate is none.
    """
    roots = [one for pem in authorities for one in _certificates(pem)]
    anchors = Anchors()
    for place in places:
        if place.is_dir():
            for path in sorted(place.glob("zvirka-run-*")):
                _read_from_folder(path, roots, anchors)
            continue
        try:
            lines = place.read_bytes().splitlines()
        except OSError as error:
            raise UsageError(
                coded("ZV4102", "the anchors cannot be read ({why})", why=os_reason(error)),
                place=str(place),
                remedy=Message("give a folder of reports, or the file named in report.head_file"),
            ) from None
        for number, line in enumerate(lines, start=1):
            head = read_head(line)
            if head is None:
                anchors.problems.append(
                    Message(
                        "{file}, line {line}: not a head of the chain",
                        file=str(place),
                        line=str(number),
                    )
                )
            else:
                anchors.found.append(Anchor(head, f"{place.name}, line {number}"))
    return anchors


def anchor_problems(journal: Journal, anchors: Anchors) -> Iterator[Message]:
    """What the journal no longer holds as it was anchored, a sentence each."""
    yield from anchors.problems
    seen: set[str] = set()
    with journal.reading() as connection:
        for anchor in anchors.found:
            for problem in head_problems(connection, anchor.head):
                if problem.text not in seen:
                    seen.add(problem.text)
                    yield Message(
                        "{problem} [{source}]", problem=problem.text, source=anchor.source
                    )
    ended = {run.id: run.finished_at for run in journal.runs(limit=1_000_000)}
    for anchor in anchors.found:
        end = ended.get(anchor.head.run)
        if end is not None and anchor.times and min(anchor.times) - end > LATE:
            yield Message(
                "run {run}: timestamped only on {day}, it ended on {end} [{source}]",
                run=str(anchor.head.run),
                day=f"{min(anchor.times):%Y-%m-%d}",
                end=f"{end:%Y-%m-%d}",
                source=anchor.source,
            )


def _read_from_folder(path: Path, roots: list[Certificate], anchors: Anchors) -> None:
    if path.suffix == ".head":
        content = path.read_bytes()
        head = read_head(content)
        if head is None or head.line != content:
            anchors.problems.append(
                Message("{file}: altered, not a head of the chain", file=path.name)
            )
            return
        times = []
        for token in sorted(path.parent.glob(f"{path.name}.*.tsr")):
            made = _checked_time(token, content, roots, anchors)
            times += [made] if made else []
        anchors.found.append(Anchor(head, path.name, tuple(times)))
    elif path.suffix in {".json", ".html"}:
        known = _of_report(path)
        if known is not None:
            anchors.found.append(Anchor(known, path.name))


def _checked_time(
    token: Path, content: bytes, roots: list[Certificate], anchors: Anchors
) -> datetime | None:
    """The time of a token that holds; else the problem is noted."""
    try:
        response = decoded(token.read_bytes())
        if not is_about(response, content):
            anchors.problems.append(
                Message("{file}: timestamps another head; one was altered", file=token.name)
            )
            return None
        if not roots:
            anchors.unchecked += 1
            return response.tst_info.gen_time
        builder = VerifierBuilder()
        for root in roots:
            builder = builder.add_root_certificate(root)
        builder.build().verify_message(response, content)
    except (VerificationError, ValueError) as error:
        anchors.problems.append(
            Message(
                "{file}: not a timestamp of these authorities ({why})",
                file=token.name,
                why=str(error),
            )
        )
        return None
    return response.tst_info.gen_time


class _Run(msgspec.Struct):
    number: int


class _Chain(msgspec.Struct):
    digest: str


class _Report(msgspec.Struct):
    run: _Run
    chain: _Chain


def _of_report(path: Path) -> Head | None:
    """The digest a report carries; ``None`` for pages, older files and files of others."""
    held = embedded_in(path) if path.suffix == ".html" else None
    if path.suffix == ".html" and held is None:
        return None
    try:
        report = msgspec.json.decode(held.document if held else path.read_bytes(), type=_Report)
    except NOT_JSON:
        return None
    return Head(run=report.run.number, digest=report.chain.digest) if report.chain.digest else None


def _certificates(pem: bytes) -> list[Certificate]:
    try:
        return load_pem_x509_certificates(pem)
    except ValueError:
        raise UsageError(
            coded("ZV3515", "a certificate of a timestamp authority cannot be read"),
            place="--tsa-cert",
            remedy=Message("give the authority's root certificate in PEM"),
        ) from None

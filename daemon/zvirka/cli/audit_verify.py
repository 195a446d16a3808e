"""``zvirka audit verify``: the chain in the journal, or report files alone."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from zvirka.cli.invocation import Invocation
from zvirka.cli.options import LARGEST_INTEGER, examples
from zvirka.errors import ExitCode, UsageError, os_reason
from zvirka.message import Message, coded

if TYPE_CHECKING:
    from zvirka.journal.journal import Journal
    from zvirka.journal.keyring import Keyring
    from zvirka.report.anchor_check import Anchors
    from zvirka.report.proof import ProofStep

EXAMPLES = examples("""
    zvirka audit verify
    zvirka audit verify --from 120 --key zvirka.pub.pem
    zvirka audit verify --report zvirka-run-000042.html
    zvirka audit verify --anchors /mnt/audit/zvirka --tsa-cert tsa.pem
    zvirka audit verify zvirka-run-000042.html --key zvirka.pub.pem
""")
_MARKS = {"proven": "✓", "not_checked": "–", "broken": "✗"}


def verify(
    context: typer.Context,
    reports: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="REPORT",
            help="Report files (JSON, HTML, XLSX) to check alone, without settings and journal.",
        ),
    ] = None,
    start: Annotated[
        int | None,
        typer.Option(
            "--from", metavar="RUN", min=1, max=LARGEST_INTEGER, help="The first run to check."
        ),
    ] = None,
    keys: Annotated[
        list[Path] | None,
        typer.Option(
            "--key",
            "--public-key",
            metavar="FILE",
            help="An Ed25519 public key (PEM) to check signatures with; repeatable.",
        ),
    ] = None,
    rotations: Annotated[
        list[Path] | None,
        typer.Option(
            "--rotation",
            metavar="FILE",
            help="A statement of rotate-key: a key given hands over to the next; repeatable.",
        ),
    ] = None,
    anchors: Annotated[
        list[Path] | None,
        typer.Option(
            "--anchors",
            metavar="PATH",
            help="A folder of reports with their timestamps, or a file of heads, kept out of the"
            " operator's reach; repeatable. The folder of the reports unless given.",
        ),
    ] = None,
    authorities: Annotated[
        list[Path] | None,
        typer.Option(
            "--tsa-cert",
            metavar="FILE",
            help="Root certificates (PEM) of the timestamp authorities; repeatable.",
        ),
    ] = None,
    expected: Annotated[
        list[str] | None,
        typer.Option(
            "--expect",
            metavar="RUN:DIGEST",
            help="A digest you know, from an alert or a printed report; repeatable.",
        ),
    ] = None,
    report: Annotated[
        list[Path] | None,
        typer.Option(
            "--report", metavar="FILE", help="Compare this file with the journal; repeatable."
        ),
    ] = None,
) -> int:
    """Check the chain of digests in the journal, or report files alone.

    Names every run that was altered, removed or inserted. With REPORT neither settings nor journal
    are read: the file's rows are recomputed up to the digest that was sealed and signed. Says what
    was proven and what was not. Exit code 0 when nothing was altered, 1 otherwise.
    """
    call: Invocation = context.obj
    ring = _keyring(keys or [], rotations or [])
    if reports:
        if start is not None or report:
            raise UsageError(
                coded("ZV3511", "report files are checked alone, without the journal"),
                place="zvirka audit verify REPORT",
                remedy=Message("leave out --from and --report"),
            )
        known = _anchors(anchors or [], authorities or [], expected or [])
        return _verify_files(call, reports, ring, known)
    settings = call.settings
    folder = settings.report_directory
    known = _anchors(
        anchors or ([folder] if folder.is_dir() else []),
        authorities or [path for path in [settings.report.tsa_certificates] if path],
        expected or [],
    )
    with call.journal() as journal:
        return _verify_journal(call, journal, start, ring, known, report or [])


def _verify_files(call: Invocation, paths: list[Path], ring: Keyring | None, known: Anchors) -> int:
    from zvirka.i18n.visible_text import one_line
    from zvirka.report.file_proof import prove_file

    proofs = [prove_file(path, ring, known) for path in paths]
    holds = all(proof.holds for proof in proofs)
    if call.common.json:
        reports = [
            {
                "file": proof.path,
                "runs": proof.runs,
                "whole": proof.holds,
                "findings": [
                    {"verdict": one.verdict, "text": one.text % one.values, **one.values}
                    for one in proof.findings
                ],
            }
            for proof in proofs
        ]
        call.print_json({"reports": reports})
        return ExitCode.IN_SYNC if holds else ExitCode.DIFFERENCES
    for proof in proofs:
        call.print(one_line(str(proof.path)))
        for one in proof.findings:
            call.print(f"  {_MARKS[one.verdict]} {one_line(_told(call, one))}")
    runs = sum(len(proof.runs) for proof in proofs)
    if runs > 1:
        signed = sum(proof.signed for proof in proofs)
        call.print(call.say("signed_runs", signed=signed, unsigned=runs - signed))
    return ExitCode.IN_SYNC if holds else ExitCode.DIFFERENCES


def _told(call: Invocation, finding: ProofStep) -> str:
    _ = call.words.gettext
    values = {
        name: call.words.moment(value)
        if isinstance(value, datetime)
        else _(str(value))
        if name == "what"
        else value
        for name, value in finding.values.items()
    }
    return _(finding.text) % values


def _verify_journal(
    call: Invocation,
    journal: Journal,
    start: int | None,
    ring: Keyring | None,
    known: Anchors,
    files: list[Path],
) -> int:
    from zvirka.i18n.visible_text import one_line
    from zvirka.journal.chain import verify_chain
    from zvirka.journal.keyring import Keyring
    from zvirka.journal.signature_checks import SignatureCounts, verify_signatures
    from zvirka.report.anchor_check import anchor_problems
    from zvirka.report.file_check import Authenticity, verify_report

    if ring is None and journal.signer is not None:
        ring = Keyring([journal.signer.public])
    counted = SignatureCounts({})
    tell = call.words.told
    problems = [tell(problem.text) for problem in verify_chain(journal, start)]
    if ring is not None:
        problems += [tell(problem.text) for problem in verify_signatures(journal, ring, counted)]
    problems += [tell(problem) for problem in anchor_problems(journal, known)]
    timezone = call.settings.schedule.timezone
    checks = [verify_report(journal, path, timezone=timezone) for path in files]
    told = [(f"{one.path}: {tell(one.text)}", one.authenticity) for one in checks]
    problems += [text for text, what in told if what is not Authenticity.GENUINE]
    sealed = journal.last_seal()
    if call.common.json:
        end = {"run": sealed[0], "digest": sealed[1]} if sealed else None
        signatures: Any = None if ring is None else counted
        call.print_json(
            {
                "whole": not problems,
                "end": end,
                "signatures": signatures,
                "anchors": {"heads": len(known.found), "timestamps": known.times},
                "problems": problems,
            }
        )
        return ExitCode.DIFFERENCES if problems else ExitCode.IN_SYNC
    if problems:
        call.print(f"{call.say('chain_bad')}:")
        for problem in problems:
            call.print(f"  ✗ {one_line(problem)}")
    elif sealed is None:
        call.print(call.say("no_runs"))
    else:
        call.print(call.say("chain_good", run=sealed[0], digest=sealed[1]))
    for text, what in told:
        if what is Authenticity.GENUINE:
            call.print(f"  ✓ {one_line(text)}")
    if ring is None:
        call.print(call.say("signatures_not_checked"))
    else:
        signed = sum(counted.signed.values())
        call.print(call.say("signed_count", signed=signed, unsigned=counted.unsigned))
    if known.found:
        call.print(call.say("anchors", heads=len(known.found), timestamps=known.times))
        if known.unchecked:
            call.print(call.say("tsa_not_checked", count=known.unchecked))
    else:
        call.print(call.say("no_anchors"))
    return ExitCode.DIFFERENCES if problems else ExitCode.IN_SYNC


def _anchors(places: list[Path], authorities: list[Path], expected: list[str]) -> Anchors:
    from zvirka.journal.head import Head
    from zvirka.report.anchor_check import Anchor, read_anchors

    known = read_anchors(places, [_read(path) for path in authorities])
    for text in expected:
        match = re.fullmatch(r"(\d+):([0-9a-f]{64})", text.strip().lower())
        if match is None:
            raise UsageError(
                coded("ZV3515", "“{text}” is not a run and its digest", text=text),
                place="--expect",
                remedy=Message("write the number, a colon, and the 64 characters of the digest"),
            )
        known.found.append(Anchor(Head(run=int(match[1]), digest=match[2]), "--expect"))
    return known


def _keyring(keys: list[Path], rotations: list[Path]) -> Keyring | None:
    from zvirka.journal.keyring import key_ring

    if not keys:
        if rotations:
            raise UsageError(
                coded("ZV3514", "a key rotation needs a trusted key to start from"),
                place="--rotation",
                remedy=Message("give the public key you have with --key"),
            )
        return None
    return key_ring(map(_read, keys), map(_read, rotations))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(
            coded("ZV4102", "the file cannot be read: {why}", why=os_reason(error)),
            place=str(path),
            remedy=Message(
                "check the path; a public key is written with: openssl pkey -in PRIVATE -pubout"
            ),
        ) from None

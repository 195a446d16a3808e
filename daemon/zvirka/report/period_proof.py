"""Proves the export of a period: each of its runs, and that none is missing between them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, Literal

import msgspec

from zvirka.errors import NOT_JSON
from zvirka.i18n import N_
from zvirka.journal.keyring import Keyring
from zvirka.report.format_json import Report
from zvirka.report.proof import ProofStep, Verdict, broken, not_checked, prove, proven

_Period = msgspec.defstruct(
    "_Period",
    [("version", Literal[1]), ("reports", tuple[Report, ...])],  # type: ignore[valid-type]
)


def read_period(document: bytes) -> tuple[Any, ...] | None:
    """The reports of a period's JSON document; ``None`` when it is not one."""
    try:
        return tuple(msgspec.json.decode(document, type=_Period).reports)  # type: ignore[attr-defined]
    except NOT_JSON:
        return None


def prove_period(reports: Sequence[Any], keys: Keyring | None) -> Iterator[ProofStep]:
    """Check every report, then the links between them."""
    whole, signed, notes = 0, Counter[str](), dict[str, None]()
    for report in reports:
        steps = list(prove(report, keys))
        bad = [one for one in steps if one.verdict is Verdict.BROKEN]
        yield from bad
        whole += not bad
        for one in steps:
            if one.verdict is Verdict.PROVEN and "key" in one.values:
                signed[str(one.values["key"])] += 1
            if one.verdict is Verdict.NOT_CHECKED and not one.values:
                notes[one.text] = None
    if whole:
        yield proven(
            N_("Runs whose differences and corrections are those that were sealed: %(count)s."),
            count=whole,
        )
    for key, count in signed.items():
        yield proven(N_("Runs signed with the key %(key)s: %(count)s."), key=key, count=count)
    if keys is None and reports:
        yield not_checked(N_("Signatures were not checked: give the public key with --key."))
    yield from _links(reports)
    yield from map(not_checked, notes)


def _links(reports: Sequence[Any]) -> Iterator[ProofStep]:
    """Whether each run follows the one before it in the chain."""
    found = False
    for before, after in pairwise(sorted(reports, key=_seal)):
        if after.chain.previous_digest != before.chain.digest:
            found = True
            yield broken(
                N_(
                    "Run %(run)s does not follow run %(before)s: runs between them are missing in"
                    " the file, or one was altered."
                ),
                run=after.run.id,
                before=before.run.id,
            )
    if reports and not found:
        yield proven(
            N_("Runs %(first)s to %(last)s follow each other in the chain; none is missing."),
            first=reports[0].run.id,
            last=reports[-1].run.id,
        )


def _seal(report: Any) -> int:
    """The place of a run in the chain; its record was checked before."""
    try:
        return int(json.loads(report.seal.record)[0]["seal"])
    except (AttributeError, ValueError, TypeError, KeyError, IndexError, RecursionError):
        return 0

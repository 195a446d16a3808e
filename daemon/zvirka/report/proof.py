"""Proves a report without the journal: its rows are recomputed up to the run's digest.

The report carries the text its run's digest is taken over (``seal.record``). That text names the
digests of the run's differences and corrections, which are recomputed from the report's own rows;
the signature proves the run's digest. Counts are counted again. What the seal of one run does not
cover is said as plainly: the runs before it, the chart of earlier nights.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from typing import Any

import msgspec

from zvirka.errors import JournalError
from zvirka.i18n import N_
from zvirka.journal.column_types import canonical
from zvirka.journal.digests import (
    correction_row_digest,
    correction_values_digest,
    difference_row_digest,
    difference_values_digest,
    settlement_digest,
)
from zvirka.journal.keyring import Keyring
from zvirka.journal.records import RunRecord
from zvirka.journal.row_mapping import run_from
from zvirka.journal.sealed_memory import sealed_from
from zvirka.journal.sealing import section_digest
from zvirka.message import stored
from zvirka.report.content import ReportContent
from zvirka.report.format_json import CHECK, mended
from zvirka.report.read_back import content_of_report, record_of, sentence_of


class Verdict(StrEnum):
    """What became of one check."""

    PROVEN = "proven"
    NOT_CHECKED = "not_checked"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class ProofStep:
    """The result of one check: a message of the catalogue and what is put into it."""

    verdict: Verdict
    text: str
    values: dict[str, object]


def proven(text: str, **values: object) -> ProofStep:
    """A check that held."""
    return ProofStep(Verdict.PROVEN, text, values)


def not_checked(text: str, **values: object) -> ProofStep:
    """What this report alone cannot prove."""
    return ProofStep(Verdict.NOT_CHECKED, text, values)


def broken(text: str, **values: object) -> ProofStep:
    """A check that did not hold: something was altered."""
    return ProofStep(Verdict.BROKEN, text, values)


def prove(report: Any, keys: Keyring | None) -> Iterator[ProofStep]:
    """Check a report against its own seal, and the seal against the keys."""
    seal, chain, run = report.seal, report.chain, report.run.id
    if seal is None or not chain.digest:
        yield broken(N_("Run %(run)s: not sealed; nothing can be proven of it."), run=run)
        return
    content = content_of_report(report)
    whole = sha256(seal.record.encode()).hexdigest() == chain.digest
    record = record_of(seal.record) if whole else None
    if record is None:
        yield broken(N_("Run %(run)s: its record does not match its digest."), run=run)
        return
    found = [*_run_altered(content.run, record), *_rows_altered(report, record)]
    found += _counts_altered(content, report.outcomes)
    yield from found
    if not found:
        yield proven(
            N_(
                "Run %(run)s: its %(differences)s differences and %(corrections)s corrections are"
                " those that were sealed on %(at)s, digest %(digest)s."
            ),
            run=run,
            differences=len(report.differences),
            corrections=sum(len(one.corrections) for one in report.differences),
            at=content.run.finished_at,
            digest=chain.digest,
        )
    yield _signature(content.run, keys)
    if content.run.pruned_at is not None:
        yield not_checked(
            N_("Run %(run)s: names and values were removed when their time had come."), run=run
        )
    later = sorted({c.settled_by for d in report.differences for c in d.corrections} - {run, None})
    if later:
        yield not_checked(
            N_("Outcomes recorded by later runs (%(runs)s) are sealed with those."),
            runs=", ".join(map(str, later)),
        )
    yield not_checked(
        N_(
            "Not checked: the runs before this one, and the chart of earlier nights. The journal"
            " proves these: zvirka audit verify."
        )
    )


def _signature(run: RunRecord, keys: Keyring | None) -> ProofStep:
    if keys is None:
        return not_checked(
            N_(
                "Run %(run)s: its signature was not checked. The rows match the digest, but"
                " somebody who changes the rows can compute it too: give the public key with"
                " --key, or compare the digest with the one in the alert of that night."
            ),
            run=run.id,
        )
    if not run.signature:
        return broken(N_("Run %(run)s: not signed, so no key proves it."), run=run.id)
    key = keys.signer_of(run.id, run.digest, run.signature)
    if key is None:
        return broken(N_("Run %(run)s: the signature is not one of these keys."), run=run.id)
    return proven(N_("Run %(run)s: signed with the key %(key)s."), run=run.id, key=key)


def _run_altered(run: RunRecord, record: dict[str, Any]) -> Iterator[ProofStep]:
    """The parts of the run's own data that are not those sealed."""
    unsealed = {"digest": run.digest, "signature": run.signature, "pruned_at": run.pruned_at}
    try:
        sealed = run_from(
            {
                **record,
                **unsealed,
                "started_at": datetime.fromisoformat(record["started_at"]),
                "finished_at": datetime.fromisoformat(record["finished_at"]),
                "facts": json.loads(record["facts"]),
                "error": json.loads(record["error"]),
            }
        )
    except (KeyError, ValueError, TypeError, RecursionError, JournalError):
        yield broken(N_("Run %(run)s: its record does not match its digest."), run=run.id)
        return
    for name in RunRecord.__struct_fields__:
        if getattr(run, name) != getattr(sealed, name):
            yield broken(
                N_("Run %(run)s: “%(what)s” was altered since it was sealed."),
                run=run.id,
                what=name,
            )


def _rows_altered(report: Any, record: dict[str, Any]) -> Iterator[ProofStep]:
    """The differences and corrections that are not those sealed."""
    run, seal = report.run.id, report.seal
    sealed = sealed_from(str(record.get("sealed")))
    if sealed is None:
        yield broken(N_("Run %(run)s: its record does not match its digest."), run=run)
        return
    salt = None if report.run.pruned_at else seal.salt
    if salt is not None and sha256(salt.encode()).hexdigest() != record["salt_digest"]:
        yield broken(
            N_("Run %(run)s: “%(what)s” was altered since it was sealed."), run=run, what="salt"
        )
    differences: list[tuple[object, ...]] = []
    corrections: list[tuple[object, ...]] = []
    settlements: list[tuple[object, ...]] = list(seal.settled_elsewhere)
    for part in report.differences:
        digest = _difference_digest(part, run, salt)
        differences.append((part.number, part.disposition, digest))
        if digest[:CHECK] != part.check:
            yield broken(
                N_("Run %(run)s: difference %(number)s was altered."), run=run, number=part.number
            )
        for one in part.corrections:
            intended, settled = _correction_digests(one, run, part.number, salt)
            corrections.append((one.id, intended))
            if one.settled_by == run:
                settlements.append((one.id, settled))
            if intended[:CHECK] + settled[:CHECK] != one.check:
                yield broken(
                    N_("Run %(run)s: correction %(number)s was altered."), run=run, number=one.id
                )
    for rows, then, name in (
        (differences, sealed.difference, N_("differences")),
        (sorted(corrections), sealed.correction, N_("corrections")),
        (sorted(settlements), sealed.settlement, N_("outcomes")),
    ):
        now = section_digest(rows)
        if now.rows != then.rows:
            yield broken(
                N_("Run %(run)s: %(then)s were sealed, the report has %(now)s (%(what)s)."),
                run=run,
                what=name,
                then=then.rows,
                now=now.rows,
            )
        elif now != then:
            yield broken(N_("Run %(run)s: not as they were sealed: %(what)s."), run=run, what=name)


def _difference_digest(part: Any, run: int, salt: str | None) -> str:
    row = {
        "run_id": run,
        **{name: getattr(part, name) for name in ("number", "key", "ref", "row", "name")},
        **{name: getattr(part, name) for name in ("kind", "cause")},
        **{name: stored(sentence_of(part, name)) for name in ("note", "evidence")},
        "action": part.action or "",
        "rows": _text(part, "rows"),
        "fields": _text(part, "fields"),
    }
    if salt is not None:
        row["values_digest"] = difference_values_digest(salt, row)
    elif (part.name, part.fields, part.note, part.evidence) == ("", (), "", ""):
        row["values_digest"] = part.values_digest
    else:
        return ""
    return difference_row_digest(row)


def _correction_digests(part: Any, run: int, number: int, salt: str | None) -> tuple[str, str]:
    row = {name: getattr(part, name) for name in part.__struct_fields__}
    row |= {"run_id": run, "number": number}
    row |= {"before": _text(part, "before"), "after": _text(part, "after")}
    row["detail"] = stored(sentence_of(part, "detail"))
    if salt is not None:
        row["values_digest"] = correction_values_digest(salt, row)
    elif part.before or part.after:
        return "", ""
    settled = settlement_digest(row) if part.settled_by is not None else ""
    return correction_row_digest(row), settled


def _text(part: Any, name: str) -> str:
    """The JSON text of a member as the journal stores it; '' when it is not the one shown."""
    shown = msgspec.to_builtins(getattr(part, name))
    text = part.stored.get(name)
    if text is None:
        return canonical(shown)
    try:
        return str(text) if canonical(mended(json.loads(text))) == canonical(shown) else ""
    except (ValueError, RecursionError):
        return ""


def _counts_altered(content: ReportContent, outcomes: dict[str, int]) -> Iterator[ProofStep]:
    counted: Counter[Any] = Counter()
    for entry in content.entries():
        one = entry.difference
        state = entry.writes[-1].outcome.state if entry.writes else None
        counted[one.kind, one.cause, one.action, one.disposition, state] += 1
    told = {(t.kind, t.cause, t.action, t.disposition, t.outcome): t.count for t in content.tallies}
    if told != counted or outcomes != content.outcomes:
        yield broken(
            N_("Run %(run)s: the counts are not those of its differences."), run=content.run.id
        )

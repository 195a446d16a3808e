"""What a held plan proposes that an earlier one did not, and the other way round."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from starlette.responses import Response

from zvirka.domain import Difference, Disposition, RunStatus
from zvirka.journal.journal import Journal
from zvirka.journal.row_mapping import approved_content
from zvirka.web.request_context import Refused, RequestContext

MOST_LISTED = 200
_LOOKED_THROUGH = 200
"""Runs searched for the plan before."""


@dataclass(frozen=True, slots=True)
class PlanChanges:
    """Differences held by the newer run only, by the older only, and how many by both."""

    older: int
    newer: int
    added: list[Difference]
    added_count: int
    gone: list[Difference]
    gone_count: int
    same: int


def plan_changes(context: RequestContext) -> Response:
    """The page of what changed between two held plans."""
    _ = context.words.gettext
    newer = context.number("run")
    given = context.query.get("since", "")
    older = int(given) if given.isascii() and given.isdigit() and len(given) < 10 else 0
    older = older or plan_before(context.journal, newer) or 0
    for run in (older, newer):
        if not run or context.journal.get(run).status is not RunStatus.HELD:
            raise Refused(404, _("There are no two held plans to compare."))
    return context.render("plan_changes.html", changes=compare(context.journal, older, newer))


def plan_before(journal: Journal, run: int) -> int | None:
    """The held run before this one, if there is one among the last two hundred runs."""
    found = journal.runs(limit=_LOOKED_THROUGH, before=run, status=RunStatus.HELD)
    return found[0].id if found else None


def compare(journal: Journal, older: int, newer: int) -> PlanChanges:
    """Compare two plans by what an approval would approve: kind, keys, row, action, values."""
    before = journal.difference_digests(older, Disposition.HELD)
    after = journal.difference_digests(newer, Disposition.HELD)
    return PlanChanges(
        older=older,
        newer=newer,
        added=list(_only(journal, newer, after - before)),
        added_count=len(after - before),
        gone=list(_only(journal, older, before - after)),
        gone_count=len(before - after),
        same=len(before & after),
    )


def _only(journal: Journal, run: int, digests: set[str]) -> Iterable[Difference]:
    held = journal.differences(run, dispositions=[Disposition.HELD])
    found: Iterator[Difference] = (
        one for batch in held for one in batch if approved_content(one) in digests
    )
    return islice(found, min(MOST_LISTED, len(digests)))

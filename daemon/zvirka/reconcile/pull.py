"""Phase pull: the catalogue streams into the mirror, whole or just what changed.

A count that does not add up leads to a second look, not to a guess; what still does not add up
makes the snapshot partial.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

from loguru import logger

from zvirka.erp.protocol import Scanned
from zvirka.onec.protocol import LineBatch, ObjectBatch, Source, VersionBatch
from zvirka.prefetch import ahead
from zvirka.reconcile.environment import Environment
from zvirka.reconcile.run_summary import prepare_report
from zvirka.reconcile.scanning import Scan
from zvirka.reconcile.snapshot import Snapshot, doubted, judged
from zvirka.staging.source_mirror import SourceMirror

RESTRICTED = "allowed_only is set: 1C leaves out what the user may not see"
"""Why nothing that such a source leaves out is proven to be absent."""
_RENEWED_AT_ONCE = 1000
_LIGHT_UP_TO = 0.2
"""Past this share of changed counterparties a full pull asks fewer requests than fetching them."""
_ALWAYS_LIGHT = 200


@dataclass(frozen=True)
class Pulled:
    """What a pull gave: the snapshot, ``full`` or ``light``, and how many came whole."""

    snapshot: Snapshot
    mode: str
    fetched: int
    counted: int


def pull(
    environment: Environment,
    source: Source,
    mirror: SourceMirror,
    *,
    counted: int,
    full: bool,
    now: datetime,
    scan: Scan,
) -> Pulled:
    """Bring the mirror up to date; ``counted`` is the number the preflight was told.

    Raises:
        SourceError: 1C cannot be read.
        StagingError: the staging cannot be written.
    """
    pulled = None
    if not full and mirror.known and _recent(environment, mirror.pulled_at(), now):
        pulled = _light(environment, source, mirror, counted, scan)
    if pulled is None:
        pulled = _full(environment, source, mirror, counted, now)
    if missing := _canaries_missing(environment, mirror):
        snapshot = doubted(pulled.snapshot, f"canaries are missing: {', '.join(missing)}")
        return replace(pulled, snapshot=snapshot)
    return pulled


def _recent(environment: Environment, pulled_at: str, now: datetime) -> bool:
    every: timedelta = environment.settings.onec.full_pull_every
    return bool(pulled_at) and now - datetime.fromisoformat(pulled_at) < every


# -- full ---------------------------------------------------------------------------------------


def _full(
    environment: Environment, source: Source, mirror: SourceMirror, counted: int, now: datetime
) -> Pulled:
    with mirror.full_pull(now.isoformat()):
        # Two requests at a time: while one page is made, the other is decoded and staged.
        pages: Iterator[ObjectBatch | LineBatch] = ahead(
            source.objects(), source.lines(), meanwhile=partial(prepare_report, environment)
        )
        for batch in pages:
            if isinstance(batch, ObjectBatch):
                mirror.add_objects(batch)
                environment.tick(len(batch.refs))
            else:
                mirror.add_lines(batch)
                environment.tick()
        after = source.count()
        if not counted == after == mirror.pulled_count():
            after = _second_look(environment, source, mirror)
        rows = mirror.pulled_count()
        reasons = _doubts(source, rows, after)
    return Pulled(judged(mirror.count(), reasons), "full", mirror.count(), after)


def _second_look(environment: Environment, source: Source, mirror: SourceMirror) -> int:
    """Ask for all keys again, fetch what the pages lost, drop what is no longer there."""
    logger.info("the count moved during the pull, looking again")
    _see_versions(environment, source, mirror)
    after = source.count()
    for objects, lines in source.fetch(mirror.unseen_versions()):
        mirror.add_objects(objects)
        for batch in lines:
            mirror.add_lines(batch)
    if mirror.seen_count() == after:
        mirror.drop_unseen()
    return after


def _doubts(source: Source, rows: int, counted: int) -> list[str]:
    reasons = []
    if rows != counted:
        reasons.append(f"1C counts {counted} counterparties, {rows} could be read")
    if source.restricted:
        reasons.append(RESTRICTED)
    return reasons


# -- light --------------------------------------------------------------------------------------


def _light(
    environment: Environment, source: Source, mirror: SourceMirror, counted: int, scan: Scan
) -> Pulled | None:
    """Read keys and versions, fetch what changed; ``None`` when a full pull is called for."""
    with scan.staging():
        _see_versions(environment, source, mirror, scan)
    scan.done = True
    after = source.count()
    if not counted == after == mirror.seen_count():
        logger.info("the count moved during the light pull, looking again")
        _see_versions(environment, source, mirror)
        after = source.count()
    stale, gone, went_back = mirror.moved()
    if went_back:
        logger.warning("a DataVersion went back: a backup was restored in 1C, pulling in full")
        return None
    if len(stale) > max(_ALWAYS_LIGHT, _LIGHT_UP_TO * after):
        return None
    fetched = renew(environment, source, mirror, stale)
    reasons = _doubts(source, mirror.seen_count(), after)
    if not reasons:
        mirror.forget([*gone, *(set(stale) - fetched)])
    mirror.renew_light_lines(ahead(source.light_lines()), environment.tick)
    return Pulled(judged(mirror.count(), reasons), "light", len(fetched), after)


def _see_versions(
    environment: Environment, source: Source, mirror: SourceMirror, scan: Scan | None = None
) -> None:
    mirror.forget_seen()
    beside = [scan.pages()] if scan is not None else []
    pages: Iterator[VersionBatch | Scanned] = ahead(
        source.versions(), *beside, meanwhile=partial(prepare_report, environment)
    )
    for batch in pages:
        if isinstance(batch, VersionBatch):
            mirror.see_versions(batch)
            environment.tick(len(batch.refs))
        elif scan is not None:
            scan.stage(batch)
            environment.tick()


def renew(
    environment: Environment, source: Source, mirror: SourceMirror, refs: Sequence[str]
) -> set[str]:
    """Fetch counterparties whole into the mirror; return the Ref_Keys 1C gave."""
    fetched: set[str] = set()
    for objects, lines in _gathered(source.fetch(refs)):
        mirror.replace(objects, lines)
        fetched.update(objects.refs)
        environment.tick(len(objects.refs))
    return fetched


def _gathered(
    answers: Iterable[tuple[ObjectBatch, list[LineBatch]]],
) -> Iterator[tuple[ObjectBatch, list[LineBatch]]]:
    """Answers of some twenty objects each, joined into batches worth a transaction."""
    together: list[ObjectBatch] = []
    lines: list[LineBatch] = []
    for objects, more in answers:
        together.append(objects)
        lines += more
        if sum(len(batch.refs) for batch in together) >= _RENEWED_AT_ONCE:
            yield _joined(together), lines
            together, lines = [], []
    if together:
        yield _joined(together), lines


def _joined(batches: list[ObjectBatch]) -> ObjectBatch:
    first = batches[0]
    return ObjectBatch(
        refs=[ref for batch in batches for ref in batch.refs],
        versions=[version for batch in batches for version in batch.versions],
        marks=[mark for batch in batches for mark in batch.marks],
        values={
            name: [value for batch in batches for value in batch.values[name]]
            for name in first.values
        },
        links={
            name: [link for batch in batches for link in batch.links[name]] for name in first.links
        },
    )


def _canaries_missing(environment: Environment, mirror: SourceMirror) -> list[str]:
    """Configured keys that must be in every snapshot and are not in this one."""
    wanted = environment.settings.guard.canaries
    return sorted(set(wanted) - mirror.has_keys(wanted))

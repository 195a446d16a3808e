"""Phase pull: the catalogue streams into the mirror, in full or only what changed.

If the counts do not add up, 1C is asked again; if they still do not, the snapshot is partial.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

from loguru import logger

from zvirka.domain import Mode
from zvirka.erp.protocol import Scanned
from zvirka.message import Message
from zvirka.onec.protocol import LineBatch, ObjectBatch, Source, VersionBatch
from zvirka.prefetch import prefetch
from zvirka.reconcile.environment import Environment
from zvirka.reconcile.run_summary import prepare_report
from zvirka.reconcile.scanning import Scan
from zvirka.reconcile.snapshot import Snapshot, doubted, judged
from zvirka.staging.database import DamagedFileError
from zvirka.staging.source_mirror import SourceMirror

RESTRICTED = Message("allowed_only is set: 1C leaves out what the user may not see")
"""Why nothing that such a source leaves out is proven to be absent."""
_LIGHT_UP_TO = 0.2
"""Past this share of changed counterparties a full pull asks fewer requests than fetching them."""
_ALWAYS_LIGHT = 200


@dataclass(frozen=True)
class Pulled:
    """What a pull returned.

    ``mode`` is ``full`` or ``light``, ``fetched`` how many counterparties were fetched whole,
    ``counted`` what 1C counted in the end. ``scanned``: the store was scanned during the pull.
    """

    snapshot: Snapshot
    mode: Mode
    fetched: int
    counted: int
    scanned: bool = False


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
    """Bring the mirror up to date; ``counted`` is the number 1C returned to the preflight.

    Raises:
        SourceError: 1C cannot be read.
        StagingError: the staging cannot be written.
    """
    pulled, scanned = None, False
    light = not full and not environment.mapping.slice
    if light and mirror.known and _is_recent(environment, mirror, now):
        try:
            pulled = _light(environment, source, mirror, counted, now, scan)
            scanned = True
        except DamagedFileError:
            mirror.set_aside()
            scan.forget()
    if pulled is None:
        pulled = replace(_full(environment, source, mirror, counted, now), scanned=scanned)
    if missing := _canaries_missing(environment, mirror):
        snapshot = doubted(pulled.snapshot, Message("canaries are missing: {keys}", keys=missing))
        return replace(pulled, snapshot=snapshot)
    return pulled


def _is_recent(environment: Environment, mirror: SourceMirror, now: datetime) -> bool:
    """Whether the last full pull is recent; a pull in the future (a wrong clock) is not."""
    every: timedelta = environment.settings.onec.full_pull_every
    pulls = mirror.stamp.pulls()
    if pulls is None:
        return False
    pulled_at, looked_on = pulls
    return timedelta(0) <= now - pulled_at < every and looked_on <= environment.date_of(now)


# -- full ---------------------------------------------------------------------------------------


def _full(
    environment: Environment, source: Source, mirror: SourceMirror, counted: int, now: datetime
) -> Pulled:
    with mirror.full_pull(now, environment.date_of(now)):
        # Two requests at a time: 1C makes one page while the other is decoded and staged.
        pages: Iterator[ObjectBatch | LineBatch] = prefetch(
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
    return Pulled(judged(mirror.count(), reasons), Mode.FULL, mirror.count(), after)


def _second_look(environment: Environment, source: Source, mirror: SourceMirror) -> int:
    """Ask for all keys again, fetch what the pages missed, drop what is no longer there."""
    logger.info("the count changed during the pull, asking for all keys again")
    _see_versions(environment, source, mirror)
    after = source.count()
    for objects, lines in source.fetch(mirror.unseen_versions()):
        mirror.add_objects(objects)
        for batch in lines:
            mirror.add_lines(batch)
    if mirror.seen.count() == after:
        mirror.drop_unseen()
    return after


def _doubts(source: Source, rows: int, counted: int) -> list[str]:
    reasons: list[str] = []
    if rows != counted:
        reasons.append(
            Message(
                "1C counts {counted} records, {rows} could be read",
                counted=counted,
                rows=rows,
            )
        )
    if source.restricted:
        reasons.append(RESTRICTED)
    return reasons


# -- light --------------------------------------------------------------------------------------


def _light(
    environment: Environment,
    source: Source,
    mirror: SourceMirror,
    counted: int,
    now: datetime,
    scan: Scan,
) -> Pulled | None:
    """Read keys and versions, fetch what changed; ``None`` when a full pull is needed."""
    with scan.staging():
        _see_versions(environment, source, mirror, scan)
    after = source.count()
    if not counted == after == mirror.seen.count():
        logger.info("the count changed during the light pull, asking for all keys again")
        _see_versions(environment, source, mirror)
        after = source.count()
    stale, gone, went_back = mirror.moved()
    if went_back:
        logger.warning(
            "1C has an older DataVersion than before, probably a restored backup; pulling in full"
        )
        return None
    stale = sorted({*stale, *_taking_effect(source, mirror)})
    if len(stale) > max(_ALWAYS_LIGHT, _LIGHT_UP_TO * after):
        return None
    fetched = mirror.refresh(source, stale, environment.tick)
    reasons = _doubts(source, mirror.seen.count(), after)
    if not reasons:
        mirror.forget([*gone, *(set(stale) - fetched)])
    mirror.renew_light_lines(prefetch(source.light_lines()), environment.tick)
    mirror.stamp.note_look(environment.date_of(now))
    return Pulled(judged(mirror.count(), reasons), Mode.LIGHT, len(fetched), after, scanned=True)


def _taking_effect(source: Source, mirror: SourceMirror) -> set[str]:
    """Counterparties with a contact line in force since the last pull: no DataVersion says so."""
    pulls = mirror.stamp.pulls()
    assert pulls is not None
    return {ref for refs in source.taking_effect(since=pulls[1]) for ref in mirror.seen.among(refs)}


def _see_versions(
    environment: Environment, source: Source, mirror: SourceMirror, scan: Scan | None = None
) -> None:
    mirror.seen.forget()
    beside = [scan.pages()] if scan is not None else []
    pages: Iterator[VersionBatch | Scanned] = prefetch(
        source.versions(), *beside, meanwhile=partial(prepare_report, environment)
    )
    for batch in pages:
        if isinstance(batch, VersionBatch):
            mirror.seen.add(batch)
            environment.tick(len(batch.refs))
        elif scan is not None:
            scan.stage(batch)
            environment.tick()


def _canaries_missing(environment: Environment, mirror: SourceMirror) -> list[str]:
    """Configured keys that must be in every snapshot and are not in this one."""
    wanted = environment.settings.guard.canaries
    return sorted(set(wanted) - mirror.has_keys(wanted))

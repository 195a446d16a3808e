"""``zvirka backup`` and ``zvirka restore``."""

from __future__ import annotations

from contextlib import closing
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO

import msgspec
from loguru import logger

from zvirka.backup.archive import JOURNAL, Backend, Manifest, copied, opened, write_archive
from zvirka.errors import JournalError, UsageError
from zvirka.journal.chain import verify_chain
from zvirka.journal.engine import journal_name, journal_url
from zvirka.journal.events import EventKind, add_event
from zvirka.journal.journal import Journal, open_journal
from zvirka.journal.journal_copy import copy_sqlite, dump, load
from zvirka.journal.migration import SCHEMA
from zvirka.journal.run_lock import receiver_lock, run_lock
from zvirka.message import Message, coded
from zvirka.now import utc_now
from zvirka.private_files import make_private_directory
from zvirka.settings.model import Settings

_BESIDE = ("agreement.duckdb", "alerts.json")
"""Files of the state directory that cannot be recomputed."""


def back_up(
    settings: Settings, file: Path | None, stream: BinaryIO, *, who: str, wait: float | None
) -> Manifest:
    """Write a backup while no run is under way; the daemon and the receiver go on working.

    Args:
        settings: say where everything is.
        file: the settings file, which is put in as well.
        stream: where to write.
        who: asks, for those who wait.
        wait: how many seconds to wait for a run that is under way.

    Raises:
        LockHeldError: a run is still under way.
        JournalError: the journal cannot be read.
        OSError: the backup cannot be written.
    """
    state = settings.state_dir
    url = journal_url(settings)
    backend: Backend = "sqlite" if url.get_backend_name() == "sqlite" else "postgresql"
    with (
        run_lock(settings, who=who, command="backup", wait=wait),
        closing(open_journal(settings)) as journal,
        TemporaryDirectory(prefix=".zvirka-backup-", dir=state) as scratch,
    ):
        copy = Path(scratch) / JOURNAL[backend]
        if backend == "sqlite":
            copy_sqlite(Path(journal_name(url)), copy)
        else:
            dump(journal, copy)
        members = {copy.name: copy}
        members |= {name: state / name for name in _BESIDE if (state / name).is_file()}
        members |= _embedded_store(settings, Path(scratch))
        if file is not None:
            members["zvirka.toml"] = file
        newest = journal.runs(limit=1)
        manifest = Manifest(
            version=version("zvirka"),
            schema=SCHEMA,
            made_at=utc_now(),
            journal=backend,
            runs=newest[0].id if newest else 0,
            last=journal.last_seal(),
            files={},
        )
        whole = Path(scratch) / "backup"
        with whole.open("wb") as out:
            write_archive(out, members, manifest)
        copied(whole, stream)
        _note(journal, EventKind.BACKUP, who, manifest)
        return msgspec.structs.replace(manifest, files=dict.fromkeys(members, ""))


def _embedded_store(settings: Settings, scratch: Path) -> dict[str, Path]:
    """Return a copy of the embedded store, which belongs to zvirka; an ERP's own has its own."""
    source = Path(settings.erp.url.removeprefix("sqlite:///"))
    if settings.erp.table is not None or not source.is_file():
        return {}
    copy = scratch / "embedded-store.db"
    copy_sqlite(source, copy)
    return {copy.name: copy}


def restore(
    settings: Settings, stream: BinaryIO, name: str, *, who: str, replace: bool
) -> Manifest:
    """Put a backup in place of the journal and prove its chain; nothing else may be at work.

    Args:
        settings: say where everything goes.
        stream: the backup.
        name: its name, for messages.
        who: asks, for those who wait.
        replace: put away a journal that has runs.

    Raises:
        LockHeldError: a run or a receiver is at work.
        UsageError: it is no whole backup, is of the other kind of journal, or there is a journal
            already.
        JournalError: the chain of the backup is broken; the journal is as it was.
    """
    state = settings.state_dir
    make_private_directory(state)
    url = journal_url(settings)
    backend = url.get_backend_name()
    with (
        run_lock(settings, who=who, command="restore"),
        receiver_lock(settings, who=who),
        opened(stream, name, state) as (manifest, unpacked),
    ):
        if manifest.journal != backend:
            raise UsageError(
                coded(
                    "ZV5602",
                    "the backup holds a journal of {journal}, and journal.url is {backend}",
                    journal=manifest.journal,
                    backend=backend,
                ),
                place=name,
                remedy=Message("set journal.url for the same kind of database"),
            )
        if backend != "sqlite" and manifest.schema != SCHEMA:
            raise UsageError(
                coded(
                    "ZV5601",
                    "the backup has schema {schema}, and this version {schema2}",
                    schema=manifest.schema,
                    schema2=SCHEMA,
                ),
                place=name,
                remedy=Message(
                    "restore it with zvirka {version}, then upgrade", version=manifest.version
                ),
            )
        _require_room(settings, replace=replace)
        if backend == "sqlite":
            _restore_sqlite(settings, Path(journal_name(url)), unpacked / JOURNAL[backend])
        else:
            _restore_postgresql(settings, unpacked / JOURNAL[backend])
        for one in _BESIDE:
            _put(state / one, unpacked / one)
        if settings.erp.table is None and (unpacked / "embedded-store.db").is_file():
            _put(Path(settings.erp.url.removeprefix("sqlite:///")), unpacked / "embedded-store.db")
        with closing(open_journal(settings)) as journal:
            _note(journal, EventKind.RESTORE, who, manifest)
        return manifest


def _note(journal: Journal, kind: EventKind, who: str, manifest: Manifest) -> None:
    """Record it in the journal. What was done is done, whether or not that succeeds."""
    try:
        with journal.writing() as connection:
            detail = {"runs": manifest.runs, "made_at": manifest.made_at.isoformat()}
            add_event(connection, kind, utc_now(), who, detail)
    except JournalError as error:
        logger.warning("it could not be recorded in the journal", cause=error.cause)


def _require_room(settings: Settings, *, replace: bool) -> None:
    with closing(open_journal(settings)) as journal:
        runs = journal.runs(limit=1)
        if runs and not replace:
            raise UsageError(
                coded("ZV5602", "there is a journal already, up to run {id}", id=str(runs[0].id)),
                place=journal.name,
                remedy=Message("put it away with --replace"),
            )


def _at(settings: Settings, file: Path) -> Settings:
    """The settings with a journal in a file of its own."""
    elsewhere = settings.journal.model_copy(update={"url": f"sqlite:///{file}", "password": None})
    return settings.model_copy(update={"journal": elsewhere})


def _restore_sqlite(settings: Settings, place: Path, copy: Path) -> None:
    with closing(open_journal(_at(settings, copy))) as journal:
        _prove(journal)
    copy_sqlite(copy, copy.with_suffix(".whole"))
    _put(place, copy.with_suffix(".whole"))


def _restore_postgresql(settings: Settings, source: Path) -> None:
    # Proven in a journal of its own before the one in use is touched.
    with closing(open_journal(_at(settings, source.with_suffix(".db")))) as journal:
        with journal.writing() as connection:
            load(connection, source)
        _prove(journal)
    with closing(open_journal(settings)) as journal, journal.writing() as connection:
        load(connection, source)


def _prove(journal: Journal) -> None:
    problems = [problem.text for problem in verify_chain(journal)]
    if problems:
        raise JournalError(
            coded("ZV5201", "the chain of the backup is broken: {problems}", problems=problems[0]),
            place=journal.name,
            remedy=Message("take another backup; `zvirka audit verify` lists what was altered"),
        )


def _put(place: Path, new: Path) -> None:
    """Move a file into place; the one that is there is kept beside it, with its log."""
    if not new.is_file():
        return
    kept = place.with_name(f"{place.name}.before-restore")
    for ending in ("", "-wal", "-shm"):
        old = place.with_name(place.name + ending)
        if old.exists():
            old.replace(kept.with_name(kept.name + ending))
    new.chmod(0o600)
    new.replace(place)

"""What a run works with: settings, mapping, journal, and how to open the two sides.

Everything a phase needs is handed to it from here, time included; tests put other parts in.
"""

from __future__ import annotations

import contextlib
import hashlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from zvirka.domain import Correction
from zvirka.erp import open_store, open_writer
from zvirka.erp.protocol import Store, Writer
from zvirka.erp.references import references_of
from zvirka.erp.shared_table import require_own_rows
from zvirka.erp.sharing import sharing_of
from zvirka.errors import RunInterrupted
from zvirka.journal.journal import Journal, open_journal
from zvirka.mapping import Mapping
from zvirka.message import Message, coded
from zvirka.now import Now, utc_now
from zvirka.onec.open_source import open_source
from zvirka.onec.protocol import Source
from zvirka.reconcile.request import Progress, Silence
from zvirka.settings.model import Settings

Confirm = Callable[[Correction], bool]
"""Asked just before a correction is posted: does 1C still say so?"""


@dataclass(frozen=True)
class Environment:
    """The parts of one configuration, opened for runs.

    ``open_writer`` takes the question a webhook writer asks before each post. ``stop`` is set
    to end the run at the next safe place; ``stop_asked`` says whether a person
    asked for the same on the page. ``still_ours`` raises when the run lock was lost on the way, so
    that nothing more is written.
    """

    settings: Settings
    mapping: Mapping
    journal: Journal
    open_source: Callable[[], Source]
    open_store: Callable[[], Store]
    open_writer: Callable[[Confirm | None], Writer]
    now: Now = utc_now
    progress: Progress = field(default_factory=Silence)
    stop: threading.Event = field(default_factory=threading.Event)
    still_ours: Callable[[], None] = lambda: None
    stop_asked: Callable[[], bool] = lambda: False

    @property
    def staging_dir(self) -> Path:
        """Where mirror and scratch live."""
        return self.settings.state_dir / "staging"

    @property
    def agreement_file(self) -> Path:
        """The last agreement of both sides. Not a cache: it belongs to the backup."""
        return self.settings.state_dir / "agreement.duckdb"

    def tick(self, units: int = 0) -> None:
        """Tell the progress, and leave the run here when it was asked to stop.

        Raises:
            RunInterrupted: the run was asked to stop; all that was done is in the journal.
        """
        if units:
            self.progress.advance(units)
        if self.stop.is_set() or self.stop_asked():
            raise RunInterrupted(
                coded("ZV5503", "the run was asked to stop"),
                place=Message("between two batches"),
                remedy=Message(
                    "nothing is lost: the next run settles what was under way and plans again"
                ),
            )

    def date_of(self, moment: datetime) -> date:
        """The date of a moment in the base: in the time zone of the settings."""
        return date_in(self.settings, moment)

    def fingerprint(self) -> str:
        """A digest of scope, mapping and policy: what changes it makes the next run careful."""
        policy = self.settings.policy
        text = "|".join(
            [
                self.mapping.fingerprint(),
                policy.deletion_mark,
                policy.rekey,
                str(self.settings.onec.allowed_only),
                self.settings.erp.owned,
                *([policy.shared] if policy.shared != "report" else []),
            ]
        )
        return hashlib.sha256(text.encode()).hexdigest()


def date_in(settings: Settings, moment: datetime) -> date:
    """The date of a moment in the time zone of the settings, which is that of the base."""
    return moment.astimezone(ZoneInfo(settings.schedule.timezone)).date()


@contextlib.contextmanager
def open_environment(
    settings: Settings,
    mapping: Mapping,
    *,
    progress: Progress | None = None,
    now: Now = utc_now,
) -> Iterator[Environment]:
    """Open the journal and prepare the rest; sources and stores open when a run needs them.

    Raises:
        SettingsError: a field refers to a flow that cannot be referred to, or another flow takes
            the rows of this one for its own.
        JournalError: the journal cannot be opened.
    """
    require_own_rows(settings)
    references, referring = references_of(settings.name, settings.flows)
    sharing = sharing_of(settings)
    journal = open_journal(settings)
    try:
        yield Environment(
            settings=settings,
            mapping=mapping,
            journal=journal,
            open_source=lambda: open_source(
                settings.onec, mapping, settings.state_dir, today=lambda: date_in(settings, now())
            ),
            open_store=lambda: open_store(
                settings.erp, mapping, references=references, referring=referring, sharing=sharing
            ),
            open_writer=lambda confirm: open_writer(
                settings.erp, mapping, confirm=confirm, references=references, referring=referring
            ),
            now=now,
            progress=progress or Silence(),
        )
    finally:
        journal.close()

"""Phase scan: the rows of the store are staged and paired with the counterparties.

Where both sides agreed before, the scan is brief: one hash a row tells whether the row has changed,
and only the changed rows are read again and compared field by field. That halves the staging.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace

from zvirka.erp.protocol import ScanBlock, Scanned, Store, no_text
from zvirka.errors import StagingError
from zvirka.prefetch import prefetch
from zvirka.reconcile.environment import Environment
from zvirka.staging.candidates import Candidates


@dataclass(frozen=True)
class Scan:
    """The scan of the store, full or brief.

    A light pull stages it between its own pages, so that 1C and the store answer at once. Either
    side may be the older one: whatever differs is read again on both sides before it counts.
    """

    store: Store
    candidates: Candidates
    brief: bool

    @classmethod
    def of(cls, store: Store, candidates: Candidates) -> Scan:
        """A brief scan where unchanged rows can be recognised, otherwise a full one."""
        return cls(store, candidates, store.has_ref and candidates.agreement.can_screen())

    def pages(self) -> Iterator[Scanned]:
        """The store's rows."""
        return self.store.scan()

    def stage(self, rows: Scanned) -> None:
        """Stage a page.

        Raises:
            StagingError: it cannot be staged.
            StoreError: it is not text.
        """
        if not rows.size:
            return
        clients = self.candidates.clients
        try:
            (clients.add_images if self.brief else clients.add_clients)(rows)
        except (StagingError, UnicodeDecodeError):
            if isinstance(rows, ScanBlock) and not rows.is_text():
                raise no_text(self.store.name) from None
            raise

    def staging(self) -> AbstractContextManager[None]:
        """A transaction around the staging of all pages."""
        return self.candidates.clients.transaction()

    def forget(self) -> None:
        """Drop all pages staged so far, to begin again."""
        self.candidates.clients.forget()

    def read(self, environment: Environment) -> None:
        """Stage the whole store."""
        with self.staging():
            for rows in prefetch(self.pages()):
                self.stage(rows)
                environment.tick(rows.size)

    def pair(self, environment: Environment) -> None:
        """Find the pairs: after a brief scan among what changed, unless that is too much."""
        candidates = self.candidates
        if not self.brief:
            candidates.pairing.find()
        elif self._read_changed(environment):
            candidates.pairing.find(candidates.unchanged.sides())
        else:
            self.forget()
            full = replace(self, brief=False)
            full.read(environment)
            full.pair(environment)

    def _read_changed(self, environment: Environment) -> bool:
        """Read what changed and what is related to it; False if that is too much."""
        unchanged = self.candidates.unchanged
        for find_more in (unchanged.find, unchanged.add_related):
            if not find_more():
                return False
            for rows in unchanged.rows_to_read():
                self.candidates.clients.reread(self.store.read_rows(rows))
                environment.tick()
        return True

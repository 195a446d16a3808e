"""Phase scan: the rows of the store, and from them the pairs.

Where both sides agreed before, the scan is brief: one hash a row tells whether it is as it was,
and only what is loose is read again and measured field by field. That takes half off the staging.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager

from zvirka.erp.protocol import ScanBlock, Scanned, Store, no_text
from zvirka.errors import StagingError
from zvirka.prefetch import ahead
from zvirka.reconcile.environment import Environment
from zvirka.staging.candidates import Candidates


class Scan:
    """The scan of the store, which a light pull stages beside its own pages.

    1C and the store then answer at once. Either side may be the older one: whatever differs is
    read again on both before it counts. ``done`` says whether all of it is staged.
    """

    def __init__(self, store: Store, matching: Candidates) -> None:
        self._store = store
        self._matching = matching
        self._brief = store.has_ref and matching.ever_agreed()
        self.done = False

    def pages(self) -> Iterator[Scanned]:
        """The store's rows."""
        return self._store.scan()

    def stage(self, rows: Scanned) -> None:
        """Stage a page of them.

        Raises:
            StagingError: it cannot be staged.
            StoreError: it is no text.
        """
        if not rows.size:
            return
        try:
            if self._brief:
                self._matching.add_images(rows)
            else:
                self._matching.add_clients(rows)
        except StagingError:
            if isinstance(rows, ScanBlock) and not rows.is_text():
                raise no_text(self._store.name) from None
            raise

    def staging(self) -> AbstractContextManager[None]:
        """Surrounds the staging of all pages."""
        return self._matching.scanning()

    def finish(self, environment: Environment) -> None:
        """Scan the store unless that is done."""
        if self.done:
            return
        with self.staging():
            for rows in ahead(self.pages()):
                self.stage(rows)
                environment.tick(rows.size)
        self.done = True

    def pair(self, environment: Environment) -> None:
        """Find who is whose client; after a brief scan, among what is loose."""
        matching = self._matching
        if self._brief and self._read_loose(environment):
            matching.pair_loose()
            return
        if self._brief:
            self._brief = self.done = False
            matching.forget_clients()
            self.finish(environment)
        matching.pair()

    def _read_loose(self, environment: Environment) -> bool:
        """Read what is loose and what shares something with it; ``False`` if that is too much."""
        for more in (self._matching.find_loose, self._matching.gather):
            if not more():
                return False
            for rows in self._matching.loose_rows():
                self._matching.renew_clients(self._store.read_rows(rows))
                environment.tick()
        return True

"""Which runs of several flows may be under way together.

At most ``onec.sessions`` runs read from one server of 1C, because each takes a licence; one run
writes to one database; and ``parallel_runs`` bounds memory.
"""

from __future__ import annotations

from typing import Protocol
from urllib.parse import urlsplit

from zvirka.erp.sql.engines import database_of
from zvirka.settings.model import Settings


class Slots(Protocol):
    """Lets runs begin."""

    def take(self, settings: Settings) -> bool:
        """Whether a run of the flow may begin now; the place is then its own."""
        ...

    def give_back(self, settings: Settings) -> None:
        """The flow's run has ended."""
        ...


class FreeSlots:
    """:class:`Slots` for a flow that is alone."""

    def take(self, settings: Settings) -> bool:
        """Always."""
        del settings
        return True

    def give_back(self, settings: Settings) -> None:
        """Nothing."""


class RunSlots:
    """The :class:`Slots` of all flows of one daemon."""

    def __init__(self) -> None:
        self._taken: dict[str, tuple[str, str]] = {}

    def take(self, settings: Settings) -> bool:
        """Whether a run of the flow may begin now; the place is then its own."""
        server, database = server_of(settings), _database(settings)
        others = list(self._taken.values())
        free = (
            settings.name not in self._taken
            and len(others) < settings.parallel_runs
            and sum(server == other for other, _ in others) < settings.onec.sessions
            and all(database != other for _, other in others)
        )
        if free:
            self._taken[settings.name] = (server, database)
        return free

    def give_back(self, settings: Settings) -> None:
        """The flow's run has ended."""
        self._taken.pop(settings.name, None)


def server_of(settings: Settings) -> str:
    """Host and port of the flow's 1C, which counts the licences of all its bases together."""
    return urlsplit(settings.onec.url).netloc.rpartition("@")[2].lower()


def _database(settings: Settings) -> str:
    return "/".join(str(part or "") for part in database_of(settings.erp))

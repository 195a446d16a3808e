"""Which runs of several flows may be under way together.

At most ``onec.sessions`` runs read from one server of 1C, because each takes a licence; one run
writes to one database; and ``parallel_runs`` bounds memory.

Within one daemon :class:`RunSlots` counts the runs. Machines share no counter: for them
:func:`lanes_of` says beforehand which flows have to take turns.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
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
    """:class:`Slots` for a flow that is alone, and for runs whose turn the workers keep."""

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


def lanes_of(flows: Mapping[str, Settings]) -> dict[str, str]:
    """Return the lane of each flow. Runs of one lane take turns; those of two may go together.

    A server of 1C has as many lanes as sessions, and its flows are dealt out to them, all that
    write to one database to the same. Two servers whose flows write to one database have a lane in
    common. One run from each lane never breaks a limit of :class:`RunSlots`.
    """
    databases: dict[str, set[str]] = defaultdict(set)
    sessions: dict[str, int] = {}
    for settings in flows.values():
        server, allowed = server_of(settings), settings.onec.sessions
        databases[server].add(_database(settings))
        sessions[server] = min(allowed, sessions.get(server, allowed))
    lane_of = _Joined()
    for server, written in sorted(databases.items()):
        for number, database in enumerate(sorted(written)):
            lane_of.join(f"{server}#{number % sessions[server]}", f"database {database}")
    return {name: lane_of.name(f"database {_database(each)}") for name, each in flows.items()}


class _Joined:
    """Names that were joined to groups; a group is called by its first name."""

    def __init__(self) -> None:
        self._next: dict[str, str] = {}

    def name(self, member: str) -> str:
        while member in self._next:
            member = self._next[member]
        return member

    def join(self, one: str, other: str) -> None:
        first, second = sorted((self.name(one), self.name(other)), key=_lanes_first)
        if first != second:
            self._next[second] = first


def _lanes_first(name: str) -> tuple[bool, str]:
    return name.startswith("database "), name


def server_of(settings: Settings) -> str:
    """Host and port of the flow's 1C, which counts the licences of all its bases together."""
    return urlsplit(settings.onec.url).netloc.rpartition("@")[2].lower()


def _database(settings: Settings) -> str:
    return "/".join(str(part or "") for part in database_of(settings.erp))

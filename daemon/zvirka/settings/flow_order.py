"""In which order flows run: what a flow refers to comes before it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from graphlib import CycleError, TopologicalSorter

from zvirka.errors import SettingsError
from zvirka.settings.model import Settings
from zvirka.settings.profiles import mapping_of


def referred_by(settings: Settings) -> frozenset[str]:
    """The names of the other flows that a flow's fields refer to; none for an unclear mapping."""
    try:
        fields = mapping_of(settings).fields
    except SettingsError:
        return frozenset()  # the flow's own run tells it
    return frozenset(field.reference for field in fields) - {"", settings.name}


def by_references(names: Iterable[str], flows: Mapping[str, Settings]) -> list[str]:
    """The names with every flow after those it refers to; flows in a cycle keep their order."""
    wanted = list(names)
    parents = {name: referred_by(flows[name]) for name in wanted if name in flows}
    sorter = TopologicalSorter({name: parents.get(name, ()) for name in wanted})
    try:
        order = list(sorter.static_order())
    except CycleError:
        return wanted
    return sorted(wanted, key=order.index)

"""The order of corrections in which a unique value can move from one client to another.

A correction that frees a value comes before the one that takes it. Corrections that exchange values
in a circle form one unit; the writer sets NULL in between, in one transaction.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from zvirka.domain import Action, Correction
from zvirka.identity import trimmed

Fields = tuple[str, ...]
Unit = tuple[Correction, ...]


@dataclass(frozen=True)
class Arrangement:
    """``free`` may go in any order; ``units`` go after them, one after the other.

    A unit of several corrections is a circle: all of it succeeds or none of it.
    """

    free: tuple[Correction, ...]
    units: tuple[Unit, ...]


def arrange(corrections: Sequence[Correction], uniques: Sequence[Fields]) -> Arrangement:
    """Order corrections by what they release and take of each unique field or group of fields.

    Whether a soft-deleted row gives its values up is the database's affair (a partial index);
    going first costs nothing either way.
    """
    after: dict[int, set[int]] = defaultdict(set)
    before: dict[int, set[int]] = defaultdict(set)
    for fields in uniques:
        moving = [(n, c) for n, c in enumerate(corrections) if not _leaves(c, fields)]
        releasing = _releasing(moving, fields)
        for number, correction in moving:
            value = _taken(correction, fields)
            for releaser in releasing.get(value, ()) if value else ():
                if releaser != number:
                    after[releaser].add(number)
                    before[number].add(releaser)
    tied = after.keys() | before.keys()
    free = tuple(c for number, c in enumerate(corrections) if number not in tied)
    return Arrangement(free, tuple(_units(corrections, tied, after, before)))


def _releasing(moving: Iterable[tuple[int, Correction]], fields: Fields) -> dict[Fields, list[int]]:
    found: dict[Fields, list[int]] = defaultdict(list)
    for number, correction in moving:
        held = _value(correction.before, fields)
        if held and (correction.action is Action.DELETE or _wanted(correction, fields) != held):
            found[held].append(number)
    return found


def _taken(correction: Correction, fields: Fields) -> Fields | None:
    if correction.action is Action.DELETE:
        return None
    wanted = _wanted(correction, fields)
    return wanted if wanted != _value(correction.before, fields) else None


def _leaves(correction: Correction, fields: Fields) -> bool:
    """Whether a correction has nothing to do with these fields, as most have."""
    return correction.action is Action.UPDATE and correction.after.keys().isdisjoint(fields)


def _wanted(correction: Correction, fields: Fields) -> Fields | None:
    return _value({**correction.before, **correction.after}, fields)


def _value(values: dict[str, str | None], fields: Fields) -> Fields | None:
    """The values as a unique constraint may see them, blind to case and to blanks around them."""
    texts = tuple(trimmed(values.get(field)).casefold() for field in fields)
    return texts if all(texts) else None


def _units(
    corrections: Sequence[Correction],
    tied: set[int],
    after: dict[int, set[int]],
    before: dict[int, set[int]],
) -> list[Unit]:
    """Topological order from both ends; what is left in the middle are circles."""
    left = set(tied)
    first = _peel(left, before, after)
    last = _peel(left, after, before)
    units: list[Unit] = [(corrections[number],) for number in first]
    units += [tuple(corrections[n] for n in circle) for circle in _components(left, after, before)]
    units += [(corrections[number],) for number in reversed(last)]
    return units


def _peel(left: set[int], waits: dict[int, set[int]], then: dict[int, set[int]]) -> list[int]:
    ready = sorted((n for n in left if not waits.get(n)), reverse=True)
    pending = {n: set(waits.get(n, ())) for n in left}
    order: list[int] = []
    while ready:
        number = ready.pop()
        order.append(number)
        left.discard(number)
        for following in sorted(then.get(number, ()), reverse=True):
            if following in left:
                pending[following].discard(number)
                if not pending[following]:
                    ready.append(following)
    return order


def _components(
    left: set[int], after: dict[int, set[int]], before: dict[int, set[int]]
) -> list[list[int]]:
    components = []
    while left:
        stack, found = [min(left)], set[int]()
        while stack:
            number = stack.pop()
            if number in left:
                left.discard(number)
                found.add(number)
                stack += after.get(number, set()) | before.get(number, set())
        components.append(sorted(found))
    return components

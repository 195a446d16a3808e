"""Recognises a delete and a create with one tax id as one client under a new key."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import msgspec

from zvirka.comparison import canonical
from zvirka.domain import Action, Difference, Disposition, Values
from zvirka.mapping import Comparison, Mapping
from zvirka.policy import Policy
from zvirka.reconcile.decide import Pair, moved_under
from zvirka.reconcile.suppressing import Side

_REMEMBERED_DELETES = 10_000


class Decided(msgspec.Struct, frozen=True):
    """A difference with all values of its two sides, ``None`` where a side has nothing."""

    difference: Difference
    wanted: Side
    found: Side

    @classmethod
    def of(cls, pair: Pair, difference: Difference) -> Decided:
        """The difference decided on for a pair."""
        record, client = pair.record, pair.client
        is_delete = difference.action is Action.DELETE
        return cls(
            difference,
            None if record is None or is_delete else record.values,
            client.values if client is not None and client.active else None,
        )


class Rekeys:
    """Holds back the halves of possible re-keys until all differences are known.

    Deletes have to come before creates. Beyond a fixed number deletes are not held back, so that
    memory stays flat.
    """

    def __init__(self, mapping: Mapping, policy: Policy) -> None:
        self._mapping = mapping
        self._policy = policy
        self._gone: dict[str, list[Decided]] = defaultdict(list)
        self._fresh: dict[str, list[Decided]] = defaultdict(list)
        self._held = 0

    def holds_back(self, decided: Decided) -> bool:
        """Keep a difference that may be half of a re-key; ``False`` leaves it to the caller."""
        match decided.difference.action:
            case Action.DELETE if decided.wanted is None and decided.found is not None:
                tax_id = _tax_id(decided.found)
                if tax_id and self._held < _REMEMBERED_DELETES:
                    self._gone[tax_id].append(decided)
                    self._held += 1
                    return True
            case Action.CREATE if decided.wanted is not None:
                tax_id = _tax_id(decided.wanted)
                if tax_id in self._gone:
                    self._fresh[tax_id].append(decided)
                    return True
        return False

    def settle(self) -> Iterator[Decided]:
        """Everything held back: one update for each re-key, the rest as it was."""
        for tax_id, gone in self._gone.items():
            fresh = self._fresh[tax_id]
            proven = gone[0].difference.disposition is Disposition.CORRECT
            if len(gone) == len(fresh) == 1 and proven:
                moved = moved_under(
                    self._mapping, gone[0].difference, fresh[0].difference, self._policy
                )
                yield Decided(moved, fresh[0].wanted, gone[0].found)
            else:
                yield from gone
                yield from fresh


def _tax_id(values: Values) -> str:
    return canonical(Comparison.DIGITS, values.get("tax_id"))

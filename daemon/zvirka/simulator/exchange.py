"""The exchange plan: which changes a node has not confirmed yet.

The platform's own rules. A write registers the object for every node, with no message number.
SelectChanges gives all registered objects and stamps the unstamped with its message number;
NotifyChangesReceived forgets those stamped up to its number. An object saved in between loses
its stamp, and so survives the confirmation.
"""

from __future__ import annotations

from typing import Any

import msgspec

from zvirka.simulator.invented_texts import version_text

THIS_NODE = "0a61f6d3-2c4e-11ee-8f57-0050568b35ac"
READER_NODE = "5e0c8b1a-2c4f-11ee-8f57-0050568b35ac"


class Registered(msgspec.Struct):
    """One changed object of a node: its entity set, Ref_Key and message number if any."""

    set: str
    ref: str
    message: int | None = None


class ExchangePlan:
    """The nodes of the plan and their registered changes."""

    def __init__(self) -> None:
        self.rows = [
            _node(THIS_NODE, "Ця база", "ЦБ", this=True),
            _node(READER_NODE, "Звірка", "ZV", this=False),
        ]
        self.registered: dict[str, dict[tuple[str, str], Registered]] = {READER_NODE: {}}

    def register(self, set_: str, ref: str) -> None:
        """A write (or physical delete) of that object, for every node but this one."""
        for changes in self.registered.values():
            changes.pop((set_, ref), None)
            changes[set_, ref] = Registered(set_, ref)

    def select(self, node: str, message: int) -> list[Registered]:
        """What the node has not confirmed; the unstamped now belong to ``message``.

        Raises:
            KeyError: no such node takes changes.
        """
        changes = self.registered[node]
        for each in changes.values():
            if each.message is None:
                each.message = message
        row = self._row(node)
        row["SentNo"] = str(max(int(row["SentNo"]), message))
        return list(changes.values())

    def confirm(self, node: str, message: int) -> None:
        """Forget what was sent to the node up to ``message``.

        Raises:
            KeyError: no such node takes changes.
        """
        changes = self.registered[node]
        for key, each in list(changes.items()):
            if each.message is not None and each.message <= message:
                del changes[key]
        row = self._row(node)
        row["ReceivedNo"] = str(max(int(row["ReceivedNo"]), message))

    def _row(self, node: str) -> dict[str, Any]:
        return next(row for row in self.rows if row["Ref_Key"] == node)


def _node(ref: str, name: str, code: str, *, this: bool) -> dict[str, Any]:
    return {
        "Ref_Key": ref,
        "Code": code,
        "Description": name,
        "DataVersion": version_text(1),
        "DeletionMark": False,
        "SentNo": "0",
        "ReceivedNo": "0",
        "ThisNode": this,
        "ExchangeDate": "0001-01-01T00:00:00",
    }

"""What the settings leave to the user in deciding about a counterparty."""

from __future__ import annotations

from typing import Literal

import msgspec

from zvirka.settings.model import PolicySettings


class Policy(msgspec.Struct, frozen=True):
    """``[policy]`` applied to one store.

    ``deletes_marked``: a deletion mark in 1C means that the client has to go. ``rekey``: whether
    a client whose key changed is moved (``apply``) or only reported (``propose``). ``shared``:
    whether a client that another flow of the same table keeps is created once more (``report``)
    or left to that flow (``first``).
    """

    deletes_marked: bool
    rekey: Literal["propose", "apply"]
    shared: Literal["report", "first"] = "report"

    @classmethod
    def of(cls, settings: PolicySettings, *, soft_delete: bool) -> Policy:
        """The policy for a store that can deactivate clients (``soft_delete``) or only delete."""
        mark = settings.deletion_mark
        return cls(
            deletes_marked=mark == "delete" or (mark == "deactivate" and soft_delete),
            rekey=settings.rekey,
            shared=settings.shared,
        )

"""Clients of ours that other flows of the same table are linked to, from their journals.

A flow with ``policy.shared = "first"`` does not create a client that another flow keeps; its
journal says which. When the base of that other flow deletes the client, the first one still has it.
"""

from __future__ import annotations

from contextlib import closing
from functools import cached_property
from pathlib import Path

import msgspec
from loguru import logger

from zvirka.domain import Action, Command, Difference, Disposition, Trigger
from zvirka.erp.sharing import flows_of_one_table, still_known
from zvirka.errors import ZvirkaError
from zvirka.journal.engine import journal_url
from zvirka.journal.journal import open_journal
from zvirka.message import also
from zvirka.reconcile.request import Request
from zvirka.settings.model import Settings


class Links:
    """Who is linked to the clients of a flow, read from the other journals at the first question.

    A journal that cannot be read counts as linked to every client, so that nothing is deleted on
    the absence of evidence.
    """

    def __init__(self, settings: Settings) -> None:
        self._others = flows_of_one_table(settings)

    def flow_of(self, row: str) -> str:
        """The flow that is linked to a row of the store; '' when none is."""
        linked, unreadable = self._known
        return linked.get(row) or unreadable

    @cached_property
    def _known(self) -> tuple[dict[str, str], str]:
        linked: dict[str, str] = {}
        unreadable = ""
        for other in self._others:
            if other.policy.shared != "first" or not _has_journal(other):
                continue
            try:
                with closing(open_journal(other)) as journal:
                    linked |= dict.fromkeys(journal.linked_rows(), other.name)
            except ZvirkaError as error:
                logger.warning(
                    "the links of a flow are unknown", flow=other.name, cause=error.cause
                )
                unreadable = other.name
        return linked, unreadable


def _has_journal(settings: Settings) -> bool:
    url = journal_url(settings)
    return url.get_backend_name() != "sqlite" or Path(url.database or "").is_file()


def as_linked(difference: Difference, request: Request, links: Links) -> Difference:
    """The deletion of a client that another flow is linked to, held; others as they were.

    A person who approves it, or names the client in a resync, has decided.
    """
    by_name = request.trigger is not Trigger.FEED and not request.targets.everything
    decided = request.command is Command.APPROVE or (request.command is Command.RESYNC and by_name)
    if decided or difference.action is not Action.DELETE:
        return difference
    if difference.disposition not in {Disposition.CORRECT, Disposition.HELD}:
        return difference
    flow = links.flow_of(difference.row)
    if not flow:
        return difference
    return msgspec.structs.replace(
        difference,
        disposition=Disposition.HELD,
        note=also(difference.note, still_known(flow)),
    )

"""What is checked before a run begins: can the request be performed, does the policy fit."""

from __future__ import annotations

from zvirka.domain import Command
from zvirka.erp.protocol import Store
from zvirka.errors import SettingsError
from zvirka.message import Message, coded
from zvirka.reconcile import approving, endorsing, rejecting, suppressing, undoing
from zvirka.reconcile.environment import Environment
from zvirka.reconcile.request import Request
from zvirka.settings.model import Settings


def admitted(environment: Environment, request: Request) -> Request:
    """The request as it is performed: an approval may be the first of two.

    Raises:
        UsageError: it names a run that cannot be answered or undone, or nobody to suppress.
        AlteredJournalError: the held plan is not the one that was sealed.
    """
    if request.command in {Command.APPROVE, Command.REJECT}:
        approving.check_answerable(environment.journal, request, environment.now())
    if request.command == Command.REJECT:
        rejecting.check_rejectable(environment.journal, request)
    if request.command == Command.UNDO:
        assert request.parent is not None
        undoing.check_undoable(environment.journal, request.parent, request.targets)
    if request.command == Command.SUPPRESS:
        suppressing.check_suppressible(environment, request)
    if request.command == Command.APPROVE:
        return endorsing.as_first_or_last(environment, request)
    return request


def check_policy(settings: Settings, store: Store) -> None:
    """Refuse a policy that the store cannot follow.

    Raises:
        SettingsError: a deletion mark means deactivate, and the store deletes for good.
    """
    if settings.policy.deletion_mark == "deactivate" and not store.soft_delete:
        raise SettingsError(
            coded(
                "ZV3309", "the store deletes for good, so a deletion mark cannot mean deactivate"
            ),
            place="policy.deletion_mark",
            remedy=Message('set [erp.delete] mode = "soft" with its column, or another policy'),
        )

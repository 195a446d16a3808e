"""What counts as a good run and as a difference left, in Python and in SQL.

Each rule stands next to its SQL form; a property test holds the two equal.
"""

from __future__ import annotations

from sqlalchemy import ColumnElement, FromClause, Join, Text, and_, exists, or_, type_coerce

from zvirka.domain import Command, Disposition, Mode, OutcomeState, RunStatus
from zvirka.journal.records import RunRecord
from zvirka.journal.tables import CORRECTION, DIFFERENCE, RUN

_WHOLE = (Command.RECONCILE, Command.APPROVE)
_READ_WHOLE = (Mode.FULL, Mode.LIGHT)


def is_over_everything(run: RunRecord) -> bool:
    """Whether a run compares and corrects the whole catalogue, however it ended.

    A resync does unless it was narrowed to targets; its mode shows that.
    """
    return run.command in _WHOLE or (run.command is Command.RESYNC and run.mode in _READ_WHOLE)


def over_everything() -> ColumnElement[bool]:
    """SQL over ``run``: :func:`is_over_everything`."""
    return or_(
        RUN.c.command.in_([command.value for command in _WHOLE]),
        and_(
            RUN.c.command == Command.RESYNC.value,
            RUN.c.mode.in_([mode.value for mode in _READ_WHOLE]),
        ),
    )


def is_good(run: RunRecord) -> bool:
    """Whether a run compared everything on a complete snapshot of 1C and was not held.

    The guard takes its usual sizes from good runs, and the dead man's switch waits for one. What a
    held run saw counts once a person has approved it: the approving run is the good one.
    """
    return is_over_everything(run) and run.status is RunStatus.FINISHED and run.facts.complete


def good_run() -> ColumnElement[bool]:
    """SQL over ``run``: :func:`is_good`."""
    return and_(over_everything(), RUN.c.status == RunStatus.FINISHED.value, complete_snapshot(RUN))


def complete_snapshot(run: FromClause) -> ColumnElement[bool]:
    """SQL over ``run`` or an alias of it: ``facts.complete``.

    The facts are canonical JSON without blanks, and a quote within a JSON string is escaped, so
    the text is found nowhere else.
    """
    return type_coerce(run.c.facts, Text).contains('"complete":true')


def is_left(disposition: Disposition, outcome: OutcomeState | None) -> bool:
    """Whether a difference is left after its run; ``outcome`` is that of its last attempt.

    Only a correction that was read back as wanted settles a difference. A withdrawn one leaves it:
    1C has changed in between, and nothing shows that the store follows. A linked client is settled.
    """
    if disposition is Disposition.LINKED:
        return False
    return disposition is not Disposition.CORRECT or outcome is not OutcomeState.APPLIED


def left_difference() -> ColumnElement[bool]:
    """SQL over :func:`differences_with_last_attempt`: :func:`is_left`."""
    unsettled = or_(
        DIFFERENCE.c.disposition != Disposition.CORRECT.value,
        CORRECTION.c.state.is_(None),
        CORRECTION.c.state != OutcomeState.APPLIED.value,
    )
    return and_(DIFFERENCE.c.disposition != Disposition.LINKED.value, unsettled)


def differences_with_last_attempt() -> Join:
    """``difference`` with the ``correction`` tried last for it, if any."""
    return DIFFERENCE.outerjoin(
        CORRECTION,
        and_(
            CORRECTION.c.run_id == DIFFERENCE.c.run_id,
            CORRECTION.c.number == DIFFERENCE.c.number,
            last_attempt(),
        ),
    )


def last_attempt() -> ColumnElement[bool]:
    """SQL over ``correction``: no later correction was tried for the same difference."""
    later = CORRECTION.alias("later")
    return ~exists().where(
        later.c.run_id == CORRECTION.c.run_id,
        later.c.number == CORRECTION.c.number,
        later.c.id > CORRECTION.c.id,
    )

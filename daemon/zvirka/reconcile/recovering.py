"""Phase recover: settles the intents of runs that were killed, and ends those runs.

The row in the store shows whether an intent was applied, so nothing is applied twice. What was
not applied is found again by the run that recovers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

from loguru import logger

from zvirka.comparison import holds
from zvirka.domain import Action, Client, Correction, Outcome, OutcomeState, RunStatus
from zvirka.erp.protocol import Store
from zvirka.errors import ExitCode
from zvirka.mapping import Mapping
from zvirka.message import Coded, Message, coded, stored
from zvirka.reconcile.environment import Environment

_AT_ONCE = 500


def recover(environment: Environment, run: int) -> list[str]:
    """Settle what killed runs left open. The caller holds the run lock and has begun a new run.

    Returns:
        A sentence for each intent and each run, for the report of the new run.

    Raises:
        StoreError: the store cannot be read.
    """
    told: list[str] = []
    intents = environment.journal.open_intents()
    if intents:
        store = environment.open_store()
        try:
            for batch in _batches(intents):
                told += _settle(environment, store, batch)
        finally:
            store.close()
    for dead in environment.journal.running():
        if dead.id is not None and dead.id != run:
            environment.journal.finish(
                dead.id,
                status=RunStatus.INTERRUPTED,
                exit_code=ExitCode.FAILED,
                now=environment.now(),
                error={"cause": stored(_ended(dead.phase))},
            )
            told.append(
                Message(
                    "run {run} was interrupted in phase {phase}", run=str(dead.id), phase=dead.phase
                )
            )
    if told:
        logger.warning("settled what an interrupted run left", findings=len(told))
    return told


def _ended(phase: str) -> Coded:
    return coded("ZV5503", "the run ended in phase {phase}, not by itself", phase=phase)


def _batches(
    intents: Sequence[tuple[int, int, Correction]],
) -> Iterator[list[tuple[int, int, Correction]]]:
    left = iter(intents)
    while batch := list(islice(left, _AT_ONCE)):
        yield batch


def _settle(
    environment: Environment, store: Store, batch: Sequence[tuple[int, int, Correction]]
) -> list[str]:
    corrections = [correction for _, _, correction in batch]
    rows = {c.row: c for c in store.read_rows([c.row for c in corrections if c.row])}
    keys: dict[str, list[Client]] = {}
    for client in store.read_keys([c.key for c in corrections if c.action is Action.CREATE]):
        keys.setdefault(client.key, []).append(client)
    told: list[str] = []
    by_run: dict[int, list[Outcome]] = {}
    for run, number, correction in batch:
        state, detail, row = _became(environment.mapping, store, correction, rows, keys)
        by_run.setdefault(run, []).append(
            Outcome(correction=correction.id, state=state, detail=detail, row=row)
        )
        what = Message("{action}: {what}", action=correction.action, what=detail)
        told.append(
            Message(
                "run {run}, difference {number}: {what}",
                run=str(run),
                number=str(number),
                what=what,
            )
        )
    for run, outcomes in by_run.items():
        environment.journal.settle(run, outcomes, environment.now())
    return told


_APPLIED = Message("had reached the store before the run was interrupted")
_NOT_APPLIED = Message("had not reached the store; it will be planned again")
_CHANGED = Message(
    "the row has changed since, by zvirka or another program; it will be compared again"
)


def _became(
    mapping: Mapping,
    store: Store,
    correction: Correction,
    rows: dict[str, Client],
    keys: dict[str, list[Client]],
) -> tuple[OutcomeState, str, str]:
    if correction.action is Action.CREATE:
        held = keys.get(correction.key, [])
        if not held:
            return OutcomeState.FAILED, _NOT_APPLIED, ""
        same = [client for client in held if _is(mapping, store, correction.after, client)]
        if same:
            return OutcomeState.APPLIED, _APPLIED, same[0].row
        return OutcomeState.SUPERSEDED, _CHANGED, held[0].row
    client = rows.get(correction.row)
    if correction.action is Action.DELETE:
        if client is None or not client.active:
            return OutcomeState.APPLIED, _APPLIED, correction.row
    elif client is None:
        return OutcomeState.SUPERSEDED, _CHANGED, correction.row
    elif client.active and _is(mapping, store, {**correction.before, **correction.after}, client):
        return OutcomeState.APPLIED, _APPLIED, correction.row
    if (
        client is not None
        and client.active == correction.active
        and (client.values == correction.before)
    ):
        return OutcomeState.FAILED, _NOT_APPLIED, correction.row
    return OutcomeState.SUPERSEDED, _CHANGED, correction.row


def _is(mapping: Mapping, store: Store, wanted: dict[str, str | None], client: Client) -> bool:
    return holds(mapping, store.fitting(wanted), client.values)

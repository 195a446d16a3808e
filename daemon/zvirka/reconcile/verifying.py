"""Phase verify: every row written is read back and compared with what was wanted."""

from __future__ import annotations

from collections.abc import Container, Sequence

import msgspec

from zvirka.comparison import ABSENT, field_differences, holds, values_digest
from zvirka.domain import (
    Action,
    Cause,
    Client,
    Correction,
    Counterparty,
    Difference,
    FieldDifference,
    Outcome,
    OutcomeState,
)
from zvirka.erp.protocol import Store
from zvirka.journal.suppressions import Reason, Suppression
from zvirka.message import Message, also
from zvirka.reconcile.run_context import RunContext

_AT_ONCE = 1000
_SENT = frozenset({OutcomeState.APPLIED, OutcomeState.NOT_CONVERGING})


def verify(context: RunContext, waiting: Container[int]) -> None:
    """Read back every row written in this run and journal what did not take effect.

    The differences ``waiting`` for a row of another flow are left, and are not given up.

    Raises:
        StoreError: the store cannot be read.
    """
    for batch in context.environment.journal.corrections(context.run, batch=_AT_ONCE):
        _verify_batch(context, batch, waiting)
        context.environment.tick(len(batch))


def _verify_batch(
    context: RunContext,
    batch: Sequence[tuple[int, Correction, Outcome]],
    waiting: Container[int],
) -> None:
    journal = context.environment.journal
    done = [item for item in batch if item[2].state in _SENT]
    if not done:
        return
    numbers = {number for number, _, _ in done}
    differences = journal.differences_by_number(context.run, numbers)
    now = read_back(context.store, [(correction, outcome) for _, correction, outcome in done])
    refs = sorted({correction.ref for _, correction, _ in done if correction.ref})
    parties = context.mirror.counterparties(refs)
    told: list[Difference] = []
    verdicts: list[Outcome] = []
    suppressions: list[Suppression] = []
    settled: list[tuple[Counterparty, Client]] = []
    for number, correction, outcome in done:
        client = now.get(correction.id)
        wrong = not_taken(context, correction, client)
        failed = bool(wrong) and number not in waiting
        told.append(with_read_back(differences[number], correction, client, wrong=failed))
        if wrong and not failed:
            left = OutcomeState.NOT_CONVERGING
            verdicts.append(msgspec.structs.replace(outcome, state=left))
        elif wrong:
            verdicts.append(
                Outcome(
                    correction=correction.id,
                    state=OutcomeState.NOT_CONVERGING,
                    detail=also(
                        outcome.detail, Message("reads back otherwise: {fields}", fields=wrong)
                    ),
                    row=outcome.row,
                )
            )
            suppressions.append(_suppression(context, correction, client))
        elif (
            client is not None
            and (party := parties.get(correction.ref)) is not None
            and _agrees(context, party, client)
        ):
            settled.append((party, client))
    journal.settle(context.run, verdicts, context.environment.now())
    journal.update_differences(context.run, told)
    journal.put_suppressions(suppressions)
    context.matching.settle(settled)


def read_back(store: Store, done: Sequence[tuple[Correction, Outcome]]) -> dict[int, Client]:
    """The row of each correction as the store holds it now, by correction id.

    It is found by primary key where that is known. The row that a webhook created is found by its
    pairing key.
    """
    rows = {
        client.row: client
        for client in store.read_rows([outcome.row for _, outcome in done if outcome.row])
    }
    lost = [correction.new_key or correction.key for correction, outcome in done if not outcome.row]
    keys: dict[str, Client] = {}
    for client in store.read_keys(lost):
        if client.key not in keys or client.active:
            keys[client.key] = client
    found: dict[int, Client] = {}
    for correction, outcome in done:
        key = correction.new_key or correction.key
        now = rows.get(outcome.row) if outcome.row else keys.get(key)
        if now is not None:
            found[correction.id] = now
    return found


def not_taken(context: RunContext, correction: Correction, client: Client | None) -> list[str]:
    """What the store does not hold as the correction wanted: names of fields, or a sentence."""
    if correction.action is Action.DELETE:
        return ["the client is still there"] if client is not None and client.active else []
    if client is None:
        return ["the client is not there"]
    wrong = [] if client.active else ["the client is inactive"]
    wanted = context.store.fitting(correction.after)
    wrong += [one.field for one in field_differences(context.mapping, wanted, client.values)]
    if correction.new_key and client.key != correction.new_key:
        wrong.append("key")
    return wrong


def _agrees(context: RunContext, party: Counterparty, client: Client) -> bool:
    """Whether the whole row is as in 1C, not only the fields that the correction wrote.

    Another field may have been edited since it was compared. The next run has to find that edit;
    an agreement now would hide it.
    """
    if not client.active:
        return False
    wanted = context.store.fitting(party.values)
    ours = client.ref in {None, party.ref} and client.key == party.key
    return ours and holds(context.mapping, wanted, client.values)


def with_read_back(
    difference: Difference, correction: Correction, client: Client | None, *, wrong: bool
) -> Difference:
    """The difference with the value each field has now."""
    gone = client is None or (correction.action is Action.DELETE and not client.active)
    fields = tuple(
        FieldDifference(
            field.field,
            field.wanted,
            field.found,
            None if gone or client is None else client.values.get(field.field),
        )
        for field in difference.fields
    )
    changed = msgspec.structs.replace(difference, fields=fields)
    explained = difference.cause in {Cause.DUPLICATE, Cause.NOT_OURS}
    if not wrong or explained:
        return changed
    return msgspec.structs.replace(changed, cause=Cause.NOT_CONVERGING)


def _suppression(context: RunContext, correction: Correction, client: Client | None) -> Suppression:
    """Count the runs in which the same correction of the same values had no effect."""
    is_delete = correction.action is Action.DELETE
    merged = None if is_delete else {**correction.before, **correction.after}
    wanted = values_digest(context.mapping, merged) if merged is not None else ABSENT
    active = client.values if client is not None and client.active else None
    found = values_digest(context.mapping, active)
    key = correction.new_key or correction.key
    before = context.suppressions.get(correction.ref or key)
    same = before is not None and (before.reason, before.wanted, before.found) == (
        Reason.GIVEN_UP,
        wanted,
        found,
    )
    return Suppression(
        key=key,
        ref=correction.ref,
        reason=Reason.GIVEN_UP,
        wanted=wanted,
        found=found,
        nights=before.nights + 1 if same and before is not None else 1,
        run=context.run,
        since=before.since if same and before is not None else context.environment.now(),
    )

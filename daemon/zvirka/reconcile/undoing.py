"""Undo of a run: write its before-images back to the rows that are still as it left them.

The next reconciliations report what was undone and do not correct it, until 1C changes that
counterparty or a person resyncs it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from zvirka.comparison import ABSENT, holds, values_digest
from zvirka.domain import (
    Action,
    Cause,
    Client,
    Correction,
    Difference,
    FieldDifference,
    Kind,
    Outcome,
    OutcomeState,
    Values,
)
from zvirka.erp.protocol import Store, Writer
from zvirka.errors import AlteredJournalError, UsageError
from zvirka.journal.chain import altered_run
from zvirka.journal.journal import Journal
from zvirka.journal.suppressions import Reason, Suppression
from zvirka.mapping import Mapping
from zvirka.message import Message, coded
from zvirka.reconcile.environment import Environment
from zvirka.reconcile.request import Targets
from zvirka.reconcile.verifying import read_back, with_read_back

_BACK = {
    Action.CREATE: Action.DELETE,
    Action.UPDATE: Action.UPDATE,
    Action.RESTORE: Action.DELETE,
    Action.DELETE: Action.RESTORE,
}
_WRITTEN = frozenset({OutcomeState.APPLIED, OutcomeState.NOT_CONVERGING})
_AT_ONCE = 1000


def check_undoable(journal: Journal, parent: int, targets: Targets) -> None:
    """Refuse to undo a run that changed nothing, is pruned, or was altered in the journal.

    Raises:
        UsageError: there is no such run, or nothing to put back, of the run or of one that is
            named; with what to do instead.
        AlteredJournalError: the before-images are not those that were sealed with the run.
    """
    run = journal.get(parent)
    if run.pruned_at is not None:
        raise UsageError(
            coded(
                "ZV5406",
                "the values of run {parent} were pruned, so they cannot be put back",
                parent=str(parent),
            ),
            place=f"undo {parent}",
            remedy=Message("correct the clients by hand, or resync them from 1C"),
        )
    outcomes = journal.count(parent).outcomes
    if not _WRITTEN & outcomes.keys():
        raise UsageError(
            coded("ZV5407", "run {parent} changed nothing in the store", parent=str(parent)),
            place=f"undo {parent}",
            remedy=Message("`zvirka runs` lists the runs and what they did"),
        )
    _check_named(journal, parent, targets)
    for problem in altered_run(journal, parent):
        raise AlteredJournalError(
            coded(
                "ZV5201",
                "run {parent} cannot be undone from an altered journal: {text}",
                parent=str(parent),
                text=problem.text,
            ),
            place=journal.name,
            remedy=Message(
                "`zvirka audit verify` lists what was altered; nothing was written; restore"
                " the journal from a backup, or correct the clients by hand"
            ),
        )


def _check_named(journal: Journal, parent: int, targets: Targets) -> None:
    unknown = set(targets.codes)
    for page in journal.corrections(parent, batch=_AT_ONCE) if unknown else ():
        for _, correction, outcome in page:
            if outcome.state in _WRITTEN:
                unknown -= {correction.key, correction.new_key}
    if unknown:
        raise UsageError(
            coded(
                "ZV5407",
                "run {parent} changed none of these in the store: {named}",
                parent=str(parent),
                named=", ".join(sorted(unknown)),
            ),
            place=f"undo {parent}",
            remedy=Message(
                "`zvirka show {parent} --all` lists what it changed, with their codes",
                parent=str(parent),
            ),
        )


def undo(environment: Environment, run: int, store: Store, parent: int, targets: Targets) -> None:
    """Put back what the parent run wrote, and remember it as undone.

    Raises:
        StoreError: the store cannot be read or written.
    """
    number = 0
    before = environment.journal.suppressions()
    writer = environment.open_writer(None)
    try:
        for page in environment.journal.corrections(parent, batch=_AT_ONCE):
            read_back = _read_back(environment.journal, parent, page)
            batch = list(_reversals(environment.mapping, store, page, targets, number, read_back))
            number += len(batch)
            _put_back(environment, run, store, writer, batch, before)
            environment.tick(len(batch))
    finally:
        writer.close()


def _read_back(
    journal: Journal, parent: int, page: Sequence[tuple[int, Correction, Outcome]]
) -> dict[int, dict[str, str | None]]:
    """What the rows held that the parent run did not bring to what it wanted, by number."""
    partly = {number for number, _, outcome in page if outcome.state is OutcomeState.NOT_CONVERGING}
    differences = journal.differences_by_number(parent, partly) if partly else {}
    return {
        number: {field.field: field.read_back for field in one.fields}
        for number, one in differences.items()
    }


def _reversals(
    mapping: Mapping,
    store: Store,
    page: Sequence[tuple[int, Correction, Outcome]],
    targets: Targets,
    after: int,
    read_back: dict[int, dict[str, str | None]],
) -> Iterator[tuple[Difference, Correction, Correction]]:
    """For each applied correction: the difference to report, its reversal, and the original."""
    number = after
    for original, correction, outcome in page:
        if outcome.state not in _WRITTEN:
            continue
        if targets.codes and not {correction.key, correction.new_key} & set(targets.codes):
            continue
        if targets.refs and correction.ref not in targets.refs:
            continue
        back = _way_back(store, correction, outcome, read_back.get(original, {}))
        if back.action is Action.UPDATE and not back.after and back.new_key is None:
            # It wrote a new Ref_Key alone: the old one names an object that 1C has deleted.
            continue
        number += 1
        yield _shown(mapping, correction, back, number), back, correction


def _way_back(
    store: Store, correction: Correction, outcome: Outcome, read_back: Values
) -> Correction:
    """The reversal of a correction; its before-image is what the correction left in the store.

    ``read_back`` are the fields that were read after it and not as wanted.
    """
    left = store.fitting({**correction.before, **correction.after}) | dict(read_back)
    key = correction.new_key or correction.key
    action = _BACK[correction.action]
    row = outcome.row or correction.row
    if correction.action is Action.DELETE:
        if not store.soft_delete:
            action, row = Action.CREATE, ""
        before = correction.before
        emptied = {name: before[name] for name in store.emptied if name in before}
        return Correction(
            id=0,
            action=action,
            key=key,
            ref=correction.ref,
            row=row,
            active=False,
            before=before | dict.fromkeys(emptied) if row else {},
            after=emptied if row else before,
        )
    after = (
        {name: correction.before.get(name) for name in correction.after}
        if action is Action.UPDATE
        else {}
    )
    return Correction(
        id=0,
        action=action,
        key=key,
        ref=correction.ref,
        row=row,
        active=True,
        before=left,
        after=after,
        new_key=correction.key if correction.new_key not in {None, correction.key} else None,
    )


def _shown(mapping: Mapping, correction: Correction, back: Correction, number: int) -> Difference:
    fields = tuple(
        FieldDifference(field.name, back.after.get(field.name), back.before.get(field.name))
        for field in mapping.fields
        if field.name in back.after or (back.action is Action.DELETE and field.name in back.before)
    )
    return Difference(
        number=number,
        kind=Kind.DIFFERENT if back.action is Action.UPDATE else Kind.EXTRA,
        cause=Cause.UNDONE,
        key=correction.key,
        ref=correction.ref,
        name=(correction.before.get("name") or correction.after.get("name") or "").strip(),
        row=back.row,
        fields=fields,
        action=back.action,
        note=Message("puts back what the {action} had changed", action=correction.action),
    )


def _put_back(
    environment: Environment,
    run: int,
    store: Store,
    writer: Writer,
    batch: Sequence[tuple[Difference, Correction, Correction]],
    suppressed: dict[str, Suppression],
) -> None:
    """Write one batch back; ``suppressed`` is what was remembered before this undo."""
    if not batch:
        return
    environment.journal.add_differences(run, [shown for shown, _, _ in batch])
    # Remembered first: after a kill in between, the next night reports and does not redo.
    remembered = [_suppression(environment, run, store, original) for _, _, original in batch]
    environment.journal.put_suppressions(
        # Except for clients whose corrections were rejected for good already.
        one
        for one in remembered
        if one.ident not in suppressed or suppressed[one.ident].reason is not Reason.NEVER
    )
    environment.still_ours()
    intended = environment.journal.intend(
        run, [(shown.number, back) for shown, back, _ in batch], environment.now()
    )
    outcomes = list(writer.apply(intended, allowed=environment.still_ours))
    environment.journal.settle(run, outcomes, environment.now())
    applied = {one.correction for one in outcomes if one.state is OutcomeState.APPLIED}
    not_applied = [
        memory.ident
        for memory, one in zip(remembered, intended, strict=True)
        if one.id not in applied
    ]
    environment.journal.put_suppressions(
        [suppressed[ident] for ident in not_applied if ident in suppressed]
    )
    environment.journal.drop_suppressions([one for one in not_applied if one not in suppressed])
    shown = {one.id: difference for one, (difference, _, _) in zip(intended, batch, strict=True)}
    by_id = {outcome.correction: outcome for outcome in outcomes}
    _verify(
        environment,
        run,
        store,
        [(shown[one.id], one, by_id[one.id]) for one in intended if one.id in applied],
    )


def _verify(
    environment: Environment,
    run: int,
    store: Store,
    done: Sequence[tuple[Difference, Correction, Outcome]],
) -> None:
    """Read the rows back; those that do not hold the before-image are not converging."""
    now = read_back(store, [(correction, outcome) for _, correction, outcome in done])
    wrong = [
        msgspec.structs.replace(
            outcome, state=OutcomeState.NOT_CONVERGING, detail=Message("reads back otherwise")
        )
        for _, correction, outcome in done
        if not _taken(environment.mapping, store, correction, now.get(correction.id))
    ]
    environment.journal.settle(run, wrong, environment.now())
    environment.journal.update_differences(
        run,
        [
            with_read_back(difference, correction, now.get(correction.id), wrong=False)
            for difference, correction, _ in done
        ],
    )


def _taken(mapping: Mapping, store: Store, correction: Correction, client: Client | None) -> bool:
    if correction.action is Action.DELETE:
        return client is None or not client.active
    if client is None or not client.active:
        return False
    return holds(mapping, store.fitting(correction.after), client.values)


def _suppression(
    environment: Environment, run: int, store: Store, original: Correction
) -> Suppression:
    """A suppression with what 1C held when the run corrected the client.

    Of what 1C no longer has, a store without a column for the Ref_Key knows the key only.
    """
    gone = original.action is Action.DELETE
    wanted = None if gone else {**original.before, **original.after}
    return Suppression(
        key=original.new_key or original.key,
        ref="" if gone and not store.has_ref else original.ref,
        reason=Reason.UNDONE,
        wanted=values_digest(environment.mapping, wanted) if wanted is not None else ABSENT,
        run=run,
        since=environment.now(),
    )

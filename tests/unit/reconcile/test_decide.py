"""The decision table, row by row."""

from __future__ import annotations

from itertools import product
from typing import Any

import msgspec
import pytest

from tests.unit.reconcile.memory import MAPPING
from zvirka.domain import Action, Cause, Client, Counterparty, Disposition, Kind
from zvirka.policy import Policy
from zvirka.reconcile.decide import AgreementState, Pair, decide, moved_under
from zvirka.reconcile.snapshot import Absence, Unproven
from zvirka.settings.model import PolicySettings

KEEP = Policy(deletes_marked=False, rekey="propose")
DELETE = Policy(deletes_marked=True, rekey="propose")
RECORD = Counterparty(
    ref="r-1",
    key="1",
    version="v",
    deletion_mark=False,
    values={"code": "1", "name": "Альфа", "tax_id": "12345678"},
)
CLIENT = Client(row="7", key="1", ref="r-1", active=True, values=dict(RECORD.values))

UNCHANGED = AgreementState(record_same=True, client_same=True)
ERP_MOVED = AgreementState(record_same=True, client_same=False)
ONEC_MOVED = AgreementState(record_same=False, client_same=True)
BOTH_MOVED = AgreementState(record_same=False, client_same=False)
GONE = Absence("Ref_Key r-1, Code 1")


def pair(**known: Any) -> Pair:
    """A pair whose key and Ref_Key are those of its sides, values uncut."""
    record, client = known.get("record"), known.get("client")
    return Pair(
        **{
            "mapping": MAPPING,
            "key": (record or client or RECORD).key,
            "ref": record.ref if record else RECORD.ref,
            "fitted": record.values if record else {},
            **known,
        }
    )


def record(**changes: Any) -> Counterparty:
    values = {**RECORD.values, **changes.pop("values", {})}
    return msgspec.structs.replace(RECORD, values=values, **changes)


def client(**changes: Any) -> Client:
    values = {**CLIENT.values, **changes.pop("values", {})}
    return msgspec.structs.replace(CLIENT, values=values, **changes)


MARKED = record(deletion_mark=True)
RENAMED = client(values={"name": "Бета"})
INACTIVE = client(active=False)

TABLE = [
    # record, client, agreement → kind, cause, action
    ("new in 1C", RECORD, None, None, (Kind.MISSING, Cause.MISSED_CREATE, Action.CREATE)),
    (
        "removed from the store",
        RECORD,
        None,
        ERP_MOVED,
        (Kind.MISSING, Cause.ERP_EDIT, Action.CREATE),
    ),
    (
        "removed while 1C changed",
        RECORD,
        None,
        BOTH_MOVED,
        (Kind.MISSING, Cause.ERP_EDIT, Action.CREATE),
    ),
    ("equal", RECORD, CLIENT, None, None),
    (
        "differs, never agreed",
        RECORD,
        RENAMED,
        None,
        (Kind.DIFFERENT, Cause.UNKNOWN, Action.UPDATE),
    ),
    (
        "edited in the store",
        RECORD,
        RENAMED,
        ERP_MOVED,
        (Kind.DIFFERENT, Cause.ERP_EDIT, Action.UPDATE),
    ),
    (
        "changed in 1C",
        RECORD,
        RENAMED,
        ONEC_MOVED,
        (Kind.DIFFERENT, Cause.MISSED_UPDATE, Action.UPDATE),
    ),
    (
        "changed on both sides",
        RECORD,
        RENAMED,
        BOTH_MOVED,
        (Kind.DIFFERENT, Cause.CONFLICT, Action.UPDATE),
    ),
    (
        "differs though nothing moved",
        RECORD,
        RENAMED,
        UNCHANGED,
        (Kind.DIFFERENT, Cause.UNKNOWN, Action.UPDATE),
    ),
    (
        "inactive, never agreed",
        RECORD,
        INACTIVE,
        None,
        (Kind.INACTIVE, Cause.UNKNOWN, Action.RESTORE),
    ),
    (
        "deactivated in the store",
        RECORD,
        INACTIVE,
        UNCHANGED,
        (Kind.INACTIVE, Cause.ERP_EDIT, Action.RESTORE),
    ),
    (
        "changed in 1C, inactive",
        RECORD,
        INACTIVE,
        ONEC_MOVED,
        (Kind.INACTIVE, Cause.MISSED_UPDATE, Action.RESTORE),
    ),
    ("neither side", None, None, None, None),
    ("gone from 1C, inactive", None, INACTIVE, ERP_MOVED, None),
    ("not asked about", None, CLIENT, UNCHANGED, None),
]


@pytest.mark.parametrize(("name", "one", "other", "agreement", "expected"), TABLE)
def test_the_table(
    name: str,
    one: Counterparty | None,
    other: Client | None,
    agreement: AgreementState | None,
    expected: tuple[Kind, Cause, Action] | None,
) -> None:
    decided = decide(pair(record=one, client=other, agreement=agreement), KEEP)
    told = decided and (decided.kind, decided.cause, decided.action)
    assert told == expected
    assert decided is None or decided.disposition is Disposition.CORRECT


def test_before_the_first_agreement_nobody_knows_why_a_client_is_missing() -> None:
    decided = decide(pair(record=RECORD, first=True), KEEP)
    assert decided is not None
    assert decided.cause is Cause.UNKNOWN


@pytest.mark.parametrize(
    ("mark", "soft", "deletes"),
    [
        ("keep", True, False),
        ("keep", False, False),
        ("delete", True, True),
        ("delete", False, True),
        ("deactivate", True, True),
        ("deactivate", False, False),
    ],
)
def test_what_a_deletion_mark_means(mark: str, soft: bool, deletes: bool) -> None:
    policy = Policy.of(PolicySettings(deletion_mark=mark), soft_delete=soft)  # type: ignore[arg-type]
    assert policy.deletes_marked is deletes
    decided = decide(pair(record=MARKED, client=CLIENT), policy)
    assert (decided is not None) is deletes


@pytest.mark.parametrize(("other", "deleted"), [(None, False), (INACTIVE, False), (CLIENT, True)])
def test_a_marked_counterparty_deletes_its_living_client(
    other: Client | None, deleted: bool
) -> None:
    decided = decide(pair(record=MARKED, client=other, agreement=UNCHANGED), DELETE)
    told = decided and (decided.kind, decided.cause, decided.action)
    assert told == ((Kind.EXTRA, Cause.MISSED_DELETE, Action.DELETE) if deleted else None)


@pytest.mark.parametrize(
    ("absence", "disposition"),
    [
        (GONE, Disposition.CORRECT),
        (Unproven("1C still has it"), Disposition.REPORTED),
        (Unproven("asked later", postponed=True), Disposition.HELD),
    ],
)
@pytest.mark.parametrize(
    ("agreement", "cause"), [(UNCHANGED, Cause.MISSED_DELETE), (None, Cause.UNKNOWN)]
)
def test_only_a_proven_absence_deletes(
    absence: Absence | Unproven,
    disposition: Disposition,
    agreement: AgreementState | None,
    cause: Cause,
) -> None:
    decided = decide(pair(client=CLIENT, absence=absence, agreement=agreement), KEEP)
    assert decided is not None
    assert (decided.kind, decided.action) == (Kind.EXTRA, Action.DELETE)
    assert (decided.cause, decided.disposition) == (cause, disposition)


def test_nothing_is_deleted_while_1c_has_it() -> None:
    """No side, agreement or policy deletes a wanted counterparty's client."""
    for other, agreement, absence, policy in product(
        (CLIENT, RENAMED, INACTIVE),
        (None, UNCHANGED, ERP_MOVED, ONEC_MOVED, BOTH_MOVED),
        (None, GONE),
        (KEEP, DELETE),
    ):
        known = pair(record=RECORD, client=other, agreement=agreement, absence=absence)
        decided = decide(known, policy)
        assert decided is None or decided.action is not Action.DELETE


@pytest.mark.parametrize(
    ("other", "note"),
    [
        (client(key="0", values={"code": "0"}), "the key changed in 1C"),
        (client(ref="r-0"), "re-created in 1C"),
    ],
)
def test_one_client_under_a_new_key_or_reference_is_moved(other: Client, note: str) -> None:
    decided = decide(pair(record=RECORD, client=other), KEEP)
    assert decided is not None
    assert (decided.kind, decided.action, decided.row) == (Kind.REKEYED, Action.UPDATE, "7")
    assert note in decided.note


def test_a_value_the_store_can_only_hold_cut_is_no_difference() -> None:
    cut = client(values={"name": "Аль"})
    assert decide(pair(record=RECORD, client=cut, fitted=cut.values), KEEP) is None
    shorter = client(values={"name": "Ал"})
    decided = decide(pair(record=RECORD, client=shorter, fitted=cut.values), KEEP)
    assert decided is not None
    assert [(f.field, f.wanted, f.found) for f in decided.fields] == [("name", "Альфа", "Ал")]


@pytest.mark.parametrize("active", [True, False])
def test_a_cut_value_is_not_listed_beside_one_that_differs(active: bool) -> None:
    held = {**RECORD.values, "name": "Аль", "tax_id": "1"}
    fitted = {**RECORD.values, "name": "Аль"}
    decided = decide(
        pair(record=RECORD, client=client(values=held, active=active), fitted=fitted), KEEP
    )
    assert decided is not None
    assert [f.field for f in decided.fields] == ["tax_id"]


@pytest.mark.parametrize(
    "known",
    [
        {"refs": ("r-1", "r-2"), "record": RECORD},
        {"rows": ("7", "8"), "client": CLIENT},
        {"rows": ("7",), "client": CLIENT, "key_taken": True},
    ],
)
def test_a_doubled_key_is_reported_and_not_guessed(known: dict[str, Any]) -> None:
    decided = decide(pair(**known, absence=GONE), DELETE)
    assert decided is not None
    assert (decided.kind, decided.cause) == (Kind.DUPLICATE, Cause.DUPLICATE)
    assert (decided.action, decided.disposition) == (None, Disposition.REPORTED)


@pytest.mark.parametrize(
    ("known", "side"),
    [({"record": record(key="")}, "1C"), ({"client": client(key="", ref=None)}, "the store")],
)
def test_an_empty_key_is_reported(known: dict[str, Any], side: str) -> None:
    decided = decide(pair(**known, absence=GONE if "client" in known else None), KEEP)
    assert decided is not None
    assert (decided.kind, decided.disposition) == (Kind.KEYLESS, Disposition.REPORTED)
    assert side in decided.note


@pytest.mark.parametrize(
    ("rekey", "disposition"),
    [("apply", Disposition.CORRECT), ("propose", Disposition.REPORTED)],
)
def test_a_delete_and_a_create_of_one_tax_id_are_one_client(
    rekey: Any, disposition: Disposition
) -> None:
    gone = decide(pair(client=CLIENT, absence=GONE, agreement=UNCHANGED), KEEP)
    fresh = decide(pair(record=record(ref="r-2", key="2", values={"code": "2"})), KEEP)
    assert gone is not None
    assert fresh is not None
    moved = moved_under(MAPPING, gone, fresh, Policy(deletes_marked=False, rekey=rekey))
    assert (moved.kind, moved.action, moved.disposition) == (
        Kind.REKEYED,
        Action.UPDATE,
        disposition,
    )
    assert (moved.key, moved.ref, moved.row) == ("2", "r-2", "7")
    assert [(f.field, f.wanted, f.found) for f in moved.fields] == [("code", "2", "1")]

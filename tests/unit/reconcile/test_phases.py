"""Confirm, target, guard and verify, on 1C and a store in memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.unit.reconcile.memory import MAPPING, Memory, MemoryWriter, memory
from zvirka.domain import Action, Cause, Client, Command, Correction, Disposition, Kind, Trigger
from zvirka.mapping import ContactLine, Field
from zvirka.reconcile import guarding
from zvirka.reconcile.absence import CANNOT_ASK, KEY_IN_USE, STILL_THERE, absence_of
from zvirka.reconcile.request import Targets
from zvirka.reconcile.snapshot import Absence, CompleteSnapshot, NamedOnly, Unproven


@pytest.fixture(params=[True, False], ids=["store-keeps-ref", "store-without-ref"])
def both(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Memory]:
    """Three counterparties, in sync."""
    with memory(tmp_path, has_ref=request.param) as made:
        for code in ("1", "2", "3"):
            made.source.put(code, f"Назва {code}", tax_id=f"1234567{code}")
        assert made.run().exit_code == 0
        yield made


def told(made: Memory, run: int) -> list[tuple[str, Cause, Action | None, Disposition]]:
    return [(d.key, d.cause, d.action, d.disposition) for d in made.differences(run)]


def ref_of(made: Memory, code: str) -> str:
    return made.source.find("code", [code])[0].ref


def foreign(row: str, key: str) -> Client:
    """An owned row that somebody else wrote."""
    values: dict[str, str | None] = {"code": key, "name": "Чужий", "tax_id": ""}
    return Client(row=row, key=key, ref=None, active=True, values=values)


# -- confirm --------------------------------------------------------------------------------------


@pytest.mark.long
def test_a_first_load_creates_every_client(both: Memory) -> None:
    assert {one.key for one in both.store.rows.values()} == {"1", "2", "3"}
    assert both.run().causes == {}


@pytest.mark.long
@pytest.mark.parametrize("targeted", [False, True])
def test_a_change_in_1c_and_an_edit_in_the_erp_have_their_causes(
    both: Memory, targeted: bool
) -> None:
    both.source.put("1", "Змінено", ref=ref_of(both, "1"))
    both.store.edit("2", name="Правка")
    both.source.put("3", "Обидва", ref=ref_of(both, "3"))
    both.store.edit("3", name="Теж обидва")
    targets = Targets(refs=tuple(ref_of(both, key) for key in "123"))
    run = both.run(Command.RESYNC, targets=targets) if targeted else both.run()
    assert {d.key: d.cause for d in both.differences(run.run)} == {
        "1": Cause.MISSED_UPDATE,
        "2": Cause.ERP_EDIT,
        "3": Cause.CONFLICT,
    }
    assert run.exit_code == 0


@pytest.mark.long
@pytest.mark.parametrize("targeted", [False, True])
def test_a_client_that_arrives_during_the_run_is_no_create(both: Memory, targeted: bool) -> None:
    ref = both.source.put("4", "Щойно надіслано")
    usual, both.source.fetch = both.source.fetch, None  # type: ignore[method-assign,assignment]

    def fetch(refs: list[str]) -> object:
        values: dict[str, str | None] = {"code": "4", "name": "Щойно надіслано", "tax_id": ""}
        both.store.put(Client(row="40", key="4", ref=None, active=True, values=values))
        return usual(refs)

    both.source.fetch = fetch  # type: ignore[method-assign,assignment]
    run = both.run(Command.RESYNC, targets=Targets(refs=(ref,))) if targeted else both.run()
    assert (run.exit_code, run.causes) == (0, {})
    assert len(both.store.by_key("4")) == 1


@pytest.mark.long
def test_a_partial_snapshot_only_suspects(both: Memory) -> None:
    both.source.drop(ref_of(both, "1"))
    both.source.restricted = True
    for run in (both.run(full=True), both.run(Command.RESYNC, targets=Targets(codes=("1",)))):
        assert (run.causes, run.exit_code) == ({}, 1)
    assert all(client.active for client in both.store.rows.values())


@pytest.mark.long
def test_two_counterparties_under_one_key_are_reported(both: Memory) -> None:
    refs = [both.source.put("9", name) for name in ("Перший", "Другий")]
    for run in (both.run(), both.run(Command.RESYNC, targets=Targets(refs=tuple(refs)))):
        [difference] = both.differences(run.run)
        assert (difference.kind, difference.disposition) == (Kind.DUPLICATE, Disposition.REPORTED)
        assert all(ref in difference.note for ref in refs)


@pytest.mark.long
def test_a_second_row_under_a_key_is_reported_by_code_as_in_a_night(both: Memory) -> None:
    both.store.put(foreign("90", "1"))
    for run in (both.run(), both.run(Command.RESYNC, targets=Targets(codes=("1",)))):
        [difference] = both.differences(run.run)
        assert (difference.kind, difference.rows) == (Kind.DUPLICATE, ("90",))


@pytest.mark.long
def test_more_deletions_than_allowed_are_held_before_1c_is_asked(both: Memory) -> None:
    settings = both.environment.settings
    assert settings.guard.max_deletes > 3
    for key in "123":
        both.source.drop(ref_of(both, key))
    both.source.put("4", "Новий")
    both.source.asked.clear()
    limited = settings.model_copy(
        update={"guard": settings.guard.model_copy(update={"max_deletes": 2})}
    )
    object.__setattr__(both.environment, "settings", limited)
    run = both.run()
    assert both.source.asked == []
    assert [one for one in told(both, run.run) if one[2] is Action.DELETE] == [
        (key, Cause.MISSED_DELETE, Action.DELETE, Disposition.HELD) for key in "123"
    ]
    assert (run.status, run.exit_code) == ("held", 3)


@pytest.mark.long
def test_a_client_under_a_new_key_is_moved_or_proposed(both: Memory) -> None:
    both.source.drop(ref_of(both, "1"))
    both.source.put("8", "Назва 1", tax_id="12345671")
    run = both.run()
    [difference] = both.differences(run.run)
    assert (difference.kind, difference.disposition) == (Kind.REKEYED, Disposition.REPORTED)
    assert (difference.key, difference.row) == ("8", both.store.by_key("1")[0].row)


# -- absence --------------------------------------------------------------------------------------

WITHOUT_SEARCH = msgspec.structs.replace(
    MAPPING, fields=(Field("code", ContactLine("Телефон")), *MAPPING.fields[1:])
)


@pytest.mark.long
@pytest.mark.parametrize("evidence", [CompleteSnapshot(3), NamedOnly()])
def test_an_absence_needs_every_reference_and_the_key(
    both: Memory, evidence: CompleteSnapshot | NamedOnly
) -> None:
    source, here, gone = both.source, ref_of(both, "1"), "00000000-0000-0000-0000-0000000000ff"

    def asked(
        refs: list[str], key: str, *, namesakes: Sequence[str] = (), elsewhere: bool = False
    ) -> Absence | Unproven:
        return absence_of(
            source,
            MAPPING,
            evidence,
            refs=refs,
            key=key,
            namesakes=namesakes,
            has_client=lambda ref: elsewhere,
        )

    assert asked([gone], "9") == Absence(f"Ref_Key {gone}, Code 9")
    assert asked([], "9") == Absence("Code 9")
    assert asked([gone, here], "9") == Unproven(STILL_THERE)
    assert asked([gone], "1") == Unproven(KEY_IN_USE)
    assert asked([], "1") == Unproven(STILL_THERE)
    assert asked([gone], "1", elsewhere=True) == Absence(f"Ref_Key {gone}, Code 1")
    assert asked([gone], "9", namesakes=[here]) == Unproven(KEY_IN_USE)
    assert asked([], "9", namesakes=[here]) == Unproven(STILL_THERE)
    assert asked([gone], "9", namesakes=[gone]) == Absence(f"Ref_Key {gone}, Code 9")
    assert asked([gone], "9", namesakes=[here], elsewhere=True) == Absence(
        f"Ref_Key {gone}, Code 9"
    )
    source.hidden.add(here)
    assert asked([here], "9") == Unproven(STILL_THERE)


def test_a_key_1c_cannot_search_is_absent_from_a_complete_snapshot_only(both: Memory) -> None:
    gone = "00000000-0000-0000-0000-0000000000ff"

    def asked(evidence: CompleteSnapshot | NamedOnly, refs: list[str]) -> Absence | Unproven:
        return absence_of(
            both.source,
            WITHOUT_SEARCH,
            evidence,
            refs=refs,
            key="9",
            namesakes=(),
            has_client=lambda ref: False,
        )

    assert asked(CompleteSnapshot(3), [gone]) == Absence(f"Ref_Key {gone}")
    assert asked(CompleteSnapshot(3), []) == Unproven(CANNOT_ASK)
    assert asked(NamedOnly(), [gone]) == Unproven(CANNOT_ASK)


# -- targets --------------------------------------------------------------------------------------


@pytest.mark.long
@pytest.mark.parametrize("by", ["code", "ref"])
def test_a_resync_touches_only_what_was_named(both: Memory, by: str) -> None:
    for key in "12":
        both.store.edit(both.store.by_key(key)[0].row, name="Правка")
    both.source.drop(ref_of(both, "3"))
    targets = Targets(codes=("1",)) if by == "code" else Targets(refs=(ref_of(both, "1"),))
    run = both.run(Command.RESYNC, targets=targets)
    assert [d.key for d in both.differences(run.run)] == ["1"]
    assert {c.key: c.values["name"] for c in both.store.rows.values()} == {
        "1": "Назва 1",
        "2": "Правка",
        "3": "Назва 3",
    }


@pytest.mark.long
@pytest.mark.parametrize("by", ["code", "ref"])
def test_a_resync_deletes_what_is_gone(both: Memory, by: str) -> None:
    ref = ref_of(both, "2")
    both.source.drop(ref)
    run = both.run(
        Command.RESYNC, targets=Targets(codes=("2",)) if by == "code" else Targets(refs=(ref,))
    )
    assert told(both, run.run) == [("2", Cause.MISSED_DELETE, Action.DELETE, Disposition.CORRECT)]
    assert [client.active for client in both.store.by_key("2")] == [False]


@pytest.mark.long
def test_a_code_changed_in_1c_is_found_by_the_old_one(both: Memory) -> None:
    both.source.put("7", "Назва 2", ref=ref_of(both, "2"), tax_id="12345672")
    row = both.store.by_key("2")[0].row
    run = both.run(Command.RESYNC, targets=Targets(codes=("2",)))
    assert run.exit_code == 0
    assert [client.row for client in both.store.by_key("7")] == [row]


@pytest.mark.long
def test_the_feed_passes_over_what_nobody_knows_and_a_person_is_told(both: Memory) -> None:
    targets = Targets(refs=("00000000-0000-0000-0000-0000000000ff",))
    fed = both.run(Command.RESYNC, trigger=Trigger.FEED, targets=targets)
    assert (fed.status, fed.exit_code, fed.causes) == ("finished", 0, {})
    asked = both.run(Command.RESYNC, targets=targets)
    assert (asked.status, asked.exit_code) == ("failed", 64)


# -- guard ----------------------------------------------------------------------------------------


@pytest.mark.long
@pytest.mark.parametrize(
    ("deletes", "changes", "held"),
    [
        (0, 0, []),
        (1, 0, []),
        (2, 8, []),
        (3, 0, ["max_deletes"]),
        (2, 9, ["max_changes"]),
    ],
)
def test_what_is_past_a_limit_is_held(
    tmp_path: Path, deletes: int, changes: int, held: list[str]
) -> None:
    limits: dict[str, object] = {"max_deletes": 2, "max_changes": 10}
    with memory(tmp_path, guard=limits) as made:
        made.source.put("1", "Перший")
        made.run()
        planned = Counter(
            {
                (str(Action.DELETE), Disposition.CORRECT): deletes,
                (str(Action.UPDATE), Disposition.CORRECT): changes,
            }
        )
        with made.context() as context:
            holds = guarding.guard(context, planned, store_active=100, source_rows=100)
        assert [hold.limit for hold in holds] == held


# -- verify ---------------------------------------------------------------------------------------


@pytest.mark.long
def test_what_reads_back_otherwise_did_not_take(
    both: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = MemoryWriter.apply

    def deaf(writer: MemoryWriter, corrections: Sequence[Correction], **how: Any) -> object:
        outcomes = list(usual(writer, corrections, **how))
        both.store.edit(both.store.by_key("1")[0].row, name="Інше")
        return iter(outcomes)

    monkeypatch.setattr(MemoryWriter, "apply", deaf)
    both.source.put("1", "Нове", ref=ref_of(both, "1"), tax_id="12345671")
    run = both.run()
    assert (run.outcomes, run.exit_code) == ({"not_converging": 1}, 1)
    [difference] = both.differences(run.run)
    assert difference.cause is Cause.NOT_CONVERGING
    assert [(f.field, f.read_back) for f in difference.fields] == [("name", "Інше")]


@pytest.mark.long
def test_what_was_written_and_verified_is_agreed_on(both: Memory) -> None:
    for name in ("Перша", "Друга"):
        ref = both.source.put("1", name, ref=ref_of(both, "1"), tax_id="12345671")
        assert both.run(Command.RESYNC, targets=Targets(refs=(ref,))).causes == {"missed_update": 1}
    both.store.edit(both.store.by_key("1")[0].row, name="Правка")
    assert both.run().causes == {"erp_edit": 1}

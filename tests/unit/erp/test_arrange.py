"""A law: in the arranged order a unique value moves without ever standing twice."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from zvirka.domain import Action, Correction
from zvirka.erp.sql.ordering import arrange


@st.composite
def moves(draw: st.DrawFn) -> tuple[dict[str, str | None], list[Correction]]:
    """A store whose values are unique, and corrections after which they are unique again."""
    size = draw(st.integers(1, 8))
    numbers = st.permutations(range(size))
    names = [f"v{number}" for number in draw(numbers)]
    empty = draw(st.sets(st.integers(0, size - 1)))
    store = {
        str(row): None if row in empty else name
        for row, name in zip(range(size), names, strict=True)
    }
    deleted = draw(st.sets(st.sampled_from(sorted(store))))
    moved = [row for row in store if row not in deleted and draw(st.booleans())]
    kept = {store[row] for row in store if row not in deleted and row not in moved}
    free: list[str | None] = [n for n in (*names, "new1", "new2", None, None) if n not in kept]
    wanted = draw(st.permutations(free))
    created = wanted[len(moved) : len(moved) + draw(st.integers(0, 2))]
    corrections = [
        *(_correction(Action.DELETE, row, store[row], None) for row in sorted(deleted)),
        *(
            _correction(Action.UPDATE, row, store[row], value)
            for row, value in zip(moved, wanted, strict=False)
        ),
        *(
            _correction(Action.CREATE, f"new{number}", None, value)
            for number, value in enumerate(created)
        ),
    ]
    return store, draw(st.permutations(corrections))


def _correction(action: Action, row: str, held: str | None, wanted: str | None) -> Correction:
    return Correction(
        id=abs(hash((action, row))) % 10**9,
        action=action,
        key=row,
        ref="",
        row="" if action is Action.CREATE else row,
        before={} if action is Action.CREATE else {"tax": held},
        after={} if action is Action.DELETE else {"tax": wanted},
    )


@given(moves())
def test_no_value_ever_stands_twice_in_the_arranged_order(
    case: tuple[dict[str, str | None], list[Correction]],
) -> None:
    store, corrections = case
    arrangement = arrange(corrections, [("tax",)])
    units = [(correction,) for correction in arrangement.free] + list(arrangement.units)
    assert sorted(c.id for unit in units for c in unit) == sorted(c.id for c in corrections)
    for unit in units:
        if len(unit) > 1:
            store |= {correction.row: None for correction in unit if correction.row}
        for correction in unit:
            if correction.action is Action.DELETE:
                store.pop(correction.row)
            else:
                store[correction.key] = correction.after["tax"]
            held = [value for value in store.values() if value]
            assert len(held) == len(set(held))


@given(moves())
def test_only_circles_are_bound_together(
    case: tuple[dict[str, str | None], list[Correction]],
) -> None:
    _, corrections = case
    for unit in arrange(corrections, [("tax",)]).units:
        if len(unit) > 1:
            given_up = {correction.before.get("tax") for correction in unit}
            assert given_up == {correction.after.get("tax") for correction in unit}


@given(moves(), st.randoms())
def test_the_free_corrections_may_go_in_any_order(
    case: tuple[dict[str, str | None], list[Correction]], random: object
) -> None:
    store, corrections = case
    free = list(arrange(corrections, [("tax",)]).free)
    random.shuffle(free)  # type: ignore[attr-defined]
    for correction in free:
        if correction.action is Action.DELETE:
            store.pop(correction.row)
        else:
            store[correction.key] = correction.after["tax"]
        held = [value for value in store.values() if value]
        assert len(held) == len(set(held))


def test_values_that_differ_in_case_or_outer_spaces_are_one_value() -> None:
    giver = _correction(Action.UPDATE, "1", "ab", "x")
    taker = _correction(Action.UPDATE, "2", "y", " AB ")
    assert arrange([taker, giver], [("tax",)]).units == ((giver,), (taker,))


def test_a_group_of_fields_is_unique_together() -> None:
    giver = Correction(
        id=1,
        action=Action.UPDATE,
        key="1",
        ref="",
        row="1",
        before={"tax": "a", "branch": "0"},
        after={"branch": "1"},
    )
    taker = Correction(
        id=2,
        action=Action.UPDATE,
        key="2",
        ref="",
        row="2",
        before={"tax": "a", "branch": "2"},
        after={"branch": "0"},
    )
    assert arrange([taker, giver], [("tax", "branch")]).units == ((giver,), (taker,))
    assert arrange([taker, giver], [("tax",)]).units == ()

"""The verdict over a world of nights: is the store what 1C says, and what is left over, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from tests.property.nights_world import Nights, Row
from zvirka.comparison import canonical
from zvirka.domain import Cause, Difference, Disposition, Kind


def assert_law(nights: Nights, run: int) -> None:
    """The owned part of the store is 1C's, except what cannot be, and that is reported."""
    left = nights.world.differences(run)
    for one in left:
        told = one.disposition is Disposition.REPORTED
        assert told or one.cause in {Cause.DUPLICATE, Cause.NOT_OURS}, one
    aside = {name for d in left for name in (d.key, d.ref, d.row) if name}
    aside |= {row for d in left if d.kind is Kind.DUPLICATE for row in d.rows}
    wanted = Counter(
        _canonical(nights, values)
        for ref, values in nights.live().items()
        if ref not in aside and _text(values, "code") not in aside
    )
    found = Counter(
        _canonical(nights, row)
        for row in nights.owned().values()
        if row["active"] and str(row["id"]) not in aside and _text(row, "code") not in aside
    )
    assert found == wanted, (found - wanted, wanted - found, left)
    outcasts = _without_reason(nights, left)
    assert not outcasts, outcasts


def _without_reason(nights: Nights, left: list[Difference]) -> list[Difference]:
    """Reported differences for which an outsider sees no reason at all."""
    live, rows, foreign = nights.live(), nights.owned().values(), nights.foreign_values()
    codes = _counted(live.values(), "code")
    taxes = _counted(live.values(), "tax_id")
    stored = _counted(rows, "code")
    stored_taxes = _counted(rows, "tax_id")
    stuck = {one.row for one in left if one.row}
    # A soft-deleted client keeps its unique values, and a client that needs one of them must wait.
    resting = {str(row["id"]) for row in rows if not row["active"]}

    second = _second_rows(nights)

    def has_reason(one: Difference) -> bool:
        tax = _text(live.get(one.ref, {}), "tax_id")
        return (
            (one.cause is Cause.REJECTED and (one.ref or one.key) in nights.never)
            or (one.kind == "keyless" and codes[""] + stored[""] > 0)
            or (one.kind == "rekeyed" and one.disposition is Disposition.REPORTED)
            or codes[one.key] > 1
            # 1C finds Код in any case: a client whose key is written otherwise is not gone.
            or one.key.casefold() in {code.casefold() for code in codes} - {one.key}
            or stored[one.key] > 1
            or one.key in foreign
            or not (stuck | resting).isdisjoint({*one.rows} - {one.row})
            or not second.isdisjoint({*one.rows} - {one.row})
            or (bool(tax) and (tax in foreign or taxes[tax] > 1 or stored_taxes[tax] > 1))
        )

    return [one for one in left if not has_reason(one)]


def _second_rows(nights: Nights) -> set[str]:
    """Rows of no counterparty whose code is by now that of one which has a row already.

    A late webhook makes such a row. Nothing tells whose it is, so a person has to.
    """
    live, owners = nights.live(), nights.pairings()
    taken = {row for ref, row in owners.items() if ref in live}
    codes = {_text(live[ref], "code") for ref in owners if ref in live}
    return {
        str(row["id"])
        for row in nights.owned().values()
        if str(row["id"]) not in taken and _text(row, "code") in codes
    }


def _canonical(nights: Nights, values: Row) -> tuple[str, ...]:
    return tuple(
        canonical(field.compare, nights.fitting(field.name, values[field.name]))
        for field in nights.world.mapping.fields
    )


def _counted(sides: Iterable[Row], field: str) -> Counter[str]:
    return Counter(_text(side, field) for side in sides)


def _text(side: Row, field: str) -> str:
    return (side.get(field) or "").strip()

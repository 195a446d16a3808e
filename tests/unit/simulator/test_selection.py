"""Selection with its shortcuts agrees with reading every row, whatever was written before."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.benchmarks.million.catalogue import lazy_infobase
from zvirka.simulator.configurations import ConfigurationKind
from zvirka.simulator.filters import Node, parse
from zvirka.simulator.infobase import Infobase
from zvirka.simulator.lines import LineTable, Table
from zvirka.simulator.predicates import collated, predicate
from zvirka.simulator.selection import Order, Selector

LINES = "Catalog_Контрагенты_КонтактнаяИнформация"
CODES = ["00-000001", "00-000005", "00-000012", "00-000012а", "00-000040", "ЯЯ", ""]
writes = st.lists(
    st.tuples(
        st.sampled_from(["create", "code", "name", "mark", "delete", "phone", "touch"]),
        st.integers(0, 50),
        st.sampled_from(CODES),
    ),
    max_size=12,
)
parts = st.one_of(
    st.builds(
        "Code {} '{}'".format, st.sampled_from(["ge", "gt", "le", "eq"]), st.sampled_from(CODES)
    ),
    st.sampled_from(
        [
            "IsFolder eq false",
            "DeletionMark eq true",
            "IsFolder",
            "not (DeletionMark eq true or IsFolder eq true)",
            "startswith(Description,'ТОВ')",
            "Ref_Key gt 'ф'",
        ]
    ),
)
filters = st.lists(parts, max_size=3).map(" and ".join)
orders = st.sampled_from(
    [
        (),
        (("Code", False),),
        (("Ref_Key", False),),
        (("Code", True),),
        (("DeletionMark", False), ("Code", False)),
        (("Description", False), ("Code", True)),
    ]
)


bases = st.sampled_from([Infobase.generate, lazy_infobase])
Make = Callable[[ConfigurationKind, int, int], Infobase]


def written(make: Make, steps: list[tuple[str, int, str]]) -> Infobase:
    base = make(ConfigurationKind.ACCOUNTING, 40, 3)
    for what, which, code in steps:
        known = list(base.refs())
        ref = known[which % len(known)]
        if what == "create":
            base.create(name=f"ТОВ Нове {which}", code=code)
        elif what == "code":
            base.update(ref, code=code)
        elif what == "name":
            base.update(ref, name=f"абв {which}")
        elif what == "phone":
            base.update(ref, phone="044" if which % 2 else None)
        elif what == "mark":
            base.mark(ref)
        elif what == "delete":
            base.delete(ref)
        else:
            base.touch(ref)
    return base


def plain(table: Table, where: Node | None) -> list[dict[str, Any]]:
    names = [*table.type.names]
    rows = [
        dict(zip(names, r, strict=True))
        for r in zip(*table.columns(table.ids(), names), strict=True)
    ]
    if where is None:
        return rows
    holds = predicate(where, table.type)
    return [row for row in rows if holds(row)]


@pytest.mark.long
@settings(max_examples=150, deadline=None)
@given(bases, writes, filters, orders)
def test_a_selection_holds_the_rows_its_filter_admits_in_the_order_asked(
    make: Make, steps: list[tuple[str, int, str]], text: str, order: Order
) -> None:
    base = written(make, steps)
    table = base.counterparties
    where = parse(text) if text else None
    selector = Selector()
    for _ in range(2):
        rows = selector.rows(table, where, order)
        refs, names, codes, marks = table.columns(
            rows, ["Ref_Key", "Description", "Code", "DeletionMark"]
        )
        assert sorted(refs) == sorted(row["Ref_Key"] for row in plain(table, where))
        columns = {"Ref_Key": names, "Description": names, "Code": codes, "DeletionMark": marks}
        if order:
            name, descending = order[0]
            keys = [collated(e) if isinstance(e, str) else e for e in columns[name]]
            assert keys == sorted(keys, reverse=descending)
        base.touch(refs[0] if refs else next(base.refs()))
        where = parse(text) if text else None


@settings(max_examples=80, deadline=None)
@given(
    bases,
    writes,
    st.sampled_from(
        [
            "",
            "Тип eq 'Телефон'",
            "Тип eq 'Адрес' and Вид_Key eq guid'1d78f394-c180-11e4-a7a9-000d884fd00d'",
            "Тип eq 'Телефон' or Вид_Key eq guid'1d78f394-c180-11e4-a7a9-000d884fd00d'",
            "startswith(Представление,'+380')",
        ]
    ),
)
def test_lines_are_those_of_their_owners_by_owner_and_number(
    make: Make, steps: list[tuple[str, int, str]], text: str
) -> None:
    base = written(make, steps)
    table = base.tables[LINES]
    assert isinstance(table, LineTable)
    where = parse(text) if text else None
    order = (("Ref_Key", False), ("LineNumber", False))
    rows = Selector().rows(table, where, order)
    found = list(zip(*table.columns(rows, ["Ref_Key", "LineNumber"]), strict=True))
    wanted = [(row["Ref_Key"], row["LineNumber"]) for row in plain(table, where)]
    assert sorted(found) == sorted(wanted)
    assert len(set(found)) == len(found)
    numbers: dict[str, list[int]] = {}
    for ref, number in found:
        numbers.setdefault(ref, []).append(int(number))
    assert all(each == sorted(each) for each in numbers.values())
    owners = [ref for n, (ref, _) in enumerate(found) if n == 0 or found[n - 1][0] != ref]
    assert len(owners) == len(numbers)


@pytest.mark.long
@given(bases, writes)
@settings(max_examples=40, deadline=None)
def test_going_back_to_a_backup_undoes_every_write(
    make: Make, steps: list[tuple[str, int, str]]
) -> None:
    base = make(ConfigurationKind.ACCOUNTING, 40, 3)
    backup = base.backup()
    before = [base.get(ref) for ref in base.refs()]
    for what, which, code in steps:
        ref = list(base.refs())[which % 30]
        if what == "create":
            base.create(name="ТОВ", code=code)
        elif what == "delete":
            base.delete(ref)
        else:
            base.update(ref, code=code)
    base.restore(backup)
    assert [base.get(ref) for ref in base.refs()] == before

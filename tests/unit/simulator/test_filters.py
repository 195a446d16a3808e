"""The filter language: round trips, agreement with Python, and what 1C refuses."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zvirka.simulator.configurations import EntityType, Property, TabularSection
from zvirka.simulator.filters import (
    Binary,
    FunctionCall,
    Lambda,
    Literal,
    Name,
    Node,
    Not,
    parse,
    refs_named,
    text_of,
)
from zvirka.simulator.predicates import collated, predicate
from zvirka.simulator.refusals import OdataRefusal

TYPE = EntityType(
    "Catalog_Проба",
    ("Ref_Key",),
    (
        Property("Ref_Key", "Edm.Guid"),
        Property("Description"),
        Property("Code"),
        Property("IsFolder", "Edm.Boolean"),
        Property("Номер", "Edm.Int64"),
        Property("Дата", "Edm.DateTime"),
        Property("Комментарий", unlimited=True),
    ),
    (TabularSection("Рядки", (Property("Тип"), Property("Число", "Edm.Int64"))),),
)
LINES = {"Рядки": [{"Тип": "а", "Число": "2"}, {"Тип": "б", "Число": "2"}]}
COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "eq": operator.eq,
    "ne": operator.ne,
    "gt": operator.gt,
    "ge": operator.ge,
    "lt": operator.lt,
    "le": operator.le,
}
NASTY = st.text(alphabet="аБ'«» \"Zz)(,", max_size=6)
GUIDS = st.uuids().map(str)

comparisons = st.one_of(
    st.builds(
        lambda op, value: Binary(op, Name("Code"), Literal("string", value)),
        st.sampled_from(sorted(COMPARE)),
        NASTY,
    ),
    st.builds(
        lambda op, value: Binary(op, Name("Номер"), Literal("number", value)),
        st.sampled_from(sorted(COMPARE)),
        st.integers(-5, 5),
    ),
    st.builds(
        lambda op, value: Binary(op, Name("IsFolder"), Literal("boolean", value)),
        st.sampled_from(["eq", "ne"]),
        st.booleans(),
    ),
    st.builds(lambda value: Binary("eq", Name("Ref_Key"), Literal("guid", value)), GUIDS),
    st.builds(
        lambda name, value: FunctionCall(
            name,
            (Literal("string", value), Name("Code"))
            if name == "substringof"
            else (Name("Code"), Literal("string", value)),
        ),
        st.sampled_from(["substringof", "startswith", "endswith"]),
        NASTY,
    ),
)
trees: st.SearchStrategy[Node] = st.recursive(
    comparisons,
    lambda inner: st.one_of(
        st.builds(Not, inner), st.builds(Binary, st.sampled_from(["and", "or"]), inner, inner)
    ),
    max_leaves=8,
)
rows = st.fixed_dictionaries(
    {
        "Ref_Key": GUIDS,
        "Description": NASTY,
        "Code": NASTY,
        "IsFolder": st.booleans(),
        "Номер": st.integers(-5, 5).map(str),
    }
)


def meaning(node: Node, row: dict[str, Any]) -> Any:
    """The filter as Python would have it."""
    match node:
        case Binary("and", left, right):
            return meaning(left, row) and meaning(right, row)
        case Binary("or", left, right):
            return meaning(left, row) or meaning(right, row)
        case Not(operand):
            return not meaning(operand, row)
        case Binary(name, Name("Номер"), Literal(_, value)):
            return COMPARE[name](int(row["Номер"]), value)
        case Binary(name, Name(prop), Literal("string", value)):
            return COMPARE[name](collated(row[prop]), collated(str(value)))
        case Binary(name, Name(prop), Literal(_, value)):
            return COMPARE[name](row[prop], value)
        case FunctionCall("substringof", (Literal(_, part), Name(prop))):
            return str(part).casefold() in row[prop].casefold()
        case FunctionCall("startswith", (Name(prop), Literal(_, part))):
            return row[prop].casefold().startswith(str(part).casefold())
        case FunctionCall("endswith", (Name(prop), Literal(_, part))):
            return row[prop].casefold().endswith(str(part).casefold())
    raise TypeError(node)


@given(trees)
def test_a_filter_read_back_from_its_text_is_the_same(tree: Node) -> None:
    assert parse(text_of(tree)) == tree


@given(trees, rows)
def test_a_filter_means_what_python_says(tree: Node, row: dict[str, Any]) -> None:
    assert predicate(parse(text_of(tree)), TYPE)(row) is bool(meaning(tree, row))


@given(trees, rows)
def test_references_named_by_a_filter_are_all_it_admits(tree: Node, row: dict[str, Any]) -> None:
    named = refs_named(tree)
    if named is not None and predicate(tree, TYPE)(row):
        assert row["Ref_Key"] in named


@given(st.lists(GUIDS, min_size=1, max_size=5))
def test_a_chain_of_keys_names_just_these_keys(refs: list[str]) -> None:
    chain = " or ".join(f"Ref_Key eq guid'{ref.upper()}'" for ref in refs)
    assert refs_named(parse(chain)) == set(refs)
    assert refs_named(parse(f"({chain}) and IsFolder eq false")) == set(refs)
    assert refs_named(parse(f"{chain} or IsFolder eq false")) is None


@pytest.mark.parametrize("quantifier", ["any", "all"])
def test_a_lambda_read_back_from_its_text_is_the_same(quantifier: str) -> None:
    tree = parse(f"Рядки/{quantifier}(d: d/Тип eq 'а' or not (startswith(d/Тип,'б')))")
    assert isinstance(tree, Lambda)
    assert parse(text_of(tree)) == tree


def test_not_binds_tighter_than_and_which_binds_tighter_than_or() -> None:
    assert text_of(parse("not IsFolder and Code eq 'а' or Code eq 'б'")) == (
        "((not (IsFolder)) and ((Code) eq ('а'))) or ((Code) eq ('б'))"
    )
    assert parse("not (Code eq 'а')") == Not(Binary("eq", Name("Code"), Literal("string", "а")))


@pytest.mark.parametrize(
    ("text", "row", "holds"),
    [
        ("Номер add 2 eq 5", {"Номер": "3"}, True),
        ("Номер mul 2 gt 5", {"Номер": "2"}, False),
        ("year(Дата) eq 2026 and month(Дата) eq 1", {"Дата": "2026-01-31T00:00:00"}, True),
        ("Дата ge datetime'2026-01-31T00:00:00'", {"Дата": "2026-01-31T00:00:00"}, True),
        ("Дата lt datetime'2026-01-31T00:00:00'", {"Дата": "2026-01-31T00:00:00"}, False),
        ("concat(Code,'б') eq 'аб'", {"Code": "а"}, True),
        ("substring(Code,1,1) eq 'б'", {"Code": "абв"}, True),
        ("Code eq 'а'", {"Code": "А  "}, True),
        ("Code eq null", {"Code": None}, True),
        ("Code ne 'а'", {"Code": None}, True),
        ("Code gt 'а'", {"Code": None}, False),
        ("IsFolder", {"IsFolder": True}, True),
        ("Рядки/any(d: d/Тип eq 'а' and d/Число gt 1)", LINES, True),
        ("Рядки/any(d: d/Тип eq 'б' and d/Число gt 2)", LINES, False),
        ("Рядки/all(d: d/Число gt 1)", LINES, True),
        ("not Рядки/any(d: startswith(d/Тип,'в'))", LINES, True),
        ("Рядки/all(d: d/Число gt 1)", {"Рядки": []}, True),
    ],
)
def test_what_filters_hold(text: str, row: dict[str, Any], holds: bool) -> None:
    assert predicate(parse(text), TYPE)(row) is holds


@pytest.mark.parametrize(
    ("text", "status", "code"),
    [
        ("Ref_Key gt guid'00000000-0000-0000-0000-000000000000'", 500, None),
        ("Комментарий eq 'x'", 500, None),
        ("Code eq 5", 500, None),
        ("IsFolder eq 'true'", 500, None),
        ("Code+eq+'x'", 500, None),
        ("Code eq 'x' foo", 400, 14),
        ("Code eq 'x", 400, 14),
        ("(Code eq 'x'", 400, 14),
        ("Дата eq datetime'2026-01-31'", 400, 14),
        ("Ref_Key eq guid'12'", 400, 14),
        ("length(Code) eq 3", 501, 0),
        ("Нема/any(d: d/Тип eq 'x')", 400, 6),
        ("Рядки/any(d: d/Нема eq 'x')", 400, 6),
        ("Рядки/any(d: Тип eq 'x')", 400, 14),
        ("Рядки/any(d d/Тип eq 'x')", 400, 14),
        ("nope(Code)", 400, 21),
        ("startswith(Code) eq true", 400, 21),
        ("Нема eq 'x'", 400, 6),
    ],
)
def test_what_1c_refuses(text: str, status: int, code: int | None) -> None:
    with pytest.raises(OdataRefusal) as refused:
        predicate(parse(text), TYPE)
    assert (refused.value.status, refused.value.code) == (status, code)

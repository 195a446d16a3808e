"""What goes into a query: GUIDs validated, quotes doubled, names of the schema."""

from __future__ import annotations

from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.onec.samples import metadata
from zvirka.onec.failures import QueryRefusedError
from zvirka.onec.odata_queries import Queries, all_of, any_of, canonical
from zvirka.onec.schema import Entity, Schema, trim
from zvirka.onec.session import OnecSession

SCHEMA = Schema(trim(metadata(), ["Catalog_Контрагенты"])[0])
QUERIES = Queries(SCHEMA)
REF = "a348aa8c-d629-11e5-0a9b-000c295e30eb"


def entity() -> Entity:
    found = SCHEMA.entity("Catalog_Контрагенты")
    assert found is not None
    return found


def test_a_page_names_what_it_wants() -> None:
    query = QUERIES.page(
        entity(),
        ["Ref_Key", "Code"],
        top=100,
        skip=20,
        where="IsFolder eq false",
        order=["Ref_Key"],
    )
    assert query.path == "Catalog_Контрагенты"
    assert query.params == {
        "$top": "100",
        "$skip": "20",
        "$orderby": "Ref_Key",
        "$filter": "IsFolder eq false",
        "$select": "Ref_Key,Code",
        "$format": "application/json;odata=nometadata",
    }


def test_a_count_and_a_key_have_paths_of_their_own() -> None:
    assert QUERIES.count(entity(), "a").path == "Catalog_Контрагенты/$count"
    assert (
        QUERIES.one(entity(), REF.upper(), ["Ref_Key"]).path == f"Catalog_Контрагенты(guid'{REF}')"
    )


def test_allowed_only_is_asked_for_only_when_wanted() -> None:
    restricted = Queries(SCHEMA, allowed_only=True)
    assert restricted.page(entity(), ["Ref_Key"], top=1).params["allowedOnly"] == "true"
    assert restricted.count(entity()).params["allowedOnly"] == "true"
    assert "allowedOnly" not in QUERIES.page(entity(), ["Ref_Key"], top=1).params


def test_literals_follow_the_type() -> None:
    assert QUERIES.clause(entity(), "Ref_Key", REF) == f"Ref_Key eq guid'{REF}'"
    assert QUERIES.clause(entity(), "Code", "О'Кей", "ge") == "Code ge 'О''Кей'"
    assert QUERIES.clause(entity(), "Порядок", "12") == "Порядок eq 12"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Ref_Key", "' or true"),
        ("Порядок", "1 or 1 eq 1"),
        ("Порядок", "٣ or 1"),
        ("Резидент", "true"),
        ("Немає", "x"),
    ],
)
def test_a_value_that_does_not_fit_the_type_never_enters_a_query(name: str, value: str) -> None:
    with pytest.raises(QueryRefusedError):
        QUERIES.clause(entity(), name, value)


@given(st.text())
def test_no_text_breaks_out_of_its_literal(value: str) -> None:
    clause = QUERIES.clause(entity(), "Description", value)
    inner = clause.removeprefix("Description eq '").removesuffix("'")
    assert inner.replace("''", "") == value.replace("'", "")
    assert inner.count("'") == 2 * value.count("'")


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])))
def test_every_text_travels_in_a_url_and_comes_out_the_same(value: str) -> None:
    url = OnecSession("http://1c/base").address(
        "Catalog_Контрагенты", {"$filter": value, "$top": "1"}
    )
    assert " " not in url
    assert "+" not in url
    assert url.isascii()
    assert parse_qs(urlsplit(url).query, keep_blank_values=True)["$filter"] == [value]
    assert unquote(urlsplit(url).path) == "/base/Catalog_Контрагенты"


def test_clauses_are_joined_so_that_scope_stays_in_its_parentheses() -> None:
    assert any_of(["a eq 1"]) == "a eq 1"
    assert any_of(["a eq 1", "b eq 2"]) == "(a eq 1 or b eq 2)"
    assert all_of(["", "a", "(b or c)"]) == "a and (b or c)"


def test_a_key_is_canonical_or_refused() -> None:
    assert canonical(REF.upper()) == REF
    with pytest.raises(QueryRefusedError):
        canonical("00-000036")

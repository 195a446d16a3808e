"""What the simulator refuses, as 1C does: operators, spellings, rights, unpublished sets."""

from __future__ import annotations

import pytest

from tests.integration.simulator_client import CATALOGUE, LINES, Client, refs
from zvirka.domain import ZERO_REF
from zvirka.simulator import Simulator


def test_inlinecount_makes_the_server_ignore_top_and_skip(
    served: tuple[Simulator, Client],
) -> None:
    _, client = served
    answer = client.get(CATALOGUE, inlinecount="allpages", top=2, skip=3, select="Ref_Key").json()
    assert len(answer["value"]) == int(answer["odata.count"]) == client.count() == 61


@pytest.mark.parametrize("operator", ["gt", "ge", "lt", "le"])
def test_guid_order_comparison_is_a_server_error(
    served: tuple[Simulator, Client], operator: str
) -> None:
    _, client = served
    status, _, text = client.refused(filter=f"Ref_Key {operator} guid'{ZERO_REF}'", top=1)
    assert status == 500
    assert text.startswith("Нельзя сравнивать поля неограниченной длины")


def test_string_comparison_of_a_reference_compares_the_wrong_thing(
    served: tuple[Simulator, Client],
) -> None:
    _, client = served
    rows = client.rows(filter="Ref_Key gt 'п'", select="Ref_Key,Description")
    assert 0 < len(rows) < 61
    assert all(row["Description"].casefold() > "п" for row in rows)


def test_unlimited_strings_are_neither_compared_nor_sorted(
    served: tuple[Simulator, Client],
) -> None:
    _, client = served
    assert client.refused(filter="НаименованиеПолное eq 'x'")[0] == 500
    assert client.refused(orderby="НаименованиеПолное")[0] == 500


def test_plus_for_a_space_is_a_misleading_500_in_a_filter_and_404_in_a_path(
    served: tuple[Simulator, Client],
) -> None:
    sim, client = served
    wrong = client.session.get(f"{sim.url}{CATALOGUE}?$filter=IsFolder+eq+false&$format=json")
    assert wrong.status_code == 500
    assert client.session.get(f"{sim.url}Catalog+X").status_code == 404


def test_a_query_longer_than_the_web_server_takes_is_404_in_html(
    served: tuple[Simulator, Client],
) -> None:
    sim, client = served
    some = list(sim.base.refs())[:20]
    clauses = " or ".join(f"Ref_Key eq guid'{ref}'" for ref in some)
    assert sorted(refs(client.rows(filter=clauses, select="Ref_Key"))) == sorted(some)
    answer = client.get(CATALOGUE, filter=f"{clauses} or {clauses}")
    assert answer.status_code == 404
    assert "html" in answer.headers["Content-Type"]


@pytest.mark.parametrize(
    ("path", "options", "status", "code"),
    [
        ("Catalog_Нема", {}, 404, "8"),
        (f"{CATALOGUE}(guid'{ZERO_REF}')", {}, 404, "9"),
        (f"{CATALOGUE}(12)", {}, 400, "6"),
        (CATALOGUE, {"top": "багато"}, 400, "14"),
        (CATALOGUE, {"filter": "Code eq"}, 400, "14"),
        (CATALOGUE, {"filter": "Code eq guid'x'"}, 400, "14"),
        (CATALOGUE, {"filter": "Нема eq 1"}, 400, "6"),
        (CATALOGUE, {"filter": "tolower(Code) eq 'x'"}, 501, "0"),
        (CATALOGUE, {"filter": "вигадка(Code)"}, 400, "21"),
        (CATALOGUE, {"filter": "substringof('x')"}, 400, "21"),
        (CATALOGUE, {"orderby": "Нема"}, 400, "6"),
        (CATALOGUE, {"нема": "1"}, 400, "14"),
    ],
)
def test_refusals_carry_the_internal_code(
    served: tuple[Simulator, Client], path: str, options: dict[str, str], status: int, code: str
) -> None:
    _, client = served
    assert client.refused(path, **options)[:2] == (status, code)


def test_an_unknown_property_of_one_object_has_code_10(served: tuple[Simulator, Client]) -> None:
    sim, client = served
    path = f"{CATALOGUE}(guid'{next(sim.base.refs())}')"
    assert client.refused(f"{path}/Нема")[:2] == (404, "10")
    assert client.get(f"{path}/DeletionMark").json()["value"] in {True, False}


def test_row_level_rights_refuse_a_set_as_a_whole_or_leave_rows_out_silently(
    served: tuple[Simulator, Client],
) -> None:
    sim, client = served
    hidden = list(sim.base.refs())[3]
    sim.faults.hide = {hidden}
    assert client.refused(top=1)[:2] == (401, "20")
    assert client.refused(f"{CATALOGUE}(guid'{hidden}')")[:2] == (401, "20")
    allowed = client.rows(allowedOnly="true", select="Ref_Key")
    assert len(allowed) == 60
    assert hidden not in refs(allowed)
    assert hidden not in refs(client.rows(LINES, allowedOnly="true", select="Ref_Key"))
    visible = list(sim.base.refs())[4]
    assert refs(client.rows(filter=f"Ref_Key eq guid'{visible}'")) == [visible]


def test_an_unpublished_set_is_not_found_and_not_in_metadata(
    served: tuple[Simulator, Client],
) -> None:
    sim, client = served
    sim.faults.unpublished = {LINES}
    assert client.refused(LINES)[:2] == (404, "8")
    assert f'EntitySet Name="{LINES}"' not in client.get("$metadata").text
    assert client.rows(top=1)
    sim.faults.unpublished = {CATALOGUE}
    assert client.refused()[:2] == (404, "8")

"""Changes by exchange plan, over HTTP."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from tests.integration.simulator_client import Client, simulated
from zvirka.simulator import Simulator
from zvirka.simulator.exchange import READER_NODE

ATOM = "{http://www.w3.org/2005/Atom}"
GONE = "{http://purl.org/atompub/tombstones/1.0}deleted-entry"
DATA = "{http://schemas.microsoft.com/ado/2007/08/dataservices}"


def point(client: Client, node: str = READER_NODE) -> str:
    return f"'{client.sim.url}ExchangePlan_Звірка(guid'{node}')'"


def changes(client: Client, message: int) -> tuple[set[str], set[str]]:
    """Changed and physically deleted Ref_Keys of one message."""
    answer = client.post("SelectChanges", DataExchangePoint=point(client), MessageNo=message)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("application/atom+xml")
    feed = ET.fromstring(answer.content)
    changed = {each.findtext(f".//{DATA}Ref_Key") or "" for each in feed.findall(f"{ATOM}entry")}
    deleted = {(each.get("ref") or "")[-38:-2] for each in feed.findall(GONE)}
    return changed, deleted


def confirm(client: Client, message: int) -> None:
    answer = client.post(
        "NotifyChangesReceived", DataExchangePoint=point(client), MessageNo=message
    )
    assert answer.status_code == 200


def test_changes_come_until_confirmed_and_what_was_saved_meanwhile_survives(
    served: tuple[Simulator, Client],
) -> None:
    sim, client = served
    one, two, three, *_ = sim.base.refs()
    assert changes(client, 1) == (set(), set())
    sim.base.touch(one)
    sim.base.mark(two)
    sim.base.delete(three)
    assert changes(client, 1) == ({one, two}, {three})
    sim.base.update(one, name="ТОВ Між тим")
    assert changes(client, 1) == ({one, two}, {three})
    sim.base.touch(two)
    confirm(client, 1)
    assert changes(client, 2) == ({two}, set())
    confirm(client, 2)
    assert changes(client, 3) == (set(), set())


def test_the_plan_tells_the_numbers_and_which_node_is_the_base_itself(
    served: tuple[Simulator, Client],
) -> None:
    sim, client = served
    sim.base.touch(next(sim.base.refs()))
    changes(client, 1)
    confirm(client, 1)
    nodes = {row["Ref_Key"]: row for row in client.rows("ExchangePlan_Звірка")}
    assert [row["ThisNode"] for row in nodes.values()].count(True) == 1
    reader = nodes[READER_NODE]
    assert (reader["ThisNode"], reader["SentNo"], reader["ReceivedNo"]) == (False, "1", "1")


def test_entries_hold_the_object_and_its_lines_as_recordings_do(
    served: tuple[Simulator, Client],
) -> None:
    sim, client = served
    ref = sim.base.create(name="ТОВ «А & Б» <1>", phone="+380501112233", tax_id="12345678")
    answer = client.post("SelectChanges", DataExchangePoint=point(client), MessageNo=1)
    entry = ET.fromstring(answer.content).find(f"{ATOM}entry")
    assert entry is not None
    assert entry.findtext(f"{ATOM}id") == f"{sim.url}Catalog_Контрагенты(guid'{ref}')"
    assert entry.findtext(f".//{DATA}Description") == "ТОВ «А & Б» <1>"
    lines = entry.findall(f".//{DATA}КонтактнаяИнформация/{DATA}element")
    assert [line.findtext(f"{DATA}Представление") for line in lines] == ["+380501112233"]


def test_one_control_character_refuses_the_whole_package_until_cleaned(
    served: tuple[Simulator, Client],
) -> None:
    sim, client = served
    one, two, *_ = sim.base.refs()
    sim.base.touch(one)
    sim.base.update(two, name="ТОВ \x02")
    answer = client.post("SelectChanges", DataExchangePoint=point(client), MessageNo=1)
    assert answer.status_code == 400
    sim.base.update(two, name="ТОВ")
    assert changes(client, 1) == ({one, two}, set())


def test_unknown_nodes_and_malformed_requests_are_refused(
    served: tuple[Simulator, Client],
) -> None:
    _, client = served
    other = point(client, "00000000-0000-0000-0000-000000000001")
    post = client.post
    assert post("SelectChanges", DataExchangePoint=other, MessageNo=1).status_code == 404
    assert post("SelectChanges", DataExchangePoint="x", MessageNo=1).status_code == 400
    assert post("SelectChanges", DataExchangePoint=point(client)).status_code == 400


def test_a_partner_is_registered_as_a_partner() -> None:
    with simulated(profile="trade") as (sim, client):
        ref = next(sim.base.refs())
        partner = sim.base.get(ref).attributes["Партнер_Key"]
        sim.base.update(ref, email="new@example.com")
        assert changes(client, 1) == ({partner}, set())

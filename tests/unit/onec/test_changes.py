"""The feed of an exchange plan."""

from __future__ import annotations

import re

import pytest

from tests.unit.onec.samples import trade
from tests.unit.onec.scripted import Reply, served
from zvirka.onec import failures
from zvirka.onec.changes import ChangeFeed, read_feed
from zvirka.onec.session import OnecSession

ENTITY = "Catalog_Контрагенты"
REF = "ff564c10-a268-11e5-92f1-0050568b35ac"
GONE = "11111111-a268-11e5-92f1-0050568b35ac"
NODE = "5e0c8b1a-2c4f-11ee-8f57-0050568b35ac"


def entry(entity: str, ref: str) -> str:
    return (
        f"<entry><id>http://1c/{entity}(guid'{ref}')</id>"
        f'<category term="StandardODATA.{entity}" scheme="x"/><content type="application/xml">'
        f"<m:properties><d:Ref_Key>{ref}</d:Ref_Key></m:properties></content></entry>"
    )


FEED = (
    '<feed xmlns="http://www.w3.org/2005/Atom" xmlns:at="http://purl.org/atompub/tombstones/1.0"'
    ' xmlns:d="http://schemas.microsoft.com/ado/2007/08/dataservices"'
    ' xmlns:m="http://schemas.microsoft.com/ado/2007/08/dataservices/metadata">'
    f"{entry(ENTITY, REF.upper())}{entry('Catalog_Номенклатура', REF)}"
    f'<at:deleted-entry ref="http://1c/{ENTITY}(guid\'{GONE}\')" when="2026-11-25T00:00:00Z"/>'
    "</feed>"
).encode()
NODES = (
    '{"value":[{"Ref_Key":"0a61f6d3-2c4e-11ee-8f57-0050568b35ac","Code":"ЦБ","ReceivedNo":"0",'
    f'"ThisNode":true}},{{"Ref_Key":"{NODE}","Code":"ZV ","Description":"Звірка","ReceivedNo":"6",'
    '"ThisNode":false}]}'
).encode()


def feed_of(url: str, node: str) -> ChangeFeed:
    return ChangeFeed(OnecSession(url, sessions=False), "Звірка", node, ENTITY)


def test_changes_and_tombstones_are_told_apart() -> None:
    changes = read_feed(FEED, ENTITY, 7)
    assert (changes.changed, changes.deleted) == ((REF,), (GONE,))
    assert (changes.message, changes.others) == (7, 1)


def test_an_empty_feed_is_no_change() -> None:
    changes = read_feed(b'<feed xmlns="http://www.w3.org/2005/Atom"/>', ENTITY, 1)
    assert (changes.changed, changes.deleted) == ((), ())


def test_half_a_feed_is_no_feed() -> None:
    with pytest.raises(failures.CutShortError):
        read_feed(FEED[: len(FEED) // 2], ENTITY, 1)


def test_an_entry_of_nothing_is_refused() -> None:
    with pytest.raises(failures.UnexpectedAnswerError):
        read_feed(b'<feed xmlns="http://www.w3.org/2005/Atom"><entry/></feed>', ENTITY, 1)


def test_the_recorded_feed_of_a_trade_base_gives_its_counterparties() -> None:
    changes = read_feed(trade("select_changes_counterparties.xml"), ENTITY, 1)
    assert len(changes.changed) == 5
    assert "6a51c0d3-7e2b-11ec-a1f3-00155d0a0b03" in changes.changed
    assert changes.deleted == ()


@pytest.mark.parametrize("node", [NODE, NODE.upper(), "zv", "звірка"])
def test_the_next_message_of_the_node_is_asked_for(node: str) -> None:
    with served(Reply(NODES), Reply(FEED, content_type="application/atom+xml"), Reply()) as script:
        feed = feed_of(script.url, node)
        changes = feed.pending()
        feed.confirm(changes.message)
    assert [asked.method for asked in script.asked] == ["GET", "POST", "POST"]
    point = re.escape(f"DataExchangePoint='{script.url}ExchangePlan_")
    for asked, function in zip(script.asked[1:], ("SelectChanges", "NotifyChanges"), strict=True):
        assert function in asked.target
        assert re.search(point + rf".*\(guid'{NODE}'\)'&MessageNo=7$", asked.target)


def test_the_base_itself_and_an_unknown_node_are_refused() -> None:
    with served(Reply(NODES)) as script:
        with pytest.raises(failures.QueryRefusedError):
            feed_of(script.url, "ЦБ").pending()
        with pytest.raises(failures.ObjectNotFoundError):
            feed_of(script.url, "Немає").pending()


def test_a_package_that_1c_refuses_confirms_nothing() -> None:
    with served(Reply(NODES), Reply(b"", 400)) as script:
        feed = feed_of(script.url, "ZV")
        with pytest.raises(failures.OnecError):
            feed.pending()
    assert len(script.asked) == 2

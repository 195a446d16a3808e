"""What changed since the last confirmation, by an exchange plan of 1C.

The platform itself records every create, change and physical delete for a node of the plan.
SelectChanges gives them as an Atom feed, tombstones (RFC 6721) included, under message number
``ReceivedNo + 1``; NotifyChangesReceived makes 1C forget what was sent up to that number. What is
not confirmed comes again, so: confirm only what is durably applied. One reader a node.
"""

from __future__ import annotations

import re
from collections import defaultdict
from io import BytesIO
from typing import Any

import msgspec
from lxml import etree

from zvirka.message import Message, coded
from zvirka.onec import failures
from zvirka.onec.odata_queries import JSON, canonical
from zvirka.onec.protocol import Changes
from zvirka.onec.session import OnecSession

_ATOM = "{http://www.w3.org/2005/Atom}"
_TOMB = "{http://purl.org/atompub/tombstones/1.0}"
_DATA = "{http://schemas.microsoft.com/ado/2007/08/dataservices}"
_META = "{http://schemas.microsoft.com/ado/2007/08/dataservices/metadata}"
_NO_CHARACTER = frozenset({etree.ErrorTypes.ERR_INVALID_CHAR, etree.ErrorTypes.ERR_INVALID_CHARREF})
_LONGEST_ADDRESS = 1000
_ADDRESS = re.compile(r"([^/]+)\(guid'([0-9a-fA-F-]{36})'\)/?$")


class _Node(msgspec.Struct, rename="pascal"):
    ref: str = msgspec.field(name="Ref_Key")
    code: str = ""
    description: str = ""
    received_no: int = 0
    this_node: bool = False


class _Nodes(msgspec.Struct):
    value: list[_Node]


_NODES = msgspec.json.Decoder(_Nodes, strict=False)


class ChangeFeed:
    """The changes of one entity for one node of an exchange plan.

    Args:
        session: the conversation with 1C.
        plan: the name of the exchange plan, without ``ExchangePlan_``.
        node: the node's Ref_Key, Код or name.
        entity: whose changes, e.g. ``Catalog_Контрагенты``.
    """

    def __init__(self, session: OnecSession, plan: str, node: str, entity: str) -> None:
        self._session = session
        self._plan = f"ExchangePlan_{plan}"
        self._node = node
        self._entity = entity
        self._ref = ""

    def received(self) -> int:
        """The number of the last confirmed message. Only reads the exchange plan.

        Raises:
            OnecError: the plan or the node is not there, or it cannot be read.
        """
        return self._found().received_no

    def pending(self) -> Changes:
        """Everything not yet confirmed, old and new. Asking changes nothing that a repeat loses.

        Raises:
            OnecError: the plan or node is not there, a right is missing, or one character in
                some object that XML cannot hold makes 1C refuse the whole package (400).
        """
        node = self._found()
        self._ref = canonical(node.ref)
        message = node.received_no + 1
        feed = self._session.post("SelectChanges", self._params(message))
        return read_feed(feed, self._entity, message)

    def confirm(self, message: int) -> None:
        """Make 1C forget what was sent up to this message: only after it is durably applied.

        Raises:
            OnecError: 1C refused or was not there; the changes come again then, which is safe.
        """
        if not self._ref:
            self._ref = canonical(self._found().ref)
        self._session.post("NotifyChangesReceived", self._params(message))

    def _params(self, message: int) -> dict[str, str]:
        point = f"{self._session.url}{self._plan}(guid'{self._ref}')"
        return {"DataExchangePoint": f"'{point}'", "MessageNo": str(message)}

    def _found(self) -> _Node:
        nodes = self._session.get(self._plan, {"$format": JSON}, decode=_NODES.decode).value
        wanted = self._node.strip().casefold()
        for node in nodes:
            known = (node.ref, node.code, node.description)
            if wanted in [text.strip().casefold() for text in known]:
                if node.this_node:
                    raise failures.QueryRefusedError(
                        cause=coded("ZV1602", "the node of the exchange plan is the base itself"),
                        place=self._plan,
                        remedy=Message("make a node of its own for zvirka and name that one"),
                    )
                return node
        raise failures.ObjectNotFoundError(
            cause=coded("ZV1601", "the exchange plan has no such node"),
            place=self._plan,
            remedy=Message("it has {count}; name one by Ref_Key, Код or name", count=len(nodes)),
        )


def read_feed(feed: bytes, entity: str, message: int) -> Changes:
    """The changes in an Atom feed of SelectChanges.

    Raises:
        CutShortError: the feed is not whole.
        UnreadableFeedError: it holds a character that XML cannot hold.
        UnexpectedAnswerError: an entry names no object.
    """
    changed: list[str] = []
    deleted: list[str] = []
    elsewhere: dict[str, list[str]] = defaultdict(list)
    tags = (f"{_ATOM}entry", f"{_TOMB}deleted-entry")
    try:
        for _, element in etree.iterparse(
            BytesIO(feed), events=("end",), tag=tags, resolve_entities=False, no_network=True
        ):
            gone = element.tag == tags[1]
            name, ref = _named(element, gone)
            if name == entity:
                (deleted if gone else changed).append(ref)
            else:
                elsewhere[name].append(ref)
            element.clear()
    except etree.XMLSyntaxError as error:
        kind = (
            failures.UnreadableFeedError if error.code in _NO_CHARACTER else failures.CutShortError
        )
        raise kind(place="SelectChanges") from error
    others = {name: tuple(refs) for name, refs in elsewhere.items()}
    return Changes(message, tuple(changed), tuple(deleted), others)


def _named(element: Any, gone: bool) -> tuple[str, str]:
    """Entity and Ref_Key of an entry: by its properties, else by its address."""
    address = element.get("ref", "") if gone else element.findtext(f"{_ATOM}id", "")
    match = _ADDRESS.search(address.strip()[-_LONGEST_ADDRESS:])
    name, ref = (match[1], match[2]) if match else ("", "")
    if not gone:
        category = element.find(f"{_ATOM}category")
        term = category.get("term", "") if category is not None else ""
        name = term.rpartition(".")[2] or name
        ref = element.findtext(f"{_ATOM}content/{_META}properties/{_DATA}Ref_Key") or ref
    if not name:
        raise failures.UnexpectedAnswerError(
            cause=coded("ZV1401", "an entry of the change feed names no object"),
            place="SelectChanges",
        )
    return name, canonical(ref) if ref else ""

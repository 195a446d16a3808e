"""The law of the receiver: however messages are shuffled and repeated, the newest one counts."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from zvirka.domain import Client
from zvirka.erp import open_store
from zvirka.erp.open_store import open_layout
from zvirka.erp.protocol import Store
from zvirka.journal.engine import open_engine
from zvirka.journal.receipt_checks import verify_receipts
from zvirka.mapping import Attribute, Field, Mapping
from zvirka.policy import Policy
from zvirka.receiver.ingest import Ingest
from zvirka.receiver.payload import PayloadReader, WebhookMessage
from zvirka.settings.model import Settings

MAPPING = Mapping(
    catalog="Контрагенты",
    fields=(
        Field("code", Attribute("Code"), payload="Код"),
        Field("name", Attribute("Description"), payload="Наименование"),
        Field("phone", Attribute("Телефон"), payload="Телефон"),
    ),
)
NOW = datetime(2026, 1, 31, tzinfo=UTC)
NUMBERS = itertools.count(1)


class Station:
    """A page that can be replaced by a fresh one at any time, as a restart does."""

    def __init__(self, directory: Path) -> None:
        made = Settings.model_validate(
            {
                "state_dir": str(directory),
                "onec": {"url": "http://1c.example/base"},
                "erp": {"url": f"sqlite:///{directory}/clients.db"},
            }
        )
        self.engine, self.layout = open_layout(made.erp, MAPPING)
        self.journal: Engine = open_engine(made)[0]
        self.store: Store = open_store(made.erp, MAPPING)

    def page(self) -> Ingest:
        policy = Policy(deletes_marked=False, rekey="propose")
        return Ingest(
            self.journal, self.engine, self.layout, MAPPING, policy, lambda: NOW, shared=False
        )

    def clients(self, code: str) -> list[Client]:
        return self.store.read_keys([code])

    def close(self) -> None:
        self.store.close()
        self.engine.dispose()
        self.journal.dispose()


@pytest.fixture(scope="module")
def station(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Station]:
    made = Station(tmp_path_factory.mktemp("order"))
    yield made
    assert list(verify_receipts(made.journal)) == []
    made.close()


def message(number: int, stamp: int, action: str, name: str, phone: str) -> WebhookMessage:
    content: dict[str, Any] = {
        "action": action,
        "clientData": {
            "Код": f"{number:09d}",
            "Наименование": name,
            "Телефон": phone,
            "Ссылка": str(UUID(int=number)),
        },
        "stamp": stamp,
    }
    return PayloadReader(MAPPING).read(json.dumps(content).encode(), NOW)


CHANGES = st.lists(
    st.tuples(
        st.sampled_from(["create", "update", "update", "delete"]),
        st.text("абв ", min_size=1, max_size=3),
        st.sampled_from(["", "1", "2"]),
    ),
    min_size=1,
    max_size=6,
)


@given(changes=CHANGES, data=st.data())
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_however_messages_arrive_the_newest_one_counts(
    station: Station, changes: list[tuple[str, str, str]], data: st.DataObject
) -> None:
    number = next(NUMBERS)
    sent = [message(number, 1000 + at, *change) for at, change in enumerate(changes)]
    repeats = data.draw(st.lists(st.sampled_from(sent), max_size=4))
    arriving = data.draw(st.permutations([*sent, *repeats]))
    page = station.page()
    while arriving:
        size = data.draw(st.integers(1, len(arriving)))
        page.take(arriving[:size])
        arriving = arriving[size:]
        if data.draw(st.booleans()):
            page = station.page()
    action, name, phone = changes[-1]
    found = station.clients(f"{number:09d}")
    if action == "delete":
        assert all(not client.active for client in found)
        assert len(found) <= 1
    else:
        [client] = found
        assert client.active
        assert (client.values["name"], client.values["phone"] or "") == (name, phone)
        assert client.ref == str(UUID(int=number))

"""Reading a body: whatever comes, it is a message or a refusal that names its field."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zvirka.mapping import Attribute, Field, Mapping
from zvirka.receiver.payload import PayloadReader, PayloadRefusal, WebhookMessage

KEYS = {"code": "Код", "name": "Наименование", "tax_id": "ИНН"}
MAPPING = Mapping(
    catalog="Контрагенты",
    fields=(
        *(Field(name, Attribute(key), payload=key) for name, key in KEYS.items()),
        Field("note", Attribute("Комментарий")),
    ),
)
NOW = datetime(2026, 1, 31, tzinfo=UTC)
REF = "6F9619FF-8B86-D011-B42D-00C04FC964FF"


def read(content: Any, mapping: Mapping = MAPPING) -> WebhookMessage:
    return PayloadReader(mapping).read(json.dumps(content).encode(), NOW)


def test_a_whole_message_is_read_field_by_field() -> None:
    message = read(
        {
            "action": "update",
            "clientData": {
                "Код": " 1 ",
                "Наименование": "Альфа",
                "ИНН": None,
                "Комментарий": "x",
                "Ссылка": REF,
                "ПометкаУдаления": True,
            },
            "messageId": "m",
            "stamp": 5,
            "node": 2,
        }
    )
    assert (message.key, message.ref, message.marked) == ("1", REF.lower(), True)
    assert message.values == {"code": " 1 ", "name": "Альфа", "tax_id": None}
    assert (message.message_id, message.stamp) == ("m", 5)
    assert message.extra == {"node": 2, "clientData": {"Комментарий": "x"}}


def test_the_digest_is_of_the_body_as_it_came() -> None:
    body = b'{ "action":"delete", "clientData":{"\xd0\x9a\xd0\xbe\xd0\xb4":"1"} }'
    assert PayloadReader(MAPPING).read(body, NOW).digest == hashlib.sha256(body).hexdigest()


def test_numbers_keep_the_text_they_came_with() -> None:
    raw = '{"action":"create","clientData":{"Код":7,"Наименование":true,"ИНН":1.50}}'
    values = PayloadReader(MAPPING).read(raw.encode(), NOW).values
    assert values == {"code": "7", "name": "true", "tax_id": "1.50"}


def test_a_text_that_looks_like_a_number_is_no_stamp_and_a_number_is_no_text() -> None:
    whole = {"action": "create", "clientData": {"Код": "1"}}
    assert read(whole | {"stamp": 5.0}).stamp == 5
    for field, value in (("stamp", "5.0"), ("stamp", True), ("messageId", 1.5)):
        with pytest.raises(PayloadRefusal) as refused:
            read(whole | {field: value})
        assert refused.value.field == field


def test_a_key_mapped_nowhere_is_not_taken_for_a_field() -> None:
    assert "note" not in read({"action": "create", "clientData": {"Код": "1"}}).values


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=10,
)
MESSAGES = st.fixed_dictionaries(
    {"action": st.sampled_from(["create", "update", "delete"]) | JSON},
    optional={
        "clientData": st.fixed_dictionaries(
            {}, optional=dict.fromkeys([*KEYS.values(), "Ссылка", "ПометкаУдаления"], JSON)
        )
        | JSON,
        "messageId": JSON,
        "stamp": JSON,
        "extra": JSON,
    },
)


@given(MESSAGES | JSON)
def test_whatever_json_comes_it_is_read_or_refused_with_a_reason(content: Any) -> None:
    try:
        message = read(content)
    except PayloadRefusal as refusal:
        assert refusal.status == 422
        assert refusal.reason
    else:
        assert message.key.strip() == message.key != ""


@given(st.binary(max_size=60))
def test_whatever_bytes_come_they_are_read_or_refused(body: bytes) -> None:
    try:
        PayloadReader(MAPPING).read(body, NOW)
    except PayloadRefusal as refusal:
        assert refusal.status == 422


@given(MESSAGES)
def test_what_is_read_is_valid_by_the_documented_schema_and_the_other_way_round(
    content: Any,
) -> None:
    raw = json.dumps(content)
    plain = json.loads(raw)
    valid = jsonschema.Draft202012Validator(PayloadReader(MAPPING).schema()).is_valid(plain)
    try:
        PayloadReader(MAPPING).read(raw.encode(), NOW)
        taken: bool | None = True
    except PayloadRefusal as refusal:
        taken = "not JSON" in refusal.reason and None  # NaN and the like are no JSON at all
    if taken is not None:
        assert taken == valid


def test_a_key_written_with_a_decimal_point_is_the_integer_it_stands_for() -> None:
    """JSON Schema takes 2.0 for an integer."""
    assert read({"action": "create", "clientData": {"Код": 2.0}}).key == "2"
    with pytest.raises(PayloadRefusal, match="the pairing key is a text"):
        read({"action": "create", "clientData": {"Код": 2.5}})


def test_numbers_nobody_knows_are_kept_as_they_were_written() -> None:
    raw = '{"action":"create","clientData":{"Код":"1","Курс":[1.50]},"x":{"y":2}}'
    extra = PayloadReader(MAPPING).read(raw.encode(), NOW).extra
    assert extra == {"clientData": {"Курс": ["1.50"]}, "x": {"y": 2}}
    assert type(extra["clientData"]["Курс"][0]) is str


def test_what_is_nested_too_deep_to_be_kept_is_refused() -> None:
    for deep, taken in ((40, True), (60, False), (900, False), (100_000, False)):
        nested = "[" * deep + "]" * deep
        raw = '{"action":"create","clientData":{"Код":"1"},"x":' + nested + "}"
        try:
            PayloadReader(MAPPING).read(raw.encode(), NOW)
        except PayloadRefusal as refusal:
            assert (refusal.status, taken) == (422, False)
        else:
            assert taken


def test_a_reason_of_the_store_is_told_by_the_payloads_name() -> None:
    reader = PayloadReader(MAPPING)
    assert reader.place_in("field tax_id has 9 characters") == "clientData.ИНН"
    assert reader.place_in("the database refused the row") == ""

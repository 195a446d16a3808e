"""Rows as typed columns, exactly as 1C wrote them."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.onec.samples import metadata
from zvirka.domain import ZERO_REF
from zvirka.onec.decoding import RowDecoder, as_ref, decode_count, decode_ref
from zvirka.onec.schema import Entity, Schema, trim

REF = "a348aa8c-d629-11e5-0a9b-000c295e30eb"
NAMES = ["Catalog_Контрагенты", "Catalog_Контрагенты_КонтактнаяИнформация"]
SCHEMA = Schema(trim(metadata(), NAMES)[0])


def entity(name: str) -> Entity:
    found = SCHEMA.entity(name)
    assert found is not None
    return found


def body(**values: object) -> bytes:
    return msgspec.json.encode({"value": [{"Ref_Key": REF, **values}]})


def test_values_are_text_as_1c_holds_them() -> None:
    names = ["Ref_Key", "DeletionMark", "Description", "Порядок", "Лимит", "Резидент", "Создан"]
    shape = RowDecoder(entity(NAMES[0]), names)
    raw = (
        f'{{"value":[{{"Создан":"0001-01-01T00:00:00","Ref_Key":"{REF.upper()}","Лимит":12.50,'
        '"Порядок":"9007199254740993","Description":" ТОВ \\"Юг\\" ","Резидент":true,'
        '"DeletionMark":null,"Зайве":{"a":[1]}}]}'
    ).encode()
    rows = shape.decode(raw)
    assert {name: shape.texts(rows, name) for name in names[2:]} == {
        "Description": [' ТОВ "Юг" '],
        "Порядок": ["9007199254740993"],
        "Лимит": ["12.50"],
        "Резидент": ["true"],
        "Создан": [None],
    }
    assert shape.refs(rows) == [REF]


def test_null_stays_null() -> None:
    names = ["Description", "Порядок", "Лимит", "Резидент", "Партнер_Key"]
    shape = RowDecoder(entity(NAMES[0]), ["Ref_Key", *names])
    rows = shape.decode(body(**dict.fromkeys(names)))
    assert [shape.texts(rows, name) for name in names] == [[None]] * 5
    assert shape.refs(rows, "Партнер_Key") == [ZERO_REF]


@pytest.mark.parametrize(
    "raw",
    [
        b'{"value":null}',
        b'{"odata.error":{"code":"20"}}',
        b'{"value":[{"Description":"x"}]}',
        b'{"value":[{"Ref_Key":"x","Description":"x"}]}',
        f'{{"value":[{{"Ref_Key":"{REF}","Description":["x"]}}]}}'.encode(),
        f'{{"value":[{{"Ref_Key":"{REF}"}}]}}'.encode(),
    ],
)
def test_another_shape_is_refused(raw: bytes) -> None:
    with pytest.raises(msgspec.ValidationError):
        RowDecoder(entity(NAMES[0]), ["Ref_Key", "Description"]).decode(raw)


@given(st.data())
def test_a_body_cut_anywhere_is_never_taken_for_whole(data: st.DataObject) -> None:
    whole = body(Description="ТОВ", DeletionMark=False)
    cut = data.draw(st.integers(0, len(whole) - 1))
    with pytest.raises(msgspec.DecodeError):
        RowDecoder(entity(NAMES[0]), ["Ref_Key", "Description"]).decode(whole[:cut])


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (b"half an emoji \\ud83d", "half an emoji ?"),
        (b"raw \x01 control", "raw \x01 control"),
        (b"\xffcut byte", "\ufffdcut byte"),
        (b"\\u0000 nul", "\x00 nul"),
    ],
)
def test_one_broken_character_does_not_stop_the_catalogue(written: bytes, read: str) -> None:
    raw = '{"value":[{"Ref_Key":"%s","Description":"%s","Лимит":1.50}]}'.encode()
    shape = RowDecoder(entity(NAMES[0]), ["Ref_Key", "Description", "Лимит"])
    rows = shape.decode(raw % (REF.encode(), written))
    assert shape.texts(rows, "Description") == [read]
    assert shape.texts(rows, "Лимит") == ["1.50"]


def test_lines_nested_in_their_owner_are_read_with_it() -> None:
    line = RowDecoder(entity(NAMES[1]), ["LineNumber", "Тип", "Представление"])
    shape = RowDecoder(entity(NAMES[0]), ["Ref_Key"], {"КонтактнаяИнформация": line})
    lines = [{"LineNumber": "2", "Тип": "Телефон", "Представление": "044", "ЗначенияПолей": "<x/>"}]
    (row,) = shape.decode(body(КонтактнаяИнформация=lines))
    nested = shape.getter("КонтактнаяИнформация")(row)
    assert list(map(line.getter("LineNumber"), nested)) == [2]
    assert line.texts(nested, "Представление") == ["044"]
    assert shape.select == ("Ref_Key", "КонтактнаяИнформация")


def test_the_count_is_a_plain_number_and_nothing_else() -> None:
    assert decode_count("\ufeff2000".encode()) == 2000
    for wrong in (b"", b"-1", b"1.5", b"<html>", "٣".encode()):
        with pytest.raises(msgspec.ValidationError):
            decode_count(wrong)


def test_a_single_object_gives_its_key() -> None:
    assert decode_ref(f'{{"odata.metadata":"x","Ref_Key":"{REF.upper()}"}}'.encode()) == REF
    with pytest.raises(msgspec.ValidationError):
        decode_ref(b'{"value":[]}')


@given(
    st.one_of(st.none(), st.text(), st.uuids().map(str), st.uuids().map(lambda u: str(u).upper()))
)
def test_a_reference_is_a_lower_case_guid_or_the_empty_one(value: str | None) -> None:
    ref = as_ref(value)
    assert ref == ZERO_REF or (value is not None and ref == value.lower())
    assert len(ref) == 36

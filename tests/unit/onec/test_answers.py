"""Which error an answer of 1C is."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zvirka.errors import SourceError
from zvirka.onec import failures, responses
from zvirka.onec.failures import OnecError, safe_message
from zvirka.onec.transport import HttpAnswer

JSON = "application/json;charset=utf-8"
HTML = "text/html; charset=utf-8"
PLACE = "http://1c/base/odata/standard.odata/Catalog_Контрагенты"


def error_in(
    status: int, content_type: str, body: bytes, *, place: str, **headers: str
) -> OnecError | None:
    answer = HttpAnswer(status, {"Content-Type": content_type, **headers}, body)
    return responses.error_in(answer, place=place)


def odata_error(code: str, text: str) -> bytes:
    return (
        f'{{"odata.error":{{"code":"{code}","message":{{"lang":"ru","value":"{text}"}}}}}}'.encode()
    )


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (401, b"", failures.UnauthorizedError),
        (401, odata_error("20", "Доступ запрещен"), failures.AccessDeniedError),
        (403, b"", failures.ForbiddenError),
        (404, b"", failures.PublicationNotFoundError),
        (404, odata_error("8", "Тип сущности не найден"), failures.NotInCompositionError),
        (404, odata_error("9", "Объект не найден"), failures.ObjectNotFoundError),
        (400, odata_error("6", "Сегмент пути X не найден!"), failures.NameNotFoundError),
        (404, odata_error("10", "Свойство не найдено"), failures.NameNotFoundError),
        (400, odata_error("14", "Неверный параметр"), failures.QueryRefusedError),
        (501, odata_error("0", "Не поддерживается"), failures.QueryRefusedError),
        (405, b"", failures.ReadOnlyPublicationError),
        (501, b"", failures.ReadOnlyPublicationError),
        (403, "Не обнаружено свободной лицензии".encode(), failures.NoLicenceError),
        (413, b"", failures.RequestTooLongError),
        (414, b"", failures.RequestTooLongError),
        (500, odata_error("0", "Сбой"), failures.ServerFailureError),
        (400, odata_error("21", "Функция"), failures.QueryRefusedError),
        (406, b"", failures.NoLicenceError),
        (429, b"", failures.ServerFailureError),
        (500, b"", failures.ServerFailureError),
        (503, "Нет свободных лицензий".encode(), failures.NoLicenceError),
        (500, "Не найдена лицензия. Не обнаружен ключ защиты".encode(), failures.NoLicenceError),
        (
            503,
            "Начало сеанса с информационной базой запрещено".encode(),
            failures.MaintenanceLockError,
        ),
        (302, b"", failures.RedirectedError),
        (200, odata_error("20", "Нет прав"), failures.AccessDeniedError),
        (
            500,
            odata_error("-1", "Нельзя сравнивать поля неограниченной длины"),
            failures.QueryRefusedError,
        ),
    ],
)
def test_the_cause_is_told_by_code_status_and_words(
    status: int, body: bytes, kind: type[OnecError]
) -> None:
    content_type = JSON if body.startswith(b"{") else "text/plain; charset=utf-8"
    error = error_in(status, content_type, body, place=PLACE)
    assert type(error) is kind
    assert isinstance(error, SourceError)
    assert error.remedy or kind is failures.ObjectNotFoundError


def test_a_good_answer_is_no_error() -> None:
    assert error_in(200, JSON, b'{"value":[]}', place=PLACE) is None
    assert error_in(200, "text/plain;charset=utf-8", b"500", place=PLACE) is None
    assert error_in(200, "application/xml", b"<edmx:Edmx/>", place=PLACE) is None


def test_an_error_in_xml_is_read_like_one_in_json() -> None:
    body = (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<m:error xmlns:m="http://schemas.microsoft.com/ado/2007/08/dataservices/metadata">'
        '<m:code>9</m:code><m:message xml:lang="ru">Объект не найден</m:message></m:error>'
    ).encode()
    error = error_in(404, "application/xml", body, place=PLACE)
    assert isinstance(error, failures.ObjectNotFoundError)
    assert error.message == "Объект не найден"
    assert error.internal_code == "9"
    assert error.status == 404


def test_a_web_page_with_status_200_is_not_data() -> None:
    page = "<!DOCTYPE html><html><body>Вхід до порталу, клієнт Іваненко</body></html>".encode()
    error = error_in(200, HTML, page, place=PLACE)
    assert isinstance(error, failures.NotOdataError)
    assert not error.passing
    assert "Іваненко" not in str(error)


def test_a_web_page_may_give_the_reason_of_a_503() -> None:
    page = "<html><body>Информационная база заблокирована для обновления</body></html>".encode()
    error = error_in(503, HTML, page, place=PLACE)
    assert isinstance(error, failures.MaintenanceLockError)
    assert "заблокирована" in str(error)


def test_a_message_reads_as_cause_place_and_remedy() -> None:
    error = error_in(401, JSON, odata_error("20", "Нарушение прав доступа!"), place=PLACE)
    assert error is not None
    assert str(error) == (
        "1C denies access: a right is missing or access is restricted by row (RLS): "
        f"«Нарушение прав доступа!» (code 20, HTTP 401) [{PLACE}] → {error.remedy} (ZV1202)"
    )
    assert "allowed_only" in error.remedy


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("text/html", "<html><body>Не обнаружено свободной лицензии</body></html>"),
        ("", "Не знайдено вільної ліцензії"),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "cp1251"])
def test_a_licence_error_sent_as_403_is_one(content_type: str, body: str, encoding: str) -> None:
    error = error_in(403, content_type, body.encode(encoding), place=PLACE)
    assert isinstance(error, failures.NoLicenceError)


def test_only_passing_errors_are_worth_another_try() -> None:
    passing = {
        kind
        for kind in vars(failures).values()
        if isinstance(kind, type) and getattr(kind, "passing", False)
    }
    assert passing == {
        failures.UnreachableError,
        failures.UnknownHostError,
        failures.PortRefusedError,
        failures.TimedOutError,
        failures.CutShortError,
        failures.NoLicenceError,
        failures.MaintenanceLockError,
        failures.ServerFailureError,
        failures.UnstableOrderError,
    }


def test_a_message_keeps_names_and_keys_and_loses_values() -> None:
    guid = "a348aa8c-d629-11e5-0a9b-000c295e30eb"
    text = safe_message(f"Поле 'КодПоЕДРПОУ' 'ТОВ Приклад' 1234567890 guid'{guid}'\n\x00")
    assert text == f"Поле 'КодПоЕДРПОУ' '…' … guid'{guid}'"


@pytest.mark.long
@given(st.text(), st.from_regex(r"[0-9]{5,12}", fullmatch=True), st.text())
def test_no_long_number_survives_in_a_message(before: str, number: str, after: str) -> None:
    text = safe_message(f"{before} {number} {after}")
    outside = re.sub(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", "", text)
    assert not re.search(r"[0-9]{5}", outside)
    assert len(text) <= 300


@given(st.integers(200, 599), st.sampled_from([JSON, HTML, "text/plain", ""]), st.binary())
def test_no_body_breaks_the_judgement(status: int, content_type: str, body: bytes) -> None:
    error = error_in(status, content_type, body, place=PLACE)
    assert error is not None or status < 300

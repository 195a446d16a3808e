"""The webhook endpoint by its contract: what is taken in, what is turned away and why."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.receiver_world import (
    MAPPING_BY_REF,
    OTHER_REF,
    PATH,
    REF,
    STAMP,
    World,
    body,
    new_body,
    receiver,
)
from zvirka.errors import LockHeldError, SettingsError
from zvirka.message import loaded


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with receiver(tmp_path) as opened:
        yield opened


def test_a_create_of_the_old_module_is_in_the_store_when_200_is_said(world: World) -> None:
    answer = world.post(body("create"))
    assert answer.status_code == 200
    assert answer.json() == {"success": True, "outcome": "created", "messageId": None}
    [client] = world.clients()
    assert (client["code"], client["name"], client["source"]) == ("000000001", "Альфа", "1c")


@pytest.mark.long
def test_the_same_create_twice_is_one_client(world: World) -> None:
    assert world.outcome(body("create")) == "created"
    assert world.outcome(body("create")) == "unchanged"
    assert len(world.clients()) == 1


def test_an_update_of_an_unknown_client_creates_it(world: World) -> None:
    assert world.outcome(body("update")) == "created"
    assert len(world.clients()) == 1


def test_a_delete_of_an_absent_client_is_taken_in(world: World) -> None:
    assert world.outcome(body("delete")) == "absent"
    assert world.clients() == []


def test_a_delete_deactivates_and_a_later_create_restores_the_same_row(world: World) -> None:
    world.outcome(body("create"))
    assert world.outcome(body("delete")) == "deleted"
    assert world.outcome(body("delete")) == "unchanged"
    assert world.clients()[0]["is_active"] == 0
    assert world.outcome(body("create", phone="1")) == "restored"
    [client] = world.clients()
    assert (client["is_active"], client["phone"]) == (1, "1")


def test_an_absent_key_leaves_the_value_and_an_empty_text_clears_it(world: World) -> None:
    world.outcome(body("create"))
    message = body("update", email="")
    del message["clientData"]["Телефон"]
    assert world.outcome(message) == "updated"
    [client] = world.clients()
    assert client["phone"] == "+380441234567"
    assert not client["email"]


def test_the_answer_repeats_the_message_id(world: World) -> None:
    assert world.post(new_body("create") | {"messageId": "m-1"}).json()["messageId"] == "m-1"
    refused = world.post(new_body("create", code="") | {"messageId": "m-2"})
    assert (refused.status_code, refused.json()["messageId"]) == (422, "m-2")


def test_an_older_message_never_brings_older_data_back(world: World) -> None:
    world.outcome(new_body("create"))
    world.outcome(new_body("update", STAMP + 20, name="Новіша"))
    assert world.outcome(new_body("update", STAMP + 10, name="Старіша")) == "stale"
    assert world.clients()[0]["name"] == "Новіша"


def test_a_create_that_comes_after_its_own_delete_stays_away(world: World) -> None:
    assert world.outcome(new_body("delete", STAMP + 10)) == "absent"
    assert world.outcome(new_body("create", STAMP)) == "stale"
    assert world.clients() == []


def test_a_message_the_store_refused_does_not_hold_an_older_one_back(world: World) -> None:
    world.sql("CREATE UNIQUE INDEX one_tax_id ON clients (tax_id)")
    world.outcome(body("create", code="2", tax_id="99"))
    assert world.post(new_body("create", STAMP + 10, tax_id="99")).status_code == 409
    assert world.outcome(new_body("create", STAMP)) == "created"


def test_a_stamp_far_ahead_of_the_clock_does_not_block_what_follows(world: World) -> None:
    world.outcome(new_body("create", STAMP + 86_400_000, name="Завтра"))
    assert world.outcome(new_body("update", STAMP + 1)) == "updated"
    assert loaded(world.receipts()[0]["detail"]) == "the clock of 1C is 1440 minutes ahead"


def test_stamps_ahead_of_the_clock_keep_their_order_among_themselves(world: World) -> None:
    """A 1C server in the wrong zone: the older message won when it came again."""
    day = 86_400_000
    older = new_body("update", STAMP + day, name="V3")
    world.outcome(new_body("create", STAMP + day - 1))
    world.outcome(older)
    world.outcome(new_body("update", STAMP + day + 1, name="V4"))
    assert world.outcome(older | {"messageId": "sent again"}) == "stale"
    assert world.clients()[0]["name"] == "V4"


def test_a_message_is_taken_in_once_and_its_id_stands_for_no_other(world: World) -> None:
    first = body("create") | {"messageId": "m-1"}
    assert world.outcome(first) == "created"
    world.outcome(body("update", name="Новіша"))
    assert world.outcome(first) == "stale", "sent again, it must not undo what came after it"
    assert world.clients()[0]["name"] == "Новіша"
    answer = world.post(body("update", name="Інша") | {"messageId": "m-1"})
    assert answer.status_code == 409
    assert answer.json()["reason"] == "messageId belongs to another message"
    assert world.clients()[0]["name"] == "Новіша"


def test_the_outbox_sends_the_state_of_the_moment_under_one_id(world: World) -> None:
    world.outcome(new_body("create") | {"messageId": "m-1"})
    again = new_body("update", STAMP + 1, name="Бета") | {"messageId": "m-1"}
    assert world.outcome(again) == "updated"


def test_a_doubled_key_and_a_null_name_are_refused_by_name(world: World) -> None:
    whole = json.dumps(body("create"))
    doubled = whole.replace('"action"', '"action": "delete", "action"', 1)
    answer = world.post_raw(doubled.encode())
    assert (answer.status_code, answer.json()["field"]) == (422, "action")
    null = world.post(body("create", name=None))
    assert (null.status_code, null.json()["field"]) == (422, "clientData.Наименование")
    assert world.clients() == []


def test_ref_key_is_kept_and_a_client_without_one_adopts_it(world: World) -> None:
    world.outcome(body("create"))
    assert world.outcome(new_body("update")) == "updated"
    assert world.clients()[0]["ref"] == REF


def test_a_delete_spares_the_counterparty_that_holds_the_code_by_now(world: World) -> None:
    world.outcome(new_body("create", ref=OTHER_REF))
    assert world.outcome(new_body("delete", STAMP + 1)) == "absent"
    assert world.clients()[0]["is_active"] == 1


def test_a_new_code_of_a_known_ref_waits_or_moves_as_the_policy_says(tmp_path: Path) -> None:
    for rekey, status, codes in (("propose", 409, ["000000001"]), ("apply", 200, ["2"])):
        directory = tmp_path / rekey
        directory.mkdir()
        with receiver(directory, policy={"rekey": rekey}) as world:
            world.outcome(new_body("create"))
            assert world.post(new_body("update", STAMP + 1, code="2")).status_code == status
            assert [client["code"] for client in world.clients()] == codes


@pytest.mark.long
@pytest.mark.parametrize(
    ("policy", "mode", "active"),
    [
        ("keep", "soft", [1]),
        ("delete", "soft", [0]),
        ("deactivate", "soft", [0]),
        ("deactivate", "hard", [1]),
        ("delete", "hard", []),
    ],
)
def test_a_deletion_mark_means_what_the_policy_says(
    tmp_path: Path, policy: str, mode: str, active: list[int]
) -> None:
    erp = {"url": f"sqlite:///{tmp_path}/clients.db", "delete": {"mode": mode}}
    with receiver(tmp_path, policy={"deletion_mark": policy}, erp=erp) as world:
        world.outcome(new_body("create"))
        world.outcome(new_body("update", STAMP + 1, mark=True))
        assert [client["is_active"] for client in world.clients()] == active


def test_a_row_people_entered_is_never_touched(world: World) -> None:
    world.sql("INSERT INTO clients (code, name, source) VALUES ('000000001', 'Ручний', 'manual')")
    before = world.clients()
    for action in ("create", "update", "delete"):
        world.post(body(action))
    assert world.clients() == before


def test_a_code_padded_as_in_1c_is_the_same_client_padded_or_not(world: World) -> None:
    world.sql("INSERT INTO clients (code, name) VALUES ('A1   ', 'Із звірки')")
    assert world.outcome(body("update", code="A1   ")) == "updated"
    assert world.outcome(body("create", code="B1   ")) == "created"
    assert world.outcome(body("create", code="B1")) == "unchanged"
    assert [client["code"] for client in world.clients()] == ["A1   ", "B1"]


def test_clients_paired_by_ref_need_it_and_are_found_by_it(tmp_path: Path) -> None:
    with receiver(tmp_path, MAPPING_BY_REF) as world:
        refused = world.post(body("create"))
        assert (refused.status_code, refused.json()["field"]) == (422, "clientData.Ссылка")
        assert world.outcome(new_body("create")) == "created"
        assert world.outcome(new_body("update", ref=REF.upper(), name="Бета")) == "updated"
        assert [client["ref"] for client in world.clients()] == [REF]


def test_unknown_keys_are_kept_in_the_receipt_and_the_payload_is_not(world: World) -> None:
    message = new_body("create") | {"origin": "node 2"}
    message["clientData"]["Комментарий"] = "друг"
    world.outcome(message)
    [receipt] = world.receipts()
    assert json.loads(receipt["extra"]) == {
        "origin": "node 2",
        "clientData": {"Комментарий": "друг", "ВерсияДанных": "AAAAAQ=="},
    }
    assert json.loads(receipt["payload"]) == {}
    assert (receipt["action"], receipt["key"], receipt["ref"]) == ("create", "000000001", REF)
    assert (receipt["outcome"], receipt["stamp"]) == ("created", STAMP)


def test_a_byte_order_mark_before_the_body_is_accepted(world: World) -> None:
    assert world.post_raw(b"\xef\xbb\xbf" + json.dumps(body("create")).encode()).status_code == 200


def test_a_number_from_the_old_module_keeps_its_digits(world: World) -> None:
    raw = json.dumps(body("create", code=7)).replace('"12345678"', "1.50")
    assert world.post_raw(raw.encode()).status_code == 200
    assert [(client["code"], client["tax_id"]) for client in world.clients()] == [("7", "1.50")]


@pytest.mark.long
@pytest.mark.parametrize("written", ["2.0", "2", "2e0", "20E-1", "2.000"])
def test_a_code_is_the_integer_that_json_schema_takes_it_for(world: World, written: str) -> None:
    raw = json.dumps(body("create")).replace('"000000001"', written)
    assert world.post_raw(raw.encode()).status_code == 200
    assert [client["code"] for client in world.clients()] == ["2"]


@pytest.mark.parametrize("written", ["2.5", "1e400", "-1e999999999", "true", "null"])
def test_a_code_that_is_no_integer_and_no_text_is_refused(world: World, written: str) -> None:
    raw = json.dumps(body("create")).replace('"000000001"', written)
    answer = world.post_raw(raw.encode())
    assert (answer.status_code, answer.json()["field"]) == (422, "clientData.Код")


@pytest.mark.long
@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"action": "upsert"}, "action"),
        ({"action": None}, "action"),
        ({"clientData": []}, "clientData"),
        ({"clientData": {}}, "clientData.Код"),
        ({"clientData": {"Код": " "}}, "clientData.Код"),
        ({"clientData": {"Код": "x" * 201}}, "clientData.Код"),
        ({"clientData": {"Код": "1", "ИНН": ["1"]}}, "clientData.ИНН"),
        ({"clientData": {"Код": "1", "ИНН": "1\x00"}}, "clientData.ИНН"),
        ({"clientData": {"Код": "1", "Ссылка": "1"}}, "clientData.Ссылка"),
        (
            {"clientData": {"Код": "1", "Ссылка": "00000000-0000-0000-0000-000000000000"}},
            "clientData.Ссылка",
        ),
        ({"clientData": {"Код": "1", "ПометкаУдаления": "так"}}, "clientData.ПометкаУдаления"),
        ({"messageId": 5}, "messageId"),
        ({"stamp": -1}, "stamp"),
        ({"stamp": "вчора"}, "stamp"),
    ],
)
def test_a_body_that_is_no_message_is_refused_and_the_field_is_named(
    world: World, change: dict[str, object], field: str
) -> None:
    answer = world.post(body("create") | change)
    assert (answer.status_code, answer.json()["field"]) == (422, field)
    assert answer.json()["reason"]
    assert world.clients() == []


@pytest.mark.long
@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b'"x"', b'{"a": "\xff"}', b"[" * 100_000])
def test_a_body_that_is_no_json_object_is_refused(world: World, raw: bytes) -> None:
    assert world.post_raw(raw).status_code == 422


def test_a_value_the_column_cannot_hold_is_refused_by_the_payloads_own_name(
    tmp_path: Path,
) -> None:
    with receiver(tmp_path) as prepared:
        prepared.store().close()
    erp = {
        "url": f"sqlite:///{tmp_path}/clients.db",
        "table": "clients",
        "key": "code",
        "owned": "source <> 'manual'",
        "columns": {"tax_id": {"column": "tax_id", "max_length": 5}},
    }
    with receiver(tmp_path, erp=erp) as world:
        answer = world.post(body("create"))
        assert (answer.status_code, answer.json()["field"]) == (422, "clientData.ИНН")
        assert "12345678" not in answer.text
        assert world.receipts()[0]["outcome"] == "refused"


@pytest.mark.parametrize(
    "content_type", ["", "text/plain", "application/json; charset=windows-1251"]
)
def test_another_type_of_content_is_refused(world: World, content_type: str) -> None:
    raw = json.dumps(body("create")).encode()
    assert world.post_raw(raw, Content_Type=content_type).status_code == 415


def test_a_body_over_the_limit_is_refused_declared_or_not(tmp_path: Path) -> None:
    with receiver(tmp_path, receiver={"max_body": 1024}) as world:
        long = json.dumps(body("create", address="x" * 1024)).encode()
        assert world.post_raw(long).status_code == 413

        def parts() -> Iterator[bytes]:
            yield long

        chunked = world.client.post(
            PATH, content=parts(), headers={"Content-Type": "application/json"}
        )
        assert chunked.status_code == 413


def test_one_of_several_tokens_opens_and_nothing_else_does(tmp_path: Path) -> None:
    tokens: dict[str, Any] = {"receiver": {"tokens": ["нова-таємниця", "old"]}}
    with receiver(tmp_path, **tokens) as world:
        for good in ("нова-таємниця".encode(), b"old"):
            answer = world.client.post(
                PATH, json=body("create"), headers={b"Authorization": b"Bearer " + good}
            )
            assert answer.status_code == 200
        for wrong in ({}, {"Authorization": "Bearer ol"}, {"Authorization": "Basic old"}):
            answer = world.post(body("create", name="Чужий"), headers=wrong)
            assert answer.status_code == 401
            assert answer.headers["WWW-Authenticate"] == "Bearer"
        assert [client["name"] for client in world.clients()] == ["Альфа"]


@pytest.mark.parametrize("listen", ["0.0.0.0:8791", "[::]:8791", "10.0.0.5:8791", "erp:8791"])
def test_an_open_address_without_a_token_does_not_start(tmp_path: Path, listen: str) -> None:
    with (
        pytest.raises(SettingsError, match="anybody"),
        receiver(tmp_path, receiver={"listen": listen}),
    ):
        pass


def test_a_store_only_the_erp_may_write_is_left_to_the_erp(tmp_path: Path) -> None:
    erp = {"url": f"sqlite:///{tmp_path}/c.db", "writer": "webhook", "webhook": {"url": "http://e"}}
    with pytest.raises(SettingsError, match="only the ERP may"), receiver(tmp_path, erp=erp):
        pass


def test_a_second_receiver_on_the_same_state_does_not_start(world: World, tmp_path: Path) -> None:
    with pytest.raises(LockHeldError, match="another receiver"), receiver(tmp_path):
        pass


def test_a_store_that_is_gone_is_503_and_the_receipt_says_so(world: World) -> None:
    world.outcome(body("create"))
    world.sql("ALTER TABLE clients RENAME TO elsewhere")
    answer = world.post(body("update", name="Бета"))
    assert answer.status_code == 503
    assert answer.headers["Retry-After"]
    assert world.client.get("/healthz").status_code == 503
    assert world.receipts()[-1]["outcome"] == "failed"
    world.sql("ALTER TABLE elsewhere RENAME TO clients")
    assert world.outcome(body("update", name="Бета")) == "updated"
    assert world.client.get("/healthz").json() == {"status": "ok", "waiting": 0, "trouble": ""}


def test_no_answer_and_no_reason_holds_what_the_payload_said(world: World) -> None:
    world.sql("CREATE UNIQUE INDEX one_tax_id ON clients (tax_id)")
    world.outcome(body("create"))
    answer = world.post(body("create", code="2"))
    assert answer.status_code == 409
    for personal in ("Альфа", "12345678", "alpha@example.com", "+380441234567"):
        assert personal not in answer.text + world.receipts()[-1]["detail"]


def test_the_documents_tell_every_answer(world: World) -> None:
    documented = world.client.get("/openapi.json").json()["paths"][PATH]["post"]["responses"]
    assert set(documented) == {"200", "401", "409", "413", "415", "422", "424", "503"}
    assert world.client.get("/docs").status_code == 404, "its page loads scripts from elsewhere"


def test_store_and_journal_in_one_database_share_one_transaction(tmp_path: Path) -> None:
    one = f"sqlite:///{tmp_path}/both.db"
    with receiver(tmp_path, erp={"url": one}, journal={"url": one}) as world:
        world.outcome(new_body("create"))
        assert world.outcome(new_body("update", STAMP - 1)) == "stale"
        assert [r["outcome"] for r in world.receipts()] == ["created", "stale"]
        world.sql("ALTER TABLE clients RENAME TO elsewhere")
        assert world.post(body("update")).status_code == 503
        assert len(world.receipts()) == 2

"""The webhook writer against an ERP that misbehaves: no client doubled, each outcome right."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from tests.integration.misbehaving_erp import Manners, MisbehavingErp, Trouble
from tests.integration.store_shapes import Shape, production
from zvirka.domain import Action, Correction, Outcome, OutcomeState
from zvirka.erp import open_writer
from zvirka.errors import SettingsError, StoreError
from zvirka.message import coded
from zvirka.settings.model import WebhookSettings

APPLIED, FAILED = OutcomeState.APPLIED, OutcomeState.FAILED
TIMEOUT = timedelta(seconds=0.5)
NOT_DONE = [
    Trouble.TIMEOUT_BEFORE_COMMIT,
    Trouble.CUT_BEFORE_COMMIT,
    Trouble.FAILS_BEFORE_COMMIT,
    Trouble.GATEWAY,
    Trouble.TOO_MANY,
]
DONE = [
    Trouble.TIMEOUT_AFTER_COMMIT,
    Trouble.CUT_AFTER_COMMIT,
    Trouble.FAILS_AFTER_COMMIT,
    Trouble.LATE_COMMIT,
]
FINAL = [Trouble.LOGIN_PAGE, Trouble.SAYS_NO, Trouble.REDIRECT]


class Setting:
    """A production-shaped store, the ERP before it, and a writer between."""

    def __init__(self, shape: Shape, erp: MisbehavingErp) -> None:
        self.shape = shape
        self.erp = erp
        self.webhook = WebhookSettings.model_validate(
            {"url": erp.url, "timeout": TIMEOUT, "per_second": 500}
        )

    def apply(
        self, *corrections: Correction, confirm: Callable[[Correction], bool] | None = None
    ) -> dict[int, Outcome]:
        settings = self.shape.erp.model_copy(update={"writer": "webhook", "webhook": self.webhook})
        writer = open_writer(settings, self.shape.mapping, confirm=confirm)
        try:
            outcomes = list(writer.apply(corrections))
        finally:
            writer.close()
        found = {outcome.correction: outcome for outcome in outcomes}
        assert len(found) == len(outcomes)
        return found

    def doubled(self) -> list[tuple[object, ...]]:
        return self.shape.sql(
            "SELECT external_id FROM clients GROUP BY external_id HAVING COUNT(*) > 1"
        )


@pytest.fixture(
    params=[
        "sqlite",
        # The writer only reads the store, by what the tests of writers and stores cover.
        pytest.param("postgresql", marks=pytest.mark.slow),
        pytest.param("mariadb", marks=pytest.mark.slow),
    ]
)
def setting(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Setting]:
    shape = production(request.param, tmp_path)
    with MisbehavingErp(shape.erp.url) as erp:
        yield Setting(shape, erp)


def test_a_create_posts_exactly_what_the_push_module_posts(setting: Setting) -> None:
    outcome = setting.apply(setting.shape.creation(1, phone=None))[1]
    (post,) = setting.erp.posts
    assert len(post.pop("messageId")) == 36
    assert post == {
        "action": "create",
        "clientData": {
            "Код": "C-00001",
            "Наименование": "Клієнт 1",
            "ИНН": "30000001",
            "Телефон": "",
            "Email": "c1@example.ua",
            "Адрес": "вул. Лесі, 1",
            "Ссылка": "00000001-0000-4000-8000-000000000000",
        },
    }
    assert (outcome.state, outcome.row) == (APPLIED, setting.shape.read(1).row)


def test_an_update_posts_every_mapped_field(setting: Setting) -> None:
    (client,) = setting.shape.create(1)
    outcome = setting.apply(setting.shape.change(Action.UPDATE, client, name="Новий"))[1]
    (post,) = setting.erp.posts
    assert post["action"] == "update"
    assert post["clientData"] == {
        "Код": "C-00001",
        "Наименование": "Новий",
        "ИНН": "30000001",
        "Телефон": "+380500000001",
        "Email": "c1@example.ua",
        "Адрес": "вул. Лесі, 1",
    }
    assert (outcome.state, setting.shape.read(1).values["name"]) == (APPLIED, "Новий")


@pytest.mark.parametrize("trouble", DONE)
def test_a_create_that_took_is_not_sent_again(setting: Setting, trouble: Trouble) -> None:
    setting.erp.trouble["C-00001"] = [trouble]
    outcomes = setting.apply(setting.shape.creation(1), setting.shape.creation(2))
    assert {outcome.state for outcome in outcomes.values()} == {APPLIED}
    assert outcomes[1].row == setting.shape.read(1).row
    assert len(setting.erp.posts) == 2
    assert setting.doubled() == []


@pytest.mark.long
@pytest.mark.parametrize("trouble", NOT_DONE)
def test_a_create_that_provably_did_not_take_is_sent_once_more(
    setting: Setting, trouble: Trouble
) -> None:
    setting.erp.trouble["C-00001"] = [trouble]
    outcomes = setting.apply(setting.shape.creation(1), setting.shape.creation(2))
    assert {outcome.state for outcome in outcomes.values()} == {APPLIED}
    mine = [post for post in setting.erp.posts if post["clientData"]["Код"] == "C-00001"]
    assert len(mine) == 2
    assert mine[0] == mine[1]
    assert setting.doubled() == []


@pytest.mark.parametrize("trouble", FINAL)
@pytest.mark.parametrize("action", [Action.CREATE, Action.UPDATE, Action.DELETE])
def test_a_clear_no_is_a_failure_and_not_repeated(
    setting: Setting, trouble: Trouble, action: Action
) -> None:
    correction = setting.shape.creation(1)
    if action is not Action.CREATE:
        (client,) = setting.shape.create(1)
        after = {"name": "Новий"} if action is Action.UPDATE else {}
        correction = setting.shape.change(action, client, **after)
    before = setting.shape.tables()
    setting.erp.trouble["C-00001"] = [trouble]
    outcome = setting.apply(correction)[1]
    assert outcome.state is FAILED
    assert "HTTP" in outcome.detail
    assert len(setting.erp.posts) == 1
    assert setting.shape.tables() == before


@pytest.mark.long
@pytest.mark.parametrize("trouble", [*DONE, *NOT_DONE])
def test_an_update_takes_in_spite_of_trouble(setting: Setting, trouble: Trouble) -> None:
    (client,) = setting.shape.create(1)
    setting.erp.trouble["C-00001"] = [trouble]
    outcome = setting.apply(setting.shape.change(Action.UPDATE, client, name="Новий"))[1]
    assert outcome.state is APPLIED
    assert setting.shape.read(1).values["name"] == "Новий"
    assert len(setting.erp.posts) <= 2


@pytest.mark.long
@pytest.mark.parametrize("trouble", [None, *DONE, *NOT_DONE])
def test_a_delete_that_answers_500_has_taken(setting: Setting, trouble: Trouble | None) -> None:
    (client,) = setting.shape.create(1)
    if trouble is not None:
        setting.erp.trouble["C-00001"] = [trouble]
    outcome = setting.apply(setting.shape.change(Action.DELETE, client))[1]
    assert outcome.state is APPLIED
    assert not setting.shape.read(1).active
    (post, *_) = setting.erp.posts
    assert (post["action"], post["clientData"]["Код"]) == ("delete", "C-00001")


def test_trouble_that_does_not_end_is_a_failure_with_its_reason(setting: Setting) -> None:
    (client,) = setting.shape.create(1)
    setting.erp.trouble["C-00001"] = [Trouble.FAILS_BEFORE_COMMIT] * 9
    outcome = setting.apply(setting.shape.change(Action.UPDATE, client, name="Новий"))[1]
    assert (outcome.state, outcome.detail) == (
        FAILED,
        "HTTP 500; the store does not have it, sent 2 times",
    )
    assert setting.shape.read(1) == client


@pytest.mark.long
def test_an_erp_that_says_not_now_is_waited_for_and_then_given_up(setting: Setting) -> None:
    setting.erp.trouble["C-00001"] = [Trouble.TOO_MANY] * 2
    assert setting.apply(setting.shape.creation(1))[1].state is APPLIED
    assert len(setting.erp.posts) == 3
    assert setting.doubled() == []


def test_a_taken_tax_code_is_not_sent_since_the_erp_would_hit_the_wrong_client(
    setting: Setting,
) -> None:
    first, second = setting.shape.create(1, 2)
    row = setting.shape.insert_unowned()
    before = setting.shape.tables()
    outcomes = setting.apply(
        setting.shape.creation(3, tax_id=first.values["tax_id"]),
        setting.shape.change(Action.UPDATE, second, name="Філія", tax_id="99999999"),
    )
    assert {outcome.state for outcome in outcomes.values()} == {FAILED}
    assert outcomes[3].detail.endswith(f": {first.row}")
    assert outcomes[2].detail.endswith(f": {row}")
    assert setting.erp.posts == []
    assert setting.shape.tables() == before


def test_a_unique_value_moves_when_its_holder_gives_it_up_first(setting: Setting) -> None:
    first, second = setting.shape.create(1, 2)
    outcomes = setting.apply(
        setting.shape.change(Action.UPDATE, second, tax_id=first.values["tax_id"]),
        setting.shape.change(Action.UPDATE, first, tax_id="40000000"),
    )
    # The ERP finds neither by its new tax code, and both by Код.
    assert {outcome.state for outcome in outcomes.values()} == {APPLIED}
    assert setting.shape.read(2).values["tax_id"] == first.values["tax_id"]
    assert setting.doubled() == []


def test_what_the_erp_quietly_ignores_is_only_accepted(setting: Setting) -> None:
    (client,) = setting.shape.create(1)
    outcome = setting.apply(setting.shape.change(Action.UPDATE, client, phone="", address=""))[1]
    assert outcome.state is APPLIED
    assert setting.shape.read(1) == client


def test_a_restore_is_an_update_and_only_the_store_tells_whether_it_took(setting: Setting) -> None:
    (client,) = setting.shape.create(1)
    setting.shape.apply(setting.shape.change(Action.DELETE, client))
    inactive = setting.shape.read(1)
    restore = setting.shape.change(Action.RESTORE, inactive, **client.values)
    assert setting.apply(restore)[1].state is APPLIED
    assert setting.erp.posts[0]["action"] == "update"
    assert not setting.shape.read(1).active
    setting.erp.manners = Manners(reactivates=True)
    assert setting.apply(restore)[1].state is APPLIED
    assert setting.shape.read(1).active


def test_an_update_half_done_before_a_500_fails_and_says_so(setting: Setting) -> None:
    (client,) = setting.shape.create(1)
    setting.erp.trouble["C-00001"] = [Trouble.FAILS_AFTER_COMMIT]
    change = setting.shape.change(Action.UPDATE, client, name="Новий", phone="222")
    outcome = setting.apply(change)[1]
    assert (outcome.state, outcome.detail) == (
        FAILED,
        "HTTP 500; the row changed, but not to what was sent",
    )
    assert len(setting.erp.posts) == 1


def test_a_row_touched_since_the_scan_is_superseded_and_nothing_is_sent(setting: Setting) -> None:
    first, second, third = setting.shape.create(1, 2, 3)
    setting.shape.apply(setting.shape.change(Action.UPDATE, first, phone="777"))
    setting.shape.apply(setting.shape.change(Action.DELETE, second))
    unowned = msgspec.structs.replace(third, row=setting.shape.insert_unowned())
    outcomes = setting.apply(
        setting.shape.change(Action.UPDATE, first, name="Новий"),
        setting.shape.change(Action.DELETE, second),
        setting.shape.change(Action.UPDATE, unowned, name="Новий"),
        msgspec.structs.replace(setting.shape.creation(3), id=4),
    )
    assert {o.state for o in outcomes.values()} == {OutcomeState.SUPERSEDED}
    assert setting.erp.posts == []


def test_1c_is_asked_just_before_each_post(setting: Setting) -> None:
    asked: list[int] = []

    def confirm(correction: Correction) -> bool:
        asked.append(correction.id)
        return correction.id != 2

    outcomes = setting.apply(
        *(setting.shape.creation(number) for number in (1, 2, 3)), confirm=confirm
    )
    assert sorted(asked) == [1, 2, 3]
    assert [outcomes[n].state for n in (1, 2, 3)] == [APPLIED, OutcomeState.WITHDRAWN, APPLIED]
    assert setting.shape.find("C-00002") == []


def test_1c_is_asked_again_before_a_repeat(setting: Setting) -> None:
    setting.erp.trouble["C-00001"] = [Trouble.FAILS_BEFORE_COMMIT]
    answers = iter([True, False])
    outcome = setting.apply(setting.shape.creation(1), confirm=lambda _: next(answers))[1]
    assert outcome.state is OutcomeState.WITHDRAWN
    assert "HTTP 500" in outcome.detail
    assert len(setting.erp.posts) == 1


def test_a_failing_question_to_1c_stops_the_writer_after_what_is_under_way(
    setting: Setting,
) -> None:
    def confirm(correction: Correction) -> bool:
        if correction.id == 3:
            raise StoreError(coded("ZV0000", "1C is gone"))
        return True

    settings = setting.shape.erp.model_copy(
        update={"writer": "webhook", "webhook": setting.webhook}
    )
    writer = open_writer(settings, setting.shape.mapping, confirm=confirm)
    told: list[int] = []
    many = range(1, 41)
    with pytest.raises(StoreError, match="1C is gone"):
        told.extend(o.correction for o in writer.apply([setting.shape.creation(n) for n in many]))
    writer.close()
    there = {client.key for client in setting.shape.find(*map(setting.shape.key, many))}
    assert there == {setting.shape.key(number) for number in told}
    assert len(told) < 39


def test_a_changed_code_is_sent_only_when_the_tax_code_leads_to_the_row(setting: Setting) -> None:
    setting.shape.apply(setting.shape.creation(1), setting.shape.creation(2, tax_id=None))
    first, second = setting.shape.read(1), setting.shape.read(2)
    outcomes = setting.apply(
        setting.shape.change(Action.UPDATE, first, code="C-00007"),
        setting.shape.change(Action.UPDATE, second, code="C-00008"),
    )
    assert [outcomes[n].state for n in (1, 2)] == [APPLIED, OutcomeState.REFUSED]
    assert setting.shape.read(7).row == first.row
    assert setting.shape.read(2) == second


def test_refused_credentials_end_the_work_with_a_remedy(setting: Setting) -> None:
    setting.erp.trouble["*"] = [Trouble.UNAUTHORISED] * 40
    with pytest.raises(StoreError, match="credentials"):
        setting.apply(*(setting.shape.creation(number) for number in range(1, 41)))
    assert len(setting.erp.posts) < 20
    assert setting.shape.tables()["clients"] == []


def test_a_webhook_that_is_not_there_ends_the_work(setting: Setting) -> None:
    setting.webhook = WebhookSettings.model_validate(
        {"url": "http://user:s3cret@127.0.0.1:9/x?token=s3cret", "timeout": "1s"}
    )
    with pytest.raises(StoreError, match="could not be connected") as caught:
        setting.apply(*(setting.shape.creation(number) for number in range(1, 9)))
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("credentials", "header"),
    [
        ({"token": "t0ken"}, "Bearer t0ken"),
        ({"user": "ерп", "password": "p"}, "Basic 0LXRgNC/OnA="),
        ({}, None),
    ],
)
def test_credentials_go_as_configured_and_netrc_does_not_replace_them(
    setting: Setting,
    credentials: dict[str, str],
    header: str | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login other password other\n")
    monkeypatch.setenv("NETRC", str(netrc))
    setting.webhook = WebhookSettings.model_validate({"url": setting.erp.url, **credentials})
    setting.apply(setting.shape.creation(1))
    (headers,) = setting.erp.headers
    assert headers.get("Authorization") == header
    assert headers["Content-Type"] == "application/json; charset=utf-8"


def test_no_more_messages_are_under_way_than_allowed(setting: Setting) -> None:
    setting.webhook = setting.webhook.model_copy(update={"concurrency": 3})
    barrier = threading.Event()

    def confirm(_: Correction) -> bool:
        barrier.wait(0.02)
        return True

    outcomes = setting.apply(
        *(setting.shape.creation(number) for number in range(1, 31)), confirm=confirm
    )
    assert {outcome.state for outcome in outcomes.values()} == {APPLIED}
    assert 1 <= setting.erp.most_under_way <= 3


def test_a_reason_never_holds_a_value(setting: Setting) -> None:
    (client,) = setting.shape.create(1)
    values = [value for value in client.values.values() if value and value != client.key]
    for trouble in [*FINAL, Trouble.FAILS_BEFORE_COMMIT, Trouble.GATEWAY, Trouble.LATE_COMMIT]:
        setting.erp.trouble["C-00001"] = [trouble] * 8
        change = setting.shape.change(
            Action.UPDATE, setting.shape.read(1), name=f"Т {trouble}"[:50]
        )
        detail = setting.apply(change)[1].detail
        assert not [value for value in values if value in detail]


def test_the_webhook_writer_needs_its_settings(setting: Setting) -> None:
    settings = setting.shape.erp.model_copy(update={"writer": "webhook"})
    with pytest.raises(SettingsError, match="webhook"):
        open_writer(settings, setting.shape.mapping)

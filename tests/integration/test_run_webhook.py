"""Nights through the ERP's own webhook, which misbehaves: the right verdict for every one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from tests.integration.engine_world import World, world
from tests.integration.misbehaving_erp import Manners, MisbehavingErp, Trouble
from zvirka.domain import Cause, Difference, OutcomeState

APPLIED, NOT_CONVERGING = OutcomeState.APPLIED, OutcomeState.NOT_CONVERGING
GIVE_UP_AFTER = 2


@dataclass
class Erp(MisbehavingErp):
    """The misbehaving ERP with something that happens in 1C as its next message comes in."""

    meanwhile: Callable[[], None] | None = None

    def handle(self, handler: BaseHTTPRequestHandler) -> None:
        happening, self.meanwhile = self.meanwhile, None
        if happening is not None:
            happening()
        super().handle(handler)

    def codes(self) -> list[str]:
        return [post["clientData"]["Код"] for post in self.posts]


@pytest.fixture
def both(tmp_path: Path) -> Iterator[tuple[World, Erp]]:
    """A store filled on the first night, whose later corrections go through the webhook."""
    with world(
        tmp_path,
        shape="production",
        counterparties=12,
        policy={"give_up_after": GIVE_UP_AFTER},
        report={"formats": ["json"]},
    ) as made:
        for ref in made.refs():
            made.base.update(ref, address="Київ")
        assert made.run().exit_code == 0
        with Erp(made.shape.erp.url) as erp:
            webhook = {"url": erp.url, "timeout": 0.5, "per_second": 1000, "concurrency": 1}
            yield made.with_settings(erp={"writer": "webhook", "webhook": webhook}), erp


def verdicts(made: World, run: int) -> dict[str, tuple[OutcomeState, str]]:
    """The last outcome of each counterparty, by Ref_Key."""
    with made.environment() as environment:
        return {
            correction.ref: (outcome.state, outcome.detail)
            for batch in environment.journal.corrections(run)
            for _, correction, outcome in batch
        }


def by_ref(made: World, run: int) -> dict[str, Difference]:
    return {d.ref: d for d in made.differences(run)}


def code(made: World, ref: str) -> str:
    return str(made.base.get(ref).values["code"])


def assert_none_doubled(made: World) -> None:
    doubled = made.shape.sql(
        "SELECT external_id FROM clients GROUP BY external_id HAVING COUNT(*) > 1"
    )
    assert doubled == []


@pytest.mark.long
def test_a_night_ends_with_the_right_verdict_for_every_counterparty(
    both: tuple[World, Erp],
) -> None:
    made, erp = both
    renamed, phone, cleared, gone, inactive, head = made.refs()[:6]
    tax = made.base.get(head).values["tax_id"]
    before = {ref: made.base.get(ref).values["phone"] for ref in (phone, cleared)}
    made.base.update(renamed, name="ТОВ «Нова назва»")
    made.base.update(phone, phone="+380501112233")
    made.base.update(cleared, address="")
    made.base.delete(gone)
    made.shape.sql(
        "UPDATE clients SET is_active = ? WHERE external_id = ?", (False, code(made, inactive))
    )
    fresh = made.base.create(name="ТОВ «Нове»", code="N-1", tax_id="11223344")
    branch = made.base.create(name="Філія", code="N-2", tax_id=tax)
    erp.trouble["N-1"] = [Trouble.TIMEOUT_AFTER_COMMIT]
    run = made.run()

    states = {ref: state for ref, (state, _) in verdicts(made, run.run).items()}
    assert states == {
        renamed: APPLIED,
        phone: NOT_CONVERGING,
        cleared: NOT_CONVERGING,
        gone: APPLIED,
        inactive: NOT_CONVERGING,
        fresh: APPLIED,
        branch: OutcomeState.FAILED,
    }
    details = {ref: detail for ref, (_, detail) in verdicts(made, run.run).items()}
    assert "phone" in details[phone]
    assert "address" in details[cleared]
    assert "inactive" in details[inactive]
    told = by_ref(made, run.run)
    assert {told[ref].cause for ref in (phone, cleared, inactive)} == {Cause.NOT_CONVERGING}
    [field] = [field for field in told[phone].fields if field.field == "phone"]
    assert (field.wanted, field.read_back) == ("+380501112233", before[phone])
    assert told[branch].cause is Cause.DUPLICATE
    assert made.shape.find(code(made, head))[0].row in told[branch].rows
    assert run.exit_code == 1
    assert erp.codes().count("N-1") == 1
    assert_none_doubled(made)


@pytest.mark.long
def test_no_accident_of_transport_doubles_a_client_or_loses_one(
    both: tuple[World, Erp],
) -> None:
    """Each accident befalls a create, an update and a delete, all in one night."""
    made, erp = both
    erp.manners = Manners(clears=True, touches_contact=True, reactivates=True, delete_answers=200)
    troubles = [trouble for trouble in Trouble if trouble is not Trouble.UNAUTHORISED]
    changed, gone = (
        [
            made.base.create(name=f"Був {letter}{n}", code=f"{letter}-{n}", tax_id=f"{start + n}")
            for n in range(len(troubles))
        ]
        for letter, start in (("U", 51000000), ("D", 52000000))
    )
    assert made.with_settings(erp={"writer": "sql"}).run().exit_code == 0
    for n, trouble in enumerate(troubles):
        made.base.update(changed[n], name=f"Змінено {n}")
        made.base.delete(gone[n])
        made.base.create(name=f"Нове {n}", code=f"C-{n}", tax_id=f"{53000000 + n}")
        for letter in "UDC":
            erp.trouble[f"{letter}-{n}"] = [trouble]
    assert made.run().status == "finished"
    assert_none_doubled(made)
    erp.trouble.clear()
    made.run()
    last = made.run()
    assert (last.exit_code, last.causes) == (0, {})
    made.assert_in_sync()
    assert_none_doubled(made)


def test_a_refused_token_ends_the_run_and_the_next_night_makes_up_for_it(
    both: tuple[World, Erp],
) -> None:
    made, erp = both
    ref = made.refs()[0]
    made.base.update(ref, name="Змінено")
    erp.trouble["*"] = [Trouble.UNAUTHORISED]
    run = made.run()
    assert (run.status, run.exit_code) == ("failed", 2)
    assert "credentials" in run.error
    assert made.run().exit_code == 0
    made.assert_in_sync()


@pytest.mark.slow
def test_what_does_not_converge_is_sent_a_few_nights_and_then_only_reported(
    both: tuple[World, Erp],
) -> None:
    made, erp = both
    ref = made.refs()[0]
    mine = code(made, ref)
    made.base.update(ref, phone="+380501112233")
    for night in range(1, GIVE_UP_AFTER + 1):
        made.run()
        assert erp.codes().count(mine) == night
    for _ in range(2):
        quiet = made.run()
        assert (quiet.outcomes, quiet.exit_code) == ({}, 1)
        assert by_ref(made, quiet.run)[ref].cause is Cause.NOT_CONVERGING
    assert erp.codes().count(mine) == GIVE_UP_AFTER

    made.resync(mine)
    assert erp.codes().count(mine) == GIVE_UP_AFTER + 1
    assert made.run().outcomes == {}, "a resync without effect does not restart the count"

    made.shape.sql(
        "UPDATE client_contacts SET primary_phone = 'x' WHERE client_id ="
        " (SELECT id FROM clients WHERE external_id = ?)",
        (mine,),
    )
    assert made.run().outcomes == {"not_converging": 1}, "the ERP's side has changed"
    made.run()
    assert made.run().outcomes == {}

    made.base.update(ref, phone="+380509998877")
    assert made.run().outcomes == {"not_converging": 1}, "1C's side has changed"
    erp.manners.touches_contact = True
    assert made.resync(mine).exit_code == 0
    assert made.run().causes == {}
    made.assert_in_sync()


@pytest.mark.long
def test_1c_is_asked_again_just_before_each_message(both: tuple[World, Erp]) -> None:
    made, erp = both
    one, two, three = made.refs()[:3]
    made.base.update(one, name="Перша зміна")
    made.base.update(two, name="Друга зміна")
    made.base.update(three, name="Третя зміна")

    def happens() -> None:
        made.base.update(two, name="Друга зміна, ще раз")
        made.base.delete(three)

    erp.meanwhile = happens
    run = made.run()
    states = {ref: state for ref, (state, _) in verdicts(made, run.run).items()}
    assert states == {
        one: APPLIED,
        two: OutcomeState.WITHDRAWN,
        three: OutcomeState.WITHDRAWN,
    }
    assert len(erp.posts) == 1
    assert run.exit_code == 1
    assert made.run().exit_code == 0
    made.assert_in_sync()

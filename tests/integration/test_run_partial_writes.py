"""A value the store does not take is left out; the other values of the client are corrected."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.databases import BACKENDS, fresh
from tests.integration.engine_world import world
from tests.integration.store_shapes import BY_CODE, SERIAL, SHAPES, Shape
from zvirka.domain import Cause, OutcomeState
from zvirka.settings.model import ErpSettings


@pytest.mark.long
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_value_too_long_is_left_out_and_the_others_are_corrected(
    tmp_path: Path, backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(SHAPES, "short", short)
    with world(tmp_path, shape="short", backend=backend, counterparties=2) as made:
        long, _ = made.refs()
        made.base.update(long, phone="0" * 73)
        first = made.run()
        assert first.outcomes is not None
        assert (first.exit_code, first.outcomes["not_converging"]) == (1, 1)
        code = str(made.base.get(long).values["code"])
        [client] = made.shape.find(code)
        assert client.values["name"] == made.base.get(long).values["name"]
        assert not client.values["phone"]
        with made.environment() as environment:
            details = [o.detail for p in environment.journal.corrections(first.run) for *_, o in p]
        assert (
            "left out: field phone has 73 characters, column phone takes 20;"
            " reads back otherwise: phone" in details
        )
        made.base.update(long, name="Нова назва", email="new@example.ua")
        made.run()
        [client] = made.shape.find(code)
        assert (client.values["name"], client.values["email"]) == ("Нова назва", "new@example.ua")
        night = made.run()
        assert [[f.field for f in d.fields] for d in made.differences(night.run)] == [["phone"]]
        with made.environment() as environment:
            [page] = environment.journal.corrections(night.run)
        reason = "field phone has 73 characters, column phone takes 20"
        assert {(o.state, o.detail) for _, _, o in page} == {(OutcomeState.REFUSED, reason)}
        made.base.update(long, phone="+380501112233")
        assert made.run().exit_code == 0


@pytest.mark.long
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_tax_id_that_collides_is_left_out_and_the_others_are_corrected(
    tmp_path: Path, backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(SHAPES, "short", short)
    with world(tmp_path, shape="short", backend=backend, counterparties=3) as made:
        holder, created, updated = made.refs()
        held = str(made.base.get(holder).values["tax_id"])
        made.base.update(created, tax_id="77777777")
        made.base.update(updated, tax_id="88888888")
        made.run()
        fresh = made.base.create(name="Новий", code="NEW", tax_id=held, phone="+380501112233")
        made.base.update(updated, tax_id=held, name="Нова назва")
        night = made.run()
        assert night.exit_code == 1
        [client] = made.shape.find("NEW")
        assert (client.values["name"], client.values["tax_id"]) == ("Новий", None)
        [other] = made.shape.find(str(made.base.get(updated).values["code"]))
        assert (other.values["name"], other.values["tax_id"]) == ("Нова назва", "88888888")
        told = {d.ref: d for d in made.differences(night.run)}
        row = made.shape.find(str(made.base.get(holder).values["code"]))[0].row
        for ref in (fresh, updated):
            assert told[ref].cause is Cause.DUPLICATE
            assert row in told[ref].rows
        made.base.update(holder, tax_id="99999999")
        made.base.update(updated, tax_id="88888888")
        assert made.run().exit_code == 0
        made.assert_in_sync()


def short(backend: str, directory: Path) -> Shape:
    """Columns of limited length, and a tax id that is unique."""
    settings = {"url": fresh(backend, directory), "table": "clients"}
    shape = Shape("short", backend, ErpSettings.model_validate(settings), BY_CODE, {})
    shape.sql(
        f"""CREATE TABLE clients (id {SERIAL[backend]}, code varchar(40) UNIQUE,
            name varchar(255) NOT NULL, tax_id varchar(20) UNIQUE, phone varchar(20),
            email varchar(100), address varchar(500),
            is_active boolean DEFAULT {"1" if backend == "sqlite" else "true"})"""
    )
    return shape

"""A pairing key of several fields: a tax id and the code of a branch, over every database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.databases import BACKENDS, fresh
from tests.integration.engine_world import World, world
from tests.integration.store_shapes import SERIAL, Shape, columns_of
from zvirka.domain import Action, Correction, Kind, OutcomeState
from zvirka.erp.sql.store_check import check_store
from zvirka.identity import joined_key
from zvirka.mapping import Attribute, Field, Mapping
from zvirka.settings.model import ErpSettings

pytestmark = pytest.mark.timeout(300)  # whole runs over three databases

TABLE = """
CREATE TABLE branches(
    id {serial}, tax_id VARCHAR(12) NOT NULL, branch {branch}, name VARCHAR(200),
    is_active BOOLEAN NOT NULL DEFAULT TRUE, UNIQUE (tax_id, branch)
)
"""
MAPPING = Mapping(
    catalog="Контрагенты",
    key=("tax_id", "branch"),
    fields=tuple(Field(name, Attribute(name)) for name in ("tax_id", "branch", "name")),
)
FIELDS: dict[str, Any] = {
    "branch": {"attribute": "НомерСвидетельства"},
    **dict.fromkeys(["code", "phone", "email", "address"], False),
}
PLACES = [("30000001", "001"), ("30000001", "002"), ("30000001", ""), ("30000002", "001")]
"""A firm with two branches and a head office, and another firm."""
ALIKE = [("a~b", "c"), ("a", "b~c"), ("a\\", "b"), ("a", "b"), ("A", "b"), ("a\\~b", "c")]
"""Parts that would be one text if they were only joined."""


def shape_of(backend: str, directory: Path, branch: str = "VARCHAR(20)") -> Shape:
    erp = ErpSettings(url=fresh(backend, directory), table="branches")
    made = Shape("branches", backend, erp, MAPPING, {})
    made.sql(TABLE.format(serial=SERIAL[backend], branch=branch))
    return made


@pytest.fixture(params=BACKENDS)
def branches(request: pytest.FixtureRequest, tmp_path: Path) -> Shape:
    return shape_of(request.param, tmp_path)


def creation(number: int, tax_id: str, branch: str) -> Correction:
    after: dict[str, str | None] = {"tax_id": tax_id, "branch": branch, "name": str(number)}
    key = MAPPING.key_of("", after)
    return Correction(id=number, action=Action.CREATE, key=key, ref="", after=after)


def names_of(shape: Shape, *keys: str) -> dict[str, str | None]:
    """The names of the clients with these keys."""
    store = shape.store()
    try:
        return {client.key: client.values["name"] for client in store.read_keys(keys)}
    finally:
        store.close()


def scanned_keys(shape: Shape) -> list[str]:
    store = shape.store()
    try:
        return sorted(key for page in store.scan() for key in columns_of(page)[1])
    finally:
        store.close()


@pytest.mark.long
def test_parts_that_look_alike_when_joined_are_clients_of_their_own(branches: Shape) -> None:
    # MariaDB's collation takes «A» and «a» for one in a unique constraint.
    pairs = [pair for pair in ALIKE if branches.backend != "mariadb" or pair[0] != "A"]
    corrections = [creation(number, *pair) for number, pair in enumerate(pairs, start=1)]
    outcomes = branches.apply(*corrections)
    assert {one.state for one in outcomes.values()} == {OutcomeState.APPLIED}
    wanted = {one.key: one.after["name"] for one in corrections}
    assert len(wanted) == len(pairs)
    assert names_of(branches, *wanted) == wanted
    assert scanned_keys(branches) == sorted(wanted)
    again = branches.apply(*corrections)
    assert {one.state for one in again.values()} == {OutcomeState.SUPERSEDED}


def test_a_padded_part_and_an_empty_one_are_found(branches: Shape) -> None:
    branches.sql(
        "INSERT INTO branches(tax_id, branch, name) VALUES (' 30000001', '001\t', 'padded')"
    )
    branches.sql("INSERT INTO branches(tax_id, branch, name) VALUES ('30000001', NULL, 'null')")
    branches.sql("INSERT INTO branches(tax_id, branch, name) VALUES ('30000002', '', 'empty')")
    branches.sql("INSERT INTO branches(tax_id, branch, name) VALUES (' ', '001', 'no key')")
    wanted = {"30000001~001": "padded", "30000001~": "null", "30000002~": "empty"}
    assert names_of(branches, *wanted, "30000001~002") == wanted
    assert scanned_keys(branches) == sorted(["", *wanted])


def test_a_client_moves_to_another_branch(branches: Shape) -> None:
    branches.apply(creation(1, "30000001", "001"))
    store = branches.store()
    [client] = store.read_keys(["30000001~001"])
    store.close()
    moved = branches.change(Action.UPDATE, client, 2, branch="002")
    outcome = branches.apply(
        Correction(
            id=2,
            action=Action.UPDATE,
            key=client.key,
            ref="",
            row=client.row,
            before=client.values,
            after=moved.after,
            new_key="30000001~002",
        )
    )
    assert outcome[2].state is OutcomeState.APPLIED
    assert names_of(branches, "30000001~001", "30000001~002") == {"30000001~002": "1"}


def test_check_proves_the_key_in_a_trial(branches: Shape) -> None:
    findings = check_store(branches.erp, branches.mapping)
    assert [one.text for one in findings if one.level == "failure"] == []
    keys = [str(one.text) for one in findings if one.subject == "key"]
    assert keys == ["the key branches.tax_id + branches.branch is unique"]


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_column_that_cannot_hold_a_part_is_refused(backend: str, tmp_path: Path) -> None:
    made = shape_of(backend, tmp_path, branch="INTEGER")
    store = made.store()
    try:
        assert store.key_column == "branches.tax_id + branches.branch (VARCHAR(12), INTEGER)"
        assert store.unfit_key(["30000001~", "30000001~1"]) == ""
        assert store.unfit_key(["30000001~1", "30000001~001"]) == "30000001~001"
    finally:
        store.close()


@pytest.fixture(params=BACKENDS)
def firms(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    backend: str = request.param
    with world(tmp_path, profile="accounting", counterparties=len(PLACES)) as plain:
        here = plain.with_settings(
            onec={"fields": FIELDS, "key": ["tax_id", "branch"]},
            erp={"url": fresh(backend, tmp_path), "table": "branches", "ref": None},
            policy={"rekey": "apply"},
            guard={"shrink_share": 1.0},
        )
        here.shape.backend, here.shape.mapping = backend, here.mapping
        here.shape.sql(TABLE.format(serial=SERIAL[backend], branch="VARCHAR(20)"))
        for ref, (tax_id, branch) in zip(here.refs(), PLACES, strict=True):
            here.base.update(ref, КодПоЕДРПОУ=tax_id, НомерСвидетельства=branch)
        yield here


def in_1c(here: World) -> dict[str, str]:
    """The name of each counterparty by its key."""
    found = {}
    for ref in here.refs():
        held = here.base.get(ref).attributes
        parts = [held["КодПоЕДРПОУ"].strip(), held["НомерСвидетельства"].strip()]
        found[joined_key(parts)] = held["Description"].strip()
    return found


def by_names(here: World) -> dict[str, str]:
    """The name of each active client by its key."""
    return {key: values["name"] for key, values in here.in_store().items()}


@pytest.mark.long
def test_clients_are_created_corrected_deleted_and_undone_by_all_parts(firms: World) -> None:
    assert firms.run().exit_code == 0
    before = by_names(firms)
    assert before == in_1c(firms)
    assert set(before) == {"30000001~001", "30000001~002", "30000001~", "30000002~001"}
    one, two, head, other = firms.refs()
    firms.base.update(one, Description="Філія 1")
    firms.base.update(head, Description="Головний офіс")
    firms.base.update(two, НомерСвидетельства="003")
    firms.base.delete(other)
    change = firms.run(full=True)
    kinds = {(d.kind, d.key) for d in firms.differences(change.run)}
    assert {(Kind.DIFFERENT, "30000001~001"), (Kind.DIFFERENT, "30000001~")} < kinds
    assert {(Kind.REKEYED, "30000001~003"), (Kind.EXTRA, "30000002~001")} < kinds
    assert by_names(firms) == in_1c(firms)
    undone = firms.run("undo", parent=change.run, reason="test")
    assert undone.exit_code == 0
    assert by_names(firms) == before
    firms.base.update(two, Description="Філія 3")
    named = firms.resync("30000001~003")
    assert named.exit_code == 0
    assert by_names(firms)["30000001~003"] == "Філія 3"

"""Two bases into one table: a client that both know belongs to the flow that created it first."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine
from starlette.testclient import TestClient

from tests.integration.databases import BACKENDS, fresh
from tests.integration.engine_world import Clock
from tests.integration.store_shapes import SERIAL
from zvirka.domain import Cause, Command, Difference, Disposition
from zvirka.erp.sharing import sharing_of
from zvirka.errors import SettingsError
from zvirka.receiver.run_receiver import receiver_app
from zvirka.reconcile.environment import open_environment
from zvirka.reconcile.request import Request, Summary, Targets
from zvirka.reconcile.run import perform
from zvirka.settings.model import Settings
from zvirka.settings.profiles import mapping_of
from zvirka.simulator import Simulator, SimulatorOptions

pytestmark = pytest.mark.long

TABLE = """
CREATE TABLE clients(
    id {serial}, base VARCHAR(10) NOT NULL, ref CHAR(36) NOT NULL, code VARCHAR(20),
    name VARCHAR(200), tax_id VARCHAR(20), is_active BOOLEAN NOT NULL DEFAULT TRUE
)
"""
TAX_ID = "12345678"
FLOWS = ("hq", "branch")
_LIMITS = {
    "max_changes": 10_000,
    "max_change_share": 1.0,
    "max_delete_share": 1.0,
    "shrink_share": 1.0,
}


@dataclasses.dataclass
class TwoBases:
    """The flows ``hq`` and ``branch`` of two simulated bases, and their one table."""

    simulators: dict[str, Simulator]
    backend: str
    settings: dict[str, Settings]
    clock: Clock = dataclasses.field(default_factory=Clock)

    def base(self, flow: str) -> Any:
        return self.simulators[flow].base

    def run(self, flow: str, command: str = Command.RECONCILE, **asked: Any) -> Summary:
        self.clock.forward(minutes=1)
        settings = self.settings[flow]
        with open_environment(settings, mapping_of(settings), now=self.clock) as environment:
            return perform(environment, Request(command=Command(command), who="test", **asked))

    def journal_of(self, flow: str, run: int) -> tuple[list[Difference], list[str], list[str]]:
        """The differences of a run, the limits that held something, and the warnings."""
        settings = self.settings[flow]
        with open_environment(settings, mapping_of(settings), now=self.clock) as environment:
            found = [one for batch in environment.journal.differences(run) for one in batch]
            facts = environment.journal.get(run).facts
        return found, [hold.limit for hold in facts.held], [str(one) for one in facts.warnings]

    def push(self, flow: str, action: str, ref: str, **values: str) -> tuple[int, str]:
        """The status of the receiver's answer, and its outcome or reason."""
        settings, mapping = self.settings[flow], mapping_of(self.settings[flow])
        data = {mapping.field(name).payload: value for name, value in values.items()}
        message = {"action": action, "clientData": {"Ссылка": ref, **data}}
        with (
            receiver_app(settings, mapping, clock=self.clock) as app,
            TestClient(app, "http://127.0.0.1") as client,
        ):
            answer = client.post(settings.receiver.path, json=message)
        told = answer.json()
        return answer.status_code, told.get("outcome") or told["reason"]

    def shared(self, *, name: str = "Спільний") -> dict[str, str]:
        """Create one company in both bases, in the second as a spreadsheet left it."""
        return {
            "hq": self.base("hq").create(name=name, tax_id=TAX_ID),
            "branch": self.base("branch").create(name=f"{name} (філія)", tax_id=f" {TAX_ID} "),
        }

    def owners(self) -> list[str]:
        """Whose the living rows of the company are."""
        return [
            base
            for (base,) in self.sql(
                "SELECT base FROM clients WHERE is_active"
                f" AND TRIM(tax_id) = '{TAX_ID}' ORDER BY id"
            )
        ]

    def sql(self, statement: str) -> list[tuple[Any, ...]]:
        engine = create_engine(self.settings["hq"].erp.url)
        try:
            with engine.begin() as connection:
                result = connection.exec_driver_sql(statement)
                return [tuple(row) for row in result] if result.returns_rows else []
        finally:
            engine.dispose()


@contextmanager
def two_bases(
    directory: Path, backend: str = "sqlite", shared: str = "first"
) -> Iterator[TwoBases]:
    url = fresh(backend, directory)
    with ExitStack() as served:
        simulators = {
            flow: served.enter_context(
                Simulator(SimulatorOptions(profile="accounting", counterparties=3, seed=seed))
            )
            for seed, flow in enumerate(FLOWS, start=5)
        }
        plain = {
            flow: Settings.model_validate(
                {
                    "name": flow,
                    "state_dir": directory / flow,
                    "onec": {
                        "url": simulator.url,
                        "user": simulator.user,
                        "password": simulator.password,
                        "retries": 1,
                        "key": "ref",
                        "fields": dict.fromkeys(["phone", "email", "address"], False),
                    },
                    "erp": {
                        "url": url,
                        "table": "clients",
                        "key": "ref",
                        "owned": f"base = '{flow}'",
                        "on_create": {"base": flow},
                        "delete": {"mode": "soft"},
                    },
                    "policy": {"shared": shared},
                    "guard": _LIMITS,
                    "receiver": {"path": f"/hook/{flow}"},
                }
            )
            for flow, simulator in simulators.items()
        }
        settings = {flow: one.among(plain) for flow, one in plain.items()}
        made = TwoBases(simulators, backend, settings)
        made.sql(TABLE.format(serial=SERIAL[backend]))
        for flow in FLOWS:
            made.run(flow)
        yield made


@pytest.fixture(params=BACKENDS)
def both(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[TwoBases]:
    with two_bases(tmp_path, request.param) as made:
        yield made


def test_the_second_flow_is_linked_and_writes_nothing(both: TwoBases) -> None:
    refs = both.shared()
    assert both.run("hq").outcomes == {"applied": 1}
    row = both.sql(f"SELECT id FROM clients WHERE ref = '{refs['hq']}'")[0][0]
    for _ in range(2):
        run = both.run("branch")
        assert (run.exit_code, run.remaining, run.outcomes) == (0, 0, {})
        (linked,), _, _ = both.journal_of("branch", run.run)
        assert (linked.ref, linked.row) == (refs["branch"], str(row))
        assert (linked.disposition, linked.cause) == (Disposition.LINKED, Cause.SHARED)
        assert "the flow hq keeps this client" in str(linked.note)
    both.base("branch").update(refs["branch"], name="Інша назва")
    both.base("hq").update(refs["hq"], name="Нова назва")
    assert [both.run(flow).exit_code for flow in ("branch", "hq", "branch")] == [0, 0, 0]
    rows = both.sql(f"SELECT base, name FROM clients WHERE TRIM(tax_id) = '{TAX_ID}'")
    assert rows == [("hq", "Нова назва")]


def test_a_deletion_in_the_first_base_waits_while_the_second_knows_the_client(
    both: TwoBases,
) -> None:
    refs = both.shared()
    both.run("hq")
    both.run("branch")
    both.base("hq").delete(refs["hq"])
    held = both.run("hq")
    (difference,), limits, _ = both.journal_of("hq", held.run)
    assert (held.status, held.exit_code, limits) == ("held", 3, ["linked"])
    assert "the flow branch is linked to this client" in str(difference.note)
    assert both.owners() == ["hq"]
    assert both.run("hq", "approve", parent=held.run, reason="так").outcomes == {"applied": 1}
    assert both.owners() == []
    assert both.run("branch").outcomes == {"applied": 1}
    assert both.owners() == ["branch"]


def test_once_the_second_base_lost_it_too_the_deletion_waits_no_more(both: TwoBases) -> None:
    refs = both.shared()
    both.run("hq")
    both.run("branch")
    both.base("branch").delete(refs["branch"])
    assert both.run("branch").causes == {}
    both.base("hq").delete(refs["hq"])
    assert both.run("hq").outcomes == {"applied": 1}
    assert both.owners() == []


def test_a_push_creates_no_second_client_and_deletes_no_linked_one(both: TwoBases) -> None:
    refs = both.shared()
    both.run("hq")
    data = {"code": "1", "name": "X", "tax_id": TAX_ID}
    assert both.push("branch", "create", refs["branch"], **data) == (200, "linked")
    assert both.owners() == ["hq"]
    both.run("branch")
    status, reason = both.push("hq", "delete", refs["hq"])
    assert status == 409
    assert "branch" in reason
    assert both.owners() == ["hq"]


def test_by_default_both_bases_have_their_client_and_it_is_reported(tmp_path: Path) -> None:
    with two_bases(tmp_path, shared="report") as both:
        both.shared()
        both.run("hq")
        run = both.run("branch")
        (created,), _, _ = both.journal_of("branch", run.run)
        assert "the flow hq keeps this client: row" in str(created.note)
        assert both.owners() == ["hq", "branch"]
        night = both.run("hq")
        _, _, warnings = both.journal_of("hq", night.run)
        assert night.exit_code == 0
        assert any("1 client has the same tax_id" in one for one in warnings)


def test_a_person_who_names_the_client_deletes_it(tmp_path: Path) -> None:
    with two_bases(tmp_path) as both:
        refs = both.shared()
        both.run("hq")
        both.run("branch")
        both.base("hq").delete(refs["hq"])
        asked = Targets(refs=(refs["hq"],))
        assert both.run("hq", "resync", targets=asked, reason="x").outcomes == {"applied": 1}
        assert both.owners() == []


def test_a_journal_that_cannot_be_read_holds_the_deletion(tmp_path: Path) -> None:
    with two_bases(tmp_path) as both:
        refs = both.shared()
        both.run("hq")
        journal = tmp_path / "branch" / "journal.db"
        for part in journal.parent.glob("journal.db*"):
            part.unlink()
        journal.write_bytes(b"no database" * 100)
        both.base("hq").delete(refs["hq"])
        assert both.run("hq").status == "held"
        assert both.owners() == ["hq"]


def test_a_field_that_is_not_mapped_is_refused(tmp_path: Path) -> None:
    with two_bases(tmp_path) as both:
        policy = both.settings["hq"].policy.model_copy(update={"shared_by": "edrpou"})
        wrong = both.settings["hq"].model_copy(update={"policy": policy})
        with pytest.raises(SettingsError, match="cannot be recognised by edrpou"):
            sharing_of(wrong.among(both.settings))

"""A whole world for runs: a simulated 1C, a store of one shape on a real database, a journal.

``World.run()`` is the same door as every trigger's. What a test wants to see it reads past
zvirka: from the simulator's own base and from the tables themselves.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.integration.store_shapes import SHAPES, Shape, scanned_rows
from zvirka.domain import Command, Difference, OutcomeState
from zvirka.journal.records import RunRecord
from zvirka.mapping import Mapping
from zvirka.reconcile.environment import Environment, open_environment
from zvirka.reconcile.request import Request, Summary, Targets
from zvirka.reconcile.run import perform
from zvirka.settings.model import Settings
from zvirka.settings.profiles import mapping_of
from zvirka.simulator import Simulator, SimulatorOptions


class Clock:
    """A clock that moves only when told."""

    def __init__(self) -> None:
        self.moment = datetime(2026, 11, 25, 0, 30, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.moment

    def forward(self, **amount: float) -> None:
        self.moment += timedelta(**amount)


@dataclasses.dataclass
class World:
    """Both sides and the house between them."""

    directory: Path
    simulator: Simulator
    shape: Shape
    settings: Settings
    mapping: Mapping
    clock: Clock = dataclasses.field(default_factory=Clock)

    @property
    def base(self) -> Any:
        """1C's infobase."""
        return self.simulator.base

    @contextmanager
    def environment(self) -> Iterator[Environment]:
        with open_environment(self.settings, self.mapping, now=self.clock) as environment:
            yield environment

    def run(self, command: str = Command.RECONCILE, **asked: Any) -> Summary:
        """Perform one run, a minute after the last."""
        self.clock.forward(minutes=1)
        with self.environment() as environment:
            return perform(environment, Request(command=Command(command), who="test", **asked))

    def resync(self, *codes: str, refs: tuple[str, ...] = (), **asked: Any) -> Summary:
        targets = Targets(codes=codes, refs=refs, everything=not codes and not refs)
        return self.run("resync", targets=targets, reason="test", **asked)

    def differences(self, run: int) -> list[Difference]:
        with self.environment() as environment:
            return [one for batch in environment.journal.differences(run) for one in batch]

    def outcomes(self, run: int) -> list[OutcomeState]:
        with self.environment() as environment:
            return [o.state for batch in environment.journal.corrections(run) for _, _, o in batch]

    def row(self, run: int) -> RunRecord:
        with self.environment() as environment:
            return environment.journal.get(run)

    def with_settings(self, **tables: dict[str, Any]) -> World:
        """The same world under other settings; tables are merged."""
        raw = self.settings.model_dump(mode="python", by_alias=True)
        for table, values in tables.items():
            raw[table] = {**raw[table], **values}
        settings = Settings.model_validate(raw)
        shape = dataclasses.replace(self.shape, erp=settings.erp)
        return dataclasses.replace(
            self, settings=settings, shape=shape, mapping=mapping_of(settings)
        )

    # -- both sides, past zvirka -----------------------------------------------------------------

    def refs(self) -> list[str]:
        """Ref_Keys of 1C's counterparties, groups left out."""
        return [ref for ref in self.base.refs() if not self.base.get(ref).group]

    def in_1c(self) -> dict[str, dict[str, str]]:
        """What 1C holds by pairing key, NULL as ''."""
        found = {}
        for ref in self.refs():
            held = self.base.get(ref)
            values = {name: (held.values.get(name) or "").strip() for name in self.mapping.names}
            found[self.mapping.key_of(ref, values)] = values
        return found

    def in_store(self) -> dict[str, dict[str, str]]:
        """What the store holds of active owned clients by pairing key, NULL as ''."""
        store = self.shape.store()
        try:
            rows = scanned_rows(store)
            return {
                client.key: {name: (value or "").strip() for name, value in client.values.items()}
                for client in store.read_rows(rows)
                if client.active
            }
        finally:
            store.close()

    def as_stored(self) -> dict[str, dict[str, str]]:
        """What 1C holds, cut where the settings of the store say truncate."""
        wanted = self.in_1c()
        for name, column in self.settings.erp.columns.items():
            if column.truncate:
                for values in wanted.values():
                    values[name] = values[name][: column.max_length].strip()
        return wanted

    def assert_in_sync(self) -> None:
        assert self.in_store() == self.as_stored()


@contextmanager
def world(
    directory: Path,
    *,
    shape: str = "embedded",
    backend: str = "sqlite",
    profile: str = "custom",
    counterparties: int = 40,
    outbox: bool = False,
    **tables: dict[str, Any],
) -> Iterator[World]:
    """A world whose store is empty and whose first load is allowed by its limits."""
    options = SimulatorOptions(
        profile=profile,  # type: ignore[arg-type]
        counterparties=counterparties,
        seed=7,
        outbox=outbox,
    )
    with Simulator(options) as simulator:
        made = SHAPES[shape](backend, directory)
        guard = {"max_changes": 10_000, "max_change_share": 1.0, "max_delete_share": 0.5}
        onec = {
            "url": simulator.url,
            "user": simulator.user,
            "password": simulator.password,
            "profile": profile,
            "retries": 1,
        }
        settings = Settings.model_validate(
            {
                "state_dir": directory / "state",
                "onec": {**onec, **tables.pop("onec", {})},
                "erp": made.erp.model_dump(mode="python", by_alias=True),
                "guard": {**guard, **tables.pop("guard", {})},
                **tables,
            }
        )
        mapping = mapping_of(settings)
        if shape == "embedded":
            made = dataclasses.replace(made, mapping=mapping)
        yield World(directory, simulator, made, settings, mapping)

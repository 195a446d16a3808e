"""A run and its surroundings for what people decide: a real journal, a store in memory, no 1C."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, cast

from tests.unit.journal import world
from zvirka.domain import (
    Action,
    Client,
    Correction,
    Mode,
    Outcome,
    OutcomeState,
    RunStatus,
    Values,
)
from zvirka.erp.protocol import Allowed, ClientElsewhere, always_allowed
from zvirka.journal.journal import Journal, open_journal
from zvirka.journal.run_facts import Facts, Hold
from zvirka.mapping import Attribute, Field, Mapping
from zvirka.policy import Policy
from zvirka.reconcile.environment import Environment
from zvirka.reconcile.request import Request
from zvirka.reconcile.run_context import RunContext
from zvirka.settings.model import Settings

MAPPING = Mapping(
    catalog="Контрагенты",
    fields=(
        Field("code", Attribute("Code")),
        Field("name", Attribute("Description")),
        Field("phone", Attribute("Телефон")),
    ),
)
NOW = world.NOW


class MemoryStore:
    """Clients by primary key; a delete is soft."""

    name = key_column = "memory"
    soft_delete = True
    has_ref = True
    emptied: tuple[str, ...] = ()

    def __init__(self, *clients: Client) -> None:
        self.rows = {client.row: client for client in clients}

    def scan(self) -> Iterator[Any]:
        raise AssertionError("nothing here scans the store")

    def shape(self) -> dict[str, str]:
        return {"memory.name": "VARCHAR"}

    def unfit_key(self, keys: Iterable[str]) -> str:
        return ""

    def newest(self, size: int) -> list[Client]:
        raise AssertionError("nothing here checks the store")

    def read_rows(self, rows: Sequence[str]) -> list[Client]:
        return [self.rows[row] for row in rows if row in self.rows]

    def read_keys(self, keys: Sequence[str]) -> list[Client]:
        return [client for client in self.rows.values() if client.key in keys]

    def elsewhere(self, records: Sequence[Values]) -> list[ClientElsewhere | None]:
        raise AssertionError("nothing here shares the table")

    def shared(self) -> dict[str, int]:
        raise AssertionError("nothing here shares the table")

    def conflicts(self, correction: Correction) -> list[str]:
        return []

    def fitting(self, values: Values) -> dict[str, str | None]:
        return dict(values)

    def close(self) -> None:
        pass

    def edit(self, row: str, **values: Any) -> None:
        client = self.rows[row]
        changed = {**client.values, **values}
        self.rows[row] = client_of(row, active=client.active, **changed)


class MemoryWriter:
    """Compare and swap on a :class:`MemoryStore`."""

    doubled = ()

    def __init__(self, store: MemoryStore) -> None:
        self._store = store

    def apply(
        self,
        corrections: Sequence[Correction],
        *,
        partly: bool = False,
        allowed: Allowed = always_allowed,
    ) -> Iterator[Outcome]:
        for one in corrections:
            now = self._store.rows.get(one.row)
            state = OutcomeState.SUPERSEDED
            if now is not None and (now.active, now.values) == (one.active, dict(one.before)):
                self._store.edit(one.row, **one.after)
                active = one.action is not Action.DELETE
                changed = self._store.rows[one.row]
                self._store.rows[one.row] = client_of(one.row, active=active, **changed.values)
                state = OutcomeState.APPLIED
            yield Outcome(correction=one.id, state=state, row=one.row)

    def close(self) -> None:
        pass


def client_of(row: str, *, active: bool = True, **values: Any) -> Client:
    """A client whose Код and Ref_Key follow from its row."""
    held = {"code": f"{int(row):06}", "name": "ТОВ «Мрія»", "phone": None, **values}
    return Client(row=row, key=held["code"], ref=world.ref(int(row)), active=active, values=held)


def environment_of(directory: Path, store: MemoryStore, **tables: Any) -> Environment:
    """The surroundings of a run; the caller closes the journal."""
    settings: Settings = world.settings(directory, **tables)

    def no_source() -> Any:
        raise AssertionError("nothing here asks 1C")

    return Environment(
        settings=settings,
        mapping=MAPPING,
        journal=open_journal(settings),
        open_source=no_source,
        open_store=lambda: store,
        open_writer=lambda _: MemoryWriter(store),
        now=lambda: NOW,
    )


def context_of(environment: Environment, run: int, **asked: Any) -> RunContext:
    """A run under way that saw everything; nothing of it touches 1C, staging or store."""
    nothing = cast(Any, None)
    return RunContext(
        environment=environment,
        run=run,
        request=Request(who="olena", **asked),
        source=nothing,
        store=nothing,
        mirror=nothing,
        matching=nothing,
        policy=Policy.of(environment.settings.policy, soft_delete=True),
        suppressions=environment.journal.suppressions(),
    )


def good_run(
    journal: Journal,
    rows: int,
    *,
    command: str = "reconcile",
    fingerprint: str = "",
    parent: int | None = None,
    held: Sequence[Hold] = (),
) -> int:
    """A run over everything that saw so many counterparties; held when a limit is given."""
    run = world.begin(journal, command, fingerprint=fingerprint, parent=parent)
    journal.set_mode(run, Mode.FULL)
    facts = Facts(complete=True, source_rows=rows, store_active=rows, held=list(held))
    journal.save_facts(run, facts)
    status = RunStatus.HELD if held else RunStatus.FINISHED
    journal.finish(run, status=status, exit_code=0, now=NOW)
    return run


def under(environment: Environment, **tables: Any) -> Environment:
    """The same surroundings under other settings."""
    raw = environment.settings.model_dump(mode="python", by_alias=True)
    for table, values in tables.items():
        raw[table] = {**raw[table], **values}
    return dataclasses.replace(environment, settings=Settings.model_validate(raw))

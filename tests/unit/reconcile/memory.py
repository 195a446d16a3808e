"""1C, the store and its writer in memory, behind the protocols: runs without HTTP or databases."""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import msgspec

from zvirka.domain import (
    Action,
    Client,
    Command,
    Correction,
    Counterparty,
    Difference,
    Outcome,
    OutcomeState,
    Values,
)
from zvirka.erp.protocol import (
    IMAGE_SEPARATOR,
    Allowed,
    ClientElsewhere,
    ScanBatch,
    always_allowed,
)
from zvirka.journal.journal import open_journal
from zvirka.mapping import Attribute, Comparison, Field, Mapping
from zvirka.onec.protocol import (
    LineBatch,
    ObjectBatch,
    Source,
    SourceTraffic,
    Undelivered,
    VersionBatch,
)
from zvirka.policy import Policy
from zvirka.reconcile.environment import Environment
from zvirka.reconcile.request import Request, Summary
from zvirka.reconcile.run import perform
from zvirka.reconcile.run_context import RunContext
from zvirka.settings.model import Settings
from zvirka.staging.agreement import Agreement
from zvirka.staging.candidates import Candidates
from zvirka.staging.database import Staging
from zvirka.staging.source_mirror import SourceMirror

MAPPING = Mapping(
    catalog="Контрагенты",
    fields=(
        Field("code", Attribute("Code")),
        Field("name", Attribute("Description")),
        Field("tax_id", Attribute("КодПоЕДРПОУ"), Comparison.DIGITS),
    ),
)
NOW = datetime(2026, 11, 25, 0, 30, tzinfo=UTC)


class MemorySource:
    """A catalogue. ``hidden`` Ref_Keys are out of scope: they exist, and no reading gives them.

    ``asked`` records the questions about single counterparties.
    """

    def __init__(self, mapping: Mapping = MAPPING) -> None:
        self.traffic = SourceTraffic()
        self.restricted = False
        self.hidden: set[str] = set()
        self.asked: list[str] = []
        self._mapping = mapping
        self._records: dict[str, Counterparty] = {}
        self._saved = 0

    def put(
        self, code: str, name: str, *, tax_id: str = "", ref: str = "", mark: bool = False
    ) -> str:
        """Create a counterparty, or save it again under its Ref_Key, which is returned."""
        self._saved += 1
        ref = ref or str(uuid.UUID(int=len(self._records) + self._saved))
        self._records[ref] = Counterparty(
            ref=ref,
            key=code.strip(),
            version=f"{self._saved:08d}",
            deletion_mark=mark,
            values={"code": code, "name": name, "tax_id": tax_id},
        )
        return ref

    def drop(self, ref: str) -> None:
        """Delete a counterparty."""
        del self._records[ref]

    def _visible(self) -> list[Counterparty]:
        return [one for ref, one in self._records.items() if ref not in self.hidden]

    def __enter__(self) -> Source:
        return self

    def __exit__(self, *exc: object) -> None:
        pass

    def preflight(self) -> int:
        return self.count()

    def count(self) -> int:
        return len(self._visible())

    def objects(self) -> Iterator[ObjectBatch]:
        yield self._batch(self._visible())

    def lines(self) -> Iterator[LineBatch]:
        return iter(())

    light_lines = lines

    def versions(self) -> Iterator[VersionBatch]:
        batch = self._batch(self._visible())
        yield VersionBatch(batch.refs, batch.versions, batch.marks)

    def shape(self) -> dict[str, str]:
        return {}

    def taking_effect(self, since: date) -> Iterator[list[str]]:
        return iter(())

    def fetch(self, refs: Sequence[str]) -> Iterator[tuple[ObjectBatch, list[LineBatch]]]:
        yield self._batch([one for one in self._visible() if one.ref in set(refs)]), []

    def exists(self, ref: str) -> bool:
        self.asked.append(ref)
        return ref in self._records

    def find(self, field: str, values: Sequence[str]) -> list[Counterparty]:
        self.asked += values
        return [one for one in self._visible() if (one.values[field] or "").strip() in values]

    def undelivered(self) -> Iterator[Undelivered]:
        return iter(())

    def _batch(self, records: Sequence[Counterparty]) -> ObjectBatch:
        return ObjectBatch(
            refs=[one.ref for one in records],
            versions=[one.version for one in records],
            marks=[one.deletion_mark for one in records],
            values={name: [one.values[name] for one in records] for name in self._mapping.names},
            links={},
        )


class MemoryStore:
    """A table of clients, each owned. ``longest`` is where names are cut."""

    name = key_column = "memory"
    emptied: tuple[str, ...] = ()

    def __init__(self, *, has_ref: bool = True, soft_delete: bool = True) -> None:
        self.has_ref = has_ref
        self.soft_delete = soft_delete
        self.longest = 100
        self.rows: dict[str, Client] = {}

    def put(self, client: Client) -> None:
        """Add a row, or replace it."""
        self.rows[client.row] = client

    def edit(self, row: str, **values: str) -> None:
        """Change values of a row, as a user of the ERP does."""
        client = self.rows[row]
        self.put(msgspec.structs.replace(client, values={**client.values, **values}))

    def by_key(self, key: str) -> list[Client]:
        """All rows under a key."""
        return self.read_keys([key])

    def scan(self) -> Iterator[ScanBatch]:
        clients = list(self.rows.values())
        yield ScanBatch(
            rows=[one.row for one in clients],
            keys=[one.key for one in clients],
            images=[
                IMAGE_SEPARATOR.join(
                    [str(int(one.active)), one.ref or "", *((v or "") for v in one.values.values())]
                )
                for one in clients
            ],
        )

    def shape(self) -> dict[str, str]:
        return {"memory.name": "VARCHAR"}

    def unfit_key(self, keys: Iterable[str]) -> str:
        return ""

    def newest(self, size: int) -> list[Client]:
        return list(self.rows.values())[-size:]

    def read_rows(self, rows: Sequence[str]) -> list[Client]:
        return [self.rows[row] for row in dict.fromkeys(rows) if row in self.rows]

    def read_keys(self, keys: Sequence[str]) -> list[Client]:
        return [one for one in self.rows.values() if one.key in set(keys)]

    def elsewhere(self, records: Sequence[Values]) -> list[ClientElsewhere | None]:
        return [None for _ in records]

    def shared(self) -> dict[str, int]:
        return {}

    def conflicts(self, correction: Correction) -> list[str]:
        return []

    def fitting(self, values: Values) -> dict[str, str | None]:
        return {name: value and value[: self.longest] for name, value in values.items()}

    def close(self) -> None:
        pass


class MemoryWriter:
    """Does what corrections say, without a doubt."""

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
            row = one.row or str(len(self._store.rows) + 1)
            if one.action is Action.CREATE:
                values = self._store.fitting(one.after)
                self._put(one, Client(row=row, key=one.key, ref=None, active=True, values=values))
            elif one.action is not Action.DELETE:
                before = self._store.rows[row]
                values = {**before.values, **self._store.fitting(one.after)}
                key = one.new_key or before.key
                self._put(one, Client(row=row, key=key, ref=None, active=True, values=values))
            elif self._store.soft_delete:
                self._store.put(msgspec.structs.replace(self._store.rows[row], active=False))
            else:
                del self._store.rows[row]
            yield Outcome(correction=one.id, state=OutcomeState.APPLIED, row=row)

    def _put(self, correction: Correction, client: Client) -> None:
        ref = correction.ref if self._store.has_ref else None
        self._store.put(msgspec.structs.replace(client, ref=ref))

    def close(self) -> None:
        pass


@dataclasses.dataclass
class Memory:
    """Both sides in memory, and a journal in a directory."""

    source: MemorySource
    store: MemoryStore
    environment: Environment

    def run(self, command: Command = Command.RECONCILE, **asked: Any) -> Summary:
        """Perform one run."""
        request = Request(command=command, who="test", reason="test", **asked)
        return perform(self.environment, request)

    def differences(self, run: int) -> list[Difference]:
        """What a run found."""
        return [one for batch in self.environment.journal.differences(run) for one in batch]

    @contextmanager
    def context(self, request: Request | None = None) -> Iterator[RunContext]:
        """A run that has begun and staged nothing yet, for tests of one phase."""
        environment = self.environment
        request = request or Request(who="test")
        run = environment.journal.begin(
            command=request.command,
            trigger=request.trigger,
            who=request.who,
            reason=request.reason,
            now=environment.now(),
            fingerprint=environment.fingerprint(),
        )
        policy = Policy.of(environment.settings.policy, soft_delete=self.store.soft_delete)
        with Staging(environment.staging_dir, environment.mapping, threads=1) as staging:
            agreement = Agreement(staging, environment.agreement_file)
            mirror = SourceMirror(staging)
            marks_count = policy.deletes_marked
            yield RunContext(
                environment=environment,
                run=run,
                request=request,
                source=self.source,
                store=self.store,
                mirror=mirror,
                matching=Candidates(staging, mirror, agreement, marks_count=marks_count),
                policy=policy,
                suppressions=environment.journal.suppressions(),
            )


@contextmanager
def memory(
    directory: Path,
    *,
    mapping: Mapping = MAPPING,
    has_ref: bool = True,
    soft_delete: bool = True,
    **tables: dict[str, object],
) -> Iterator[Memory]:
    """Both sides, empty; settings tables are merged into ones that allow a first load."""
    limits = {"max_changes": 10_000, "max_change_share": 1.0, "max_delete_share": 1.0}
    settings = Settings.model_validate(
        {
            "state_dir": directory,
            "onec": {"url": "http://1c.invalid/odata/standard.odata/", "profile": "custom"},
            "erp": {"url": "sqlite://"},
            "report": {"formats": ["json"]},
            **tables,
            "guard": {**limits, **tables.get("guard", {})},
        }
    )
    source, store = MemorySource(mapping), MemoryStore(has_ref=has_ref, soft_delete=soft_delete)
    with closing(open_journal(settings)) as journal:
        environment = Environment(
            settings=settings,
            mapping=mapping,
            journal=journal,
            open_source=lambda: source,
            open_store=lambda: store,
            open_writer=lambda confirm: MemoryWriter(store),
            now=lambda: NOW,
        )
        yield Memory(source, store, environment)

"""Both sides, the receiver between them, and what an outsider knows of them: for the law of nights.

Everything the law is judged by is read past zvirka: 1C from the simulator's base, the store by
plain SQL, and of the journal only what it says it has done.
"""

from __future__ import annotations

import dataclasses
import json
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any
from unittest.mock import patch

from tests.integration.engine_world import World, world
from tests.property.doom import STEPS, Doom, Killed
from zvirka.domain import Command, Correction, Difference, Disposition, Outcome, OutcomeState
from zvirka.erp.open_store import open_layout
from zvirka.erp.sql import engines
from zvirka.erp.write_refusals import LEFT_AS_IT_WAS
from zvirka.errors import SourceError, UsageError
from zvirka.journal.chain import verify_chain
from zvirka.journal.engine import open_engine
from zvirka.journal.receipt_checks import verify_receipts
from zvirka.journal.receipts import STORED
from zvirka.onec.open_source import open_feed
from zvirka.policy import Policy
from zvirka.receiver.ingest import Ingest
from zvirka.receiver.payload import PayloadReader, WebhookMessage
from zvirka.reconcile.environment import Environment
from zvirka.reconcile.feeding import follow
from zvirka.reconcile.request import Request, Summary, Targets
from zvirka.reconcile.run import perform

FIELDS = ("code", "name", "tax_id", "phone", "email", "address")
Row = dict[str, Any]

_OWNED = {
    "embedded": "SELECT id, is_active active, ref, code, name, tax_id, phone, email, address"
    " FROM clients WHERE source <> 'manual'",
    "production": "SELECT c.id, c.is_active active, NULL ref, c.external_id code, c.name,"
    " c.tax_code tax_id, k.primary_phone phone, k.email, c.legal_address address FROM clients c"
    " LEFT JOIN client_contacts k ON k.client_id = c.id AND k.is_primary = 1"
    " WHERE c.external_id IS NOT NULL AND c.source <> 'man:ual%'",
}
_FOREIGN = {
    "embedded": "SELECT * FROM clients WHERE source = 'manual' ORDER BY id",
    "production": "SELECT * FROM clients c LEFT JOIN client_contacts k ON k.client_id = c.id"
    " WHERE c.external_id IS NULL ORDER BY c.id, k.id",
}
COLUMN = {
    "embedded": {name: name for name in FIELDS},
    "production": {"code": "external_id", "name": "name", "tax_id": "tax_code"},
}
CUT_AT = 40
_WRITTEN = {OutcomeState.APPLIED, OutcomeState.NOT_CONVERGING}


def _stripped(value: str | None) -> str:
    return (value or "").strip()


def _left_out(outcome: Outcome) -> set[str]:
    """The fields that a correction says the store did not take, while it took the others."""
    if "left out: " not in outcome.detail:
        return set()
    return set(outcome.detail.partition("reads back otherwise: ")[2].split(", "))


class Nights:
    """The world of one example."""

    def __init__(self, shape: str, mark: str, rekey: str) -> None:
        self._stack = ExitStack()
        self._stack.enter_context(patch.object(engines, "LOCK_WAIT_SECONDS", 0.2))
        self.directory = Path(self._stack.enter_context(tempfile.TemporaryDirectory()))
        self.world = self._stack.enter_context(
            world(
                self.directory,
                shape=shape,
                counterparties=8,
                policy={"deletion_mark": mark, "rekey": rekey},
                guard={"max_deletes": 10_000, "max_delete_share": 1.0, "shrink_share": 1.0},
                report={"formats": ["json"]},
                onec={"retries": 0, "exchange_plan": "Звірка", "exchange_node": "ZV"},
            )
        )
        self.careful = self.world.with_settings(guard={"max_deletes": 0, "max_changes": 3})
        self.never: set[str] = set()
        self.shape = shape
        self.base = self.world.base
        self.marks_count = mark != "keep"
        self.db = sqlite3.connect(self.world.shape.erp.url.removeprefix("sqlite:///"), timeout=20)
        self.db.row_factory = sqlite3.Row
        self._stack.callback(self.db.close)
        mapping = self.world.mapping
        self.reader = PayloadReader(mapping)
        engine, layout = open_layout(self.world.settings.erp, mapping)
        self.journal = open_engine(self.world.settings)[0]
        self._stack.callback(engine.dispose)
        self._stack.callback(self.journal.dispose)
        self._takers: list[Ingest] = []
        self._last_taker = 0
        policy = Policy.of(self.world.settings.policy, soft_delete=layout.soft is not None)

        def taker() -> Ingest:
            return Ingest(
                self.journal,
                engine,
                layout,
                mapping,
                policy,
                self.world.clock,
                shared=False,
            )

        self._taker = taker
        self._takers = [taker(), taker()]
        self.outbox: list[bytes] = []
        self.foreign = self.foreign_now()
        self.unexplained: dict[int, tuple[Row | None, Row | None]] = {}
        self.last: Summary | None = None
        self.edited: set[int] = set()
        """Rows that others write during the run; they are not explained by it alone."""
        self.gone: list[tuple[str, str]] = []
        """Ref_Key and Код of what was deleted in 1C."""

    def close(self) -> None:
        self._stack.close()

    # -- the store, past zvirka ----------------------------------------------------------------

    def sql(self, statement: str, *values: Any) -> list[Row]:
        with self.db:
            return [dict(row) for row in self.db.execute(statement, values)]

    def owned(self) -> dict[int, Row]:
        return {row["id"]: row for row in self.sql(_OWNED[self.shape])}

    def foreign_now(self) -> list[tuple[Any, ...]]:
        return [tuple(row.values()) for row in self.sql(_FOREIGN[self.shape])]

    def erp_edit(self, statement: str, *values: Any) -> None:
        """An edit of the ERP's own; what a unique index refuses did not happen."""
        try:
            self.sql(statement, *values)
        except sqlite3.IntegrityError:
            return
        self.foreign = self.foreign_now()

    # -- webhooks ------------------------------------------------------------------------------

    def send(self, ref: str, action: str) -> None:
        """What the push module would send of a counterparty now, into the outbox."""
        self.world.clock.forward(seconds=1)
        held = self.base.get(ref)
        data = {
            field.payload: held.values.get(field.name) or "" for field in self.world.mapping.fields
        }
        data |= {"Ссылка": ref, "ПометкаУдаления": held.deletion_mark}
        stamp = int(self.world.clock().timestamp() * 1000)
        message = {"action": action, "clientData": data, "stamp": stamp, "messageId": str(stamp)}
        self.outbox.append(json.dumps(message, ensure_ascii=False).encode())

    def deliver(self, numbers: list[int], taker: int = 0) -> None:
        """Deliver these of the outbox, in that order, some of them again, to a receiver."""
        messages = self._messages(numbers)
        self._settle_what_a_kill_left()
        before = self.owned()
        verdicts = self._takers[taker].take(messages)
        self._last_taker = taker
        changed = self._changes(before)
        stored = [m for m, v in zip(messages, verdicts, strict=True) if v.outcome in STORED]
        for row, (old, new) in changed.items():
            about = {(side["code"] or "").strip() for side in (old, new) if side}
            refs = {side["ref"] for side in (old, new) if side}
            assert any(m.key in about or m.ref in refs for m in stored), (
                f"row {row} changed and no receipt says so: {old} → {new}"
            )

    def killed_delivery(self, numbers: list[int], *, after_the_store: bool) -> None:
        """A receiver is killed before or after the store is written; its receipts stay open."""
        taker = self._takers[self._last_taker]

        def killed(*_: Any, **__: Any) -> Any:
            raise Killed

        setattr(taker, "_settle" if after_the_store else "_in_store", killed)
        with suppress(Killed):
            taker.take(self._messages(numbers))
        self._takers[self._last_taker] = self._taker()

    def _settle_what_a_kill_left(self) -> None:
        """What the receiver does at its start; a run may have come before."""
        self._takers[self._last_taker].recover()

    def _messages(self, numbers: list[int]) -> list[WebhookMessage]:
        bodies = [self.outbox[number] for number in numbers]
        return [
            self.reader.read(body, self.world.clock())
            for body in bodies
            # One without a key the receiver refuses at its door.
            if json.loads(body)["clientData"]["Код"].strip()
        ]

    # -- runs ----------------------------------------------------------------------------------

    def run(
        self,
        command: Command = Command.RECONCILE,
        doom: Doom | None = None,
        under: World | None = None,
        **asked: Any,
    ) -> Summary:
        """A run whose changes of owned rows are exactly those its corrections tell of."""
        request = Request(command=command, who="law", **asked)
        return self._explained(lambda environment: perform(environment, request), doom, under)

    def feed(self, doom: Doom | None = None) -> Summary:
        """What the exchange plan recorded, explained as any run; ask :meth:`pending` before."""
        return self._explained(lambda environment: follow(environment, who="law"), doom)

    def despite_1c(self, begin: Callable[[], object]) -> None:
        """Begin a run while 1C may fail before it, or keep a feed from confirming its message."""
        newest, before = self._newest(), self.owned()
        try:
            begin()
        except SourceError:
            if (run := self._newest()) != newest:
                self._explain(run, self._changes(before))
            else:
                assert not self._changes(before)

    def _newest(self) -> int:
        with self.world.environment() as environment:
            return environment.journal.runs(limit=1)[0].id

    def pending(self) -> bool:
        """Whether the exchange plan recorded anything."""
        with open_feed(self.world.settings.onec, self.world.mapping) as feed:
            changes = feed.pending()
        return bool(changes.changed or changes.deleted)

    def _explained(
        self,
        perform: Callable[[Environment], Summary | None],
        doom: Doom | None = None,
        under: World | None = None,
    ) -> Summary:
        self.world.clock.forward(minutes=1)
        before = self.owned()
        try:
            with (under or self.world).environment() as environment:
                if doom is not None:
                    opened = environment.open_writer
                    environment = dataclasses.replace(
                        environment,
                        journal=doom.over(environment.journal, STEPS),
                        open_writer=lambda confirm: doom.writer(opened(confirm)),
                    )
                summary = perform(environment)
        except Killed:
            self.unexplained |= {
                row: (self.unexplained.get(row, (old, new))[0], new)
                for row, (old, new) in self._changes(before).items()
            }
            raise
        assert summary is not None
        self.last = summary
        self._explain_what_was_left()
        self._explain(summary.run, self._changes(before))
        return summary

    def run_while_edited(self, statement: str, row: int, steps: int) -> None:
        """A run with an edit of the ERP's own at one of its steps; that row tells both stories."""
        self.edited = {row}
        try:
            self.run(doom=Doom(steps, lambda: self.erp_edit(statement, row)))
        finally:
            self.edited = set()

    def run_while_delivering(
        self, begin: Callable[[Doom], object], numbers: list[int], taker: int, steps: int
    ) -> None:
        """A run at one of whose steps webhooks arrive."""

        def arrive() -> None:
            before = self.owned()
            self.deliver(numbers, taker)
            self.edited = set(self._changes(before))

        try:
            begin(Doom(steps, arrive))
        finally:
            self.edited = set()

    def _changes(self, before: dict[int, Row]) -> dict[int, tuple[Row | None, Row | None]]:
        after = self.owned()
        return {
            row: (before.get(row), after.get(row))
            for row in before.keys() | after.keys()
            if before.get(row) != after.get(row)
        }

    def corrections(self, run: int | None = None) -> list[tuple[Correction, Outcome]]:
        with self.world.environment() as environment:
            runs = (
                [run]
                if run is not None
                else [one.id for one in environment.journal.runs(limit=1000)]
            )
            return [
                (correction, outcome)
                for each in runs
                for batch in environment.journal.corrections(each)
                for _, correction, outcome in batch
            ]

    def _explain(self, run: int, changed: dict[int, tuple[Row | None, Row | None]]) -> None:
        done = [
            (correction, outcome.row or correction.row, _left_out(outcome))
            for correction, outcome in self.corrections(run)
            if outcome.state in _WRITTEN and LEFT_AS_IT_WAS not in outcome.detail
        ]
        aside = self.edited
        assert {int(row) for _, row, _ in done} - aside == set(changed) - aside, (done, changed)
        for correction, row, left_out in done:
            if int(row) in aside:
                continue
            old, new = changed[int(row)]
            if new is None or not new["active"]:
                assert correction.action == "delete", correction
                if self._undoing(run):
                    continue
                heirs = self._heirs(correction.ref, correction.key, row)
                assert not heirs, (correction, heirs)
                continue
            for name, value in correction.after.items():
                kept = _stripped(old[name]) if old else ""
                wanted = kept if name in left_out else self.fitting(name, value)
                assert _stripped(new[name]) == wanted, (name, correction)

    def _undoing(self, run: int) -> bool:
        return self.world.row(run).command == "undo"

    def _heirs(self, ref: str, code: str, row: str) -> list[str]:
        """Counterparties alive in 1C that a deleted client belonged to."""
        known = self.pairings()
        others = [client for client in self.owned().values() if str(client["id"]) != row]
        taken = {client["ref"] for client in others} | {r for r, own in known.items() if own != row}
        codes = {_stripped(client["code"]) for client in others}
        return [
            live
            for live, values in self.live().items()
            if live == ref
            or (_stripped(values["code"]) == code and live not in taken and code not in codes)
        ]

    def pairings(self) -> dict[str, str]:
        """The row of each counterparty, by Ref_Key, as the journal remembers it."""
        with self.world.environment() as environment:
            return {ref: row for batch in environment.journal.pairings() for ref, _, row in batch}

    def _explain_what_was_left(self) -> None:
        """What a killed run changed is settled by the next as applied, or at least known."""
        told = {
            outcome.row or correction.row
            for correction, outcome in self.corrections()
            if outcome.state in {*_WRITTEN, OutcomeState.SUPERSEDED}
        }
        assert {str(row) for row in self.unexplained} <= told, (self.unexplained, told)
        self.unexplained = {}

    def undo_last(self) -> None:
        assert self.last is not None
        self.undo(self.last.run)

    def undo(self, parent: int, doom: Doom | None = None) -> None:
        """An undo, which is refused where the run changed nothing."""
        try:
            self.run(Command.UNDO, doom, parent=parent, reason="law")
        except UsageError as error:
            assert "changed nothing" in error.cause

    # -- what people decide --------------------------------------------------------------------

    def careful_night(self) -> None:
        """A night under narrow limits; what it holds is the one plan that waits."""
        run = self.run(under=self.careful)
        assert run.status in {"finished", "held"}, run
        if run.status == "held":
            assert self.waiting() == run.run

    def waiting(self) -> int | None:
        """The one held run that can be answered."""
        with self.world.environment() as environment:
            held = environment.journal.held(self.world.clock())
        assert len(held) <= 1, held
        return held[0].id if held else None

    def approve(self, held: int) -> None:
        """What an approval writes is what was held."""
        shown = {(one.kind, one.key, one.ref, one.row) for one in self.held_differences(held)}
        run = self.run(Command.APPROVE, parent=held, reason="law")
        assert run.status == "finished", run
        assert self.waiting() is None
        written = {
            (one.kind, one.key, one.ref, one.row)
            for one in self.world.differences(run.run)
            if one.disposition is Disposition.CORRECT
        }
        assert written <= shown, (written, shown)

    def killed_approval(self, held: int, steps: int) -> None:
        """An approval that a kill cut off can be given again."""
        try:
            self.run(Command.APPROVE, doom=Doom(steps), parent=held, reason="law")
        except Killed:
            self.assert_chain()
            assert self.waiting() == held
            self.approve(held)

    def reject(self, held: int, *, for_good: bool) -> None:
        """What was rejected is not proposed again while nothing changes."""
        rejected = {one.ref or one.key for one in self.held_differences(held)}
        before = self.owned()
        self.run(Command.REJECT, parent=held, reason="law", for_good=for_good)
        assert self.owned() == before
        assert self.waiting() is None
        if for_good:
            self.never |= rejected
        plan = self.run(Command.PLAN)
        for one in self.world.differences(plan.run):
            if (one.ref or one.key) in rejected:
                assert one.disposition is Disposition.REPORTED, one

    def undo_last_twice(self) -> None:
        """A second undo that writes nothing changes no memory."""
        assert self.last is not None
        parent = self.last.run
        self.undo_last()
        before = self.memory()
        try:
            again = self.run(Command.UNDO, parent=parent, reason="law")
        except UsageError as error:
            assert "changed nothing" in error.cause
        else:
            assert again.outcomes is not None
            if not again.outcomes.get(OutcomeState.APPLIED):
                assert self.memory() == before

    def memory(self) -> dict[str, tuple[str, str]]:
        """What later runs leave alone, and why."""
        with self.world.environment() as environment:
            kept = environment.journal.suppressions()
        return {ident: (one.reason, one.wanted) for ident, one in kept.items()}

    def held_differences(self, run: int) -> list[Difference]:
        return [one for one in self.world.differences(run) if one.disposition is Disposition.HELD]

    def resync(self, doom: Doom | None = None, **named: Any) -> Summary:
        return self.run(Command.RESYNC, doom, targets=Targets(**named), reason="law")

    # -- what an outsider sees -------------------------------------------------------------------

    def live(self) -> dict[str, Row]:
        """What 1C holds and the policy counts, by Ref_Key."""
        return {
            ref: held.values
            for ref in self.base.refs()
            if not ((held := self.base.get(ref)).deletion_mark and self.marks_count)
        }

    def fitting(self, field: str, value: str | None) -> str:
        """The value as the store can hold it: the production shape cuts addresses."""
        cut = field == "address" and self.shape == "production"
        return (value or "")[: CUT_AT if cut else None].strip()

    def foreign_values(self) -> set[str]:
        return {str(cell).strip() for row in self.foreign for cell in row if cell}

    def assert_sound(self) -> None:
        """At all times: rows that are not ours are as they were."""
        assert self.foreign_now() == self.foreign

    def assert_chain(self) -> None:
        with self.world.environment() as environment:
            assert list(verify_chain(environment.journal)) == []
        assert list(verify_receipts(self.journal)) == []

    @contextmanager
    def trigger(self, row: int, action: str) -> Iterator[None]:
        """While it lasts, a trigger of the ERP answers to every write of one row."""
        events = ("UPDATE", "DELETE") if action != "silent" else ("UPDATE",)
        raised = "RAISE(IGNORE)" if action == "silent" else "RAISE(ABORT, 'no')"
        names = [f"law_{event.lower()}" for event in events]
        for event, name in zip(events, names, strict=True):
            self.sql(
                f"CREATE TRIGGER {name} BEFORE {event} ON clients WHEN OLD.id = {row}"
                f" BEGIN SELECT {raised}; END"
            )
        try:
            yield
        finally:
            for name in names:
                self.sql(f"DROP TRIGGER {name}")

    def run_while_locked(self, steps: int, begin: Callable[[Doom], object]) -> None:
        """A run in the middle of which another program locks the store, until the run is over."""
        address = self.world.shape.erp.url.removeprefix("sqlite:///")
        other = sqlite3.connect(address, isolation_level=None)

        def lock() -> None:
            with suppress(sqlite3.OperationalError):
                other.execute("BEGIN IMMEDIATE")

        try:
            begin(Doom(steps, lock))
        finally:
            other.close()

"""The demo: a simulated 1C, an ERP on SQLite, and a day of webhooks of which some are lost.

Only 1C is simulated: the webhooks are posted to the real receiver over HTTP, and the runs are real
ones. The first run finds both sides in agreement; after a day of changes, the next ones find and
correct what the lost webhooks left behind. Then further flows join
(:mod:`zvirka.demonstration_flows`).
"""

from __future__ import annotations

import random
import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from time import sleep
from typing import Literal

import msgspec

from zvirka.deadline_session import DeadlineSession
from zvirka.demonstration_flows import CONTRACTS, FlowShown, demonstrate_flows
from zvirka.domain import Action, Command, Correction, OutcomeState
from zvirka.erp import open_writer
from zvirka.errors import UsageError, ZvirkaError, os_reason
from zvirka.init.settings_file import settings_text
from zvirka.mapping import Mapping
from zvirka.message import Message, coded
from zvirka.net import bounded_server
from zvirka.receiver.payload import MARK, REF
from zvirka.receiver.run_receiver import receiver_app
from zvirka.reconcile.environment import Environment, open_environment
from zvirka.reconcile.request import Progress, Request, Summary
from zvirka.reconcile.run import perform
from zvirka.settings.model import Settings
from zvirka.settings.profiles import mapping_of
from zvirka.simulator import Record, Simulator, SimulatorOptions
from zvirka.simulator.edits import EditLog
from zvirka.simulator.kept import PASSWORD, KeptOptions, keep, log_of

_SEED = 2026
_MARK = ".zvirka-demo"
"""A file that says that everything in the directory may be replaced by the next demo."""
_BY_HAND = ("M-0001", "Клієнт, занесений вручну")
Stage = Literal["night_one", "plan", "reconcile", "again"]


class Day(msgspec.Struct, frozen=True, kw_only=True):
    """What happened between the two nights, in numbers."""

    creates: int
    updates: int
    deletes: int
    lost_creates: int
    lost_updates: int
    lost_deletes: int
    erp_edits: int


class Demonstration(msgspec.Struct, frozen=True, kw_only=True):
    """How the demo went: the day, the runs by stage, whether the row entered by hand survived.

    ``example`` is the code of a counterparty to try commands on.
    """

    directory: Path
    day: Day
    runs: dict[str, Summary]
    by_hand_untouched: bool
    flows: list[FlowShown]
    example: str

    @property
    def went_well(self) -> bool:
        """Whether everything was corrected and the row entered by hand was left alone."""
        again = self.runs["again"]
        corrected = self.runs["reconcile"]
        return (
            again.exit_code == 0
            and not again.causes
            and corrected.exit_code == 0
            and bool(corrected.outcomes)
            and all(flow.corrected == flow.found and not flow.left for flow in self.flows)
            and self.by_hand_untouched
        )


def demonstrate(
    directory: Path,
    *,
    counterparties: int,
    language: Literal["uk", "en"],
    progress: Progress,
    on_run: Callable[[Stage, Summary], None] = lambda _stage, _summary: None,
) -> Demonstration:
    """Run the demo in a directory and return how it went; ``on_run`` is called after each run.

    Raises:
        UsageError: the directory holds an earlier demo, or cannot be made.
        ZvirkaError: a part of it failed (a full disk, say).
    """
    _claim(directory)
    draw = random.Random(_SEED)
    options = SimulatorOptions(
        profile="accounting", counterparties=counterparties, seed=_SEED, contracts=CONTRACTS
    )
    with Simulator(options) as simulator:
        settings = _settings(directory, simulator, language)
        _keep(directory, simulator, options, language)
        mapping = mapping_of(settings)
        _fill_erp(settings, mapping, simulator)
        _enter_by_hand(directory)
        by_hand = _row_by_hand(directory)
        runs: dict[str, Summary] = {}
        with open_environment(settings, mapping, progress=progress) as environment:
            runs["night_one"] = _run(environment, Command.RECONCILE)
            on_run("night_one", runs["night_one"])
            log = log_of(directory, simulator.base)
            day = _a_day(settings, mapping, simulator, log, draw)
            stages: tuple[Stage, ...] = ("plan", "reconcile", "again")
            for stage in stages:
                runs[stage] = _run(
                    environment, Command.PLAN if stage == "plan" else Command.RECONCILE
                )
                on_run(stage, runs[stage])
        untouched = _row_by_hand(directory) == by_hand
        return Demonstration(
            directory=directory,
            day=day,
            runs=runs,
            by_hand_untouched=untouched,
            flows=demonstrate_flows(directory, simulator, log),
            example=next(_counterparties(simulator)).values["code"] or "",
        )


def _claim(directory: Path) -> None:
    """Make the directory, or empty that of an earlier demo, which has a mark."""
    mark = directory / _MARK
    try:
        directory.mkdir(parents=True, exist_ok=True)
        if mark.exists():
            for made in (*directory.glob("erp.db*"), directory / "edits.jsonl"):
                made.unlink(missing_ok=True)
            for made in (directory / "state", directory / "reports", directory / "flows"):
                shutil.rmtree(made, ignore_errors=True)
    except OSError as error:
        raise UsageError(
            coded(
                "ZV4101",
                "the directory of the demo cannot be made: {why}",
                why=os_reason(error),
            ),
            place=str(directory),
            remedy=Message("give another directory with --keep"),
        ) from None
    if any((directory / name).exists() for name in ("erp.db", "state", "reports")):
        raise UsageError(
            coded("ZV3506", "the directory is in use, and not by a demo"),
            place=str(directory),
            remedy=Message("give another directory with --keep"),
        )
    mark.touch()


def _settings(directory: Path, simulator: Simulator, language: Literal["uk", "en"]) -> Settings:
    return Settings.model_validate(
        {
            "state_dir": directory / "state",
            "onec": {
                "url": simulator.url,
                "user": simulator.user,
                "password": simulator.password,
                "profile": "accounting",
            },
            "erp": {"url": f"sqlite:///{directory / 'erp.db'}"},
            "report": {"dir": directory / "reports", "language": language},
            "receiver": {"listen": "127.0.0.1:0"},
        }
    )


def _keep(directory: Path, simulator: Simulator, options: SimulatorOptions, language: str) -> None:
    """Leave what every command needs to go on with in this directory."""
    kept = KeptOptions(
        counterparties=options.counterparties,
        seed=options.seed,
        port=simulator.port,
        contracts=options.contracts,
    )
    keep(directory, kept, simulator.password)
    onec = {"url": simulator.url, "user": simulator.user, "password_file": PASSWORD}
    tables = {
        "state_dir": "state",
        "onec": onec | {"profile": options.profile},
        "erp": {"url": f"sqlite:///{directory / 'erp.db'}"},
        "report": {"dir": "reports", "language": language},
    }
    head = "A demo: 1C is simulated (zvirka simulate --from DIR), the ERP is the embedded store."
    (directory / "zvirka.toml").write_text(settings_text(tables, {}, head), encoding="utf-8")


def _run(environment: Environment, command: Command) -> Summary:
    return perform(environment, Request(command=command, who="demo", reason="demo"))


# -- the ERP before the first night ---------------------------------------------------------------


def _fill_erp(settings: Settings, mapping: Mapping, simulator: Simulator) -> None:
    """Store all counterparties, as if their webhooks had arrived over the years."""
    corrections = [
        Correction(
            id=number,
            action=Action.CREATE,
            key=record.values["code"] or "",
            ref=record.ref,
            after=dict(record.values),
        )
        for number, record in enumerate(_counterparties(simulator), start=1)
    ]
    with closing(open_writer(settings.erp, mapping)) as writer:
        for outcome in writer.apply(corrections):
            if outcome.state is not OutcomeState.APPLIED:
                raise ZvirkaError(
                    coded("ZV5502", "the demo's ERP could not be filled"), place=outcome.detail
                )


def _counterparties(simulator: Simulator) -> Iterator[Record]:
    for ref in simulator.base.refs():
        record = simulator.base.get(ref)
        if not record.group:
            yield record


def _enter_by_hand(directory: Path) -> None:
    with closing(sqlite3.connect(directory / "erp.db")) as erp, erp:
        erp.execute("INSERT INTO clients (code, name, source) VALUES (?, ?, 'manual')", _BY_HAND)


def _row_by_hand(directory: Path) -> tuple[object, ...]:
    with closing(sqlite3.connect(directory / "erp.db")) as erp:
        row = erp.execute("SELECT * FROM clients WHERE code = ?", _BY_HAND[:1]).fetchone()
        return tuple(row or ())


# -- the day ------------------------------------------------------------------------------------


def _a_day(
    settings: Settings, mapping: Mapping, simulator: Simulator, log: EditLog, draw: random.Random
) -> Day:
    """Change counterparties in 1C, lose every fourth webhook, edit one client in the ERP."""
    base = simulator.base
    refs = [record.ref for record in _counterparties(simulator)]
    draw.shuffle(refs)
    size = len(refs)
    updated = refs[: max(6, size // 50)]
    deleted = refs[len(updated) : len(updated) + max(2, size // 250)]
    edited = refs[len(updated) + len(deleted)]
    created = max(4, size // 100)
    lost = {"create": 0, "update": 0, "delete": 0}
    with _receiver(settings, mapping) as post:

        def push(action: str, record: Record, number: int) -> None:
            if number % 4 == 0:
                lost[action] += 1
                return
            post(payload(mapping, action, record))

        for number in range(created):
            ref = log.create(
                name=f"ТОВ «Новий партнер {number + 1}»",
                tax_id=f"{draw.randrange(10_000_000, 99_999_999)}",
                phone=f"+380 67 {draw.randrange(1_000_000, 9_999_999)}",
                address="м. Київ, вул. Хрещатик, 1",
            )
            push("create", base.get(ref), number)
        for number, ref in enumerate(updated):
            log.update(ref, phone=f"+380 50 {draw.randrange(1_000_000, 9_999_999)}")
            push("update", base.get(ref), number)
        for number, ref in enumerate(deleted):
            record = base.get(ref)
            log.delete(ref)
            push("delete", record, number)
    with closing(sqlite3.connect(settings.state_dir.parent / "erp.db")) as erp, erp:
        erp.execute("UPDATE clients SET name = ? WHERE ref = ?", ("Змінено в ERP, не в 1С", edited))
    return Day(
        creates=created,
        updates=len(updated),
        deletes=len(deleted),
        lost_creates=lost["create"],
        lost_updates=lost["update"],
        lost_deletes=lost["delete"],
        erp_edits=1,
    )


def payload(mapping: Mapping, action: str, record: Record) -> dict[str, object]:
    """Return what the push module of 1C would send about a counterparty."""
    data: dict[str, object] = {
        field.payload: record.values[field.name] or "" for field in mapping.fields if field.payload
    }
    return {
        "action": action,
        "clientData": data | {REF: record.ref, MARK: record.deletion_mark},
        "messageId": f"demo-{action}-{record.ref}-{record.version}",
    }


@contextmanager
def _receiver(
    settings: Settings, mapping: Mapping
) -> Iterator[Callable[[dict[str, object]], None]]:
    """Serve the real receiver on a free port; yields a function that posts one webhook."""
    with receiver_app(settings, mapping) as app:
        server = bounded_server(app, "127.0.0.1", 0)
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        while not server.started and thread.is_alive():
            sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        url = f"http://127.0.0.1:{port}{settings.receiver.path}"
        with DeadlineSession() as session:

            def post(payload: dict[str, object]) -> None:
                answer = session.post(url, json=payload, timeout=30)
                answer.raise_for_status()

            try:
                yield post
            finally:
                server.should_exit = True
                thread.join(timeout=30)

"""The supervisors of all flows as one service: their order, their common status, their reload.

Each flow keeps its own nights (:class:`zvirka.service.supervisor.Supervisor`). Here is decided only
which of them may begin: what a flow refers to goes first, then whoever has waited longest; and the
limits of :mod:`zvirka.service.run_slots` hold for all together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from loguru import logger

from zvirka.errors import ZvirkaError
from zvirka.now import Now
from zvirka.service.alert_texts import say
from zvirka.service.metrics import Exposed, Exposition
from zvirka.service.run_slots import RunSlots, Slots
from zvirka.service.supervisor import Supervisor
from zvirka.service.systemd_notify import ServiceNotifier
from zvirka.settings.flow_order import by_references, referred_by
from zvirka.settings.loading import Flows
from zvirka.settings.model import Settings

_SHOWN = 3
"""So many flows are told one by one in the line of `systemctl status`."""

_LAST = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Parts:
    """What the service is made of; tests replace it.

    ``make`` makes the supervisor of a flow. ``report_broken`` tells people of a flow whose settings
    or journal cannot be used. ``slots`` bound how many runs go together;
    ``beside`` has metrics that are no flow's.
    """

    make: Callable[[Settings, ServiceNotifier, FlowSlots], Supervisor]
    report_broken: Callable[[str, ZvirkaError], None]
    notifier: ServiceNotifier
    now: Now
    slots: Slots = field(default_factory=RunSlots)
    beside: tuple[Exposed, ...] = ()


class FlowSlots:
    """Lets a run begin once the flows it refers to have run and the limits allow it."""

    def __init__(self, slots: Slots, is_ahead: Callable[[str], bool]) -> None:
        self._slots = slots
        self._is_ahead = is_ahead

    def take(self, settings: Settings) -> bool:
        """Whether a run of the flow may begin now; the place is then its own."""
        return not self._is_ahead(settings.name) and self._slots.take(settings)

    def give_back(self, settings: Settings) -> None:
        """The flow's run has ended."""
        self._slots.give_back(settings)


class FlowSupervisors:
    """All flows of one daemon.

    Args:
        flows: the settings of all flows.
        parts: see :class:`Parts`.

    Raises:
        SettingsError: no flow has usable settings, or metrics.listen cannot be listened on.
    """

    def __init__(self, flows: Flows, parts: Parts) -> None:
        self._parts = parts
        self._slots = FlowSlots(parts.slots, self._waits_for_parents)
        self._supervisors: dict[str, Supervisor] = {}
        self._statuses: dict[str, str] = {}
        self._alive: set[str] = set()
        self._leaving: set[str] = set()
        self._order: dict[str, int] = {}
        self._parents: dict[str, list[str]] = {}
        self._exposition: Exposition | None = None
        self._listen: str | None = None
        self._told = ""
        if not flows.loaded:
            raise next(iter(flows.broken.values()))
        self._adopt(flows)

    @property
    def running(self) -> bool:
        """Whether any run is in progress."""
        return any(one.running for one in self._supervisors.values())

    @property
    def settings(self) -> list[Settings]:
        """The settings in force, by flow."""
        return [one.settings for one in self._supervisors.values()]

    def start(self) -> None:
        """Restore every flow's state from its journal, and notify systemd.

        Raises:
            JournalError: the journal of the only flow cannot be opened.
        """
        for name in list(self._supervisors):
            self._start(name, alone=len(self._supervisors) == 1)
        self._told = self._line()
        self._parts.notifier.ready(self._told)

    def step(self) -> None:
        """Do one step of every flow, those first whose run has been due longest.

        Runs that have ended come before: another flow takes their place in the same step.
        """
        now = self._parts.now()
        self._alive.clear()
        running = [name for name, one in self._supervisors.items() if one.running]
        for name in dict.fromkeys([*running, *self._by_lateness(now)]):
            self._supervisors[name].step()
        self._forget_gone()
        for name, one in self._supervisors.items():
            if one.waiting and not self._waits_for_parents(name):
                one.repeat()
        line = self._line()
        if line != self._told:
            self._told = line
            self._parts.notifier.status(line)
        if self._alive.issuperset(self._supervisors):
            self._parts.notifier.alive()

    def pause(self) -> float:
        """Seconds until the next step."""
        return min(one.pause() for one in self._supervisors.values())

    def stop(self) -> None:
        """Begin to stop: the runs under way end at their next safe place, no other one starts."""
        for one in self._supervisors.values():
            one.stop()
        language = next(iter(self._supervisors.values())).settings.report.language
        self._parts.notifier.stopping(say(language, "stopping"))

    def close(self) -> None:
        """Stop listening for the metrics."""
        if self._exposition is not None:
            self._exposition.close()
            self._exposition = None

    def reload(self, load: Callable[[], Flows]) -> None:
        """Read the settings again; a flow whose new ones are wrong keeps the old. Never raises."""
        self._parts.notifier.reloading()
        try:
            flows = load()
            self._adopt(flows)
        except ZvirkaError as error:
            self._refuse(self._supervisors, error)
        self._told = self._line()
        self._parts.notifier.ready(self._told)

    def _start(self, name: str, *, alone: bool = False) -> None:
        """Start a flow; one whose journal cannot be opened does not keep the others from it."""
        try:
            self._supervisors[name].start()
        except ZvirkaError as error:
            if alone:
                raise
            self._give_up(name, error)

    def _give_up(self, name: str, error: ZvirkaError) -> None:
        logger.error("a flow cannot be supervised", flow=name, error=str(error))
        self._supervisors.pop(name, None)
        self._statuses.pop(name, None)
        self._parts.report_broken(name, error)

    def _refuse(self, names: Iterable[str], error: ZvirkaError) -> None:
        def fail() -> Settings:
            raise error

        for name in names:
            self._supervisors[name].reload(fail)

    def _adopt(self, flows: Flows) -> None:
        settings = {name: loaded.settings for name, loaded in flows.loaded.items()}
        for name, error in flows.broken.items():
            if name in self._supervisors:
                self._refuse([name], error)
            else:
                self._give_up(name, error)
        started = bool(self._order)
        for name, new in settings.items():
            if name in self._supervisors:
                self._supervisors[name].reload(lambda new=new: new)  # type: ignore[misc]
                continue
            watchdog = self._parts.notifier.watchdog_seconds
            notifier = _OfFlow(name, self._statuses, self._alive, watchdog)
            one = self._parts.make(new, notifier, self._slots)
            self._supervisors[name] = one
            if started:
                self._start(name)
        for name in self._supervisors.keys() - settings.keys() - flows.broken.keys():
            self._leave(name)
        self._rank()
        self._listen_again()

    def _rank(self) -> None:
        """Work out which flow comes before which; a flow does not wait for those after it."""
        settings = {one.name: one for one in self.settings}
        names = by_references(settings, settings)
        self._order = {name: rank for rank, name in enumerate(names)}
        self._parents = {
            name: [one for one in referred_by(settings[name]) if self._order.get(one, rank) < rank]
            for name, rank in self._order.items()
        }

    def _leave(self, name: str) -> None:
        self._supervisors[name].stop()
        self._leaving.add(name)

    def _forget_gone(self) -> None:
        """Drop the flows that left the settings, once their runs have ended."""
        for name in [name for name in self._leaving if not self._supervisors[name].running]:
            self._leaving.discard(name)
            del self._supervisors[name]
            self._statuses.pop(name, None)

    def _listen_again(self) -> None:
        listen = next((one.metrics.listen for one in self.settings if one.metrics.listen), None)
        if listen != self._listen:
            exposition = None if listen is None else Exposition(listen, self._metrics)
            self.close()
            self._exposition, self._listen = exposition, listen

    def _metrics(self) -> list[Exposed]:
        return [*(one.metrics for one in list(self._supervisors.values())), *self._parts.beside]

    def _by_lateness(self, now: datetime) -> list[str]:
        due = {name: one.due_since(now) or _LAST for name, one in self._supervisors.items()}
        return sorted(self._supervisors, key=lambda name: (due[name], self._order[name]))

    def _waits_for_parents(self, name: str) -> bool:
        """Whether a flow that this one refers to runs, or is due; those in a cycle do not wait."""
        now = self._parts.now()
        return any(
            self._supervisors[parent].running
            or self._supervisors[parent].due_since(now) is not None
            for parent in self._parents[name]
            if parent in self._supervisors
        )

    def _line(self) -> str:
        statuses: Mapping[str, str] = self._statuses
        if len(statuses) == 1:
            return next(iter(statuses.values()))
        if len(statuses) <= _SHOWN:
            return "; ".join(f"{name}: {text}" for name, text in statuses.items())
        running = [name for name, one in self._supervisors.items() if one.running]
        language = next(iter(self._supervisors.values())).settings.report.language
        return say(
            language, "flows", count=len(statuses), running=", ".join(running[:_SHOWN]) or "—"
        )


@dataclass(frozen=True)
class _OfFlow:
    """The :class:`ServiceNotifier` of one flow: collects what the service then tells systemd.

    ``statuses`` and ``alive_flows`` are shared by all flows of the service.
    """

    name: str
    statuses: dict[str, str]
    alive_flows: set[str]
    watchdog_seconds: float | None

    def ready(self, status: str) -> None:
        """Remember the status."""
        self.statuses[self.name] = status

    def reloading(self) -> None:
        """Nothing: the service tells it once."""

    def status(self, text: str) -> None:
        """Remember the status."""
        self.statuses[self.name] = text

    def alive(self) -> None:
        """Remember that the flow makes progress."""
        self.alive_flows.add(self.name)

    def stopping(self, status: str) -> None:
        """Remember the status."""
        self.statuses[self.name] = status

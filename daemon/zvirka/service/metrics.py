"""Prometheus metrics of the last run: by HTTP, and as a textfile for node_exporter.

Everything is read from the journal, so that a restarted daemon, a manual run beside it and the
timer all show the same numbers; nothing is counted in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from math import nan
from pathlib import Path
from typing import Protocol

from loguru import logger
from prometheus_client import CollectorRegistry, Gauge, Metric, start_http_server, write_to_textfile
from prometheus_client.registry import Collector

from zvirka.domain import Cause, OutcomeState, RunStatus
from zvirka.errors import SettingsError, os_reason
from zvirka.journal.push_counts import miss_rate
from zvirka.message import Message, coded
from zvirka.net import address_of
from zvirka.service.daemon_records import Situation

STATUSES = tuple(status for status in RunStatus if status is not RunStatus.RUNNING)


class Metrics:
    """A registry with zvirka's gauges, empty until :meth:`show`.

    Args:
        flow: the label ``flow`` of every sample: it keeps the flows of one machine apart.
    """

    def __init__(self, flow: str = "main") -> None:
        self.registry = CollectorRegistry()
        self._flow = flow

        def gauge(name: str, text: str, *labels: str) -> Gauge:
            return Gauge(f"zvirka_{name}", text, ("flow", *labels), registry=self.registry)

        self._started = gauge(
            "last_run_start_timestamp_seconds", "When the last run began, Unix time."
        )
        self._ended = gauge("last_run_end_timestamp_seconds", "When the last run ended, Unix time.")
        self._duration = gauge(
            "last_run_duration_seconds", "How long the last run took, in seconds."
        )
        self._status = gauge("last_run_status", "1 for how the last run ended, else 0.", "status")
        self._good = gauge(
            "last_success_timestamp_seconds",
            "When the last complete run that was not held ended, Unix time; 0 for never.",
        )
        self._causes = gauge("differences", "Differences the last run found, by cause.", "cause")
        self._outcomes = gauge("corrections", "Corrections of the last run, by outcome.", "outcome")
        self._remaining = gauge("differences_remaining", "Differences left after the last run.")
        self._miss = gauge(
            "push_miss_ratio",
            "Share of the changes read by the last light run whose webhook was missed, from 0 to"
            " 1; not a number when the last run read everything.",
        )
        self._received = gauge(
            "push_received_messages",
            "Webhooks taken in between the good run before and the last run;"
            " not a number where no receiver runs.",
        )
        self._requests = gauge("source_requests", "Requests the last run made to 1C.")
        self._bytes = gauge("source_bytes", "Bytes the last run received from 1C.")
        self._retries = gauge("source_retries", "Requests to 1C the last run had to repeat.")
        self._rows = gauge("rows", "Rows the last run saw, by side.", "side")
        self._held = gauge("held_runs", "Runs that wait for approval.")
        self._oldest = gauge(
            "oldest_unresolved_difference_timestamp_seconds",
            "When the oldest difference still left was first seen, Unix time; 0 for none.",
        )
        self._head = gauge(
            "chain_head_run", "The run sealed last; the label is its digest.", "digest"
        )

    def _set(self, gauge: Gauge, value: float | None, *labels: str) -> None:
        gauge.labels(self._flow, *labels).set(nan if value is None else value)

    def show(self, situation: Situation) -> None:
        """Set every gauge."""
        oldest = situation.unresolved_since
        self._set(self._good, situation.good.timestamp() if situation.good else 0)
        self._set(self._held, len(situation.held))
        self._set(self._oldest, oldest.timestamp() if oldest else 0)
        self._head.clear()
        if situation.head is not None:
            self._set(self._head, situation.head.run, situation.head.digest)
        last = situation.last
        if last is None:
            return
        facts = last.facts
        self._set(self._started, last.started.timestamp())
        self._set(self._ended, last.ended.timestamp())
        self._set(self._duration, (last.ended - last.started).total_seconds())
        for status in STATUSES:
            self._set(self._status, int(status == last.status), status.value)
        for cause in Cause:
            self._set(self._causes, _counted(facts.causes, cause), cause.value)
        for state in OutcomeState:
            if state is not OutcomeState.INTENDED:
                self._set(self._outcomes, _counted(facts.outcomes, state), state.value)
        self._set(self._remaining, facts.remaining)
        rate = miss_rate(last.mode, facts)
        self._set(self._miss, rate.share if rate is not None else None)
        self._set(self._received, situation.received)
        self._set(self._requests, facts.requests)
        self._set(self._bytes, facts.bytes)
        self._set(self._retries, facts.retries)
        self._set(self._rows, facts.source_rows, "source")
        self._set(self._rows, facts.store_rows, "store")

    def write(self, path: Path) -> None:
        """Write the textfile, atomically. A failure is logged: no metric is worth a run."""
        try:
            write_to_textfile(str(path), self.registry)
        except OSError as error:
            logger.error("the metrics textfile cannot be written", error=str(error.strerror))


def _counted(counts: Mapping[str, int] | None, word: str) -> float:
    """The count under a word; not a number when the run did not count."""
    return nan if counts is None else counts.get(word, 0)


class Exposed(Protocol):
    """Something with metrics of its own: :class:`Metrics` of a flow, or of the workers."""

    registry: CollectorRegistry


class _EveryFlow(Collector):
    """The metrics of all flows, a family once with the samples of each flow."""

    def __init__(self, metrics: Callable[[], Iterable[Exposed]]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        """Return the families; the library calls it at each request."""
        families: dict[str, Metric] = {}
        for metrics in self._metrics():
            for family in metrics.registry.collect():
                known = families.setdefault(
                    family.name, Metric(family.name, family.documentation, family.type)
                )
                known.samples.extend(family.samples)
        return families.values()


class Exposition:
    """Serves the metrics of all flows by HTTP from its own thread until closed.

    Args:
        listen: HOST:PORT.
        metrics: gives those of each flow, and of the workers.

    Raises:
        SettingsError: the address cannot be listened on.
    """

    def __init__(self, listen: str, metrics: Callable[[], Iterable[Exposed]]) -> None:
        host, port = address_of(listen, "metrics.listen")
        registry = CollectorRegistry()
        registry.register(_EveryFlow(metrics))
        try:
            self._server, self._thread = start_http_server(port, addr=host, registry=registry)
        except OSError as error:
            raise SettingsError(
                coded(
                    "ZV4201",
                    "cannot listen on {listen}: {why}",
                    listen=repr(listen),
                    why=os_reason(error),
                ),
                place="metrics.listen",
                remedy=Message("write a free address as HOST:PORT, such as 127.0.0.1:9791"),
            ) from error
        self.port: int = self._server.server_port

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

"""Prometheus metrics of the last run: by HTTP, and as a textfile for node_exporter.

Everything is read from the journal, so that a restarted daemon, a manual run beside it and the
timer all show the same numbers; nothing is counted in memory.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import nan
from pathlib import Path

from loguru import logger
from prometheus_client import CollectorRegistry, Gauge, start_http_server, write_to_textfile

from zvirka.domain import Cause, OutcomeState, RunStatus
from zvirka.errors import SettingsError, os_reason
from zvirka.message import Message, coded
from zvirka.net import address_of
from zvirka.service.daemon_records import Situation

STATUSES = tuple(status for status in RunStatus if status is not RunStatus.RUNNING)


class Metrics:
    """A registry with zvirka's gauges, empty until :meth:`show`."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()

        def gauge(name: str, text: str, *labels: str) -> Gauge:
            return Gauge(f"zvirka_{name}", text, labels, registry=self.registry)

        self._started = gauge(
            "last_run_start_timestamp_seconds", "When the last run began, Unix time."
        )
        self._ended = gauge("last_run_end_timestamp_seconds", "When the last run ended, Unix time.")
        self._duration = gauge("last_run_duration_seconds", "How long the last run took.")
        self._status = gauge("last_run_status", "1 for how the last run ended, else 0.", "status")
        self._good = gauge(
            "last_success_timestamp_seconds",
            "When the last complete run that was not held ended, Unix time; 0 for never.",
        )
        self._causes = gauge("differences", "Differences the last run found, by cause.", "cause")
        self._outcomes = gauge("corrections", "Corrections of the last run, by outcome.", "outcome")
        self._remaining = gauge("differences_remaining", "Differences left after the last run.")
        self._requests = gauge("source_requests", "Requests the last run made to 1C.")
        self._bytes = gauge("source_bytes", "Bytes the last run received from 1C.")
        self._retries = gauge("source_retries", "Requests to 1C the last run had to repeat.")
        self._rows = gauge("rows", "Rows the last run saw, by side.", "side")
        self._held = gauge("held_runs", "Runs that wait for approval.")
        self._oldest = gauge(
            "oldest_unresolved_difference_timestamp_seconds",
            "When the oldest difference still left was first seen, Unix time; 0 for none.",
        )

    def show(self, situation: Situation) -> None:
        """Set every gauge."""
        self._good.set(situation.good.timestamp() if situation.good else 0)
        self._held.set(len(situation.held))
        oldest = situation.unresolved_since
        self._oldest.set(oldest.timestamp() if oldest else 0)
        last = situation.last
        if last is None:
            return
        facts = last.facts
        self._started.set(last.started.timestamp())
        self._ended.set(last.ended.timestamp())
        self._duration.set((last.ended - last.started).total_seconds())
        for status in STATUSES:
            self._status.labels(status).set(int(status == last.status))
        for cause in Cause:
            self._causes.labels(cause.value).set(_counted(facts.causes, cause))
        for state in OutcomeState:
            if state is not OutcomeState.INTENDED:
                self._outcomes.labels(state.value).set(_counted(facts.outcomes, state))
        for gauge, count in (
            (self._remaining, facts.remaining),
            (self._requests, facts.requests),
            (self._bytes, facts.bytes),
            (self._retries, facts.retries),
            (self._rows.labels("source"), facts.source_rows),
            (self._rows.labels("store"), facts.store_rows),
        ):
            gauge.set(nan if count is None else count)

    def write(self, path: Path) -> None:
        """Write the textfile, atomically. A failure is logged: no metric is worth a run."""
        try:
            write_to_textfile(str(path), self.registry)
        except OSError as error:
            logger.error("the metrics textfile cannot be written", error=str(error.strerror))


def _counted(counts: Mapping[str, int] | None, word: str) -> float:
    """The count under a word; not a number when the run did not count."""
    return nan if counts is None else counts.get(word, 0)


class Exposition:
    """Serves the metrics by HTTP from its own thread until closed.

    Raises:
        SettingsError: the address cannot be listened on.
    """

    def __init__(self, listen: str, metrics: Metrics) -> None:
        host, port = address_of(listen, "metrics.listen")
        try:
            self._server, self._thread = start_http_server(
                port, addr=host, registry=metrics.registry
            )
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

"""Which workers there are, what they run, and what waits for them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime
from typing import Any, LiteralString

import msgspec
from procrastinate import App

from zvirka.fleet.queue_database import guarded, opened_queue, queue_of
from zvirka.fleet.status_lines import FleetStatus, QueueLine, WorkerLine
from zvirka.service.run_slots import server_of
from zvirka.settings.model import Settings

_WORKERS: LiteralString = """
    SELECT host, pid, queues, concurrency, since, last_heartbeat AS heard,
        last_heartbeat > now() - make_interval(secs => %(takeover)s) AS alive,
        (
            SELECT coalesce(jsonb_agg(run ORDER BY run ->> 'flow'), '[]')
            FROM (
                SELECT
                    jsonb_build_object('flow', job.args ->> 'flow', 'since', max(event.at)) AS run
                FROM procrastinate_jobs job
                LEFT JOIN procrastinate_events event
                    ON event.job_id = job.id AND event.type = 'started'
                WHERE job.worker_id = worker.id AND job.status = 'doing'
                GROUP BY job.id
            ) run
        ) AS runs
    FROM fleet_workers worker
    JOIN procrastinate_workers USING (id)
    ORDER BY host, pid, worker.id
"""
_ORDERS: LiteralString = """
    SELECT queue_name AS queue, args ->> 'flow' AS flow, status::text AS status,
        (
            SELECT max(event.at)
            FROM procrastinate_events event
            WHERE event.job_id = job.id AND event.type IN ('deferred', 'deferred_for_retry')
        ) AS since,
        lock IN (
            SELECT other.lock FROM procrastinate_jobs other WHERE other.status = 'doing'
        ) AS blocked
    FROM procrastinate_jobs job
    WHERE status IN ('todo', 'doing')
    ORDER BY priority DESC, id
"""
_NOW: LiteralString = "SELECT now() AS now"


def fleet_status(settings: Settings) -> FleetStatus:
    """Read the status of the installation of this flow.

    Raises:
        SettingsError: the journal is not on PostgreSQL.
        JournalError: the queue cannot be reached.
    """
    with opened_queue(settings) as app, guarded(settings):
        return read_status(app, settings)


def read_status(app: App, settings: Settings) -> FleetStatus:
    """The same from the opened queue."""
    connector = app.connector.get_sync_connector()
    takeover = settings.fleet.takeover.total_seconds()
    rows = connector.execute_query_all(_WORKERS, takeover=takeover)
    orders = connector.execute_query_all(_ORDERS)
    ((now,),) = (row.values() for row in connector.execute_query_all(_NOW))
    workers = [
        msgspec.convert({name: row[name] for name in WorkerLine.__struct_fields__}, WorkerLine)
        for row in rows
    ]
    servers = {queue_of(server_of(flow)): server_of(flow) for flow in settings.flows.values()}
    of_queue: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in orders:
        of_queue[row["queue"]].append(row)
    servers |= {queue: servers.get(queue, queue) for queue in of_queue}
    return FleetStatus(
        workers,
        [
            _queue(
                server,
                of_queue.get(queue, []),
                sum(one.alive and (one.queues is None or queue in one.queues) for one in workers),
                now - settings.fleet.alert_after,
            )
            for queue, server in sorted(servers.items())
        ],
    )


def _queue(server: str, orders: list[dict[str, Any]], workers: int, latest: datetime) -> QueueLine:
    waiting: list[Mapping[str, Any]] = [row for row in orders if row["status"] == "todo"]
    return QueueLine(
        server=server,
        workers=workers,
        running=[row["flow"] for row in orders if row["status"] == "doing"],
        waiting=[row["flow"] for row in waiting],
        since=min((row["since"] for row in waiting), default=None),
        late=[row["flow"] for row in waiting if row["since"] < latest and not row["blocked"]],
    )

"""The metrics of the last run, as text and by HTTP."""

from __future__ import annotations

import urllib.request
from datetime import UTC, datetime, timedelta
from math import isnan
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from zvirka.domain import Mode, RunStatus
from zvirka.errors import SettingsError
from zvirka.journal.head import Head
from zvirka.journal.run_facts import Facts
from zvirka.service.daemon_records import RunView, Situation
from zvirka.service.metrics import Exposition, Metrics

BEGAN = datetime(2026, 11, 25, 0, 30, tzinfo=UTC)
SITUATION = Situation(
    last=RunView(
        run=7,
        status=RunStatus.HELD,
        started=BEGAN,
        ended=BEGAN + timedelta(seconds=61),
        mode=Mode.LIGHT,
        facts=Facts(
            fetched=12,
            causes={"missed_update": 3},
            outcomes={"applied": 2, "failed": 1},
            remaining=1,
            requests=12,
            bytes=34567,
        ),
    ),
    good=BEGAN + timedelta(seconds=61),
    held=((7, "aa", {"delete": 1}),),
    unresolved_since=BEGAN - timedelta(days=3),
    received=9,
    head=Head(run=7, digest="d" * 64),
)


def read(text: str) -> dict[str, float]:
    return {
        sample.name
        + "".join(
            f"{{{key}={value}}}" for key, value in sample.labels.items() if key != "flow"
        ): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_a_count_the_run_did_not_take_is_not_a_number(tmp_path: Path) -> None:
    metrics = Metrics()
    metrics.show(SITUATION)
    failed = RunView(run=8, status=RunStatus.FAILED, started=BEGAN, ended=BEGAN)
    metrics.show(Situation(last=failed))
    file = tmp_path / "zvirka.prom"
    metrics.write(file)
    values = read(file.read_text())
    for name in (
        "zvirka_differences{cause=missed_update}",
        "zvirka_corrections{outcome=applied}",
        "zvirka_differences_remaining",
        "zvirka_source_requests",
        "zvirka_rows{side=store}",
        "zvirka_push_miss_ratio",
        "zvirka_push_received_messages",
    ):
        assert isnan(values[name]), name


def test_the_textfile_holds_the_last_run_with_units_and_help(tmp_path: Path) -> None:
    metrics = Metrics()
    metrics.show(SITUATION)
    file = tmp_path / "zvirka.prom"
    metrics.write(file)
    text = file.read_text()
    values = read(text)
    assert values["zvirka_last_run_start_timestamp_seconds"] == BEGAN.timestamp()
    assert values["zvirka_last_run_duration_seconds"] == 61
    assert values["zvirka_last_run_status{status=held}"] == 1
    assert values["zvirka_last_run_status{status=failed}"] == 0
    assert values["zvirka_differences{cause=missed_update}"] == 3
    assert values["zvirka_differences{cause=erp_edit}"] == 0
    assert values["zvirka_corrections{outcome=applied}"] == 2
    assert values["zvirka_differences_remaining"] == 1
    assert values["zvirka_source_requests"] == 12
    assert values["zvirka_source_bytes"] == 34567
    assert values["zvirka_held_runs"] == 1
    assert values["zvirka_push_miss_ratio"] == 0.25
    assert values["zvirka_push_received_messages"] == 9
    assert values[f"zvirka_chain_head_run{{digest={'d' * 64}}}"] == 7
    assert all('flow="main"' in line for line in text.splitlines() if not line.startswith("#"))
    oldest = values["zvirka_oldest_unresolved_difference_timestamp_seconds"]
    assert oldest == (BEGAN - timedelta(days=3)).timestamp()
    families = {line.split()[2] for line in text.splitlines() if line.startswith("# HELP")}
    assert all(name.startswith("zvirka_") for name in families)
    assert list(tmp_path.iterdir()) == [file], "nothing half-written stays beside it"


def test_before_the_first_run_the_metrics_say_so(tmp_path: Path) -> None:
    metrics = Metrics()
    metrics.show(Situation())
    metrics.write(tmp_path / "zvirka.prom")
    values = read((tmp_path / "zvirka.prom").read_text())
    assert values["zvirka_last_success_timestamp_seconds"] == 0


def test_a_textfile_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    metrics = Metrics()
    metrics.show(SITUATION)
    metrics.write(tmp_path / "missing" / "zvirka.prom")
    assert not (tmp_path / "missing").exists()


def test_the_metrics_are_served_by_http_until_closed() -> None:
    metrics = Metrics()
    metrics.show(SITUATION)
    exposition = Exposition("127.0.0.1:0", lambda: [metrics])
    url = f"http://127.0.0.1:{exposition.port}/metrics"
    with urllib.request.urlopen(url, timeout=10) as answer:
        values = read(answer.read().decode())
    assert values["zvirka_last_run_duration_seconds"] == 61
    exposition.close()
    with pytest.raises(OSError):
        urllib.request.urlopen(url, timeout=10)


@pytest.mark.parametrize("listen", ["127.0.0.1:99999", "127.0.0.1:http", "256.0.0.1:9791"])
def test_an_address_that_cannot_be_listened_on_is_a_settings_error(listen: str) -> None:
    with pytest.raises(SettingsError) as refused:
        Exposition(listen, lambda: [Metrics()])
    assert refused.value.place == "metrics.listen"

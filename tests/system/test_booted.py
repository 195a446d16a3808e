"""zvirka's units on a real booted systemd."""

from __future__ import annotations

import json
import re
import time
from functools import partial

import pytest

from tests.system.site import DRIP_PORT, PASSWORD, PYTHON, STATE, Site

pytestmark = [pytest.mark.system, pytest.mark.timeout(900)]

EXPOSURE = 1.2
SERVICES = (
    "zvirka.service",
    "zvirka-receiver.service",
    "zvirka-web.service",
    "zvirka-feed.service",
    "zvirka-worker.service",
    "zvirka-reconcile.service",
    "zvirka-resync@000000123.service",
    "zvirka-alert@zvirka.service.service",
)


def test_the_installed_units_are_sound_and_hardly_exposed(site: Site) -> None:
    said = site.machine.run("systemd-analyze", "verify", "--man=no", *SERVICES)
    assert said == ""
    for unit in SERVICES:
        site.machine.run(
            "systemd-analyze", "security", "--no-pager", f"--threshold={EXPOSURE * 10:.0f}", unit
        )


def test_the_daemon_becomes_ready_and_says_in_ukrainian_what_it_waits_for(site: Site) -> None:
    site.machine.run("systemctl", "start", "zvirka.service")
    assert site.machine.show("zvirka.service", "ActiveState") == "active"
    status = site.machine.show("zvirka.service", "StatusText")
    assert status == "нічна звірка 02:30 · ще не було жодної"
    site.machine.run("systemctl", "stop", "zvirka.service")
    assert site.machine.show("zvirka.service", "Result") == "success"


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        ("2026-11-25 00:29:50", "2026-11-25 00:30"),
        ("2026-03-29 00:29:50", "2026-03-29 00:30"),  # the night of the spring change
        ("2026-10-24 23:29:50", "2026-10-24 23:30"),  # the night of the autumn change
    ],
)
def test_the_nightly_run_begins_at_its_time_by_a_moved_clock(
    before: str, expected: str, site: Site
) -> None:
    site.at_time(before)
    site.machine.run("systemctl", "start", "zvirka.service")
    assert site.runs() == []
    run = site.wait_for_run("finished")
    assert run["started_at"].startswith(expected)
    assert (run["trigger"], run["who"]) == ("schedule", "zvirka daemon")
    assert len(site.clients()) == 300
    site.machine.wait_for(
        lambda: "остання" in site.machine.show("zvirka.service", "StatusText"), 10, "a status"
    )
    status = site.machine.show("zvirka.service", "StatusText")
    assert "300 розбіжностей, 300 виправлено" in status
    assert len(site.runs()) == 1


def test_a_manual_resync_works_beside_the_daemon_and_says_who_asked(site: Site) -> None:
    site.run_now()
    site.wait_for_run("finished")
    client = site.clients()[7]
    code = client["code"]
    site.query(f"update clients set name = 'змінено' where code = '{code}'", "erp.db", "rw")
    site.machine.run("systemctl", "start", f"zvirka-resync@{code}.service")
    (mended,) = [row for row in site.clients() if row["code"] == code]
    assert mended["name"] == client["name"]
    run = site.runs()[-1]
    assert (run["command"], run["trigger"]) == ("resync", "manual")
    assert run["who"] == f"zvirka-resync@{code}.service"
    assert run["reason"] == f"systemctl start zvirka-resync@{code}.service"
    assert site.machine.show("zvirka.service", "ActiveState") == "active"


def test_a_resync_waits_for_the_nightly_run_and_one_without_patience_is_told_who_works(
    site: Site,
) -> None:
    site.faults(latency=0.7)
    site.run_now()
    site.machine.wait_for(site.runs, 30, "the nightly run")
    refused = site.machine.run(
        "sh",
        "-c",
        "systemd-run --quiet --wait --pipe --uid=zvirka --setenv=ZVIRKA_ONEC__PASSWORD=x "
        "/opt/zvirka/bin/zvirka resync --code 1 --reason test --config /etc/zvirka/zvirka.toml "
        "2>&1; true",
    )
    assert "zvirka daemon" in refused
    assert [run["status"] for run in site.runs()] == ["running"]
    code = "000000001"
    site.machine.run("systemctl", "start", "--no-block", f"zvirka-resync@{code}.service")
    time.sleep(2)
    site.faults()
    site.wait_for_run("finished")
    site.machine.wait_for(lambda: len(site.runs()) == 2, 60, "the resync after it")
    assert site.runs()[1]["command"] == "resync"


def test_a_hung_run_is_killed_by_the_watchdog_and_the_daemon_comes_back(site: Site) -> None:
    short = 'connect_timeout = "1s"\nread_timeout = "3s"\nretries = 0\n'
    site.configure(port=DRIP_PORT, timeouts=short)
    site.drop_in("zvirka.service", "[Service]\nWatchdogSec=3s\nRestartSec=1s\n")
    site.run_now()
    site.machine.wait_for(site.runs, 30, "the run that hangs")
    site.configure(timeouts=short)  # what hangs has been mended when the daemon comes back
    site.machine.wait_for(
        lambda: site.machine.show("zvirka.service", "NRestarts") != "0", 150, "the watchdog"
    )
    assert (
        "watchdog"
        in site.machine.run(
            "journalctl", "--no-pager", "--output=cat", "--unit=zvirka.service", "_PID=1"
        ).lower()
    )
    site.wait_for_run("finished")
    assert [run["status"] for run in site.runs()] == ["interrupted", "finished"]
    assert len(site.clients()) == 300
    assert site.machine.show("zvirka.service", "ActiveState") == "active"


def test_kill_9_during_apply_loses_nothing_and_repeats_nothing(site: Site) -> None:
    site.begin(counterparties=4000)
    site.drop_in("zvirka.service", "[Service]\nRestartSec=1s\n")
    site.run_now()
    kills = 0

    def applied(least: int) -> bool:
        return len(site.clients()) >= least

    for least in (100, 1500):
        site.machine.wait_for(partial(applied, least), 90, "the apply")
        if site.runs()[-1]["phase"] == "apply":
            kills += 1
        site.machine.run("systemctl", "kill", "--signal=KILL", "zvirka.service")
    assert kills, "no kill hit the apply"
    site.wait_for_run("finished", 120)
    clients = site.clients()
    assert len(clients) == len({row["code"] for row in clients}) == 4000
    assert site.query("select * from correction where state = 'intended'") == []
    assert site.agrees()


def test_sigterm_ends_a_run_in_time_and_leaves_it_to_be_resumed(site: Site) -> None:
    site.faults(latency=1.0)
    site.configure("", timeouts="page_bytes = 10000\n")
    site.run_now()
    site.machine.wait_for(
        lambda: [run for run in site.runs() if run["phase"] == "pull"], 60, "the pull"
    )
    began = time.monotonic()
    site.machine.run("systemctl", "stop", "zvirka.service")
    assert time.monotonic() - began < 80
    assert site.machine.show("zvirka.service", "Result") == "success"
    assert [run["status"] for run in site.runs()] == ["interrupted"]
    site.faults()
    site.machine.run("systemctl", "start", "zvirka.service")
    site.wait_for_run("finished")
    assert len(site.clients()) == 300


def test_the_password_arrives_as_a_credential_and_is_nowhere_to_be_seen(site: Site) -> None:
    site.run_now()
    site.wait_for_run("finished")
    pid = site.machine.show("zvirka.service", "MainPID")
    seen = site.machine.run(
        "sh", "-c", f"tr '\\0' ' ' < /proc/{pid}/environ; tr '\\0' ' ' < /proc/{pid}/cmdline"
    )
    assert PASSWORD not in seen
    assert "CREDENTIALS_DIRECTORY=" in seen
    assert PASSWORD not in site.machine.log("zvirka.service")
    held = site.machine.run("sh", "-c", f"grep -rl {PASSWORD} {STATE} /etc/zvirka || true")
    assert held == ""


def test_without_its_credential_the_daemon_starts_and_says_what_1c_says(site: Site) -> None:
    site.machine.run("rm", "/etc/credstore/zvirka.onec.password")
    site.run_now()
    run = site.wait_for_run("failed")
    assert "password" in json.loads(run["error"])["cause"]
    assert site.machine.show("zvirka.service", "ActiveState") == "active"
    site.machine.wait_for(site.mail, 30, "the alert")
    assert site.mail()[0]["title"] == "zvirka: запуск не вдався"
    assert len(site.runs()) == 1, "a permanent error is not tried again"


def test_the_sandbox_denies_writing_outside_the_state_directory(site: Site) -> None:
    unit = site.machine.run("cat", "/etc/systemd/system/zvirka-alert@.service")
    probe = (
        f"ExecStart={PYTHON} /opt/inside/probe.py /etc /etc/zvirka /usr /opt /var/lib /var/log "
        "/srv /root /home /boot /run"
    )
    unit = re.sub("^ExecStart=.*$", probe, unit, flags=re.MULTILINE)
    site.machine.write("/run/systemd/system/probe@.service", unit + "\n")
    site.machine.run("systemctl", "daemon-reload")
    site.machine.run("systemctl", "start", "probe@x.service")
    (line,) = [
        line for line in site.machine.log("probe@x.service").splitlines() if line.startswith("{")
    ]
    found = json.loads(line)
    assert found.pop("write state") == "done"
    assert found.pop("native code") == "done"
    assert len(found) == 14
    assert "done" not in found.values(), found


def test_a_reload_takes_good_settings_and_refuses_wrong_ones(site: Site) -> None:
    site.machine.run("systemctl", "start", "zvirka.service")
    pid = site.machine.show("zvirka.service", "MainPID")
    site.configure("[schedule]\natt = '03:00'\n")
    site.machine.run("systemctl", "reload", "zvirka.service")
    site.machine.wait_for(
        lambda: "хибні" in site.machine.show("zvirka.service", "StatusText"), 10, "the refusal"
    )
    assert "schedule.att" in site.machine.log("zvirka.service")
    site.configure("[schedule]\nat = '04:15'\n")
    site.machine.run("systemctl", "reload", "zvirka.service")
    site.machine.wait_for(
        lambda: "04:15" in site.machine.show("zvirka.service", "StatusText"), 10, "the new time"
    )
    assert site.machine.show("zvirka.service", "ActiveState") == "active"
    assert site.machine.show("zvirka.service", "MainPID") == pid


def test_the_timer_is_an_alternative_to_the_daemon(site: Site) -> None:
    site.machine.run("systemctl", "enable", "--now", "zvirka-reconcile.timer")
    assert site.machine.show("zvirka-reconcile.timer", "ActiveState") == "active"
    assert site.machine.show("zvirka-reconcile.timer", "Persistent") == "yes"
    zoned = site.machine.run("systemctl", "list-timers", "--no-pager", "zvirka-reconcile.timer")
    assert "zvirka-reconcile.service" in zoned
    site.machine.run("systemctl", "start", "zvirka-reconcile.service")
    (run,) = site.runs()
    assert (run["trigger"], run["status"]) == ("timer", "finished")
    site.machine.run("systemctl", "disable", "--now", "zvirka-reconcile.timer")


def test_a_unit_that_fails_is_told_by_the_alert_unit(site: Site) -> None:
    site.machine.run("systemctl", "stop", "onec.service")
    site.machine.run("systemctl", "start", "zvirka-reconcile.service", check=False)
    site.machine.wait_for(site.mail, 60, "the alert")
    (message,) = site.mail()
    assert message["title"] == "zvirka: служба зупинилася: zvirka-reconcile.service"


def test_wrong_settings_stop_the_daemon_with_their_reason_and_no_restart(site: Site) -> None:
    site.configure("[schedule]\natt = '03:00'\n")
    site.machine.run("systemctl", "start", "zvirka.service", check=False)
    assert site.machine.show("zvirka.service", "ExecMainStatus") == "64"
    assert site.machine.show("zvirka.service", "NRestarts") == "0"
    assert "schedule.att" in site.machine.log("zvirka.service")


def test_the_receiver_starts_in_its_sandbox(site: Site) -> None:
    site.machine.run("systemctl", "start", "zvirka-receiver.service")
    assert f":{8791:04X} " in site.machine.run("cat", "/proc/net/tcp"), "ready means listening"
    assert site.machine.show("zvirka-receiver.service", "ActiveState") == "active"
    site.machine.run("systemctl", "stop", "zvirka-receiver.service")
    assert site.machine.show("zvirka-receiver.service", "Result") == "success"

"""One message a change of state; durable; never in the way of a run; apprise in earnest."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from tests.unit.service.supervised import settings
from zvirka.domain import Command, RunStatus, Trigger
from zvirka.journal.head import Head
from zvirka.journal.journal import open_journal
from zvirka.journal.run_facts import Facts
from zvirka.service.alerts import Alerts
from zvirka.service.daemon_records import RunView, Situation
from zvirka.service.timer_followup import tell_of_unit

NOW = datetime(2026, 11, 25, 1, tzinfo=UTC)
DAY = timedelta(days=1)
TIMED_OUT = ("TimedOutError", "1C did not answer in time [http://1c/base] → look at its load")


class Post:
    """Takes messages, or not."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str, str]] = []
        self.refuses: set[str] = set()
        self.breaks = False

    def __call__(self, address: str, title: str, body: str) -> bool:
        if self.breaks:
            raise ConnectionResetError("secret address inside")
        if address in self.refuses:
            return False
        self.sent.append((address, title, body))
        return True

    @property
    def titles(self) -> list[str]:
        return [title for _, title, _ in self.sent]


def alerts(tmp_path: Path, post: Post, **table: object) -> Alerts:
    found = Alerts(settings(tmp_path, alerts={"urls": ["json://a"], **table}), post)
    found.watch(NOW)
    return found


def night(
    number: int, *, remaining: int | None = 0, status: str = "finished", **facts: object
) -> Situation:
    ended = NOW + DAY * number
    good = ended if status == "finished" else None
    view = RunView(
        run=number,
        status=RunStatus(status),
        started=ended,
        ended=ended,
        facts=Facts(remaining=remaining, **facts),  # type: ignore[arg-type]
    )
    return Situation(last=view, good=good, head=Head(run=number, digest="d" * 64))


def test_three_bad_nights_are_one_message_and_the_good_one_after_is_another(tmp_path: Path) -> None:
    post = Post()
    told = alerts(tmp_path, post)
    for number in range(1, 4):
        told.judge(night(number, status="failed"), TIMED_OUT, NOW + DAY * number)
        told.flush(NOW + DAY * number)
    told.judge(night(4), None, NOW + DAY * 4)
    told.flush(NOW + DAY * 4)
    failures = [title for title in post.titles if "давно" not in title]
    assert failures == [
        "zvirka: запуск не вдався",
        "zvirka: звірка знову працює",
        "zvirka: звірки знову вдалі",
    ]


def test_a_run_that_counted_nothing_does_not_end_the_alert_of_differences(tmp_path: Path) -> None:
    post = Post()
    told = alerts(tmp_path, post)
    told.judge(night(1, remaining=3), None, NOW)
    told.judge(night(2, remaining=None, status="failed"), None, NOW)
    told.flush(NOW)
    assert post.titles == ["zvirka: розбіжності залишилися"]
    told.judge(night(3, remaining=0), None, NOW)
    told.flush(NOW)
    assert post.titles[-1] == "zvirka: розбіжностей більше немає"


def test_a_held_run_ends_a_failure_but_not_the_wait_for_a_good_run(tmp_path: Path) -> None:
    post = Post()
    told = alerts(tmp_path, post)
    told.judge(night(1, status="failed"), TIMED_OUT, NOW + DAY)
    for number in range(2, 4):
        told.judge(night(number, status="held"), None, NOW + DAY * number)
    told.flush(NOW + DAY * 4)
    assert "zvirka: звірка знову працює" in post.titles
    assert "zvirka: давно не було вдалої звірки" in post.titles
    assert told.active == {"stale"}


def test_another_kind_of_failure_is_another_state(tmp_path: Path) -> None:
    post = Post()
    told = alerts(tmp_path, post)
    told.judge(Situation(), TIMED_OUT, NOW)
    told.judge(Situation(), ("AccessDeniedError", "a right is missing"), NOW)
    told.flush(NOW)
    assert len(post.sent) == 2
    assert "a right is missing" in post.sent[1][2]


def test_a_restart_neither_repeats_nor_forgets_what_was_told(tmp_path: Path) -> None:
    post = Post()
    alerts(tmp_path, post).judge(night(1, status="failed"), TIMED_OUT, NOW)
    again = alerts(tmp_path, post)
    again.judge(night(1, status="failed"), None, NOW)
    again.flush(NOW)
    assert post.titles == ["zvirka: запуск не вдався"]
    assert again.active == {"failed"}
    third = alerts(tmp_path, post)
    third.judge(night(2), None, NOW + DAY * 2)
    third.flush(NOW + DAY * 2)
    assert post.titles[-1] == "zvirka: звірка знову працює"


def test_what_was_not_taken_is_sent_later_and_only_to_whom_it_is_owed(tmp_path: Path) -> None:
    post = Post()
    told = alerts(tmp_path, post, urls=["json://a", "json://b"])
    post.refuses = {"json://b"}
    told.judge(Situation(), TIMED_OUT, NOW)
    told.flush(NOW)
    assert [address for address, _, _ in post.sent] == ["json://a"]
    post.refuses = set()
    told.flush(NOW + timedelta(seconds=10))
    assert len(post.sent) == 1, "the pause is kept"
    again = alerts(tmp_path, post, urls=["json://a", "json://b"])
    again.flush(NOW + timedelta(hours=1))
    assert [address for address, _, _ in post.sent] == ["json://a", "json://b"]
    assert again.waiting == 0


def test_a_messenger_that_breaks_breaks_nothing_else(tmp_path: Path) -> None:
    post = Post()
    post.breaks = True
    told = alerts(tmp_path, post)
    told.judge(Situation(), TIMED_OUT, NOW)
    told.flush(NOW)
    assert told.waiting == 1


def test_an_undeliverable_message_is_given_up_after_a_week(tmp_path: Path) -> None:
    post = Post()
    post.breaks = True
    told = alerts(tmp_path, post)
    told.judge(Situation(), TIMED_OUT, NOW)
    for day in range(9):
        told.flush(NOW + DAY * day)
    assert told.waiting == 0


def test_the_state_file_holds_no_address_and_is_nobody_elses_to_read(tmp_path: Path) -> None:
    post = Post()
    post.breaks = True
    address = "tgram://123456789:SECRETTOKEN/42"
    told = alerts(tmp_path, post, urls=[address])
    told.judge(Situation(), TIMED_OUT, NOW)
    file = tmp_path / "alerts.json"
    assert "SECRETTOKEN" not in file.read_text()
    assert file.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("content", [b"{half", b'{"active":{"\xe0":0}}', b'{"a":' * 10_000])
def test_a_broken_state_file_is_begun_anew(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "alerts.json").write_bytes(content)
    post = Post()
    told = alerts(tmp_path, post)
    told.judge(Situation(), TIMED_OUT, NOW)
    told.flush(NOW)
    assert len(post.sent) == 1


def test_the_dead_mans_switch_goes_off_even_when_no_run_ever_was(tmp_path: Path) -> None:
    post = Post()
    told = alerts(tmp_path, post, language="en")
    told.judge(Situation(), None, NOW + timedelta(hours=36))
    assert told.waiting == 0
    told.judge(Situation(), None, NOW + timedelta(hours=37))
    told.judge(Situation(), None, NOW + timedelta(hours=60))
    told.flush(NOW + timedelta(hours=60))
    ((_, title, body),) = post.sent
    assert title == "zvirka: no successful run for a long time"
    assert "37 hours" in body


def test_a_good_run_of_the_future_does_not_keep_the_switch_silent(tmp_path: Path) -> None:
    """Its clock was ahead by a year: for a year nothing would be told."""
    post = Post()
    told = alerts(tmp_path, post, language="en")
    ahead = Situation(good=NOW + timedelta(days=400))
    for day in (2, 100, 300):
        told.judge(ahead, None, NOW + timedelta(days=day))
    told.flush(NOW + timedelta(days=300))
    assert [title for _, title, _ in post.sent] == ["zvirka: no successful run for a long time"]


@pytest.mark.parametrize(
    ("language", "title", "lines"),
    [
        (
            "uk",
            "zvirka: розбіжності залишилися",
            [
                "Запуск № 7: 3 розбіжності залишилися",
                "За причинами: пропущена зміна 2, правка в ERP 1",
                "Звіт: https://erp.example/zvirka/zvirka-run-000007.html",
                f"Дайджест запуску 7: {'d' * 64}",
            ],
        ),
        (
            "en",
            "zvirka: differences remain",
            [
                "Run 7: 3 differences remain",
                "By cause: missed update 2, edited in the ERP 1",
                "Report: https://erp.example/zvirka/zvirka-run-000007.html",
                f"Digest of run 7: {'d' * 64}",
            ],
        ),
    ],
)
def test_a_message_has_counts_and_the_reports_place_in_its_language(
    language: str, title: str, lines: list[str], tmp_path: Path
) -> None:
    post = Post()
    told = alerts(tmp_path, post, language=language, report_base="https://erp.example/zvirka/")
    causes = {"missed_update": 2, "erp_edit": 1}
    told.judge(night(7, remaining=3, causes=causes), None, NOW + DAY * 7)
    told.flush(NOW + DAY * 7)
    assert post.sent == [("json://a", title, "\n".join(lines))]


def test_a_held_plan_is_told_once_and_another_plan_again(tmp_path: Path) -> None:
    post = Post()
    told = alerts(tmp_path, post, language="en")
    for digest in ("aa", "aa", "bb"):
        situation = night(1, status="held")
        told.judge(
            Situation(last=situation.last, good=NOW, held=((1, digest, {"delete": 120}),)),
            None,
            NOW,
        )
    told.flush(NOW)
    assert post.titles == ["zvirka: a run waits for approval"] * 2
    assert "Waiting: delete 120" in post.sent[0][2]
    assert "zvirka approve 1" in post.sent[0][2]


@contextmanager
def mailbox() -> Iterator[tuple[int, list[dict[str, str]]]]:
    """A real HTTP endpoint that takes what apprise sends."""
    taken: list[dict[str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            taken.append(json.loads(self.rfile.read(length)))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_args: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port, taken
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.long
def test_apprise_carries_a_message_to_a_real_endpoint(tmp_path: Path) -> None:
    with mailbox() as (port, taken):
        config = settings(tmp_path, alerts={"urls": [f"json://127.0.0.1:{port}/zvirka"]})
        told = Alerts(config)
        told.tell_failed_unit("zvirka.service", NOW)
        told.flush(NOW)
    assert told.waiting == 0
    (message,) = taken
    assert message["title"] == "zvirka: служба зупинилася: zvirka.service"
    assert "journalctl -u zvirka.service" in message["message"]


def test_the_alert_of_a_failed_unit_names_the_head_of_the_chain(tmp_path: Path) -> None:
    config = settings(tmp_path, alerts={"urls": ["json://127.0.0.1:9/x"]})
    journal = open_journal(config)
    run = journal.begin(
        command=Command.RECONCILE, trigger=Trigger.TIMER, who="x", reason="", now=NOW
    )
    digest = journal.finish(run, status=RunStatus.FINISHED, exit_code=0, now=NOW)
    journal.close()
    assert tell_of_unit(config, "zvirka-reconcile.service", NOW) == 1
    [waiting] = json.loads((config.state_dir / "alerts.json").read_bytes())["waiting"]
    assert digest in waiting["body"]


def test_an_endpoint_that_is_away_and_an_address_nobody_knows_leave_the_message_waiting(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    addresses = ["json://user:hunter2@127.0.0.1:9/x", "nosuch://hunter2@host"]
    told = Alerts(settings(tmp_path, alerts={"urls": addresses}))
    told.tell_failed_unit("zvirka.service", NOW)
    told.flush(NOW)
    assert told.waiting == 1
    shown = capfd.readouterr()
    assert "hunter2" not in shown.out + shown.err


def test_a_unit_that_fails_every_night_is_told_once_until_a_run_has_ended_well(
    tmp_path: Path,
) -> None:
    post = Post()
    told = alerts(tmp_path, post)
    unit = "zvirka-reconcile.service"
    told.tell_failed_unit(unit, NOW)
    told.tell_failed_unit(unit, NOW + DAY)
    told.tell_failed_unit("zvirka-receiver.service", NOW + DAY)
    told.tell_failed_unit(unit, NOW + DAY * 2, NOW - DAY)
    told.flush(NOW + DAY * 2)
    assert [title.rpartition(": ")[2] for title in post.titles] == [
        "zvirka-reconcile.service",
        "zvirka-receiver.service",
    ]
    told.tell_failed_unit(unit, NOW + DAY * 4, NOW + DAY * 3)
    told.flush(NOW + DAY * 4)
    assert len(post.sent) == 3


def test_without_a_link_the_message_names_the_file_of_the_report(tmp_path: Path) -> None:
    post = Post()
    told = alerts(tmp_path, post)
    told.judge(night(7, remaining=1), None, NOW + DAY * 7)
    told.flush(NOW + DAY * 7)
    assert f"Звіт: {tmp_path}/reports/zvirka-run-000007.html\n" in post.sent[0][2]

"""What the pages show: runs, a report narrowed, a counterparty's life, in both languages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from lxml import html

from tests.unit.report.sample import (
    HOSTILE_VALUES,
    NIGHT,
    facts,
    failed_run,
    held_run,
    hostile_run,
    missing,
    nights,
    quiet_run,
    seal_run,
    story_run,
)
from tests.unit.web.page_client import PageClient, open_page
from zvirka.domain import Command, Disposition, RunStatus, Trigger
from zvirka.journal.run_facts import Hold
from zvirka.web import pages


@pytest.fixture
def page(tmp_path: Path) -> Iterator[PageClient]:
    with open_page(tmp_path) as made:
        made.sign_in("olena")
        yield made


def listed(text: str) -> list[int]:
    """The runs of the table."""
    return [int(number) for number in re.findall(r'<th scope="row"><a href="/runs/(\d+)"', text)]


def shown(text: str) -> list[int]:
    """The differences on the page."""
    return [int(number) for number in re.findall(r'<article class="d[^>]*id="d(\d+)"', text)]


def test_an_empty_journal_says_so(page: PageClient) -> None:
    assert "There are no runs yet." in page.get("/runs").text


def test_runs_come_newest_first_and_page_by_page(page: PageClient) -> None:
    for _ in range(pages.RUNS + 3):
        quiet_run(page.journal)
    first = page.get("/runs").text
    assert listed(first) == list(range(53, 3, -1))
    [older] = re.findall(r'href="(/runs\?[^"]*before=\d+)"', first)
    assert listed(page.get(older).text) == [3, 2, 1]


def test_runs_are_narrowed_by_status_and_command(page: PageClient) -> None:
    story_run(page.journal)
    held_run(page.journal)
    failed_run(page.journal)
    seal_run(page.journal, (), command="plan")
    assert listed(page.get("/runs?status=held").text) == [2]
    assert listed(page.get("/runs?command=plan").text) == [4]
    assert listed(page.get("/runs?status=failed&command=plan").text) == []
    assert listed(page.get("/runs?status=%27%3B--&before=x").text) == [4, 3, 2, 1]


def test_runs_are_narrowed_by_day_and_person(page: PageClient) -> None:
    seal_run(page.journal, (), at=NIGHT - timedelta(days=2), who="taras")
    seal_run(page.journal, (), at=NIGHT - timedelta(days=1))
    seal_run(page.journal, (), at=NIGHT, who="taras")
    assert listed(page.get("/runs?who=taras").text) == [3, 1]
    assert listed(page.get("/runs?from=2026-11-23&to=2026-11-23").text) == [2]
    assert listed(page.get("/runs?from=2026-11-23").text) == [3, 2]
    assert listed(page.get("/runs?to=2026-11-23&who=taras").text) == [1]
    assert listed(page.get("/runs?from=x&to=%00").text) == [3, 2, 1]


@pytest.mark.parametrize("path", ["/runs", "/timeline", "/export"])
def test_the_first_and_the_last_day_of_the_calendar_are_days(page: PageClient, path: str) -> None:
    for days in ("from=0001-01-01&to=0001-01-01", "from=9999-12-31&to=9999-12-31"):
        assert page.get(f"{path}?{days}").status_code == 200


def test_two_held_plans_are_compared(page: PageClient) -> None:
    held_run(page.journal)
    assert page.get("/runs/1/changes").status_code == 404
    held = [
        msgspec.structs.replace(missing(n, f"ТОВ {n}", f"{n:05}"), disposition=Disposition.HELD)
        for n in range(1, 5)
    ]
    seen = facts(held=[Hold(limit="first_run", what="all")])
    old = seal_run(page.journal, held[:3], status="held", exit_code=3, seen=seen)
    new = seal_run(page.journal, held[1:], status="held", exit_code=3, seen=seen)
    assert f'href="/runs/{new}/changes"' in page.get(f"/runs/{new}").text
    text = page.get(f"/runs/{new}/changes").text
    assert "new: 1, gone: 1, the same: 2" in text
    assert text.index("ТОВ 4") < text.index("ТОВ 1")
    assert page.get(f"/runs/{new}/changes?since=1").status_code == 200
    assert page.get(f"/runs/{old}/changes?since=99").status_code == 404


def test_a_held_plan_says_until_when_it_can_be_answered(page: PageClient) -> None:
    held_run(page.journal)
    assert "Can be answered until 24 Dec 2026 02:31:35" in page.get("/held").text


def test_paging_keeps_what_was_chosen(page: PageClient) -> None:
    for _ in range(pages.RUNS + 1):
        quiet_run(page.journal)
    assert 'href="/runs?status=finished&amp;before=2"' in page.get("/runs?status=finished").text


@pytest.mark.long
@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ("", list(range(1, 10))),
        ("kind=missing", [1]),
        ("cause=missed_update", [2, 8]),
        ("decision=reported", [6, 7, 8]),
        ("outcome=not_converging", [4]),
        ("cause=missed_update&decision=correct", [2]),
        ("kind=extra&outcome=applied", [5]),
        ("kind=unheard-of", list(range(1, 10))),
        ("kind=keyless", []),
    ],
)
def test_differences_are_narrowed_by_the_address(
    page: PageClient, query: str, numbers: list[int]
) -> None:
    run = story_run(page.journal)
    assert shown(page.get(f"/runs/{run}?{query}").text) == numbers


@pytest.mark.long
@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("дніпро", [2]),
        ("ДНІПРО", [2]),
        ("000000642", [3]),
        ("+380675550199", [3]),
        ("old@atlant", [4]),
        ("6F1C2D34", [1, 2, 3, 4, 5, 7, 8, 9]),
        ("«Зелений", [1]),
        ("wanted", []),
        ("%", []),
        ("503: Service", [1]),
    ],
)
def test_a_text_is_found_in_code_name_values_and_evidence(
    page: PageClient, text: str, numbers: list[int]
) -> None:
    run = story_run(page.journal)
    assert shown(page.post(f"/runs/{run}/search", text=text).text) == numbers


def test_text_and_kind_narrow_together(page: PageClient) -> None:
    run = story_run(page.journal)
    assert shown(page.post(f"/runs/{run}/search", text="ТОВ", kind="extra").text) == [5]


def test_a_text_that_json_writes_with_escapes_is_found_in_a_value(page: PageClient) -> None:
    run = seal_run(page.journal, [missing(1, "a", "1", phone='він сказав "так"\nі пішов \\')])
    assert shown(page.post(f"/runs/{run}/search", text='"так"').text) == [1]
    assert shown(page.post(f"/runs/{run}/search", text="пішов \\").text) == [1]


def test_a_searched_text_is_in_no_address(page: PageClient) -> None:
    run = story_run(page.journal)
    answer = page.post(f"/runs/{run}/search", text="Коваленко")
    assert answer.status_code == 200
    addresses = re.findall(r'(?:href|action|formaction)="([^"]*)"', answer.text)
    assert not [address for address in addresses if "%D0" in address or "Коваленко" in address]


def test_choices_without_a_text_become_an_address_to_keep(page: PageClient) -> None:
    run = story_run(page.journal)
    answer = page.post(f"/runs/{run}/search", text=" ", kind="extra", cause="")
    assert answer.status_code == 303
    assert answer.headers["location"] == f"/runs/{run}?kind=extra#differences"


def test_a_search_is_left_by_its_links_and_by_its_address(page: PageClient) -> None:
    run = story_run(page.journal)
    text = page.post(f"/runs/{run}/search", text="тов").text
    assert f'href="/runs/{run}#differences"' in text
    assert f'href="/runs/{run}?lang=uk"' in text
    assert page.get(f"/runs/{run}/search").headers["location"] == f"/runs/{run}"


def test_many_differences_come_page_by_page_also_by_text(page: PageClient) -> None:
    many = [missing(number, f"ТОВ {number % 2}", f"{number:05}") for number in range(1, 251)]
    run = seal_run(page.journal, many)
    assert shown(page.get(f"/runs/{run}").text) == list(range(1, 101))
    last = page.get(f"/runs/{run}?page=3")
    assert shown(last.text) == list(range(201, 251))
    assert shown(page.get(f"/runs/{run}?page=99").text) == list(range(201, 251))
    odd = page.post(f"/runs/{run}/search", text="тов 1", page="2")
    assert shown(odd.text) == list(range(201, 251, 2))
    assert "125" in odd.text


def test_a_report_says_what_the_file_says(page: PageClient) -> None:
    nights(page.journal, 3)
    run = story_run(page.journal)
    text = page.get(f"/runs/{run}").text
    for words in ("9 differences found", "ПП «Дніпро-Сервіс Плюс»", "applied and verified"):
        assert words in text
    assert page.journal.get(run).digest in text
    assert "<svg" in text


def test_the_life_of_a_counterparty_is_reached_from_a_difference(page: PageClient) -> None:
    run = story_run(page.journal)
    assert f'href="/runs/{run}/2"' in page.get(f"/runs/{run}").text
    text = page.get(f"/runs/{run}/2").text
    assert "000000317" in text
    assert f'href="/runs/{run}"' in text


def test_a_counterparty_is_found_by_code_ref_name_and_phone(page: PageClient) -> None:
    story_run(page.journal)
    searched = (
        " 000000642 ",
        "6F1C2D34-8A5B-11EE-9C3D-000000000003",
        "коваленко",
        "+380675550199",
        "067 555-01-02",
        "(067) 555 01 02",
    )
    for text in searched:
        answer = page.post("/counterparty", q=text)
        assert answer.headers["location"] == "/runs/1/3", text
    life = page.get("/runs/1/3").text
    assert "+380675550199" in life
    assert "knows of no difference" in page.post("/counterparty", q="none").text


def test_a_tax_id_is_found_and_several_matches_are_listed(page: PageClient) -> None:
    story_run(page.journal)
    assert page.post("/counterparty", q="41203987").headers["location"] == "/runs/1/1"
    several = page.post("/counterparty", q="тов").text
    assert several.count('href="/runs/1/') >= 4
    assert "тов" not in " ".join(re.findall(r'(?:href|action)="([^"]*)"', several))


def test_held_runs_are_shown_with_limits_and_digest(page: PageClient) -> None:
    assert "Nothing waits for a decision." in page.get("/held").text
    run = held_run(page.journal)
    text = page.get("/held").text
    assert page.journal.get(run).plan_digest in text
    assert "deletes a run" in text
    assert "1 run waits for a decision" in page.get("/runs").text


def answered(page: PageClient, run: int, command: Command, status: RunStatus) -> int:
    """Answer a held run by a run that ends so; its number."""
    answer = page.journal.begin(
        command=command,
        trigger=Trigger.WEB,
        who="taras",
        reason="так",
        now=page.clock(),
        parent=run,
    )
    exit_code = 0 if status is RunStatus.FINISHED else 2
    page.journal.finish(answer, status=status, exit_code=exit_code, now=page.clock())
    return answer


def test_an_answered_run_waits_no_more_and_names_its_answer(page: PageClient) -> None:
    run = held_run(page.journal)
    answer = answered(page, run, Command.REJECT, RunStatus.FINISHED)
    assert "Nothing waits for a decision." in page.get("/held").text
    text = page.get(f"/runs/{run}").text
    assert f'href="/runs/{answer}"' in text
    assert "What followed" in text


@pytest.mark.parametrize(("command", "state"), [("approve", "approved"), ("reject", "rejected")])
def test_a_list_says_what_became_of_a_held_run(page: PageClient, command: str, state: str) -> None:
    run = held_run(page.journal)
    assert '<span class="state warning">held for approval</span>' in page.get("/runs").text
    answered(page, run, Command(command), RunStatus.FAILED)
    assert "held for approval" in page.get("/runs").text
    answered(page, run, Command(command), RunStatus.FINISHED)
    text = page.get("/runs").text
    assert f">{state}</span>" in text
    assert 'warning">held for approval' not in text


def test_a_superseded_run_names_the_run_that_waits(page: PageClient) -> None:
    old, new = held_run(page.journal), held_run(page.journal)
    assert "superseded by a newer run" in page.get("/runs").text
    text = page.get(f"/runs/{old}").text
    assert f'Superseded by a newer run: <a href="/runs/{new}">' in text
    assert "Approve exactly this plan" not in text


def test_an_expired_run_waits_no_more(page: PageClient) -> None:
    run = held_run(page.journal)
    page.clock.forward(days=31)
    page.sign_in("olena")
    assert "Nothing waits for a decision." in page.get("/held").text
    assert "Approval expired" in page.get(f"/runs/{run}").text


def test_the_language_is_chosen_and_kept(page: PageClient) -> None:
    run = story_run(page.journal)
    assert "Розбіжності" in page.get(f"/runs/{run}?lang=uk&kind=extra").text
    assert '<html lang="uk">' in page.get("/runs").text
    assert '<html lang="en">' in page.get("/runs?lang=en").text
    assert '<html lang="en">' in page.get("/runs?lang=xx").text
    assert f'href="/runs/{run}?kind=extra&amp;lang=uk"' in page.get(f"/runs/{run}?kind=extra").text


@pytest.mark.long
def test_outside_text_is_only_text_on_every_page(page: PageClient) -> None:
    run = hostile_run(page.journal)
    pages = [page.get("/runs").text, page.get(f"/runs/{run}").text]
    pages += [page.get(f"/runs/{run}/{n + 1}").text for n in range(len(HOSTILE_VALUES))]
    pages += [
        page.follow(page.post(path, **{field: value})).text
        for value in HOSTILE_VALUES
        if value.strip()
        for path, field in ((f"/runs/{run}/search", "text"), ("/counterparty", "q"))
    ]
    for text in pages:
        tree = html.fromstring(text)
        names = {element.tag for element in tree.iter() if isinstance(element.tag, str)}
        assert not names & {"script", "img", "iframe", "object", "style", "base"}
        attributes = {name for element in tree.iter() for name in element.attrib}
        assert not [name for name in attributes if name.startswith("on") or name == "style"]
        assert not re.search("[\u202e\x1b\x07]", str(tree.text_content()))


def test_hostile_values_are_found_by_themselves(page: PageClient) -> None:
    run = hostile_run(page.journal)
    for number, value in enumerate(HOSTILE_VALUES, start=1):
        searched = value.strip()
        if searched and len(searched) < 200 and "\x00" not in value and "\r" not in value:
            assert number in shown(page.post(f"/runs/{run}/search", text=value).text), value

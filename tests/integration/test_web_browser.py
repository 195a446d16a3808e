"""The page in a real browser: a person signs in, reads, decides, and is refused."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.integration.browser_fixtures import browser, page
from tests.integration.engine_world import World, world
from tests.integration.web_site import follow, press_enter, serving, sign_in
from tests.unit.report.sample import (
    failed_run,
    held_run,
    hostile_run,
    nights,
    seal_run,
    story_run,
)
from tests.unit.web.page_client import SECRET, USERS, open_page
from zvirka.errors import LockHeldError
from zvirka.journal.run_lock import run_lock
from zvirka.web.site import create_app

__all__ = ["browser", "page"]

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

STORY, HELD, FAILED, HOSTILE = 6, 7, 8, 9


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A page over a journal of sample runs; nothing in it is ever performed."""
    with open_page(tmp_path_factory.mktemp("page")) as made:
        nights(made.journal, 5)
        assert story_run(made.journal) == STORY
        assert held_run(made.journal) == HELD
        assert failed_run(made.journal) == FAILED
        assert hostile_run(made.journal) == HOSTILE
        with serving(made.client.app) as address:
            yield address


@dataclass
class Night:
    """A world with a held run, and the page over it."""

    world: World
    site: str
    run: int
    codes: list[str]


@pytest.fixture
def held(tmp_path: Path) -> Iterator[Night]:
    """Four deletes in 1C where two are allowed."""
    web = {"enabled": True, "secret": SECRET, "users": USERS}
    guard = {"max_deletes": 2}
    with world(tmp_path, web=web, guard=guard, report={"language": "en"}) as made:
        assert made.run().exit_code == 0
        codes = []
        for ref in made.refs()[:4]:
            codes.append(made.base.get(ref).values["code"])
            made.base.delete(ref)
        run = made.run()
        assert run.status == "held"
        with made.environment() as environment, serving(create_app(environment)) as address:
            yield Night(made, address, run.run, codes)


def wait_for_differences(page: Any, number: int) -> None:
    """Until so many are listed; the policy lets no script run that could be waited for."""
    playwright.expect(page.locator("article.d")).to_have_count(number)


@pytest.mark.long
def test_a_person_signs_in_reads_and_signs_out(page: Any, site: str) -> None:
    page.goto(site)
    assert page.url == f"{site}/sign-in"
    sign_in(page, site, "olena")
    page.wait_for_url(f"{site}/")
    follow(page, page.get_by_role("link", name=str(STORY), exact=True))
    assert page.locator("article.d").count() == 9
    assert "Reconciliation № 6" in page.locator("h1").inner_text()
    follow(page, page.get_by_role("button", name="Sign out"))
    page.wait_for_url(f"{site}/sign-in")
    page.goto(f"{site}/runs")
    assert page.url == f"{site}/sign-in"


def test_a_wrong_password_stays_at_the_door(page: Any, site: str) -> None:
    sign_in(page, site, "olena", "wrong password")
    assert page.get_by_role("alert").inner_text() == "Name or password is wrong."
    page.goto(f"{site}/runs")
    assert page.url == f"{site}/sign-in"


@pytest.mark.long
def test_a_person_narrows_and_searches_a_report(page: Any, site: str) -> None:
    sign_in(page, site, "olena")
    page.goto(f"{site}/runs/{STORY}")
    page.select_option("select[name=cause]", "missed_update")
    follow(page, page.get_by_role("button", name="Show", exact=True))
    page.wait_for_url("**cause=missed_update**")
    assert page.locator("article.d").count() == 2
    page.fill("input[name=text]", "дніпро")
    press_enter(page)
    wait_for_differences(page, 1)
    assert "Дніпро-Сервіс" in page.locator("article.d").inner_text()
    assert "%D0" not in page.url
    follow(page, page.get_by_role("link", name="Show all"))
    wait_for_differences(page, 9)


@pytest.mark.long
def test_a_counterparty_is_followed_across_runs(page: Any, site: str) -> None:
    sign_in(page, site, "olena")
    page.goto(f"{site}/counterparty")
    page.fill("input[name=q]", "коваленко")
    press_enter(page)
    page.wait_for_selector("article.d")
    assert "+380675550199" in page.locator("main").inner_text()
    follow(page, page.get_by_role("link", name=f"Run № {STORY}"))
    page.wait_for_url(f"{site}/runs/{STORY}")


@pytest.mark.long
def test_an_auditor_sees_the_plan_and_no_button(page: Any, site: str) -> None:
    sign_in(page, site, "olena")
    page.goto(f"{site}/held")
    follow(page, page.get_by_role("link", name="Look at the plan"))
    assert page.locator("article.d").count() == 3
    assert "An admin decides" in page.locator("main").inner_text()
    assert page.get_by_role("button", name="Approve").count() == 0


@pytest.mark.long
def test_an_auditor_who_makes_the_form_is_refused(page: Any, site: str) -> None:
    sign_in(page, site, "olena")
    page.goto(f"{site}/runs/{HELD}")
    # The form of the list, bent to another address: the token is good, the role is not.
    page.locator("form.filters").evaluate("(f, to) => f.action = to", f"/runs/{HELD}/approve")
    follow(page, page.locator("form.filters button"))
    page.wait_for_url(f"**/runs/{HELD}/approve")
    assert "Only an admin may do that" in page.locator("main").inner_text()


@pytest.mark.long
def test_a_form_of_another_site_does_nothing(page: Any, site: str) -> None:
    sign_in(page, site, "taras")
    page.set_content(
        f'<form method="post" action="{site}/runs/{HELD}/reject">'
        '<input name="reason" value="x"><input name="digest" value="x"><button>go</button></form>'
    )
    follow(page, page.locator("button"))
    page.wait_for_url(f"**/runs/{HELD}/reject")
    assert "Nothing was changed" in page.locator("main").inner_text()


@pytest.mark.long
def test_a_link_from_a_mail_opens_the_report_of_who_is_signed_in(page: Any, site: str) -> None:
    sign_in(page, site, "olena")
    page.wait_for_url(f"{site}/")
    report = f"{site}/runs/{STORY}?kind=extra"
    page.goto("about:blank")
    page.set_content(f'<a href="{report}">report</a>')
    follow(page, page.locator("a"))
    wait_for_differences(page, 2)
    assert page.asked.count(report) == 2  # once as a stranger, and at once again with the cookie
    page.context.clear_cookies()
    page.goto("about:blank")
    page.set_content(f'<a href="{site}/runs/{STORY}">report</a>')
    follow(page, page.locator("a"))
    page.wait_for_url(f"{site}/sign-in")


@pytest.mark.long
@pytest.mark.parametrize("page", [{"java_script_enabled": False}], indirect=True)
def test_everything_works_without_javascript(page: Any, site: str) -> None:
    sign_in(page, site, "taras")
    follow(page, page.get_by_role("link", name=str(STORY), exact=True))
    page.select_option("select[name=kind]", "extra")
    follow(page, page.get_by_role("button", name="Show", exact=True))
    page.wait_for_url("**kind=extra**")
    assert page.locator("article.d").count() == 2
    page.goto(f"{site}/runs/{HELD}")
    assert page.get_by_role("button", name="Approve exactly this plan").is_visible()


@pytest.mark.long
def test_hostile_data_does_nothing_but_stand_there(page: Any, site: str) -> None:
    sign_in(page, site, "taras")
    page.goto(f"{site}/runs/{HOSTILE}")
    page.wait_for_load_state("networkidle")
    text = page.locator("main").inner_text()
    assert "<script>alert(1)</script>" in text
    assert "⟨U+202E⟩" in text
    assert page.evaluate("document.querySelectorAll('script, main img').length") == 0
    width = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert width[0] <= width[1]
    assert page.complaints == []
    assert all(url.startswith(site) for url in page.asked)


@pytest.mark.long
def test_a_held_run_is_approved_for_real_with_who_and_why(page: Any, held: Night) -> None:
    assert set(held.codes) <= set(held.world.in_store())
    sign_in(page, held.site, "taras")
    follow(page, page.get_by_role("link", name="1 run waits for a decision"))
    follow(page, page.get_by_role("link", name="Look at the plan and decide"))
    assert page.locator("article.d").count() == 4
    page.get_by_role("button", name="Approve exactly this plan").click()
    assert page.url.endswith("?decision=held")  # the browser wants a reason first
    page.fill("textarea[name=reason]", "філію закрито, звірено з бухгалтером")
    follow(page, page.get_by_role("button", name="Approve exactly this plan"))
    page.wait_for_url(f"**/runs/{held.run + 1}")
    text = page.locator("main").inner_text()
    assert "Approval of a held run № 3" in text
    page.locator(".provenance > summary").click()
    assert "a person, on the web page" in page.locator("main").inner_text()
    held.world.assert_in_sync()
    row = held.world.row(held.run + 1)
    assert (row.command, row.trigger, row.who, row.parent) == ("approve", "web", "taras", 2)
    assert row.reason == "філію закрито, звірено з бухгалтером"
    page.goto(f"{held.site}/held")
    assert "Nothing waits for a decision." in page.locator("main").inner_text()


@pytest.mark.long
def test_two_of_four_deletes_are_approved_and_the_rest_is_proposed_again(
    page: Any, held: Night
) -> None:
    sign_in(page, held.site, "taras")
    page.goto(f"{held.site}/runs/{held.run}")
    boxes = page.locator("input.pick")
    assert boxes.count() == 4
    rows = page.locator("article.d")
    chosen = [rows.nth(place).locator(".key").inner_text() for place in (0, 2)]
    boxes.nth(0).check()
    boxes.nth(2).check()
    page.select_option("#part", "ticked")
    page.fill("#reason", "лише ці два закрито")
    follow(page, page.get_by_role("button", name="Approve exactly this plan"))
    page.wait_for_url(f"**/runs/{held.run + 1}")
    left = set(held.codes) - set(chosen)
    assert set(held.codes) & set(held.world.in_store()) == left
    again = held.world.run()
    assert {one.key for one in held.world.differences(again.run)} == left


@pytest.mark.long
def test_a_held_run_is_rejected_and_nothing_is_written(page: Any, held: Night) -> None:
    before = held.world.in_store()
    sign_in(page, held.site, "taras")
    page.goto(f"{held.site}/runs/{held.run}")
    page.fill("textarea[name=reason]", "1С відновлено зі старої копії")
    follow(page, page.get_by_role("button", name="Reject"))
    page.wait_for_url(f"**/runs/{held.run + 1}")
    row = held.world.row(held.run + 1)
    assert (row.command, row.who, row.reason) == (
        "reject",
        "taras",
        "1С відновлено зі старої копії",
    )
    assert held.world.in_store() == before
    page.goto(f"{held.site}/runs/{held.run}")
    assert page.get_by_role("button", name="Reject").count() == 0
    assert "What followed" in page.locator("main").inner_text()


@pytest.mark.long
def test_both_sides_of_a_client_are_asked_and_nothing_is_written(page: Any, held: Night) -> None:
    before = held.world.in_store()
    sign_in(page, held.site, "taras")
    page.goto(f"{held.site}/runs/{held.run}/1")
    follow(page, page.get_by_role("button", name="Ask 1C and the ERP now"))
    text = page.locator("main").inner_text()
    assert "1C: not there · ERP: there" in text
    assert page.locator("tr.differs").count() > 0
    assert set(held.world.in_store()) == set(before)
    assert held.world.row(held.run).status == "held", "no run was begun"


@pytest.mark.long
def test_one_counterparty_is_resynced_for_real(page: Any, held: Night) -> None:
    ref = held.world.refs()[0]
    code = held.world.base.get(ref).values["code"]
    held.world.shape.sql("UPDATE clients SET name = 'Правка' WHERE ref = ?", (ref,))
    sign_in(page, held.site, "taras")
    page.goto(f"{held.site}/counterparty")
    page.fill("input[name=q]", ref)
    press_enter(page)
    page.fill("textarea[name=reason]", "клієнт скаржиться")
    follow(page, page.get_by_role("button", name="Resync now"))
    page.wait_for_url(f"**/runs/{held.run + 1}")
    assert "Правка" in page.locator("article.d").inner_text()
    assert held.world.in_store()[code] == held.world.in_1c()[code]
    row = held.world.row(held.run + 1)
    assert (row.command, row.trigger, row.who) == ("resync", "web", "taras")
    assert set(held.codes) <= set(held.world.in_store())


@pytest.mark.slow
def test_while_another_run_holds_the_lock_the_page_says_who(page: Any, held: Night) -> None:
    sign_in(page, held.site, "taras")
    page.goto(f"{held.site}/runs/{held.run}")
    page.fill("textarea[name=reason]", "так")
    with run_lock(held.world.settings, who="zvirka.service", command="reconcile"):
        follow(page, page.get_by_role("button", name="Approve exactly this plan"))
        page.wait_for_url("**/work")
        text = page.locator("main").inner_text()
    assert "another run is under way" in text
    assert "reconcile by zvirka.service" in text
    assert LockHeldError.passing
    assert set(held.codes) <= set(held.world.in_store())


@pytest.mark.slow
def test_a_report_of_a_hundred_thousand_differences_is_read_by_page(
    browser: Any, tmp_path: Path
) -> None:
    from tests.unit.report.sample import missing

    many = [missing(n, f"ТОВ «Клієнт {n}»", f"{n:09}", tax_id=f"{n:08}") for n in range(1, 100_001)]
    with open_page(tmp_path) as made:
        run = seal_run(made.journal, many)
        with serving(made.client.app) as address:
            context = browser.new_context()
            page = context.new_page()
            sign_in(page, address, "olena")
            page.goto(f"{address}/runs/{run}?page=1000")
            assert page.locator("article.d").count() == 100
            assert "100,000" in page.locator("#differences h2").inner_text()
            page.fill("input[name=text]", "клієнт 99999")
            press_enter(page)
            wait_for_differences(page, 1)
            context.close()

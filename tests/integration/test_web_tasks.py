"""What a person does on the page, by task and by window: width, colours, script, language."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.integration.browser_fixtures import browser, watched
from tests.integration.sample_site import Site, sample_site
from tests.integration.web_site import follow, press_enter, sign_in
from zvirka.domain import RunStatus
from zvirka.i18n.words import Words

pytestmark = pytest.mark.long

__all__ = ["browser"]

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")


@dataclass(frozen=True)
class Window:
    """How a person looks at the page."""

    width: int
    scheme: str
    script: bool
    language: str

    def __str__(self) -> str:
        script = "script" if self.script else "no script"
        return f"{self.width} {self.scheme} {script} {self.language}"


WINDOWS = [
    Window(1280, "light", script=True, language="uk"),
    Window(1280, "dark", script=False, language="en"),
    Window(390, "dark", script=True, language="en"),
    Window(390, "light", script=False, language="uk"),
]
"""Each value of each property with each of every other one."""
MORE_WINDOWS = [
    window
    for width in (1280, 390)
    for scheme in ("light", "dark")
    for script in (True, False)
    for language in ("uk", "en")
    if (window := Window(width, scheme, script=script, language=language)) not in WINDOWS
]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with sample_site(tmp_path_factory.mktemp("page")) as made:
        yield made


@dataclass
class Person:
    """An admin who has signed in, in a window."""

    page: Any
    site: Site
    window: Window
    words: Words

    def say(self, sentence: str) -> str:
        """A sentence as this person reads it."""
        return self.words.gettext(sentence)

    def go(self, path: str) -> None:
        self.page.goto(f"{self.site.address}{path}")

    def click(self, role: str, name: str) -> None:
        found = self.page.get_by_role(role, name=self.say(name), exact=True)
        follow(self.page, found.first)

    @property
    def text(self) -> str:
        return str(self.page.locator("main").inner_text())


@pytest.fixture(
    scope="module",
    params=[*WINDOWS, *(pytest.param(one, marks=pytest.mark.slow) for one in MORE_WINDOWS)],
    ids=str,
)
def person(request: pytest.FixtureRequest, browser: Any, site: Site) -> Iterator[Person]:
    window: Window = request.param
    context = browser.new_context(
        viewport={"width": window.width, "height": 844},
        color_scheme=window.scheme,
        java_script_enabled=window.script,
        locale=window.language,
    )
    page = watched(context)
    sign_in(page, site.address, "taras")
    yield Person(page, site, window, Words(window.language, "Europe/Kyiv"))
    context.close()


def five_questions(person: Person) -> None:
    """Each is answered on the front page or one step behind it, without a shell."""
    person.go("/")
    text = person.text
    assert person.say("a plan waits for a person") in text, "did last night go well"
    assert "24" in text
    assert person.say("Next run") in text, "when is the next run"
    assert person.words.clock(person.site.made.clock()).split()[0][:2] in text
    alive = person.page.locator("dl.standing .state.good").first.inner_text()
    assert alive == person.say("alive"), "is the daemon alive"
    person.page.fill("input[name=q]", "коваленко")
    press_enter(person.page)
    assert "+380675550199" in person.text, "what differed for one client, by name"
    person.go("/")
    follow(person.page, person.page.locator("nav.places a[href='/held']"))
    assert person.say("deletes a run") in person.text, "what waits for me"


def a_report_is_narrowed_searched_and_ordered(person: Person) -> None:
    page, run = person.page, person.site.story
    person.go(f"/runs/{run}")
    assert page.locator("article.d").count() == 9
    page.select_option("select[name=cause]", "missed_update")
    person.click("button", "Show")
    assert numbers(page) == [2, 8]
    page.fill("input[name=text]", "тов")
    if person.window.width > 640:
        follow(page, page.locator(".heads button[value=name]"))
        follow(page, page.locator(".heads button[value='-name']"))
    else:
        page.select_option("select[name=sort]", "-name")
        person.click("button", "Show")
    assert numbers(page) == [8]
    page.fill("input[name=text]", "")
    page.select_option("select[name=cause]", "")
    if person.window.width > 640:
        follow(page, page.locator(".heads button[value=key]"))
    else:
        page.select_option("select[name=sort]", "key")
        person.click("button", "Show")
    assert "sort=key" in page.url
    keys = page.locator("article.d .key").all_inner_texts()
    assert keys == sorted(keys)


def numbers(page: Any) -> list[int]:
    return [int(one) for one in page.locator("article.d .no").all_inner_texts()]


def a_client_is_found_and_followed_across_runs(person: Person) -> None:
    person.go("/counterparty")
    person.page.locator("main input[name=q], header input[name=q]").last.fill("дніпро-сервіс")
    press_enter(person.page)
    assert person.say("Across the runs") in person.text
    assert "31" in person.text, "the last day up to which it is not corrected"
    assert "питайте Олену" in person.text
    follow(person.page, person.page.locator(f"main a[href='/runs/{person.site.story}']").first)
    assert person.page.url.endswith(f"/runs/{person.site.story}")


def a_held_plan_says_who_has_approved_and_offers_the_same_part(person: Person) -> None:
    person.go("/held")
    told = {"count": "1", "needed": "2", "who": "ivan on pts/1"}
    assert person.say("Approvals: %(count)s of %(needed)s, by %(who)s") % told in person.text
    follow(person.page, person.page.locator("article.d .more a"))
    assert person.page.locator("#part option[value^=as-]").count() == 1
    assert person.page.locator("input.pick").count() == 3
    assert person.page.get_by_role("button", name=person.say("Reject"), exact=True).is_visible()


def the_timeline_is_narrowed_by_person_and_kind(person: Person) -> None:
    person.go("/timeline")
    assert person.say("column %(name)s is shorter") % {"name": "clients.phone"} in person.text
    person.page.select_option("select[name=who]", "root on pts/0")
    person.click("button", "Show")
    assert person.page.locator("table.timeline tbody tr").count() == 1
    person.click("link", "Show all")
    person.page.select_option("select[name=what]", "schema")
    person.click("button", "Show")
    assert person.page.locator("table.timeline tbody tr").count() == 4


def a_report_is_taken_away(person: Person) -> None:
    person.go(f"/runs/{person.site.story}")
    with person.page.expect_download() as waiting:
        person.page.get_by_role("link", name="XLSX", exact=True).click()
    assert waiting.value.suggested_filename.endswith(".xlsx")


def the_chain_is_verified(person: Person) -> None:
    person.go("/records")
    person.click("button", "Verify the chain now")
    assert person.page.locator("p.verdict.good").count() == 1


def a_client_that_is_never_corrected_needs_a_reason(person: Person) -> None:
    person.go(f"/runs/{person.site.story}/3")
    person.page.get_by_text(person.say("Never correct this client")).first.click()
    person.page.fill("#until", "2026-12-31")
    person.page.fill("#stop-reason", " ")
    person.click("button", "Do not correct it")
    error = person.say("Say why: the reason goes to the journal with your name.")
    assert person.page.locator("#stop-reason-error").inner_text() == error


TASKS: list[Callable[[Person], None]] = [
    five_questions,
    a_report_is_narrowed_searched_and_ordered,
    a_client_is_found_and_followed_across_runs,
    a_held_plan_says_who_has_approved_and_offers_the_same_part,
    the_timeline_is_narrowed_by_person_and_kind,
    a_report_is_taken_away,
    the_chain_is_verified,
    a_client_that_is_never_corrected_needs_a_reason,
]


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.__name__)
def test_a_task_is_done_in_every_window(person: Person, task: Callable[[Person], None]) -> None:
    person.page.complaints.clear()
    task(person)
    refused = "Failed to load resource: the server responded with a status of 422"
    assert [one for one in person.page.complaints if not one.startswith(refused)] == []
    assert all(one.startswith(person.site.address) for one in person.page.asked)


CUT = """() => [...document.querySelectorAll(
    'a, button, th, td, dd, dt, h1, h2, h3, label, summary, p, .state, .value')]
  .filter((one) => one.clientWidth && one.scrollWidth > one.clientWidth + 1)
  .map((one) => one.textContent.trim().slice(0, 60))"""
"""What does not fit its box."""


def test_nothing_is_wider_than_the_window_and_no_text_is_cut(person: Person) -> None:
    wide, cut = {}, {}
    for name, path in person.site.pages.items():
        person.go(path)
        wide[name] = person.page.evaluate("document.documentElement.scrollWidth")
        cut[name] = person.page.evaluate(CUT)
    assert {name: width for name, width in wide.items() if width > person.window.width} == {}
    assert {name: texts for name, texts in cut.items() if texts} == {}


@pytest.mark.parametrize(
    ("width", "scheme"),
    [
        (1280, "light"),
        (390, "dark"),
        pytest.param(1280, "dark", marks=pytest.mark.slow),
        pytest.param(390, "light", marks=pytest.mark.slow),
    ],
)
def test_no_page_has_a_fault_of_accessibility(
    browser: Any, site: Site, width: int, scheme: str
) -> None:
    axe = pytest.importorskip(
        "axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed"
    ).Axe()
    # axe is a script: it runs past the policy that keeps every other one out.
    context = browser.new_context(
        color_scheme=scheme, bypass_csp=True, viewport={"width": width, "height": 844}
    )
    page = context.new_page()
    found = {}

    def look(name: str) -> None:
        faults = axe.run(page).response["violations"]
        found[name] = [(f["id"], f["nodes"][0]["html"][:200]) for f in faults]

    page.goto(f"{site.address}/sign-in")
    look("sign-in")
    sign_in(page, site.address, "nobody-has-this-name", "x")
    look("refused at the door")
    sign_in(page, site.address, "taras")
    for name, path in site.pages.items():
        page.goto(f"{site.address}{path}")
        look(name)
    context.close()
    assert {name: faults for name, faults in found.items() if faults} == {}


@pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])
@pytest.mark.parametrize("path", ["/", "/runs/{run}"])
def test_the_progress_of_a_night_is_followed(
    browser: Any, site: Site, script: bool, path: str
) -> None:
    context = browser.new_context(java_script_enabled=script, locale="en")
    page = watched(context)
    sign_in(page, site.address, "taras")
    run = site.begin_night()
    try:
        page.goto(site.address + path.format(run=run))
        shown = page.locator("[data-live-text]")
        assert "8,000 of 24,000" in shown.inner_text()
        site.beat(run, done=12000)
        if not script:
            page.wait_for_timeout(1500)
            assert "8,000 of 24,000" in shown.inner_text()
            page.reload()
        playwright.expect(shown).to_contain_text("12,000 of 24,000", timeout=8000)
        assert page.locator("progress").get_attribute("value") in {"12000", "8000"}
    finally:
        site.made.journal.finish(run, status=RunStatus.FINISHED, exit_code=0, now=site.made.clock())
    if script:
        # Its end is seen too: the page is asked for again, and follows nothing any more.
        playwright.expect(page.locator("[data-live]")).to_have_count(0, timeout=8000)
    assert page.complaints == []
    context.close()

"""docs/verify.html in a real browser: an auditor drops a report and gives the key.

``ZVIRKA_UPDATE_GOLDEN=1`` puts the words of the catalogue and the hashes of the content security
policy into the page again.
"""

from __future__ import annotations

import json
import os
import re
from base64 import b64encode
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from tests.integration.browser import chromium
from tests.unit.journal.world import key_pair
from tests.unit.report.sample import (
    NIGHT,
    failed_run,
    held_run,
    hostile_run,
    quiet_run,
    sample_book,
    story_run,
)
from zvirka.i18n import words
from zvirka.i18n.words import Words
from zvirka.journal.retention import prune
from zvirka.journal.signing import read_signer
from zvirka.report import write_reports
from zvirka.report.export import write_export

PAGE = Path(__file__).parents[2] / "docs" / "verify.html"
GROUPS = {
    "kind": words.KINDS,
    "cause": words.CAUSES,
    "action": words.ACTIONS,
    "outcome": words.OUTCOMES,
    "disposition": words.DISPOSITIONS,
    "command": words.COMMANDS,
    "status": words.STATUSES,
    "field": words.FIELDS,
}
RUNS = {1: story_run, 2: hostile_run, 3: held_run, 4: failed_run, 5: quiet_run}


def assembled(text: str) -> str:
    """The page with the catalogue's words and the hashes of its own script and style."""
    for language in ("uk", "en"):
        told = Words(language)
        table = {
            group: {str(code): told.gettext(message) for code, message in messages.items()}
            for group, messages in GROUPS.items()
        }
        line = f"words: {json.dumps(table, ensure_ascii=False)}, // the catalogue, {language}"
        text = re.sub(rf"words: .*, // the catalogue, {language}", lambda _: line, text)  # noqa: B023
    for name in ("script", "style"):
        content = re.search(rf"<{name}>(.*?)</{name}>", text, re.DOTALL)
        assert content is not None
        digest = b64encode(sha256(content[1].encode()).digest()).decode()
        text = re.sub(rf"{name}-src '[^']*'", f"{name}-src 'sha256-{digest}'", text, count=1)
    return text


def test_the_page_has_the_words_of_the_catalogue_and_its_own_hashes() -> None:
    text = PAGE.read_text("utf-8")
    if os.environ.get("ZVIRKA_UPDATE_GOLDEN"):
        PAGE.write_text(assembled(text), "utf-8")
    assert PAGE.read_text("utf-8") == assembled(text)


def test_the_page_is_self_contained() -> None:
    text = PAGE.read_text("utf-8")
    assert (
        re.findall(r"(?:src|href)=|https?://|fetch\(|XMLHttp|import\(|innerHTML|eval\(", text) == []
    )
    assert "default-src 'none'" in text


def test_both_languages_say_everything() -> None:
    text = PAGE.read_text("utf-8")
    ukrainian, english = (
        re.findall(r"(?:^    |[,\"] )(\w+): [\"\[]", part, re.MULTILINE)
        for part in re.split(r"^  en: \{$", text.split("const SHOWN")[0], flags=re.MULTILINE)
    )
    assert ukrainian == english
    used = set(re.findall(r"data-text=\"(\w+)\"", text)) | set(re.findall(r"say\(\"(\w+)\"", text))
    used |= set(re.findall(r"add\(\"\w+\", \"(\w+)\"", text))
    assert used <= set(english)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Reports of five signed runs, one pruned, and the public key."""
    directory = tmp_path_factory.mktemp("desk")
    private, public = key_pair(directory)
    (directory / "key.pem").write_bytes(public)
    (directory / "other.pem").write_bytes(key_pair(directory)[1])
    journal = sample_book(directory / "journal")
    journal.signer = read_signer(private)
    for make in RUNS.values():
        write_reports(
            journal,
            make(journal),
            formats=["json", "html", "xlsx"],
            language="uk",
            directory=directory,
        )
    for form in ("json", "xlsx"):
        path = directory / f"period.{form}"
        write_export(journal, NIGHT.date(), NIGHT.date(), path, language="uk", form=form)
    prune(journal, timedelta(days=1), datetime(2030, 1, 1, tzinfo=UTC), "auditor", "retention")
    write_reports(journal, 1, formats=["json"], language="uk", directory=directory / "pruned")
    journal.close()
    return directory


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as running:
        yield running


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    context = browser.new_context(locale="uk-UA", offline=True)
    made = context.new_page()
    made.complaints = []
    made.on("console", lambda message: made.complaints.append(message.text))
    made.on("pageerror", lambda error: made.complaints.append(str(error)))
    made.goto(PAGE.as_uri())
    yield made
    assert made.complaints == []
    context.close()


def verified(page: Any, report: Path, key: Path | None) -> tuple[str, list[tuple[str, str]]]:
    """What the page says of a report: the verdict's tone, and each finding."""
    page.fill("#key", key.read_text() if key else "")
    before = page.evaluate("state.turn")
    page.set_input_files("#report", report)
    page.wait_for_selector(f'#result[data-turn="{before + 1}"]')
    found = page.eval_on_selector_all(
        "#findings li", "items => items.map(item => [item.className, item.textContent])"
    )
    return page.get_attribute("#verdict", "class"), [tuple(one) for one in found]


@pytest.mark.long
@pytest.mark.parametrize("form", ["json", "html", "xlsx"])
@pytest.mark.parametrize("run", RUNS)
def test_a_report_is_proven_with_the_key(page: Any, desk: Path, run: int, form: str) -> None:
    tone, found = verified(page, desk / f"zvirka-run-{run:06}.{form}", desk / "key.pem")
    assert tone == "good", found
    assert [verdict for verdict, _ in found].count("proven") == 2
    assert any("Підписано цим ключем" in text for _, text in found)
    assert any("попередні запуски" in text for _, text in found)


def test_the_sealed_rows_are_shown_in_both_languages(page: Any, desk: Path) -> None:
    verified(page, desk / "zvirka-run-000001.html", desk / "key.pem")
    assert "ТОВ «Зелений Гай»" in page.inner_text("#rows")
    assert "пропущене створення" in page.inner_text("#rows").lower()
    page.click("[data-language=en]")
    page.wait_for_selector("#verdict:has-text('Proven')")
    assert "missed create" in page.inner_text("#rows")


def test_hostile_values_are_text(page: Any, desk: Path) -> None:
    verified(page, desk / "zvirka-run-000002.json", desk / "key.pem")
    assert "<script>alert(1)</script>" in page.inner_text("#rows")
    assert (
        page.evaluate("document.querySelectorAll('#result script, #result img, #result a').length")
        == 0
    )


def test_a_pruned_report_is_proven_without_its_values(page: Any, desk: Path) -> None:
    tone, found = verified(page, desk / "pruned" / "zvirka-run-000001.json", desk / "key.pem")
    assert tone == "good"
    assert any("вилучено" in text for _, text in found)


@pytest.mark.long
@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("ФОП Коваленко", "ФОП Ковальчук"),
        ('"who": "zvirka.service"', '"who": "olena"'),
        ('"source_rows": 1248', '"source_rows": 1249'),
        ('"disposition":"correct"', '"disposition":"held"'),
        ("reads back otherwise: email", "reads back otherwise: name"),
        ('"count": 1', '"count": 2'),
        ("push log 2026-11-23", "push log 2026-11-24"),
        ('"finished_at": "2026-11-24T00:31:35Z"', '"finished_at": "2026-11-24T00:31:36Z"'),
    ],
)
def test_a_change_is_named(page: Any, desk: Path, tmp_path: Path, before: str, after: str) -> None:
    text = (desk / "zvirka-run-000001.json").read_text("utf-8")
    assert before in text
    changed = tmp_path / "zvirka-run-000001 (1).json"
    changed.write_text(text.replace(before, after, 1), "utf-8")
    tone, found = verified(page, changed, desk / "key.pem")
    assert tone == "bad", found
    assert page.is_hidden("#rows")


@pytest.mark.long
def test_the_wrong_key_no_key_and_no_signature(page: Any, desk: Path, tmp_path: Path) -> None:
    report = desk / "zvirka-run-000001.json"
    tone, found = verified(page, report, None)
    assert tone == ""
    assert any(
        verdict == "not_checked" and "Підпис не перевірено" in text for verdict, text in found
    )
    digest = json.loads(report.read_text("utf-8"))["chain"]["digest"]
    page.fill("#digest", digest)
    page.wait_for_selector("#verdict.good")
    page.fill("#digest", "0" * 64)
    page.wait_for_selector("#verdict.bad")
    page.fill("#digest", "")
    page.set_input_files("#key_file", desk / "key.pem")
    page.wait_for_selector("#verdict.good")
    page.fill("#key", (desk / "other.pem").read_text())
    page.wait_for_selector("#verdict.bad")
    unsigned = json.loads(report.read_text("utf-8"))
    unsigned["chain"]["signature"] = ""
    stripped = tmp_path / "stripped.json"
    stripped.write_text(json.dumps(unsigned), "utf-8")
    tone, found = verified(page, stripped, desk / "key.pem")
    assert tone == "bad"
    assert any("не підписано" in text for _, text in found)


@pytest.mark.long
@pytest.mark.parametrize("form", ["json", "xlsx"])
def test_the_act_of_a_period_is_proven(page: Any, desk: Path, form: str) -> None:
    tone, found = verified(page, desk / f"period.{form}", desk / "key.pem")
    assert tone == "good", found
    told = " ".join(text for _, text in found)
    assert "саме ті, що запечатані: 5" in told
    assert "підписаних цим ключем: 5" in told
    assert "Запуски з 1 по 5 ідуть у ланцюжку один за одним" in told
    assert "1/3" in page.inner_text("#rows")


@pytest.mark.long
def test_a_run_left_out_of_a_period_is_named(page: Any, desk: Path, tmp_path: Path) -> None:
    period = json.loads((desk / "period.json").read_text("utf-8"))
    without = {**period, "reports": [one for one in period["reports"] if one["run"]["number"] != 3]}
    path = tmp_path / "period.json"
    path.write_text(json.dumps(without), "utf-8")
    tone, found = verified(page, path, desk / "key.pem")
    assert tone == "bad"
    assert any("Запуск 4 не йде за запуском 2" in text for _, text in found)
    period["reports"][0]["differences"][2]["name"] = "ФОП Ковальчук"
    path = tmp_path / "altered.json"
    path.write_text(json.dumps(period), "utf-8")
    tone, found = verified(page, path, desk / "key.pem")
    assert tone == "bad"
    assert any("Запуск 1: Розбіжність 3 змінено" in text for _, text in found)


@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.html", b"<html></html>", "немає запечатаних даних"),
        ("b.json", b'{"version": 2}', "формату версії 2"),
        ("c.json", b"{", "пошкоджено"),
        ("d.xlsx", b"PK\x03\x04", "пошкоджено"),
    ],
)
def test_what_is_no_report_is_refused(
    page: Any, desk: Path, tmp_path: Path, name: str, content: bytes, said: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    tone, found = verified(page, path, desk / "key.pem")
    assert tone == "bad"
    assert said in found[0][1]

"""A report file proves itself with the public key alone, and any change to it is named."""

from __future__ import annotations

import copy
import json
import shutil
import zipfile
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.unit.journal.world import key_pair
from tests.unit.report.sample import (
    failed_run,
    held_run,
    hostile_run,
    nights,
    quiet_run,
    sample_book,
    story_run,
)
from zvirka import __version__
from zvirka.errors import UsageError
from zvirka.journal.journal import Journal
from zvirka.journal.keyring import Keyring, public_keys
from zvirka.journal.retention import prune
from zvirka.journal.signing import read_signer
from zvirka.report import format_html, write_reports
from zvirka.report.export import write_export
from zvirka.report.file_proof import prove_file
from zvirka.report.proof import Verdict, prove
from zvirka.report.read_back import read_report

STORY, HOSTILE, HELD, FAILED, QUIET, PRUNED = 3, 4, 5, 6, 7, 3
FORMS = ("json", "html", "xlsx")


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Journal, Path, Keyring]]:
    """A journal of signed runs with their reports, and the public key."""
    directory = tmp_path_factory.mktemp("signed")
    private, public = key_pair(directory)
    journal = sample_book(directory)
    journal.signer = read_signer(private)
    nights(journal, 2)
    for make in (story_run, hostile_run, held_run, failed_run, quiet_run):
        run = make(journal)
        write_reports(journal, run, formats=FORMS, language="uk", directory=directory / "reports")
    yield journal, directory / "reports", Keyring(public_keys(public))
    journal.close()


def verdicts(path: Path, keys: Keyring | None) -> list[Verdict]:
    return [one.verdict for one in prove_file(path, keys).findings]


def texts(path: Path, keys: Keyring | None) -> str:
    return " ".join(one.text % one.values for one in prove_file(path, keys).findings)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("run", [STORY, HOSTILE, HELD, FAILED, QUIET])
def test_a_report_proves_itself_with_the_key(
    signed: tuple[Journal, Path, Keyring], run: int, form: str
) -> None:
    path = signed[1] / f"zvirka-run-{run:06}.{form}"
    proof = prove_file(path, signed[2])
    assert (proof.runs, proof.signed, proof.holds) == ((run,), 1, True)
    assert [one.verdict for one in proof.findings].count(Verdict.PROVEN) == 3
    assert "runs before this one" in texts(path, signed[2])


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", ["zvirka-run-000003 (1)", "звіт за листопад", "x"])
def test_the_name_of_the_file_does_not_matter(
    signed: tuple[Journal, Path, Keyring], tmp_path: Path, form: str, name: str
) -> None:
    path = Path(shutil.copy(signed[1] / f"zvirka-run-000003.{form}", tmp_path / f"{name}.{form}"))
    proof = prove_file(path, signed[2])
    assert (proof.runs, proof.holds) == ((STORY,), True)


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    if isinstance(value, dict):
        for name, item in value.items():
            yield from leaves(item, (*path, name))
    elif isinstance(value, list):
        for place, item in enumerate(value):
            yield from leaves(item, (*path, place))
    else:
        yield path, value


def other(value: Any) -> Any:
    if isinstance(value, bool) or value is None:
        return {None: "x", True: False, False: True}[value]
    if isinstance(value, int | float):
        return value + 1
    return f"{value}x" if not value.endswith("Z") else f"{value[:-2]}9Z"


def changed(report: Any, path: tuple[Any, ...], value: Any) -> Any:
    made = copy.deepcopy(report)
    place = made
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return made


def broken(report: Any, keys: Keyring) -> bool:
    """Whether the change is found: by the seal, or because it is no report any more."""
    try:
        decoded = read_report(json.dumps(report).encode(), Path("report.json"))
    except UsageError:
        return True
    return any(one.verdict is Verdict.BROKEN for one in prove(decoded, keys))


@pytest.mark.parametrize("run", [STORY, HELD, FAILED, QUIET])
def test_every_value_of_the_report_is_under_the_seal(
    signed: tuple[Journal, Path, Keyring], run: int
) -> None:
    report = json.loads((signed[1] / f"zvirka-run-{run:06}.json").read_text("utf-8"))
    assert not broken(report, signed[2])
    unsealed = [
        path
        for path, value in leaves(report)
        if path[0] not in {"generator", "nights"}
        and not broken(changed(report, path, other(value)), signed[2])
    ]
    assert unsealed == []


def test_rows_removed_added_and_exchanged_are_found(
    signed: tuple[Journal, Path, Keyring],
) -> None:
    report = json.loads((signed[1] / "zvirka-run-000003.json").read_text("utf-8"))
    rows = report["differences"]
    for other_rows in (rows[:-1], rows[1:], [*rows, rows[-1]], [rows[1], rows[0], *rows[2:]], []):
        assert broken({**report, "differences": other_rows}, signed[2])
    without = copy.deepcopy(report)
    without["differences"][0]["corrections"] = []
    assert broken(without, signed[2])


def test_the_altered_difference_is_named(
    signed: tuple[Journal, Path, Keyring], tmp_path: Path
) -> None:
    path = tmp_path / "zvirka-run-000003.json"
    text = (signed[1] / path.name).read_text("utf-8")
    path.write_text(text.replace("ФОП Коваленко", "ФОП Ковальчук"), "utf-8")
    assert "difference 3 was altered" in texts(path, signed[2])


def test_values_cannot_be_altered_by_pretending_that_they_were_pruned(
    signed: tuple[Journal, Path, Keyring],
) -> None:
    report = json.loads((signed[1] / "zvirka-run-000003.json").read_text("utf-8"))
    report["run"]["pruned_at"] = "2026-11-25T00:00:00Z"
    assert broken(report, signed[2])


def test_a_report_sealed_again_without_the_key_is_found(
    signed: tuple[Journal, Path, Keyring], tmp_path: Path
) -> None:
    """A forger changes a name and computes every digest: only the signature is missing."""
    private, _ = key_pair(tmp_path)
    for signer, told in ((None, "not signed"), (read_signer(private), "not one of these keys")):
        forged = sample_book(tmp_path / told.replace(" ", "-"))
        forged.signer = signer
        nights(forged, 2)
        run = story_run(forged)
        paths = write_reports(forged, run, formats=FORMS, language="uk", directory=tmp_path)
        for path in paths:
            assert not prove_file(path, signed[2]).holds
            assert told in texts(path, signed[2])
        forged.close()


def test_without_a_key_it_is_said_what_is_missing(
    signed: tuple[Journal, Path, Keyring],
) -> None:
    path = signed[1] / "zvirka-run-000003.html"
    assert prove_file(path, None).holds
    assert "signature was not checked" in texts(path, None)


def test_what_the_page_shows_is_compared_with_the_sealed_data(
    signed: tuple[Journal, Path, Keyring], tmp_path: Path
) -> None:
    page = tmp_path / "zvirka-run-000003.html"
    text = (signed[1] / page.name).read_text("utf-8")
    page.write_text(text.replace("Зелений Гай", "Зелений Ліс", 1), "utf-8")
    assert not prove_file(page, signed[2]).holds
    page.write_text(text.replace(f"zvirka {__version__}", "zvirka 99.1"), "utf-8")
    proof = prove_file(page, signed[2])
    assert "was not compared" in texts(page, signed[2]) or not proof.holds
    book = tmp_path / "zvirka-run-000003.xlsx"
    with zipfile.ZipFile(signed[1] / book.name) as whole, zipfile.ZipFile(book, "w") as made:
        for part in whole.namelist():
            content = whole.read(part)
            made.writestr(part, content.replace("Зелений Гай".encode(), "Зелений Ліс".encode()))
    assert not prove_file(book, signed[2]).holds


def test_a_page_of_a_large_report_is_checked_with_its_summary(
    signed: tuple[Journal, Path, Keyring], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(format_html, "PAGE", 2)
    write_reports(signed[0], STORY, formats=["html"], language="en", directory=tmp_path)
    summary, page = tmp_path / "zvirka-run-000003.html", tmp_path / "zvirka-run-000003-p002.html"
    assert prove_file(summary, signed[2]).holds
    assert prove_file(page, signed[2]).holds
    text = page.read_text("utf-8")
    assert "Коваленко" in text
    page.write_text(text.replace("Коваленко", "Ковальчук", 1), "utf-8")
    assert not prove_file(page, signed[2]).holds
    summary.unlink()
    with pytest.raises(UsageError, match="cannot be read"):
        prove_file(page, signed[2])


def test_a_pruned_report_proves_what_is_left(
    tmp_path: Path,
) -> None:
    private, public = key_pair(tmp_path)
    journal = sample_book(tmp_path)
    journal.signer = read_signer(private)
    run = story_run(journal)
    quiet_run(journal)
    prune(journal, timedelta(days=1), datetime(2030, 1, 1, tzinfo=UTC), "auditor", "retention")
    keys = Keyring(public_keys(public))
    paths = write_reports(journal, run, formats=FORMS, language="en", directory=tmp_path)
    for path in paths:
        assert prove_file(path, keys).holds
        assert "names and values were removed" in texts(path, keys)
    report = json.loads(paths[0].read_text("utf-8"))
    report["differences"][0]["name"] = "ТОВ «Інше»"
    assert broken(report, keys)
    journal.close()


def test_what_carries_no_seal_is_refused_with_the_way_out(
    signed: tuple[Journal, Path, Keyring], tmp_path: Path
) -> None:
    for name, content, told in (
        ("a.json", b"{}", "not a report"),
        ("b.json", b'{"version": 2}', "format version 2"),
        ("c.html", b"<html></html>", "does not carry its seal"),
        ("d.xlsx", b"PK", "does not carry its seal"),
        ("e.csv", b"1;2", "only JSON, HTML and XLSX"),
    ):
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(UsageError, match=told):
            prove_file(path, None)
    with pytest.raises(UsageError, match="cannot be read"):
        prove_file(tmp_path / "no.json", None)


def test_half_a_surrogate_pair_does_not_break_the_proof(tmp_path: Path) -> None:
    """The journal holds it in JSON; the report shows U+FFFD and carries the text as stored."""
    from tests.unit.report.sample import seal_run
    from zvirka.domain import Cause, Difference, FieldDifference, Kind

    journal = sample_book(tmp_path)
    one = Difference(
        number=1,
        kind=Kind.DIFFERENT,
        cause=Cause.MISSED_UPDATE,
        key="1",
        ref="",
        name="x",
        fields=(FieldDifference("name", "a\ud800b", "😀"),),
    )
    run = seal_run(journal, [one])
    for path in write_reports(journal, run, formats=FORMS, language="uk", directory=tmp_path):
        assert prove_file(path, None).holds, path
    report = msgspec.json.decode((tmp_path / "zvirka-run-000001.json").read_bytes())
    report["differences"][0]["fields"][0]["wanted"] = "a?b"
    decoded = read_report(msgspec.json.encode(report), Path("x"))
    assert any(found.verdict is Verdict.BROKEN for found in prove(decoded, None))
    journal.close()


@pytest.mark.parametrize("form", ["json", "xlsx"])
def test_the_export_of_a_period_proves_each_run_and_that_none_is_missing(
    signed: tuple[Journal, Path, Keyring], tmp_path: Path, form: str
) -> None:
    path = tmp_path / f"березень.{form}"
    write_export(signed[0], date(2026, 11, 1), date(2026, 11, 30), path, language="uk", form=form)
    proof = prove_file(path, signed[2])
    assert (proof.runs, proof.signed, proof.holds) == (tuple(range(1, 8)), 7, True)
    said = texts(path, signed[2])
    assert "are those that were sealed: 7" in said
    assert "Runs 1 to 7 follow each other" in said
    assert ("sheets show was not compared" in said) is (form == "xlsx")
    assert "Signatures were not checked" in texts(path, None)


def test_a_run_left_out_of_a_period_or_altered_in_it_is_named(
    signed: tuple[Journal, Path, Keyring], tmp_path: Path
) -> None:
    path = tmp_path / "period.json"
    write_export(signed[0], date(2026, 11, 1), date(2026, 11, 30), path, language="uk", form="json")
    period = json.loads(path.read_text("utf-8"))
    reports = period["reports"]
    for left_out in range(1, len(reports) - 1):
        period["reports"] = reports[:left_out] + reports[left_out + 1 :]
        path.write_text(json.dumps(period), "utf-8")
        assert f"Run {left_out + 2} does not follow run {left_out}" in texts(path, signed[2])
        assert not prove_file(path, signed[2]).holds
    reports[2]["differences"][0]["name"] = "ТОВ «Інше»"
    period["reports"] = reports
    path.write_text(json.dumps(period), "utf-8")
    assert "Run 3: difference 1 was altered" in texts(path, signed[2])

"""`zvirka audit verify REPORT` as an auditor calls it: a file, a key, and no settings."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.unit.cli.lines import run
from tests.unit.journal.world import key_pair
from tests.unit.report.sample import quiet_run, sample_book, story_run
from zvirka.errors import UsageError
from zvirka.journal.chain import verify_chain
from zvirka.journal.journal import Journal
from zvirka.journal.keyring import hand_over, key_ring
from zvirka.journal.signature_checks import SignatureCounts, verify_signatures
from zvirka.journal.signing import read_signer
from zvirka.report import write_reports


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clean desk: two signed reports and the public key."""
    private, public = key_pair(tmp_path)
    journal = sample_book(tmp_path / "elsewhere")
    journal.signer = read_signer(private)
    for make in (story_run, quiet_run):
        write_reports(
            journal, make(journal), formats=["html", "json"], language="uk", directory=tmp_path
        )
    journal.close()
    (tmp_path / "key.pem").write_bytes(public)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ZVIRKA_CONFIG", raising=False)
    return tmp_path


def test_a_report_is_verified_with_the_key_and_nothing_else(
    desk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = ["audit", "verify", "zvirka-run-000001.html", "--key", "key.pem"]
    assert run(*line, "--lang", "en") == 0
    told = capsys.readouterr().out
    assert "✓ Run 1: its 9 differences and 6 corrections are those that were sealed" in told
    assert "✓ Run 1: signed with the key" in told
    assert "✓ The file shows exactly these data." in told
    assert "– Not checked: the runs before this one" in told
    assert run(*line, "--lang", "uk") == 0
    assert "підписано ключем" in capsys.readouterr().out
    assert run(*line, "--json") == 0
    [proof] = json.loads(capsys.readouterr().out)["reports"]
    assert (proof["runs"], proof["whole"]) == ([1], True)


def test_several_reports_are_counted(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = ["zvirka-run-000001.json", "zvirka-run-000002.json"]
    assert run("audit", "verify", *names, "--key", "key.pem", "--lang", "en") == 0
    assert "Runs signed: 2; not signed: 0" in capsys.readouterr().out


def test_an_altered_report_ends_with_1_and_names_the_place(
    desk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = desk / "zvirka-run-000001.json"
    path.write_text(path.read_text("utf-8").replace("Зелений Гай", "Зелений Ліс"), "utf-8")
    assert run("audit", "verify", path.name, "--key", "key.pem", "--lang", "en") == 1
    assert "✗ Run 1: difference 1 was altered." in capsys.readouterr().out


@pytest.mark.long
@pytest.mark.parametrize(
    "options",
    [
        ["zvirka-run-000001.json", "--from", "1"],
        ["zvirka-run-000001.json", "--key", "no.pem"],
        ["zvirka-run-000001.json", "--key", "zvirka-run-000001.json"],
        ["zvirka-run-000001.json", "--rotation", "key.pem"],
        ["zvirka-run-000001.json", "--key", "key.pem", "--rotation", "key.pem"],
        ["zvirka-run-000009.json"],
    ],
)
def test_what_does_not_fit_is_refused(desk: Path, options: list[str]) -> None:
    assert run("audit", "verify", *options) == 64


@pytest.fixture
def rotated(tmp_path: Path) -> Iterator[tuple[Journal, list[bytes], bytes]]:
    """Runs 1 and 2 with the old key, 3 with the new one; the public keys and the statement."""
    import msgspec

    (old, old_public), (new, new_public) = key_pair(tmp_path), key_pair(tmp_path)
    journal = sample_book(tmp_path)
    for signer in (old, old, new):
        journal.signer = read_signer(signer)
        quiet_run(journal)
    statement = hand_over(read_signer(old), read_signer(new), 2, datetime(2026, 11, 25, tzinfo=UTC))
    yield journal, [old_public, new_public], msgspec.json.encode(statement)
    journal.close()


def test_a_rotated_key_is_trusted_by_its_statement(
    rotated: tuple[Journal, list[bytes], bytes],
) -> None:
    journal, (old, new), statement = rotated
    assert list(verify_chain(journal)) == []
    counted = SignatureCounts({})
    assert list(verify_signatures(journal, key_ring([old], [statement]), counted)) == []
    assert sorted(counted.signed.values()) == [1, 2]
    assert [one.run for one in verify_signatures(journal, key_ring([old]))] == [3]
    assert [one.run for one in verify_signatures(journal, key_ring([new]))] == [1, 2]
    assert list(verify_signatures(journal, key_ring([old + new]))) == []


def test_the_old_key_signs_no_run_after_the_rotation(
    rotated: tuple[Journal, list[bytes], bytes], tmp_path: Path
) -> None:
    """A stolen old key is worth nothing for later runs."""
    journal, (old, _), statement = rotated
    journal.signer = read_signer(min(tmp_path.glob("signing-*.pem")))
    run_number = quiet_run(journal)
    problems = list(verify_signatures(journal, key_ring([old], [statement])))
    assert [one.run for one in problems] == [run_number]


@pytest.mark.parametrize("member", ["new", "after_run", "at", "signature", "old"])
def test_an_altered_statement_is_refused(
    rotated: tuple[Journal, list[bytes], bytes], member: str
) -> None:
    _, (old, new), statement = rotated
    made = json.loads(statement)
    made[member] = 7 if member == "after_run" else made[member][:-1] + "0"
    if made == json.loads(statement):
        made[member] = made[member][:-1] + "1"
    with pytest.raises(UsageError):
        key_ring([old], [json.dumps(made).encode()])
    with pytest.raises(UsageError, match="not signed with a trusted key"):
        key_ring([new], [statement])


def test_rotate_key_writes_the_statement(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ZVIRKA_CONFIG", raising=False)
    (old, old_public), (new, _) = key_pair(tmp_path), key_pair(tmp_path)
    (tmp_path / "zvirka.toml").write_text(
        'state_dir = "state"\n[onec]\nurl = "https://1c.example/x/odata/standard.odata"\n'
        '[erp]\nurl = "sqlite:///erp.db"\n'
    )
    line = ["--old", old.name, "--new", new.name, "--out", "rotation.json"]
    assert run("audit", "rotate-key", *line, "--json") == 0
    assert json.loads(capsys.readouterr().out)["after_run"] == 0
    key_ring([old_public], [(tmp_path / "rotation.json").read_bytes()])

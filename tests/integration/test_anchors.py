"""Who holds journal and key can forge a whole, signed chain; the anchors name it."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from tests.integration.engine_world import world
from tests.integration.timestamp_authority import Authority, authority
from tests.unit.cli.lines import run as zvirka
from tests.unit.journal.world import key_pair, receipts, settings
from tests.unit.report.sample import STORY, sample_book, seal_run
from zvirka.domain import Difference
from zvirka.errors import UsageError
from zvirka.journal.chain import verify_chain
from zvirka.journal.head import Head
from zvirka.journal.journal import Journal
from zvirka.journal.keyring import Keyring, key_ring
from zvirka.journal.retention import prune
from zvirka.journal.signature_checks import verify_signatures
from zvirka.journal.signing import read_signer
from zvirka.reconcile.anchoring import anchor
from zvirka.report import report_files, write_reports
from zvirka.report.anchor_check import anchor_problems, read_anchors
from zvirka.report.file_proof import prove_file

Night = tuple[str, Sequence[Difference]]


@dataclass(frozen=True)
class History:
    """What happened: nights, each after so many receipts, then receipts after the last."""

    nights: tuple[Night, ...]
    before: int = 2
    after: int = 3


TRUE = History(
    (("olena", STORY[:3]), ("zvirka.service", STORY[3:5]), ("taras", STORY[5:8]), ("olena", ()))
)
FIRST = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=5)


def lived(journal: Journal, history: History, after_run: Callable[[int], object]) -> None:
    """Let a history happen in a journal."""
    number = 1
    for night, (who, differences) in enumerate(history.nights):
        at = FIRST + timedelta(hours=night)
        receipts(journal, at, range(number, number + history.before))
        number += history.before
        after_run(seal_run(journal, differences, at=at, who=who))
    if history.after:
        receipts(journal, FIRST + timedelta(hours=4), range(number, number + history.after))
        after_run(0)


@pytest.fixture(scope="module")
def tsa(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Authority]:
    with authority(tmp_path_factory.mktemp("tsa") / "keys") as made:
        yield made


@dataclass(frozen=True)
class Truth:
    """The anchors of the true history, and what the insider has: the key."""

    anchors: Path
    heads: Path
    private: Path
    keys: Keyring
    root: bytes


@pytest.fixture(scope="module")
def truth(tmp_path_factory: pytest.TempPathFactory, tsa: Authority) -> Iterator[Truth]:
    directory = tmp_path_factory.mktemp("truth")
    private, public = key_pair(directory)
    journal = sample_book(directory)
    journal.signer = read_signer(private)
    report = {"dir": directory / "reports", "tsa": [tsa.url], "head_file": directory / "heads"}
    known = settings(directory, report=report)
    lived(journal, TRUE, lambda run: anchor(known, journal, between_runs=not run))
    journal.close()
    yield Truth(directory / "reports", directory / "heads", private, key_ring([public]), tsa.root)


def problems(journal: Journal, truth: Truth, place: Path | None = None) -> list[str]:
    anchors = read_anchors([place or truth.anchors], [truth.root])
    return list(anchor_problems(journal, anchors))


@pytest.fixture
def forged(tmp_path: Path, truth: Truth) -> Iterator[Callable[[History], Journal]]:
    """A journal with another history: whole, and signed with the true key."""
    made: list[Journal] = []

    def forge(history: History) -> Journal:
        journal = sample_book(tmp_path)
        made.append(journal)
        journal.signer = read_signer(truth.private)
        lived(journal, history, lambda _: None)
        assert list(verify_chain(journal)) == []
        assert list(verify_signatures(journal, truth.keys)) == []
        return journal

    yield forge
    for one in made:
        one.close()


def changed(place: int, differences: Sequence[Difference], who: str = "olena") -> History:
    nights = list(TRUE.nights)
    nights[place] = (who, differences)
    return replace(TRUE, nights=tuple(nights))


renamed = msgspec.structs.replace(STORY[0], name="ТОВ «Зелений Ліс»")
OTHERS = tuple(("хтось", STORY[:1]) for _ in range(4))
ATTACKS: dict[str, tuple[History, str]] = {
    "alter": (changed(0, (renamed, *STORY[1:3])), "run 1: its digest is not the one"),
    "delete": (changed(0, STORY[:2]), "run 1: its digest is not the one"),
    "delete a run": (
        replace(TRUE, nights=(TRUE.nights[0], *TRUE.nights[2:])),
        "run 2: its digest is not the one",
    ),
    "insert": (
        replace(TRUE, nights=(*TRUE.nights[:2], ("хтось", ()), *TRUE.nights[2:])),
        "run 3: its digest is not the one",
    ),
    "reorder": (
        replace(TRUE, nights=(TRUE.nights[1], TRUE.nights[0], *TRUE.nights[2:])),
        "run 1: its digest is not the one",
    ),
    "replace the whole chain": (replace(TRUE, nights=OTHERS), "run 4: its digest is not the one"),
    "roll back": (
        replace(TRUE, nights=TRUE.nights[:3], after=0),
        "run 4: anchored, but the journal ends with run 3",
    ),
    "truncate receipts": (replace(TRUE, after=1), "table receipt: receipt 11"),
    "truncate receipts after the last seal": (replace(TRUE, after=0), "table receipt: receipt 11"),
}


def test_the_true_journal_agrees_with_its_anchors(
    forged: Callable[[History], Journal], truth: Truth
) -> None:
    journal = forged(TRUE)
    anchors = read_anchors([truth.anchors, truth.heads], [truth.root])
    assert list(anchor_problems(journal, anchors)) == []
    assert [len(one.times) for one in anchors.found] == [1, 1, 1, 1, 1, 0, 0, 0, 0, 0]
    assert anchors.unchecked == 0


@pytest.mark.long
@pytest.mark.parametrize("name", ATTACKS)
@pytest.mark.parametrize("kind", ["timestamps", "head file"])
def test_a_forged_history_is_named(
    forged: Callable[[History], Journal], truth: Truth, name: str, kind: str
) -> None:
    history, said = ATTACKS[name]
    journal = forged(history)
    found = problems(journal, truth, truth.heads if kind == "head file" else None)
    assert any(said in problem for problem in found), found


def test_a_known_digest_is_enough(forged: Callable[[History], Journal], truth: Truth) -> None:
    journal = forged(ATTACKS["alter"][0])
    line = truth.heads.read_bytes().splitlines()[3]
    anchors = read_anchors([], [])
    from zvirka.report.anchor_check import Anchor

    head = msgspec.json.decode(line, type=Head)
    anchors.found.append(Anchor(Head(run=head.run, digest=head.digest), "--expect"))
    assert any("run 4" in problem for problem in anchor_problems(journal, anchors))


def test_reports_in_the_folder_are_anchors_too(
    forged: Callable[[History], Journal], truth: Truth, tmp_path: Path
) -> None:
    folder = tmp_path / "reports"
    journal = forged(TRUE)
    write_reports(journal, 4, formats=["html"], language="uk", directory=folder)
    write_reports(journal, 3, formats=["json"], language="uk", directory=folder)
    assert problems(journal, truth, folder) == []
    journal.close()
    (tmp_path / "journal.db").unlink()
    rolled_back = forged(ATTACKS["roll back"][0])
    assert [one for one in problems(rolled_back, truth, folder) if "run 4: anchored" in one]


@pytest.mark.long
@pytest.mark.parametrize(
    ("victim", "change", "said"),
    [
        ("zvirka-run-000002.head", lambda text: text.replace(b'"run":2', b'"run":1'), "altered"),
        ("zvirka-run-000002.head", lambda text: text[:-9], "not a head of the chain"),
        ("*.tsr", lambda text: text[:-40] + bytes(40), "not a timestamp"),
        ("*.tsr", lambda text: text[:100], "not a timestamp"),
    ],
)
def test_an_altered_anchor_is_named(
    forged: Callable[[History], Journal],
    truth: Truth,
    tmp_path: Path,
    victim: str,
    change: Callable[[bytes], bytes],
    said: str,
) -> None:
    folder = Path(shutil.copytree(truth.anchors, tmp_path / "copy"))
    path = next(iter(sorted(folder.glob(victim))))
    path.write_bytes(change(path.read_bytes()))
    found = problems(forged(TRUE), truth, folder)
    assert any(said in problem for problem in found), found


@pytest.mark.long
def test_a_timestamp_of_a_strange_authority_is_named(
    forged: Callable[[History], Journal], truth: Truth, tmp_path: Path
) -> None:
    with authority(tmp_path / "strange") as strange:
        anchors = read_anchors([truth.anchors], [strange.root])
    found = list(anchor_problems(forged(TRUE), anchors))
    assert len([one for one in found if "not a timestamp of these authorities" in one]) == 5
    unchecked = read_anchors([truth.anchors], [])
    assert (unchecked.unchecked, unchecked.problems) == (5, [])


def test_openssl_verifies_the_same_files(truth: Truth, tmp_path: Path) -> None:
    (tmp_path / "root.pem").write_bytes(truth.root)
    [token] = truth.anchors.glob("zvirka-run-000004.head.*.tsr")
    line: list[str | Path] = [
        "openssl",
        "ts",
        "-verify",
        "-data",
        truth.anchors / "zvirka-run-000004.head",
    ]
    line += ["-in", token, "-CAfile", tmp_path / "root.pem"]
    assert b"Verification: OK" in subprocess.run(line, check=True, capture_output=True).stdout


def test_a_timestamp_made_long_after_the_run_is_named(tmp_path: Path, tsa: Authority) -> None:
    journal = sample_book(tmp_path)
    seal_run(journal, (), at=datetime.now(UTC) - timedelta(days=30))
    anchor(settings(tmp_path, report={"tsa": [tsa.url]}), journal)
    anchors = read_anchors([tmp_path / "reports"], [tsa.root])
    assert any("timestamped only on" in one for one in anchor_problems(journal, anchors))
    journal.close()


def test_an_authority_that_does_not_answer_is_asked_again(
    tmp_path: Path, tsa: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = sample_book(tmp_path)
    known = settings(tmp_path, report={"tsa": [tsa.url, "http://127.0.0.1:9/closed"]})
    seal_run(journal, (), at=FIRST)
    monkeypatch.setattr(tsa, "down", True)
    assert anchor(known, journal) is not None
    assert list((tmp_path / "reports").glob("*.tsr")) == []
    monkeypatch.setattr(tsa, "down", False)
    seal_run(journal, (), at=FIRST + timedelta(hours=1))
    anchor(known, journal)
    assert len(list((tmp_path / "reports").glob("*.tsr"))) == 2
    anchors = read_anchors([tmp_path / "reports"], [tsa.root])
    assert [len(one.times) for one in anchors.found] == [1, 1]
    journal.close()


def test_a_head_file_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    journal = sample_book(tmp_path)
    seal_run(journal, (), at=FIRST)
    known = settings(tmp_path, report={"head_file": tmp_path / "nowhere" / "heads"})
    assert anchor(known, journal) is not None
    known = settings(tmp_path, report={"head_file": tmp_path / "heads"})
    for _ in range(2):
        anchor(known, journal)
    assert len((tmp_path / "heads").read_bytes().splitlines()) == 1
    journal.close()


def test_prune_leaves_the_anchors(tmp_path: Path, tsa: Authority) -> None:
    journal = sample_book(tmp_path)
    run = seal_run(journal, STORY[:2], at=FIRST)
    folder = tmp_path / "reports"
    write_reports(journal, run, formats=["json"], language="uk", directory=folder)
    anchor(settings(tmp_path, report={"tsa": [tsa.url]}), journal)
    assert [path.suffix for path in report_files(folder, run)] == [".json"]
    prune(journal, timedelta(0), datetime.now(UTC) + timedelta(days=1), "auditor", "retention")
    anchors = read_anchors([folder], [tsa.root])
    assert list(anchor_problems(journal, anchors)) == []
    journal.close()


def test_a_report_alone_is_compared_with_its_anchors(
    forged: Callable[[History], Journal], truth: Truth, tmp_path: Path
) -> None:
    anchors = read_anchors([truth.anchors], [truth.root])
    for history, holds in ((TRUE, True), (ATTACKS["alter"][0], False)):
        (tmp_path / "journal.db").unlink(missing_ok=True)
        journal = forged(history)
        [path] = write_reports(journal, 1, formats=["json"], language="uk", directory=tmp_path)
        proof = prove_file(path, truth.keys, anchors)
        assert proof.holds is holds
        said = "timestamped on" if holds else "not the one anchored"
        assert any(said in one.text for one in proof.findings)
        journal.close()


def test_places_without_anchors_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        read_anchors([tmp_path / "nothing"], [])
    with pytest.raises(UsageError, match="certificate"):
        read_anchors([], [b"no certificate"])


def test_the_commands(
    tmp_path: Path,
    tsa: Authority,
    truth: Truth,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ZVIRKA_CONFIG", raising=False)
    (tmp_path / "tsa.pem").write_bytes(tsa.root)
    (tmp_path / "zvirka.toml").write_text(
        f'state_dir = "."\n[onec]\nurl = "https://1c.example/x/odata/standard.odata"\n'
        f'[erp]\nurl = "sqlite:///erp.db"\n'
        f'[report]\ntsa = ["{tsa.url}"]\ntsa_certificates = "tsa.pem"\n'
    )
    assert zvirka("audit", "anchor") == 0
    journal = sample_book(tmp_path)
    lived(journal, TRUE, lambda _: None)
    journal.close()
    capsys.readouterr()
    assert zvirka("audit", "anchor", "--json") == 0
    head = json.loads(capsys.readouterr().out)["head"]
    assert (head["run"], head["receipt"]) == (4, 11)
    assert zvirka("audit", "verify", "--lang", "en") == 0
    assert "1 heads and reports, 1 timestamps" in capsys.readouterr().out
    digest = f"4:{head['digest']}"
    assert zvirka("audit", "verify", "--expect", digest, "--anchors", str(truth.heads)) == 1
    assert zvirka("audit", "verify", "--expect", digest) == 0
    assert zvirka("audit", "verify", "--expect", f"4:{'0' * 64}") == 1
    assert zvirka("audit", "verify", "--expect", "4") == 64


@pytest.mark.long
def test_every_run_anchors_its_head(tmp_path: Path, tsa: Authority) -> None:
    heads = tmp_path / "heads"
    report = {"formats": ["json"], "tsa": [tsa.url], "head_file": heads}
    with world(tmp_path, counterparties=3, report=report) as made:
        first, second = made.run(), made.run()
        folder = made.settings.report_directory
        anchors = read_anchors([folder, heads], [tsa.root])
        with made.environment() as environment:
            assert list(anchor_problems(environment.journal, anchors)) == []
    assert [one.head.run for one in anchors.found if one.times] == [first.run, second.run]
    assert len(heads.read_bytes().splitlines()) == 2

"""The file of the last agreement: what is recorded, what is kept, what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.reconcile.test_matching import MAPPING, REFS, Client, Party, read, staged, told
from zvirka.domain import Counterparty
from zvirka.mapping import Attribute, Comparison, Field, Mapping
from zvirka.message import Message, coded
from zvirka.staging.agreement import Agreement
from zvirka.staging.database import DamagedFileError, Staging

PARTIES: list[Party] = [("1", "а", False), ("2", "а", False), ("3", "а", False)]
CLIENTS: list[Client] = [(key, REFS[n], "а", True) for n, key in enumerate("123")]


def record(number: int, party: Party) -> Counterparty:
    """A counterparty as 1C gives it."""
    key, name, mark = party
    values: dict[str, str | None] = {"code": key, "name": name}
    return Counterparty(ref=REFS[number], key=key, version="", deletion_mark=mark, values=values)


def agree(directory: Path) -> None:
    """A night on which both sides are equal."""
    staging, candidates = staged(directory, PARTIES, CLIENTS, marks_count=False)
    candidates.agree(tidy=True, complete=True)
    staging.close()


def causes(
    directory: Path, parties: list[Party], clients: list[Client]
) -> dict[str, tuple[bool | None, bool | None]]:
    """By row: whether 1C, and the client, is as last agreed."""
    staging, candidates = staged(directory, parties, clients, marks_count=False)
    found = {one.row: (one.agreed_wanted, one.agreed_client) for one in told(candidates)}
    staging.close()
    return found


def test_an_agreement_on_single_pairs_covers_them_and_nothing_else(tmp_path: Path) -> None:
    agree(tmp_path)
    changed: list[Party] = [("1", "б", False), ("2", "б", False), ("3", "а", False)]
    clients: list[Client] = [("1", REFS[0], "б", True), *CLIENTS[1:]]
    staging, candidates = staged(tmp_path, changed[:1], [], marks_count=False)
    candidates.settle([(record(0, changed[0]), read("0", clients[0]))])
    candidates.agree(tidy=False, complete=False)
    staging.close()
    later: list[Party] = [("1", "в", False), *changed[1:]]
    assert causes(tmp_path, later, clients) == {"0": (False, True), "1": (False, True)}
    edited: list[Client] = [("1", REFS[0], "ґ", True), *clients[1:]]
    assert causes(tmp_path, changed, edited) == {"0": (True, False), "1": (False, True)}


def test_an_agreement_on_single_pairs_is_not_an_agreement_of_both_sides(tmp_path: Path) -> None:
    staging, candidates = staged(tmp_path, PARTIES[:2], CLIENTS[:2], marks_count=False)
    candidates.agree(tidy=False, complete=False)
    assert candidates.agreement.is_empty()
    assert not candidates.agreement.can_screen()
    staging.close()
    staging, candidates = staged(tmp_path, PARTIES, CLIENTS, marks_count=False)
    assert not candidates.agreement.known
    assert candidates.remembered.rows_of(REFS) == {REFS[0]: "0", REFS[1]: "1"}
    staging.close()


@pytest.mark.parametrize(
    ("fields", "is_kept"),
    [
        (MAPPING.fields, True),
        (tuple(reversed(MAPPING.fields)), False),
        ((MAPPING.fields[0], Field("name", Attribute("НаименованиеПолное"))), False),
        ((MAPPING.fields[0], Field("name", Attribute("Description"), Comparison.EXACT)), False),
        ((MAPPING.fields[0], Field("name", Attribute("Description"), Comparison.CASELESS)), True),
    ],
)
def test_an_agreement_on_other_values_is_set_aside(
    tmp_path: Path, fields: tuple[Field, ...], is_kept: bool
) -> None:
    agree(tmp_path)
    mapping = Mapping(catalog=MAPPING.catalog, fields=fields)
    staging = Staging(tmp_path, mapping, threads=1)
    assert Agreement(staging, tmp_path / "agreement.duckdb").known is is_kept
    staging.close()
    assert len(list(tmp_path.glob("agreement.duckdb.other-mapping-*"))) == (not is_kept)


def test_the_file_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    agree(tmp_path)
    assert (tmp_path / "agreement.duckdb").stat().st_mode & 0o777 == 0o600


def test_a_damage_found_in_the_middle_of_a_run_sets_the_mirror_aside(tmp_path: Path) -> None:
    agree(tmp_path)
    with pytest.raises(DamagedFileError), Staging(tmp_path, MAPPING, threads=1):
        raise DamagedFileError(
            coded("ZV0000", "a file of the staging database is damaged"),
            place="",
            remedy=Message(""),
        )
    assert not (tmp_path / "mirror.duckdb").exists()
    assert len(list(tmp_path.glob("mirror.duckdb.damaged-*"))) == 1

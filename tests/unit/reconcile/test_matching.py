"""Who is who: laws of the pairing over any two sides, and its order of preference."""

from __future__ import annotations

import tempfile
import uuid
from collections import Counter
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zvirka.domain import Client as StoredClient
from zvirka.erp.protocol import ScanBatch
from zvirka.mapping import Attribute, Field, Mapping
from zvirka.onec.protocol import ObjectBatch
from zvirka.staging.agreement import Agreement
from zvirka.staging.candidates import Candidate, Candidates
from zvirka.staging.database import Staging
from zvirka.staging.pairing import PAIRS
from zvirka.staging.source_mirror import SourceMirror

MAPPING = Mapping(
    catalog="Контрагенты",
    fields=(Field("code", Attribute("Code")), Field("name", Attribute("Description"))),
)
REFS = [str(uuid.UUID(int=number)) for number in range(1, 6)]
KEYS = st.sampled_from(["", "1", "2", "3"])
PARTIES = st.lists(st.tuples(KEYS, st.sampled_from("аб"), st.booleans()), max_size=5)
CLIENTS = st.lists(
    st.tuples(KEYS, st.none() | st.sampled_from(REFS), st.sampled_from("аб"), st.booleans()),
    max_size=6,
)
Party = tuple[str, str, bool]
Client = tuple[str, str | None, str, bool]


def staged(
    directory: Path,
    parties: list[Party],
    clients: list[Client],
    *,
    marks_count: bool,
    brief: bool = False,
) -> tuple[Staging, Candidates]:
    """Both sides, paired and compared; the n-th party has the n-th Ref_Key."""
    staging = Staging(directory, MAPPING, threads=1)
    agreement = Agreement(staging, directory / "agreement.duckdb")
    mirror = SourceMirror(staging)
    matching = Candidates(staging, mirror, agreement, marks_count=marks_count)
    with mirror.full_pull(datetime(2026, 1, 1, tzinfo=UTC), date(2026, 1, 1)):
        mirror.add_objects(
            ObjectBatch(
                refs=REFS[: len(parties)],
                versions=["AAAAAAAAAAE="] * len(parties),
                marks=[mark for _, _, mark in parties],
                values={
                    "code": [key for key, _, _ in parties],
                    "name": [name for _, name, _ in parties],
                },
                links={},
            )
        )
    batch = ScanBatch(
        rows=[str(number) for number in range(len(clients))],
        keys=[key for key, _, _, _ in clients],
        images=[
            f"{active:d}\x1f{ref or ''}\x1f{key}\x1f{name}" for key, ref, name, active in clients
        ],
    )
    if brief:
        matching.clients.add_images(batch)
        for find_more in (matching.unchanged.find, matching.unchanged.add_related):
            assert find_more()
            for rows in matching.unchanged.rows_to_read():
                matching.clients.reread([read(row, clients[int(row)]) for row in rows])
        matching.pairing.find(matching.unchanged.sides())
    else:
        matching.clients.add_clients(batch)
        matching.pairing.find()
    matching.find()
    return staging, matching


def read(row: str, client: Client) -> StoredClient:
    """A client as the store gives it when asked for it."""
    key, ref, name, active = client
    values: dict[str, str | None] = {"code": key, "name": name}
    return StoredClient(row=row, key=key, ref=ref, active=active, values=values)


def told(matching: Candidates) -> list[Candidate]:
    """All candidates."""
    return [
        candidate
        for extras in (True, False)
        for batch in matching.candidates(extras=extras)
        for candidate in batch
    ]


def is_doubled(candidate: Candidate) -> bool:
    """Whether several share the key."""
    return not candidate.alone and bool(candidate.refs or candidate.rows)


def matched(
    parties: list[Party], clients: list[Client], *, marks_count: bool = False
) -> tuple[list[tuple[str, str]], list[Candidate]]:
    """The pairs (Ref_Key, row) and the candidates of two sides that never agreed on anything."""
    with tempfile.TemporaryDirectory() as directory:
        staging, matching = staged(Path(directory), parties, clients, marks_count=marks_count)
        pairs = [(str(r), row) for r, row in staging.rows(f"SELECT ref, row_id FROM {PAIRS}")]
        found = told(matching)
        staging.close()
        return pairs, found


@pytest.mark.long
@settings(max_examples=40, deadline=None)
@given(PARTIES, CLIENTS)
def test_every_party_and_every_client_is_paired_at_most_once(
    parties: list[Party], clients: list[Client]
) -> None:
    pairs, _ = matched(parties, clients)
    assert max(Counter(ref for ref, _ in pairs).values(), default=1) == 1
    assert max(Counter(row for _, row in pairs).values(), default=1) == 1


@pytest.mark.long
@settings(max_examples=40, deadline=None)
@given(PARTIES, CLIENTS, st.booleans())
def test_nobody_is_forgotten(
    parties: list[Party], clients: list[Client], marks_count: bool
) -> None:
    pairs, found = matched(parties, clients, marks_count=marks_count)
    paired_refs = {ref for ref, _ in pairs}
    told_refs = {ref for each in found for ref in (each.ref, *each.refs)}
    doubled_keys = {each.key for each in found if each.key_taken or is_doubled(each)}
    for number, (key, _, mark) in enumerate(parties):
        if marks_count and mark:
            continue
        ref = REFS[number]
        assert ref in paired_refs | told_refs or key in doubled_keys
    paired_rows = {row for _, row in pairs}
    told_rows = {row for each in found for row in (each.row, *each.rows)}
    for number, (key, _, _, active) in enumerate(clients):
        if active:
            assert str(number) in paired_rows | told_rows or key in doubled_keys


@pytest.mark.long
@settings(max_examples=40, deadline=None)
@given(PARTIES, CLIENTS)
def test_equal_sides_have_no_candidate_of_their_own(
    parties: list[Party], clients: list[Client]
) -> None:
    pairs, found = matched(parties, clients)
    different = {each.row for each in found if not each.alone}
    for ref, row in pairs:
        key, name, _ = parties[REFS.index(ref)]
        client_key, client_ref, client_name, active = clients[int(row)]
        if active:
            equal = (key, name) == (client_key, client_name) and client_ref in {None, ref}
            assert (row not in different) is equal


def test_a_reference_outweighs_a_key() -> None:
    pairs, _ = matched(
        [("1", "а", False), ("2", "а", False)],
        [("2", REFS[0], "а", True), ("1", REFS[1], "а", True)],
    )
    assert sorted(pairs) == [(REFS[0], "0"), (REFS[1], "1")]


def test_the_one_active_row_of_a_key_is_the_client() -> None:
    pairs, found = matched([("1", "а", False)], [("1", None, "а", False), ("1", None, "а", True)])
    assert pairs == [(REFS[0], "1")]
    assert found == []


def test_two_active_rows_of_a_key_are_a_duplicate() -> None:
    pairs, found = matched([("1", "а", False)], [("1", None, "а", True), ("1", None, "б", True)])
    assert pairs == []
    assert [each.rows for each in found if is_doubled(each)] == [("0", "1")]


@st.composite
def two_nights(draw: st.DrawFn) -> tuple[list[Party], list[Client], list[Party], list[Client]]:
    """Two sides that mostly agree, and what became of them by the next night."""
    parties = draw(PARTIES)
    clients: list[Client] = [
        (key, draw(st.sampled_from([REFS[n], REFS[n], None])), name, True)
        for n, (key, name, _) in enumerate(parties)
    ]
    clients += draw(CLIENTS)
    later, moved = list(parties), list(clients)
    for place in draw(st.lists(st.integers(0, 4), max_size=2)):
        if place < len(later):
            later[place] = draw(PARTIES.filter(len))[0]
    for place in draw(st.lists(st.integers(0, 9), max_size=2)):
        if place < len(moved):
            moved[place] = draw(CLIENTS.filter(len))[0]
    newcomers = st.tuples(
        st.sampled_from([key for key, _, _ in parties] or [""]),
        st.none() | st.sampled_from(REFS),
        st.sampled_from("аб"),
        st.booleans(),
    )
    return parties, clients, later, moved + draw(st.lists(newcomers, max_size=2))


@pytest.mark.long
@settings(max_examples=40, deadline=None)
@given(two_nights(), st.booleans())
def test_setting_aside_what_is_quiet_changes_nothing(
    nights: tuple[list[Party], list[Client], list[Party], list[Client]], marks_count: bool
) -> None:
    parties, clients, later, moved = nights
    found = []
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        staging, matching = staged(directory, parties, clients, marks_count=marks_count)
        matching.agree(tidy=True, complete=True)
        staging.close()
        for brief in (True, False):
            staging, matching = staged(
                directory, later, moved, marks_count=marks_count, brief=brief
            )
            rows = [str(number) for number in range(len(moved))]
            found.append((told(matching), matching.pairing.paired_rows(rows)))
            staging.close()
    assert found[0] == found[1]


def test_most_of_a_quiet_night_is_set_aside_and_who_claims_it_brings_it_back() -> None:
    parties: list[Party] = [(str(n), "а", False) for n in range(5)]
    clients: list[Client] = [(str(n), REFS[n], "а", True) for n in range(5)]
    same_key: Client = ("2", None, "б", True)
    same_ref: Client = ("9", REFS[3], "б", True)
    with tempfile.TemporaryDirectory() as name:
        staging, matching = staged(Path(name), parties, clients, marks_count=False)
        matching.agree(tidy=True, complete=True)
        staging.close()
        seen = []
        for more in ([], [same_key], [same_ref]):
            staging, matching = staged(
                Path(name), parties, clients + more, marks_count=False, brief=True
            )
            loose = staging.number_of(f"SELECT count(*) FROM {matching.pairing.sides.records}")
            seen.append((loose, [(each.key_taken, each.rows) for each in told(matching)]))
            staging.close()
    assert seen == [
        (0, []),
        (1, [(True, ("5",))]),
        (1, [(False, ("3", "5"))]),
    ]

"""The catalogue against a 1C that misbehaves in each known way: all of it, or a clear error."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from zvirka.errors import SettingsError
from zvirka.mapping import Mapping
from zvirka.onec import failures
from zvirka.onec.catalogue_source import CatalogueSource
from zvirka.onec.open_source import open_source
from zvirka.onec.protocol import LineBatch, ObjectBatch
from zvirka.settings.model import ErpSettings, OnecSettings, Settings
from zvirka.settings.profiles import mapping_of
from zvirka.simulator import Simulator, SimulatorOptions

COUNT = 900
CATALOG = "Catalog_Контрагенты"
SECTION = f"{CATALOG}_КонтактнаяИнформация"
PROFILES = ("accounting", "trade", "custom", "legacy")


def onec_settings(simulator: Simulator, profile: str, **changes: Any) -> OnecSettings:
    values: dict[str, Any] = {
        "url": simulator.url,
        "user": simulator.user,
        "password": SecretStr(simulator.password),
        "profile": profile,
        "page_bytes": 20_000,
        "retries": 3,
    }
    return OnecSettings(**values | changes)


def mapping_for(onec: OnecSettings) -> Mapping:
    return mapping_of(Settings(onec=onec, erp=ErpSettings(url="sqlite://")))


@contextmanager
def base_of(profile: str = "accounting", **options: Any) -> Iterator[Simulator]:
    made = SimulatorOptions(profile=profile, counterparties=COUNT, seed=5, **options)  # type: ignore[arg-type]
    with Simulator(made) as simulator:
        yield simulator


@contextmanager
def source_of(
    simulator: Simulator, directory: Path, profile: str = "accounting", **changes: Any
) -> Iterator[CatalogueSource]:
    """A catalogue that waits between repetitions for no time at all."""
    onec = onec_settings(simulator, profile, **changes)
    with open_source(onec, mapping_for(onec), directory, sleep=lambda _: None) as catalogue:
        assert isinstance(catalogue, CatalogueSource)
        yield catalogue


def refs_of(batches: Iterator[ObjectBatch]) -> list[str]:
    return [ref for batch in batches for ref in batch.refs]


def lines_of(batches: Iterator[LineBatch]) -> set[tuple[str, str, int, str | None]]:
    return {
        (batch.field, ref, order, value)
        for batch in batches
        for ref, order, value in zip(batch.refs, batch.orders, batch.values, strict=True)
    }


@pytest.mark.parametrize("profile", PROFILES)
def test_everything_comes_from_every_kind_of_base(tmp_path: Path, profile: str) -> None:
    with base_of(profile) as simulator, source_of(simulator, tmp_path, profile) as source:
        assert source.preflight() == COUNT
        refs = refs_of(source.objects())
        assert sorted(refs) == sorted(simulator.base.refs())
        seen = [ref for batch in source.versions() for ref in batch.refs]
        assert sorted(seen) == sorted(refs)
        assert all(simulator.base.get(ref).version for ref in refs[:5])


@pytest.mark.parametrize("profile", PROFILES)
def test_what_is_fetched_by_key_is_what_the_base_holds(tmp_path: Path, profile: str) -> None:
    with base_of(profile) as simulator, source_of(simulator, tmp_path, profile) as source:
        wanted = sorted(simulator.base.refs())[:70]
        fetched = {}
        for objects, lines in source.fetch([*wanted, "00000000-0000-0000-0000-000000000001"]):
            values = _first(lines)
            for at, ref in enumerate(objects.refs):
                fetched[ref] = {name: column[at] for name, column in objects.values.items()} | {
                    field: values.get((field, objects.links[via][at] if via else ref))
                    for field, via in {(line.field, line.via) for line in lines}
                }
        assert sorted(fetched) == wanted
        for ref in wanted:
            held = simulator.base.get(ref).values
            assert {k: v or None for k, v in fetched[ref].items()} == {
                name: held[name] or None for name in fetched[ref]
            }


def _first(lines: list[LineBatch]) -> dict[tuple[str, str], str | None]:
    found: dict[tuple[str, str], tuple[int, str | None]] = {}
    for batch in lines:
        for ref, order, value in zip(batch.refs, batch.orders, batch.values, strict=True):
            known = found.get((batch.field, ref))
            if known is None or order < known[0]:
                found[batch.field, ref] = (order, value)
    return {key: value for key, (_, value) in found.items()}


def _set(**switches: Any) -> Callable[[Simulator], None]:
    def switch(simulator: Simulator) -> None:
        for name, value in switches.items():
            setattr(simulator.faults, name, value)

    return switch


PASSING = [
    pytest.param(_set(only="$top", skip=2, truncate_json=2), id="truncated JSON"),
    pytest.param(_set(only="$top", skip=3, fail_500=3), id="500"),
    pytest.param(_set(only="$top", skip=1, fail_500=2, fail_status=503), id="503"),
    pytest.param(_set(only="$top", skip=1, fail_500=2, fail_status=429), id="429"),
    pytest.param(_set(only="$top", skip=2, drop_after_bytes=700, drop_times=3), id="dropped"),
    pytest.param(_set(only="$top", skip=2, drop_after_bytes=0, drop_times=2), id="dropped at once"),
    pytest.param(_set(lose_session_after=6), id="lost session, 400"),
    pytest.param(_set(lose_session_after=6, lost_session_status=404), id="lost session, 404"),
    pytest.param(_set(lose_session_after=6, lost_session_status=500), id="lost session, 500"),
    pytest.param(_set(full_disk_above=150), id="no space for large pages"),
]


@pytest.mark.long
@pytest.mark.parametrize("profile", ["accounting", "trade"])
@pytest.mark.parametrize("fault", PASSING)
def test_a_passing_fault_loses_nothing(
    tmp_path: Path, fault: Callable[[Simulator], None], profile: str
) -> None:
    with base_of(profile) as simulator:
        with source_of(simulator, tmp_path, profile) as source:
            calm = lines_of(source.lines())
        fault(simulator)
        with source_of(simulator, tmp_path, profile) as source:
            assert source.preflight() == COUNT
            assert sorted(refs_of(source.objects())) == sorted(simulator.base.refs())
            assert lines_of(source.lines()) == calm
            assert source.count() == COUNT


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (_set(only="$top", skip=3, html_200=1), failures.NotOdataError),
        (_set(unauthorized_after=5), failures.UnauthorizedError),
        (_set(only="$top", skip=3, fail_500=True), failures.ServerFailureError),
        (_set(only="$top", skip=3, truncate_json=True), failures.CutShortError),
        (
            _set(only="$top", skip=3, drop_after_bytes=100, drop_times=True),
            (failures.CutShortError, failures.UnreachableError),
        ),
        (_set(maintenance=True), failures.MaintenanceLockError),
    ],
)
def test_a_lasting_fault_midway_is_an_error_and_never_a_short_list(
    tmp_path: Path, fault: Callable[[Simulator], None], kind: type[Exception]
) -> None:
    with base_of() as simulator, source_of(simulator, tmp_path) as source:
        fault(simulator)
        with pytest.raises(kind):
            source.preflight()
            refs_of(source.objects())


def test_the_session_is_given_back_whatever_happened(tmp_path: Path) -> None:
    with base_of(licences=1) as simulator:
        for _ in range(3):
            with source_of(simulator, tmp_path) as source:
                assert source.preflight() == COUNT
        with pytest.raises(KeyError), source_of(simulator, tmp_path) as source:
            source.preflight()
            raise KeyError
        with source_of(simulator, tmp_path) as source:
            assert source.preflight() == COUNT


def test_two_runs_on_one_licence_are_told_so(tmp_path: Path) -> None:
    with base_of(licences=1) as simulator, source_of(simulator, tmp_path) as first:
        first.preflight()
        with (
            source_of(simulator, tmp_path) as second,
            pytest.raises(failures.NoLicenceError, match="licence"),
        ):
            second.preflight()


def test_a_publication_that_pools_sessions_works_as_well(tmp_path: Path) -> None:
    with base_of(sessions="autouse") as simulator, source_of(simulator, tmp_path) as source:
        assert source.preflight() == COUNT
        assert not source.session.held
        assert len(refs_of(source.objects())) == COUNT


@pytest.mark.parametrize("profile", ["accounting", "trade"])
def test_rows_deleted_and_inserted_between_pages_take_no_other_with_them(
    tmp_path: Path, profile: str
) -> None:
    with base_of(profile) as simulator, source_of(simulator, tmp_path, profile) as source:
        before = sorted(simulator.base.refs())
        gone: set[str] = set()

        def between(page: int) -> None:
            for ref in before[page * 7 : page * 7 + 3]:
                gone.add(ref)
                simulator.base.delete(ref)
            simulator.base.create(name=f"Новий {page}")

        assert source.preflight() == COUNT
        simulator.faults.between_pages = between
        refs = set(refs_of(source.objects()))
        simulator.faults.between_pages = None
        assert gone
        assert set(before) - gone <= refs
        assert all(source.exists(ref) is (ref not in gone) for ref in before[:20])


@pytest.mark.parametrize("profile", ["accounting", "trade"])
def test_a_light_pull_among_writes_misses_nobody_and_marks_right(
    tmp_path: Path, profile: str
) -> None:
    with base_of(profile) as simulator, source_of(simulator, tmp_path, profile) as source:
        before = sorted(simulator.base.refs())
        for ref in before[::50]:
            simulator.base.mark(ref)
        marked = {ref for ref in before if simulator.base.get(ref).deletion_mark}
        gone: set[str] = set()

        def between(page: int) -> None:
            for ref in before[page * 9 + 1 : page * 9 + 4]:
                gone.add(ref)
                simulator.base.delete(ref)
            for ref in before[500 + page * 5 : 503 + page * 5]:
                if ref not in gone:
                    simulator.base.touch(ref)

        simulator.faults.between_pages = between
        seen = {
            ref: mark
            for batch in source.versions()
            for ref, mark in zip(batch.refs, batch.marks, strict=True)
        }
        simulator.faults.between_pages = None
        assert set(before) - gone <= set(seen)
        assert {ref for ref, mark in seen.items() if mark} - gone == marked - gone
        light = {
            ref: v for b in source.versions() for ref, v in zip(b.refs, b.versions, strict=True)
        }
        assert light == {ref: simulator.base.get(ref).version for ref in simulator.base.refs()}


def test_a_padded_code_pages_and_finds(tmp_path: Path) -> None:
    with base_of(code_width=20) as simulator, source_of(simulator, tmp_path) as source:
        batches = list(source.objects())
        codes = [code or "" for batch in batches for code in batch.values["code"]]
        assert len(codes) == COUNT
        found = source.find("code", [codes[4].strip()])
        assert [one.key for one in found] == [codes[4].strip()]


def test_scope_takes_part_of_the_catalogue_and_its_or_stays_inside(tmp_path: Path) -> None:
    scope = "Code le '00-000050' or Code eq '00-000060'"
    with base_of() as simulator, source_of(simulator, tmp_path, scope=scope) as source:
        count = source.preflight()
        refs = refs_of(source.objects())
        assert 0 < count == len(refs) < COUNT
        outside = sorted(set(simulator.base.refs()) - set(refs))
        assert [objects.refs for objects, _ in source.fetch(outside[:30])] in ([[]], [[], []])
        assert source.exists(outside[0])


def test_a_scope_that_1c_does_not_understand_is_told(tmp_path: Path) -> None:
    with (
        base_of() as simulator,
        source_of(simulator, tmp_path, scope="tolower(Code) eq 'а'") as source,
        pytest.raises(failures.OnecError) as caught,
    ):
        source.preflight()
    assert not caught.value.passing


def test_a_partner_without_lines_says_so_when_fetched(tmp_path: Path) -> None:
    with base_of("trade") as simulator, source_of(simulator, tmp_path, "trade") as source:
        refs = sorted(simulator.base.refs())[:40]
        for objects, lines in source.fetch(refs):
            partners = {ref for ref in objects.links["Партнер_Key"] if not ref.startswith("0000")}
            for field in ("phone", "email"):
                said = {ref for line in lines if line.field == field for ref in line.refs}
                assert said == partners


def test_a_section_unpublished_since_the_schema_was_cached_is_read_otherwise_next_time(
    tmp_path: Path,
) -> None:
    with base_of() as simulator:
        with source_of(simulator, tmp_path) as source:
            before = lines_of(source.lines())
        simulator.faults.unpublished = {SECTION}
        with (
            pytest.raises(failures.NotInCompositionError),
            source_of(simulator, tmp_path) as source,
        ):
            lines_of(source.lines())
        with source_of(simulator, tmp_path) as source:
            assert lines_of(source.lines()) == before


def test_the_schema_is_read_once_for_many_runs(tmp_path: Path) -> None:
    with base_of() as simulator:
        for _ in range(3):
            with source_of(simulator, tmp_path) as source:
                source.preflight()
        read = [asked for asked in simulator.requests if "$metadata" in repr(asked)]
    assert len(read) == 1


def test_credentials_in_the_address_are_refused_before_anything_is_asked(tmp_path: Path) -> None:
    with base_of() as simulator:
        url = simulator.url.replace("http://", "http://user:tajne@")
        with pytest.raises(SettingsError) as caught, source_of(simulator, tmp_path, url=url):
            pass
    assert "tajne" not in str(caught.value)

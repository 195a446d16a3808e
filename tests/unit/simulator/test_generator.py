"""The invented counterparties: believable, and the same in every call, for any number of them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.benchmarks.million.catalogue import lazy_infobase
from tests.benchmarks.million.rows import LazyRows
from tests.benchmarks.million.traits import LAYOUT_KINDS, Traits
from zvirka.simulator.configurations import COUNTERPARTIES, PARTNERS, ConfigurationKind
from zvirka.simulator.infobase import Infobase
from zvirka.simulator.invented_texts import LAYOUTS, edrpou, rnokpp
from zvirka.simulator.lines import LineTable
from zvirka.simulator.simulated_catalogue import SmallTable

MANY = 20_000
GROUPS = 20


@pytest.fixture(scope="module")
def traits() -> Traits:
    return Traits(1, np.arange(MANY), GROUPS)


def valid_edrpou(code: str) -> bool:
    """The published rule, written the long way round."""
    digits = [int(each) for each in code]
    middle = 30_000_000 <= int(code) <= 60_000_000
    for shift in (0, 2):
        weights = [(7, 1, 2, 3, 4, 5, 6) if middle else (1, 2, 3, 4, 5, 6, 7)][0]
        rest = sum(d * (w + shift) for d, w in zip(digits, weights, strict=False)) % 11
        if rest < 10:
            return rest == digits[7]
    return digits[7] == 0


def valid_rnokpp(code: str) -> bool:
    weights = (-1, 5, 7, 9, 4, 6, 10, 5, 7)
    total = sum(int(d) * w for d, w in zip(code, weights, strict=False))
    return total % 11 % 10 == int(code[9])


def test_known_tax_numbers_have_the_check_digits_known_for_them() -> None:
    # Published codes of Укрпошта, ПриватБанк and Нафтогаз.
    for code in ("21560045", "14360570", "20077720"):
        assert valid_edrpou(code)
        assert edrpou(int(code[:7])) == int(code)
    assert rnokpp(123456789) == 1234567899


def test_clean_tax_ids_are_valid_and_a_few_are_soiled(traits: Traits) -> None:
    own = traits.tax_ids[GROUPS:]
    clean = [code for code in own if code.isdigit()]
    assert all(valid_edrpou(c) if len(c) == 8 else valid_rnokpp(c) for c in clean)
    assert {len(code) for code in clean} == {8, 10}
    soiled = [code for code in own if not code.isdigit()]
    assert 0 < len(soiled) < MANY / 100
    assert any(" " in code for code in soiled)
    assert "" in soiled


def test_groups_have_neither_tax_ids_nor_lines(traits: Traits) -> None:
    assert set(traits.tax_ids[:GROUPS]) == {""}
    assert traits.line_counts[:GROUPS].sum() == 0


def test_branches_share_the_tax_id_of_their_firm(traits: Traits) -> None:
    branches = np.flatnonzero(traits.branch)
    assert 50 < len(branches) < MANY / 20
    for index in branches[:200]:
        one, two = (
            traits.tax_ids[index].replace(" ", ""),
            traits.tax_ids[index - 1].replace(" ", ""),
        )
        assert one == two or "" in (one, two)
        assert traits.names[index] == f"Філія {traits.names[index - 1]}"
    others = [
        c for c, b in zip(traits.tax_ids, traits.branch, strict=True) if c.isdigit() and not b
    ]
    assert len(others) == len(set(others))


def test_names_repeat_and_carry_every_kind_of_quote(traits: Traits) -> None:
    names = traits.names[GROUPS:]
    assert len(set(names)) < len(names)
    for mark in ("'", "’", "«", '"', "“", "Ґ", "ФОП ", "ТОВ ", "ПП ", "🌻"):
        assert any(mark in name for name in names), mark


def test_some_are_marked_for_deletion(traits: Traits) -> None:
    assert 0.01 < traits.marked.mean() < 0.03


def test_layouts_put_every_line_where_its_number_says() -> None:
    for number, layout in enumerate(LAYOUTS):
        assert tuple(LAYOUT_KINDS[number][: len(layout)]) == layout


@given(st.lists(st.integers(0, 5_000_000), min_size=1, max_size=20), st.integers(0, 99))
def test_a_trait_depends_on_seed_and_index_alone(indexes: list[int], seed: int) -> None:
    together = Traits(seed, np.array(indexes), 100)
    for place, index in enumerate(indexes):
        alone = Traits(seed, np.array([index]), 100)
        assert alone.names[0] == together.names[place]
        assert alone.tax_ids[0] == together.tax_ids[place]
        assert alone.versions[0] == together.versions[place]
        assert alone.line_counts[0] == together.line_counts[place]


@given(st.integers(0, 4_999_999), st.integers(0, 1000), st.sampled_from(list(ConfigurationKind)))
def test_a_reference_leads_back_to_its_index(
    index: int, seed: int, profile: ConfigurationKind
) -> None:
    generated = LazyRows(profile, seed, 5_000_000, 0)
    ref = generated.ref(index)
    assert generated.index(ref) == index
    assert generated.refs(np.array([index])) == [ref]
    assert LazyRows(profile, seed, index, 0).index(ref) is None


@given(st.integers(0, 4_999_999), st.integers(0, 4_999_999))
def test_codes_ascend_with_the_index(one: int, two: int) -> None:
    for profile in (ConfigurationKind.ACCOUNTING, ConfigurationKind.LEGACY):
        generated = LazyRows(profile, 1, 5_000_000, 0)
        assert (generated.code(one) < generated.code(two)) is (one < two)
        assert len(generated.code(one)) == 9


COMPUTED = [kind for kind in ConfigurationKind if kind is not ConfigurationKind.KZ]
"""Of Kazakhstan no million is computed."""


@pytest.mark.long
@pytest.mark.parametrize("kind", COMPUTED)
@pytest.mark.parametrize(("counterparties", "seed"), [(120, 1), (450, 2026)])
def test_computed_and_invented_bases_are_equal(
    kind: ConfigurationKind, counterparties: int, seed: int
) -> None:
    bases = [
        Infobase.generate(kind, counterparties, seed),
        lazy_infobase(kind, counterparties, seed),
    ]
    assert len({base.create(name="ТОВ «Нове»") for base in bases}) == 1
    for name in {COUNTERPARTIES, PARTNERS} & set(bases[0].tables):
        one, two = (base.tables[name] for base in bases)
        assert not isinstance(one, LineTable | SmallTable)
        assert not isinstance(two, LineTable | SmallTable)
        assert len(one.ids()) == len(two.ids()) > counterparties
        for ref in one.columns(one.ids(), ["Ref_Key"])[0]:
            first, second = one.find(ref), two.find(ref)
            assert first is not None
            assert second is not None
            assert one.object(first) == two.object(second)

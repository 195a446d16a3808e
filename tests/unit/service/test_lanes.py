"""Lanes, fixed ahead for many machines, against the slots that one daemon counts."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from zvirka.service.run_slots import RunSlots, lanes_of
from zvirka.settings.model import Settings


def flow(name: str, server: str, database: str, sessions: int = 1) -> Settings:
    return Settings.model_validate(
        {
            "name": name,
            "parallel_runs": 64,
            "onec": {"url": f"http://{server}/{name}/", "sessions": sessions},
            "erp": {"url": f"postgresql://erp/{database}"},
        }
    )


def named(*flows: Settings) -> dict[str, Settings]:
    return {each.name: each for each in flows}


def test_the_flows_of_a_server_share_as_many_lanes_as_it_has_sessions() -> None:
    flows = named(*(flow(f"f{number}", "1c:80", f"d{number}", 2) for number in range(5)))
    lanes = lanes_of(flows)
    assert sorted(lanes.values()) == ["1c:80#0"] * 3 + ["1c:80#1"] * 2


def test_flows_of_one_database_share_a_lane_whatever_their_servers() -> None:
    flows = named(
        flow("a", "one", "erp"), flow("b", "two", "erp"), flow("c", "two", "x"), flow("d", "3", "y")
    )
    lanes = lanes_of(flows)
    assert lanes["a"] == lanes["b"] == lanes["c"] != lanes["d"]


SERVERS = st.sampled_from(["one", "two", "three"])
DATABASES = st.sampled_from(["d1", "d2", "d3", "d4", "d5"])
KINDS = st.lists(st.tuples(SERVERS, DATABASES, st.integers(1, 3)), min_size=1, max_size=12)


@settings(deadline=None, max_examples=60)
@given(KINDS, st.randoms(use_true_random=False))
def test_one_run_from_each_lane_keeps_within_the_slots(
    kinds: list[tuple[str, str, int]], chance: Any
) -> None:
    flows = named(*(flow(f"f{number}", *kind) for number, kind in enumerate(kinds)))
    by_lane: dict[str, list[str]] = {}
    for name, lane in lanes_of(flows).items():
        by_lane.setdefault(lane, []).append(name)
    together = [chance.choice(names) for names in by_lane.values()]
    chance.shuffle(together)
    slots = RunSlots()
    assert all(slots.take(flows[name]) for name in together)

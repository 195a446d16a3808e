"""Which runs of several flows may be under way together."""

from __future__ import annotations

from typing import Any

from zvirka.service.run_slots import RunSlots, server_of
from zvirka.settings.model import Settings


def flow(name: str, *, base: str = "http://1c:8080/a", erp: str = "", **more: Any) -> Settings:
    onec = {"url": base, **more.pop("onec", {})}
    return Settings.model_validate(
        {"name": name, "onec": onec, "erp": {"url": erp or f"sqlite:////{name}.db"}, **more}
    )


def test_bases_of_one_server_share_its_sessions() -> None:
    slots = RunSlots()
    one, two = flow("one", base="http://1C:8080/a"), flow("two", base="http://1c:8080/b")
    other = flow("other", base="http://1c:8081/a")
    assert server_of(one) == server_of(two) != server_of(other)
    assert slots.take(one)
    assert not slots.take(two)
    assert slots.take(other)
    slots.give_back(one)
    assert slots.take(two)


def test_a_server_with_more_licences_takes_more_runs() -> None:
    slots = RunSlots()
    flows = [flow(name, onec={"sessions": 2}) for name in ("one", "two", "three")]
    assert [slots.take(each) for each in flows] == [True, True, False]


def test_one_run_at_a_time_writes_to_a_database() -> None:
    slots = RunSlots()
    one = flow("one", base="http://x/a", erp="postgresql://me:a@db/erp")
    two = flow("two", base="http://y/b", erp="postgresql+psycopg://you@DB/erp")
    assert slots.take(one)
    assert not slots.take(two)


def test_parallel_runs_bound_all_of_them_and_a_flow_runs_once() -> None:
    slots = RunSlots()
    flows = [flow(f"f{number}", base=f"http://h{number}/", parallel_runs=2) for number in range(3)]
    assert slots.take(flows[0])
    assert not slots.take(flows[0])
    assert slots.take(flows[1])
    assert not slots.take(flows[2])
    slots.give_back(flows[0])
    assert slots.take(flows[2])

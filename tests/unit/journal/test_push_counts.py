"""One rule for the miss rate of the push: webhooks missed of the changes that were read."""

from __future__ import annotations

import pytest

from zvirka.domain import Mode
from zvirka.journal.push_counts import MissRate, miss_rate, miss_rate_over
from zvirka.journal.run_facts import Facts

MISSED_THREE = {"missed_update": 1, "missed_create": 1, "missed_delete": 1, "erp_edit": 5}


@pytest.mark.parametrize(
    ("mode", "causes", "fetched", "rate"),
    [
        (Mode.LIGHT, MISSED_THREE, 12, MissRate(3, 12)),
        (Mode.LIGHT, {}, 4, MissRate(0, 4)),
        (Mode.LIGHT, {}, 0, MissRate(0, 0)),
        (Mode.LIGHT, {"missed_delete": 2}, 0, MissRate(2, 2)),  # deleted ones are not read
        (Mode.LIGHT, None, 4, None),
        (Mode.LIGHT, {}, None, None),
        (Mode.FULL, MISSED_THREE, 5000, None),  # nobody knows what of it has changed
        (Mode.TARGETED, {"missed_update": 1}, 1, None),
        (None, {}, 4, None),
    ],
)
def test_the_rate_of_a_run(
    mode: Mode | None, causes: dict[str, int] | None, fetched: int | None, rate: MissRate | None
) -> None:
    assert miss_rate(mode, Facts(causes=causes, fetched=fetched)) == rate


def test_several_runs_together_are_weighed_by_their_changes() -> None:
    together = miss_rate_over([MissRate(1, 1), MissRate(0, 99), MissRate(0, 0)])
    assert together is not None
    assert together.share == 0.01
    assert miss_rate_over([]) is None
    assert miss_rate_over([MissRate(0, 0)]) is None

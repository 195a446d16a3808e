"""The law of nights: whatever happened by day, after two quiet nights the store is what 1C says."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.property.days import CODE, FIELD_AND_VALUE, PICK, Days
from tests.property.doom import Doom, Killed
from tests.property.nights_verdict import assert_law
from tests.property.nights_world import COLUMN
from zvirka.domain import Command

pytestmark = pytest.mark.long

EXPLORE_SECONDS = int(os.environ.get("ZVIRKA_EXPLORE_SECONDS") or 60)
BY_DAY = st.sampled_from(["feed", "resync", "undo"])


class NightsLaw(Days):
    """Days and nights in any order, and the two quiet nights at the end."""

    # -- nights --------------------------------------------------------------------------------

    @rule(full=st.booleans())
    def night(self, full: bool) -> None:
        assert self.nights.run(full=full).status == "finished"

    @rule()
    def plan_only(self) -> None:
        before = self.nights.owned()
        assert self.nights.run(Command.PLAN).status == "finished"
        assert self.nights.owned() == before

    @rule(pick=PICK, by_code=st.booleans())
    def resync_of_one(self, pick: int, by_code: bool) -> None:
        if ref := self.ref(pick):
            code = self._code(ref)
            named: dict[str, Any] = {"codes": (code,)} if by_code and code else {"refs": (ref,)}
            assert self.nights.resync(**named).status == "finished"

    @precondition(lambda self: self.nights.gone)
    @rule(pick=PICK, by_code=st.booleans())
    def resync_of_what_was_deleted(self, pick: int, by_code: bool) -> None:
        ref, code = self.nights.gone[pick % len(self.nights.gone)]
        named: dict[str, Any] = {"codes": (code,)} if by_code and code else {"refs": (ref,)}
        run = self.nights.resync(**named)
        assert run.status == "finished" or "neither 1C nor the store" in run.error

    @rule()
    def feed(self) -> None:
        if self.nights.pending():
            assert self.nights.feed().status == "finished"

    @rule()
    def undo_of_the_last_run(self) -> None:
        self.nights.undo_last()

    @rule()
    def undo_of_the_last_run_twice(self) -> None:
        self.nights.undo_last_twice()

    @rule()
    def careful_night(self) -> None:
        self.nights.careful_night()

    @rule(
        answer=st.sampled_from(["approve", "killed", "reject", "never"]), steps=st.integers(0, 40)
    )
    def answer_to_what_waits(self, answer: str, steps: int) -> None:
        held = self.nights.waiting()
        if held is None:
            return
        if answer == "approve":
            self.nights.approve(held)
        elif answer == "killed":
            self.nights.killed_approval(held, steps)
        else:
            self.nights.reject(held, for_good=answer == "never")

    @rule(steps=st.integers(0, 60))
    def killed_night(self, steps: int) -> None:
        self._killed("night", 0, steps)

    @rule(command=st.sampled_from(["feed", "resync", "undo"]), pick=PICK, steps=st.integers(0, 40))
    def killed_otherwise(self, command: str, pick: int, steps: int) -> None:
        """A run that is no night is killed at one of its steps."""
        self._killed(command, pick, steps)

    def _killed(self, command: str, pick: int, steps: int) -> None:
        begin = self._run_of(command, pick)
        try:
            begin(Doom(steps))
        except Killed:
            self.nights.assert_chain()

    def _run_of(self, command: str, pick: int) -> Callable[[Doom | None], object]:
        """A run to begin; what it is about is looked up now, while 1C answers well."""
        nights = self.nights
        assert nights.last is not None
        last, ref = nights.last.run, self.ref(pick)
        if command == "feed" and nights.pending():
            return nights.feed
        if command == "resync" and ref:
            return lambda doom: nights.resync(doom, refs=(ref,))
        if command == "undo":
            return lambda doom: nights.undo(last, doom)
        return lambda doom: nights.run(doom=doom, full=command == "night")

    @rule(pick=PICK, steps=st.integers(1, 60), field=st.sampled_from(["name", "code", "gone"]))
    def night_in_which_the_erp_edits(self, pick: int, steps: int, field: str) -> None:
        """Somebody changes a client in the middle of a run."""
        row = self.row(pick)
        if row is None:
            return
        column = COLUMN[self.nights.shape].get(field)
        change = f"{column} = 'A-4'" if column else "is_active = 0"
        self.nights.run_while_edited(f"UPDATE clients SET {change} WHERE id = ?", row, steps)

    @rule(pick=PICK, field=FIELD_AND_VALUE, code=CODE)
    def night_in_which_1c_is_written_to(self, pick: int, field: tuple[str, str], code: str) -> None:
        ref = self.ref(pick)

        def write(page: int) -> None:
            self.nights.world.simulator.faults.between_pages = None
            self.nights.base.create(name="Вночі", code=code)
            if ref:
                self.nights.base.update(ref, **dict([field]))

        self.nights.world.simulator.faults.between_pages = write
        try:
            self.nights.run(full=True)
        finally:
            self.nights.world.simulator.faults.between_pages = None

    @rule(pick=PICK, action=st.sampled_from(["refuse", "silent"]))
    def night_with_a_trigger(self, pick: int, action: str) -> None:
        """A trigger of the ERP refuses every change of one row, or drops it without a word."""
        if row := self.row(pick):
            with self.nights.trigger(row, action):
                assert self.nights.run().status == "finished"

    @rule(steps=st.integers(1, 40))
    def night_in_which_the_store_is_locked(self, steps: int) -> None:
        self.nights.run_while_locked(steps, lambda doom: self.nights.run(doom=doom))

    @rule(command=BY_DAY, pick=PICK, steps=st.integers(1, 40))
    def store_is_locked_by_day(self, command: str, pick: int, steps: int) -> None:
        self.nights.run_while_locked(steps, self._run_of(command, pick))

    @rule(command=BY_DAY, pick=PICK, row=PICK, action=st.sampled_from(["refuse", "silent"]))
    def trigger_by_day(self, command: str, pick: int, row: int, action: str) -> None:
        begin = self._run_of(command, pick)
        if number := self.row(row):
            with self.nights.trigger(number, action):
                begin(None)

    @precondition(lambda self: self.nights.outbox)
    @rule(
        command=st.sampled_from(["night", "feed", "resync", "undo"]),
        pick=PICK,
        picks=st.lists(PICK, min_size=1, max_size=3),
        receiver=st.sampled_from([0, 1]),
        steps=st.integers(1, 60),
    )
    def webhooks_during_a_run(
        self, command: str, pick: int, picks: list[int], receiver: int, steps: int
    ) -> None:
        numbers = [pick % len(self.nights.outbox) for pick in picks]
        begin = self._run_of(command, pick)
        self.nights.run_while_delivering(begin, numbers, receiver, steps)

    @rule(days=st.sampled_from([-400, -30, -1, 1, 30, 400]))
    def clock_jump(self, days: int) -> None:
        self.nights.world.clock.forward(days=days)

    @rule(filters=st.sampled_from(["empty", "ignored"]), full=st.booleans())
    def night_on_which_filters_lie(self, filters: str, full: bool) -> None:
        """1C answers, with status 200, not what was asked for: nothing is written."""
        before = self.nights.owned()
        self._spoilt(filters=filters, full=full)
        assert self.nights.last is not None
        assert self.nights.last.status == "failed" or self.nights.owned() == before

    @rule(
        command=st.sampled_from(["feed", "resync"]),
        pick=PICK,
        filters=st.sampled_from(["empty", "ignored"]),
    )
    def filters_lie_by_day(self, command: str, pick: int, filters: str) -> None:
        """What a run writes in spite of them is what 1C holds: that is asserted of every run."""
        self._spoilt(self._run_of(command, pick), filters=filters)

    @rule(after=st.integers(0, 30_000), skip=st.integers(0, 6), times=st.sampled_from([1, 2, True]))
    def night_with_pages_cut(self, after: int, skip: int, times: int) -> None:
        self._spoilt(skip=skip, drop_after_bytes=after, drop_times=times)

    @rule(
        command=st.sampled_from(["feed", "resync"]),
        pick=PICK,
        after=st.integers(0, 4_000),
        skip=st.integers(0, 6),
    )
    def answers_cut_by_day(self, command: str, pick: int, after: int, skip: int) -> None:
        begin = self._run_of(command, pick)
        self._spoilt(begin, skip=skip, drop_after_bytes=after, drop_times=True)

    @rule(after=st.integers(0, 8), status=st.sampled_from([400, 404, 500]), full=st.booleans())
    def night_on_which_the_session_is_lost(self, after: int, status: int, full: bool) -> None:
        self._spoilt(lose_session_after=after, lost_session_status=status, full=full)

    @rule(
        command=st.sampled_from(["feed", "resync"]),
        pick=PICK,
        after=st.integers(0, 4),
        status=st.sampled_from([400, 404, 500]),
    )
    def session_is_lost_by_day(self, command: str, pick: int, after: int, status: int) -> None:
        begin = self._run_of(command, pick)
        self._spoilt(begin, lose_session_after=after, lost_session_status=status)

    @rule(pick=PICK)
    def night_with_a_row_1c_forbids(self, pick: int) -> None:
        if ref := self.ref(pick):
            self._spoilt(hide=frozenset([ref]))

    @rule(skip=st.integers(0, 8), fault=st.sampled_from(["fail_500", "truncate_json", "html_200"]))
    def night_on_which_1c_fails(self, skip: int, fault: str) -> None:
        self._spoilt(skip=skip, **{fault: True})

    def _spoilt(
        self,
        begin: Callable[[Doom | None], object] | None = None,
        /,
        *,
        full: bool = True,
        **faults: Any,
    ) -> None:
        """A run, a night if nothing else is given, while 1C has faults."""
        switches = self.nights.world.simulator.faults
        usual = {name: getattr(switches, name) for name in faults}
        for name, value in faults.items():
            setattr(switches, name, value)
        try:
            if begin is None:
                self.nights.run(full=full)
            else:
                self.nights.despite_1c(lambda: begin(None))
        finally:
            for name, value in usual.items():
                setattr(switches, name, value)
            switches.skip = 0

    # -- the law -------------------------------------------------------------------------------

    def teardown(self) -> None:
        if not hasattr(self, "nights"):
            return
        if sys.exc_info()[0] is not None:
            self.nights.close()
            return
        try:
            self.nights.resync(everything=True)
            self.nights.run()
            last = self.nights.run(full=True)
            self.nights.assert_sound()
            assert_law(self.nights, last.run)
            self.nights.assert_chain()
        finally:
            self.nights.close()


def prove(machine: type[NightsLaw], examples: int, steps: int, *, derandomize: bool) -> None:
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            derandomize=derandomize,
            database=None,
            phases=[Phase.explicit, Phase.generate, Phase.shrink],
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.timeout(300)
def test_after_two_quiet_nights_the_store_is_what_1c_says() -> None:
    prove(NightsLaw, 5, 12, derandomize=True)


@pytest.mark.slow
@pytest.mark.timeout(EXPLORE_SECONDS + 1800)
def test_new_histories_obey_the_law(capsys: pytest.CaptureFixture[str]) -> None:
    """Search new histories for a fixed time. Keep what fails in test_nights_kept.py."""
    first = int(os.environ.get("ZVIRKA_EXPLORE_SEED") or Random().getrandbits(32))
    end = time.monotonic() + EXPLORE_SECONDS
    tried = 0
    while tried == 0 or time.monotonic() < end:
        number = first + tried
        try:
            prove(seed(number)(type("Search", (NightsLaw,), {})), 8, 25, derandomize=False)
        except BaseException as error:
            error.add_note(f"again: ZVIRKA_EXPLORE_SEED={number} ZVIRKA_EXPLORE_SECONDS=0")
            raise
        tried += 1
    with capsys.disabled():
        print(f"\nlaw of nights: {8 * tried} new histories hold, seeds {first} to {number}")

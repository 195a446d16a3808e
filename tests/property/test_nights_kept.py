"""Histories that the law of nights is tried on in every build, besides the drawn ones.

When a search fails (``make explore``), hypothesis prints the shortest history that breaks the law,
as calls of the rules. Copy them here as a function of ``state`` without the first line (the state)
and the last (``teardown``), and name it after the fault. A list of calls survives new rules; a
seed does not.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.property.test_nights_law import NightsLaw

pytestmark = pytest.mark.long

History = Callable[[NightsLaw], None]
KEPT: list[History] = []


def kept(history: History) -> History:
    KEPT.append(history)
    return history


@kept
def a_deleted_counterparty_is_created_again_under_its_code(state: NightsLaw) -> None:
    state.first_night(shape="production", mark="delete", rekey="apply")
    state.create(code="A-1", field=("tax_id", "11111111"), sent=False, deliver=False)
    state.night(full=True)
    state.delete(pick=0, sent=True, deliver=False)
    state.create(code="A-1", field=("tax_id", "11111111"), sent=True, deliver=True)
    state.deliver_late_repeated_or_reordered(picks=[0])
    state.night(full=False)


@kept
def a_code_moves_to_another_counterparty_while_a_run_is_killed(state: NightsLaw) -> None:
    state.first_night(shape="embedded", mark="deactivate", rekey="apply")
    state.create(code="A-1", field=("name", "Перший"), sent=False, deliver=False)
    state.create(code="A-2", field=("name", "Другий"), sent=False, deliver=False)
    state.night(full=True)
    state.exchange(one=0, other=1)
    state.killed_night(steps=20)
    state.undo_of_the_last_run()


@kept
def a_run_is_killed_after_it_read_back_a_client_without_its_tax_id(state: NightsLaw) -> None:
    state.first_night(shape="production", rekey="apply", mark="keep")
    state.touch(pick=27)
    state.feed()
    state.feed()
    state.update(deliver=False, field=("tax_id", "11111111"), pick=4, sent=True)
    state.night(full=False)
    state.take_a_row_out_of_our_hands(pick=5)
    state.killed_night(steps=42)
    state.resync_of_one(by_code=False, pick=7)


@kept
def a_client_is_created_without_the_tax_id_that_a_row_by_hand_has(state: NightsLaw) -> None:
    state.first_night(shape="production", rekey="apply", mark="keep")
    state.touch(pick=27)
    state.feed()
    state.undo_of_the_last_run_twice()
    state.night_with_a_row_1c_forbids(pick=19)
    state.night_in_which_the_erp_edits(field="name", pick=25, steps=31)
    state.take_a_row_out_of_our_hands(pick=25)
    state.undo_of_the_last_run_twice()
    state.night_in_which_the_erp_edits(field="gone", pick=18, steps=45)


@kept
def a_late_webhook_brings_a_row_back_whose_code_is_another_clients_by_now(state: NightsLaw) -> None:
    state.first_night(shape="production", mark="keep", rekey="apply")
    state.undo_of_the_last_run()
    state.create(code="A-1", deliver=False, field=("address", "Київ"), sent=True)
    state.killed_night(steps=13)
    state.delete(deliver=True, pick=29, sent=False)
    state.night_in_which_1c_is_written_to(code="A-2", field=("email", ""), pick=3)
    state.night_with_a_trigger(action="silent", pick=1)
    state.create_again(change=False, deliver=False, pick=1, sent=True)
    state.resync_of_what_was_deleted(by_code=False, pick=8)
    state.exchange(one=19, other=25)
    state.receiver_killed(after_the_store=False, picks=[4, 18])
    state.careful_night()
    state.night_in_which_1c_is_written_to(code="A-2", field=("tax_id", "1111111112"), pick=6)
    state.update(deliver=False, field=("name", 'ФОП О\'Коннор "Зірка"'), pick=1, sent=False)
    state.feed()
    state.night_with_a_trigger(action="silent", pick=9)
    state.deliver_late_repeated_or_reordered(picks=[28, 23, 16, 7], receiver=1)


@kept
def undo_of_a_run_that_wrote_a_new_ref_key_alone(state: NightsLaw) -> None:
    state.first_night(shape="embedded", mark="keep", rekey="apply")
    state.change_code(code="A-1", deliver=False, pick=0, sent=False)
    state.enter_owned_row(code="A-1", tax="")
    state.careful_night()
    state.create(code="A-1", deliver=True, field=("name", "Перший"), sent=True)
    state.night_in_which_the_erp_edits(field="code", pick=14, steps=38)
    state.webhooks_during_a_run(command="undo", pick=3, picks=[7, 1], receiver=0, steps=27)
    state.night_with_a_row_1c_forbids(pick=20)
    state.delete(deliver=False, pick=22, sent=True)
    state.create_again(change=False, deliver=False, pick=21, sent=True)
    state.receiver_killed(after_the_store=False, picks=[19, 13])
    state.update(deliver=False, field=("email", ""), pick=12, sent=True)
    state.enter_foreign_row(code="A-3", tax="11111111")
    state.night_with_a_trigger(action="refuse", pick=20)
    state.killed_night(steps=23)
    state.store_is_locked_by_day(command="undo", pick=3, steps=22)


@kept
def a_feed_that_1c_cuts_from_the_first_byte(state: NightsLaw) -> None:
    state.first_night(shape="embedded", mark="keep", rekey="apply")
    state.change_code(code="A-1", deliver=False, pick=0, sent=False)
    state.answers_cut_by_day(after=0, command="feed", pick=0, skip=0)


@kept
def a_row_with_a_padded_code_is_taken_out_of_our_hands(state: NightsLaw) -> None:
    state.first_night(shape="embedded", rekey="apply", mark="keep")
    state.change_code(code=" A-1 ", deliver=False, pick=0, sent=True)
    state.night(full=False)
    state.take_a_row_out_of_our_hands(pick=0)


@pytest.mark.parametrize("history", KEPT, ids=lambda history: history.__name__)
def test_a_kept_history_obeys_the_law(history: History) -> None:
    state = NightsLaw()
    try:
        history(state)
        state.what_is_not_ours_is_as_it_was()
    except BaseException:
        state.nights.close()
        raise
    state.teardown()

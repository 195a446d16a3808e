"""The law of the exchange plan: nothing unconfirmed is lost, nothing confirmed comes again."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from zvirka.simulator.exchange import READER_NODE, ExchangePlan

REFS = st.sampled_from(["а", "б", "в"])


class Delivery(RuleBasedStateMachine):
    """A writer that saves objects and a reader that may crash between reading and confirming.

    The model keeps, for every object, the number of its last save and of the last save the
    reader has seen in a message and confirmed.
    """

    def __init__(self) -> None:
        super().__init__()
        self.plan = ExchangePlan()
        self.saves: dict[str, int] = {}
        self.delivered: dict[int, dict[str, int]] = {}
        self.confirmed: dict[str, int] = {}
        self.message = 1

    @rule(ref=REFS)
    def save(self, ref: str) -> None:
        self.saves[ref] = self.saves.get(ref, 0) + 1
        self.plan.register("Catalog_Контрагенты", ref)

    @rule()
    def read(self) -> None:
        found = {each.ref for each in self.plan.select(READER_NODE, self.message)}
        assert found == self.pending()
        self.delivered[self.message] = {ref: self.saves[ref] for ref in found}

    @rule()
    def confirm(self) -> None:
        if self.message in self.delivered:
            self.plan.confirm(READER_NODE, self.message)
            self.confirmed |= self.delivered[self.message]
            self.message += 1

    @rule()
    def confirm_an_old_message_again(self) -> None:
        self.plan.confirm(READER_NODE, self.message - 1)

    def pending(self) -> set[str]:
        return {ref for ref, save in self.saves.items() if self.confirmed.get(ref, 0) < save}

    @invariant()
    def what_is_registered_is_what_is_unconfirmed(self) -> None:
        assert {ref for _, ref in self.plan.registered[READER_NODE]} == self.pending()


TestDelivery = Delivery.TestCase

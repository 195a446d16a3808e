"""What happens by day: 1C and the ERP are edited, and webhooks arrive late, twice, or cut off."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.property.nights_world import COLUMN, Nights

PICK = st.integers(0, 30)
CODE = st.sampled_from(["A-1", "A-2", "A-3", "A-4", " A-1 ", "", "a-2"])
TAX = st.sampled_from(["", "11111111", "22222222", "33333333", "1111111112"])
VALUES = {
    "name": st.sampled_from(["Перший", "Другий", 'ФОП О\'Коннор "Зірка"', "=1+1", "Перший "]),
    "tax_id": TAX,
    "phone": st.sampled_from(["", "+380501112233", "050 111-22-33", "не має"]),
    "email": st.sampled_from(["", "a@example.ua", "A@EXAMPLE.UA", "b@example.ua"]),
    "address": st.sampled_from(["", "Київ", "Львів, вул. Д'ячкова, 1"]),
}
FIELD_AND_VALUE = st.one_of(
    *(st.tuples(st.just(name), values) for name, values in VALUES.items()),
)
SENT = st.booleans()


class Days(RuleBasedStateMachine):
    """The rules of the day; :class:`tests.property.test_nights_law.NightsLaw` adds the nights."""

    nights: Nights

    @initialize(
        shape=st.sampled_from(["embedded", "production"]),
        mark=st.sampled_from(["keep", "delete", "deactivate"]),
        rekey=st.sampled_from(["apply", "propose"]),
    )
    def first_night(self, shape: str, mark: str, rekey: str) -> None:
        self.nights = Nights(shape, mark, rekey)
        self.nights.run()

    def ref(self, pick: int) -> str | None:
        refs = sorted(self.nights.base.refs())
        return refs[pick % len(refs)] if refs else None

    def row(self, pick: int) -> int | None:
        rows = sorted(self.nights.owned())
        return rows[pick % len(rows)] if rows else None

    # -- 1C ------------------------------------------------------------------------------------

    @rule(code=CODE, field=FIELD_AND_VALUE, sent=SENT, deliver=SENT)
    def create(self, code: str, field: tuple[str, str], sent: bool, deliver: bool) -> None:
        values = {"name": "Новий", **dict([field])}
        ref = self.nights.base.create(code=code, **values)
        self._sent(ref, "create", sent, deliver)

    @rule(pick=PICK, field=FIELD_AND_VALUE, sent=SENT, deliver=SENT)
    def update(self, pick: int, field: tuple[str, str], sent: bool, deliver: bool) -> None:
        if ref := self.ref(pick):
            self.nights.base.update(ref, **dict([field]))
            self._sent(ref, "update", sent, deliver)

    @rule(pick=PICK, code=CODE, sent=SENT, deliver=SENT)
    def change_code(self, pick: int, code: str, sent: bool, deliver: bool) -> None:
        if ref := self.ref(pick):
            self.nights.base.update(ref, code=code)
            self._sent(ref, "update", sent, deliver)

    @rule(one=PICK, other=PICK)
    def exchange(self, one: int, other: int) -> None:
        """Two counterparties exchange Код and tax id."""
        first, second = self.ref(one), self.ref(other)
        if first and second and first != second:
            a, b = (self.nights.base.get(ref).values for ref in (first, second))
            self.nights.base.update(first, code=b["code"], tax_id=b["tax_id"] or "")
            self.nights.base.update(second, code=a["code"], tax_id=a["tax_id"] or "")

    @rule(pick=PICK, sent=SENT, deliver=SENT)
    def delete(self, pick: int, sent: bool, deliver: bool) -> None:
        if ref := self.ref(pick):
            self._delete(ref, sent, deliver)

    def _delete(self, ref: str, sent: bool, deliver: bool) -> None:
        if sent:
            self.nights.send(ref, "delete")
        self.nights.gone.append((ref, self._code(ref)))
        self.nights.base.delete(ref)
        if sent and deliver:
            self.nights.deliver([-1])

    def _code(self, ref: str) -> str:
        return (self.nights.base.get(ref).values["code"] or "").strip()

    @rule(pick=PICK, sent=SENT, deliver=SENT, change=st.booleans())
    def create_again(self, pick: int, sent: bool, deliver: bool, change: bool) -> None:
        """A counterparty is deleted and another one created under its Код."""
        if ref := self.ref(pick):
            values = {name: value or "" for name, value in self.nights.base.get(ref).values.items()}
            self._delete(ref, sent, deliver)
            if change:
                values["name"] = "Заведено знову"
            self._sent(self.nights.base.create(**values), "create", sent, deliver)

    @rule(pick=PICK, mark=st.booleans(), sent=SENT, deliver=SENT)
    def mark(self, pick: int, mark: bool, sent: bool, deliver: bool) -> None:
        if ref := self.ref(pick):
            self.nights.base.mark(ref, mark)
            self._sent(ref, "update", sent, deliver)

    @rule(pick=PICK)
    def touch(self, pick: int) -> None:
        if ref := self.ref(pick):
            self.nights.base.touch(ref)

    def _sent(self, ref: str, action: str, sent: bool, deliver: bool) -> None:
        if sent:
            self.nights.send(ref, action)
            if deliver:
                self.nights.deliver([-1])

    # -- the ERP -------------------------------------------------------------------------------

    @rule(pick=PICK, field=st.sampled_from(["name", "tax_id", "code"]), data=st.data())
    def edit_in_erp(self, pick: int, field: str, data: st.DataObject) -> None:
        value = data.draw(CODE if field == "code" else VALUES[field])
        if row := self.row(pick):
            column = COLUMN[self.nights.shape][field]
            self.nights.erp_edit(
                f"UPDATE clients SET {column} = ? WHERE id = ?",
                value if value or field != "tax_id" else None,
                row,
            )

    @rule(pick=PICK, active=st.booleans())
    def deactivate_in_erp(self, pick: int, active: bool) -> None:
        if row := self.row(pick):
            self.nights.erp_edit("UPDATE clients SET is_active = ? WHERE id = ?", active, row)

    @rule(pick=PICK)
    def delete_in_erp(self, pick: int) -> None:
        if row := self.row(pick):
            if self.nights.shape == "production":
                self.nights.erp_edit("DELETE FROM client_contacts WHERE client_id = ?", row)
            self.nights.erp_edit("DELETE FROM clients WHERE id = ?", row)

    @rule(code=CODE, tax=TAX)
    def enter_owned_row(self, code: str, tax: str) -> None:
        """A row that looks ours and that 1C may know nothing of."""
        if self.nights.shape == "embedded":
            statement = "INSERT INTO clients (code, name, tax_id) VALUES (?, 'Чужий', ?)"
        else:
            statement = (
                "INSERT INTO clients (external_id, name, client_type_id, tax_code, source)"
                " VALUES (?, 'Чужий', 1, ?, '1c')"
            )
        self.nights.erp_edit(statement, code, tax or None)

    @rule(code=CODE, tax=TAX)
    def enter_foreign_row(self, code: str, tax: str) -> None:
        """A row entered by hand, that may stand where one of ours wants to."""
        if self.nights.shape == "embedded":
            self.nights.erp_edit(
                "INSERT INTO clients (code, name, tax_id, source)"
                " VALUES (?, 'Ручний', ?, 'manual')",
                code,
                tax,
            )
        else:
            self.nights.erp_edit(
                "INSERT INTO clients (name, client_type_id, tax_code, source)"
                " VALUES ('Ручний', 1, ?, 'manual')",
                tax or None,
            )

    @rule(pick=PICK)
    def take_a_row_out_of_our_hands(self, pick: int) -> None:
        if row := self.row(pick):
            change = (
                "source = 'manual'" if self.nights.shape == "embedded" else "external_id = NULL"
            )
            self.nights.erp_edit(f"UPDATE clients SET {change} WHERE id = ?", row)

    # -- webhooks ------------------------------------------------------------------------------

    @precondition(lambda self: self.nights.outbox)
    @rule(picks=st.lists(PICK, min_size=1, max_size=4), receiver=st.sampled_from([0, 1]))
    def deliver_late_repeated_or_reordered(self, picks: list[int], receiver: int = 0) -> None:
        """Deliver to one of two receivers; the lock changes hands."""
        self.nights.deliver([pick % len(self.nights.outbox) for pick in picks], receiver)

    @precondition(lambda self: self.nights.outbox)
    @rule(picks=st.lists(PICK, min_size=1, max_size=3), after_the_store=st.booleans())
    def receiver_killed(self, picks: list[int], after_the_store: bool) -> None:
        numbers = [pick % len(self.nights.outbox) for pick in picks]
        self.nights.killed_delivery(numbers, after_the_store=after_the_store)

    @invariant()
    def what_is_not_ours_is_as_it_was(self) -> None:
        self.nights.assert_sound()

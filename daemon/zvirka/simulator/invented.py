"""The invented content of a base: counterparties, their groups and partners, one object at a time.

Everything follows from the seed and the number of the object. Numbers ascend with Код; the first
``groups`` are groups. Awkward data is part of it: branches that share a name and a tax id, names
with every kind of quote, tax ids with stray spaces, deletion marks, missing contacts.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from zvirka.domain import ZERO_REF
from zvirka.simulator.configurations import (
    CONTACTS,
    COUNTERPARTIES,
    PARTNERS,
    ConfigurationKind,
    EntityType,
    default_of,
)
from zvirka.simulator.contact_kind_rows import OWN_REFS, PARTNER_REFS
from zvirka.simulator.invented_texts import (
    COMMENTS,
    CONTACT_TEXTS,
    KIND_TYPES,
    LAYOUTS,
    contact_fields,
    edrpou,
    firm_name,
    group_name,
    kz_code,
    person_name,
    rnokpp,
    soiled,
    version_text,
)
from zvirka.simulator.simulated_catalogue import Object, SimulatedCatalogue

_COUNTRY = "c4ccb0a9-8857-11e5-a85a-3085a93ddca2"
_WORD = 0xFFFFFFFFFFFFFFFF


def mix(seed: int, index: int, salt: int) -> int:
    """Return a well-spread 64-bit number (the finaliser of splitmix64)."""
    value = index * 0xD1342543DE82EF95 + seed * 0x2545F4914F6CDD1D + salt * 0x9E3779B97F4A7C15
    value &= _WORD
    value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9 & _WORD
    value = (value ^ (value >> 27)) * 0x94D049BB133111EB & _WORD
    return value ^ (value >> 31)


def ref_tail(seed: int, catalog: str) -> str:
    """Return the part of Ref_Key that all objects of a catalogue share."""
    digest = hashlib.sha256(f"{seed}:{catalog}".encode()).hexdigest()
    return f"{digest[:4]}-11e5-92f1-{digest[4:16]}"


@dataclass(frozen=True)
class Invented:
    """The content of one base.

    ``size`` counts counterparties and groups.
    """

    kind: ConfigurationKind
    seed: int
    size: int
    groups: int

    def catalogue(self, type_: EntityType) -> SimulatedCatalogue:
        """Return the catalogue of that type, filled if its objects are invented."""
        catalogue = SimulatedCatalogue(type_)
        if type_.name in (COUNTERPARTIES, PARTNERS):
            for made in self._objects(type_):
                catalogue.put(made)
        return catalogue

    def code(self, index: int) -> str:
        """Return the Код of that number: nine characters."""
        if self.kind is ConfigurationKind.LEGACY:
            return f"F{index + 1:08d}"
        return f"{(index + 1) // 1_000_000:02d}-{(index + 1) % 1_000_000:06d}"

    def ref(self, index: int, *, partner: bool = False) -> str:
        """Return the Ref_Key of that number."""
        tail = ref_tail(self.seed, "partners" if partner else "counterparties")
        return f"{(index + self.seed * 7919 + partner) * 0x9E3779B1 & 0xFFFFFFFF:08x}-{tail}"

    def _objects(self, type_: EntityType) -> Iterator[Object]:
        partner = type_.name == PARTNERS
        for index in range(self.size):
            row = _Row(self, index, 0 if partner else self.groups, partner)
            values = {
                each.name: None
                if each.item and row.group
                else _PROPERTIES[each.name](row)
                if each.name in _PROPERTIES
                else default_of(each)
                for each in type_.properties
            }
            sections: dict[str, list[dict[str, Any]]] = {each.name: [] for each in type_.sections}
            sections[CONTACTS] = list(row.lines())
            yield Object(values, sections)


class _Row:
    """The traits of one counterparty, group or partner."""

    def __init__(self, base: Invented, index: int, groups: int, partner: bool) -> None:
        self.base = base
        self.index = index
        self.groups = groups
        self.partner = partner
        self.group = index < groups
        self.branch = (
            self.pick(1, 40) == 0
            and index > groups
            and self.pick(1, 40, index - 1) != 0
            and self.pick(2, 10, index - 1) < 6
        )
        self.head = index - 1 if self.branch else index
        self.person = self.pick(2, 10, self.head) >= 6

    def pick(self, salt: int, choices: int, index: int | None = None) -> int:
        """Return a number below ``choices``."""
        return mix(self.base.seed, self.index if index is None else index, salt) % choices

    @property
    def ref(self) -> str:
        return self.base.ref(self.index, partner=self.partner)

    def name(self, long: int) -> str:
        """Return Description, or НаименованиеПолное when ``long`` is 1."""
        if self.group:
            return group_name(self.index)
        one, two = self.pick(4, 1 << 30, self.head), self.pick(5, 1 << 30, self.head)
        return (
            person_name(one, two, long) if self.person else firm_name(one, two, self.branch, long)
        )

    @property
    def parent(self) -> str:
        if self.group or not self.groups:
            return ZERO_REF
        return self.base.ref(self.pick(14, self.groups), partner=self.partner)

    @property
    def tax_id(self) -> str:
        """ЄДРПОУ of a firm, РНОКПП of a person; rarely empty, rarely with a stray space."""
        if self.group:
            return ""
        if self.person:
            number = rnokpp(200_000_000 + (self.head * 86_028_121 + self.base.seed) % 180_000_000)
        else:
            number = edrpou(self._firm)
        return soiled(str(number), self.pick(6, 1200))

    @property
    def identification_code(self) -> str:
        """БИН of a firm or ИИН of a person: twelve digits; rarely empty, rarely with a space."""
        if self.group:
            return ""
        born = f"{self.pick(16, 100, self.head):02d}{self.pick(17, 12, self.head) + 1:02d}"
        kind = f"{self.pick(18, 28, self.head) + 1:02d}3" if self.person else "140"
        number = kz_code(f"{born}{kind}{self.pick(19, 10_000, self.head):04d}")
        return soiled(number, self.pick(6, 1200))

    @property
    def vat_number(self) -> str:
        """ИНН of a VAT payer: twelve digits for a firm; empty for the others."""
        if self.group or self.person or self.pick(7, 3) == 0:
            return ""
        return f"{self._firm}{self.pick(8, 99_999):05d}"

    @property
    def _firm(self) -> int:
        return 3_000_000 + (self.head * 611_953 + self.base.seed) % 1_500_000

    @property
    def created(self) -> str:
        month, day = self.pick(11, 120), self.pick(10, 28)
        return f"{2014 + month // 12}-{month % 12 + 1:02d}-{day + 1:02d}T00:00:00"

    @property
    def comment(self) -> str:
        number = self.pick(15, 40)
        return COMMENTS[number] if number < len(COMMENTS) else ""

    @property
    def partner_ref(self) -> str:
        """Its own partner; one in seven shares that of its neighbour."""
        shared = self.index % 7 == 3
        return self.base.ref(self.index - 1 if shared else self.index, partner=True)

    def attribute(self, kind: int) -> str:
        """Return a contact that the custom configuration keeps as an attribute."""
        return "" if self.pick(20 + kind, 9) == 0 else self._text(kind, self.base.seed)[0]

    def lines(self) -> Iterator[dict[str, Any]]:
        """Yield the contact lines."""
        refs = PARTNER_REFS if self.partner else OWN_REFS
        for number, kind in enumerate(self._kinds(), start=1):
            text, random = self._text(kind, self.base.seed + self.partner)
            yield {
                "LineNumber": str(number),
                "Тип": KIND_TYPES[kind],
                "Вид_Key": refs[kind],
                "ВидДляСписка_Key": refs[kind],
                "Представление": text,
                "ДействуетС": "0001-01-01T00:00:00",
                **contact_fields(KIND_TYPES[kind], text, random),
            }

    def _kinds(self) -> tuple[int, ...]:
        """In trade, addresses are the counterparty's own and the rest the partner's."""
        if self.base.kind is ConfigurationKind.CUSTOM:
            return ()
        layout = self.pick(12, len(LAYOUTS))
        if self.base.kind is ConfigurationKind.TRADE:
            return () if layout == 11 else (0, 2) if self.partner else (4, 5)
        return () if self.group else LAYOUTS[layout]

    def _text(self, kind: int, seed: int) -> tuple[str, int]:
        random = mix(seed, self.index * 8 + kind, 13) % (1 << 40)
        return CONTACT_TEXTS[kind](random), random


_PROPERTIES: dict[str, Callable[[_Row], Any]] = {
    "Ref_Key": lambda row: row.ref,
    "DataVersion": lambda row: version_text(row.pick(9, 256) + 1),
    "DeletionMark": lambda row: row.pick(3, 50) == 0,
    "Description": lambda row: row.name(0),
    "Code": lambda row: row.base.code(row.index),
    "Parent_Key": lambda row: row.parent,
    "IsFolder": lambda row: row.group,
    "НаименованиеПолное": lambda row: row.name(1),
    "ЮридическоеФизическоеЛицо": lambda row: "ФизическоеЛицо" if row.person else "ЮридическоеЛицо",
    "ЮрФизЛицо": lambda row: "ФизЛицо" if row.person else "ЮрЛицо",
    "СтранаРегистрации_Key": lambda _: _COUNTRY,
    "ГоловнойКонтрагент_Key": lambda row: row.base.ref(row.head, partner=row.partner),
    "КодПоЕДРПОУ": lambda row: row.tax_id,
    "ИдентификационныйКодЛичности": lambda row: row.identification_code,
    "ИНН": lambda row: row.tax_id if row.base.kind is ConfigurationKind.CUSTOM else row.vat_number,
    "ИННПлательщикаНДС": lambda row: row.vat_number,
    "Комментарий": lambda row: row.comment,
    "ДатаСоздания": lambda row: row.created,
    "Партнер_Key": lambda row: row.partner_ref,
    "Телефон": lambda row: row.attribute(0),
    "Email": lambda row: row.attribute(2),
    "ЮридическийАдрес": lambda row: row.attribute(4),
}

"""Rows of a catalogue that are computed when asked for: property values and contact lines."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tests.benchmarks.million.traits import INVERSE, ODD, Traits
from zvirka.domain import ZERO_REF
from zvirka.simulator import contact_kind_rows
from zvirka.simulator.configurations import ConfigurationKind
from zvirka.simulator.invented import ref_tail
from zvirka.simulator.invented_texts import COMMENTS, KIND_TYPES
from zvirka.simulator.simulated_catalogue import Ids

_COUNTRY = "c4ccb0a9-8857-11e5-a85a-3085a93ddca2"
_EMPTY_DATE = "0001-01-01T00:00:00"
_ADDRESS_KINDS = np.array([4, 5, 6])


class LazyRows:
    """Counterparties (or their partners) of a profile as pure functions of seed and index.

    The order of indexes is the order of Код. ``groups`` first indexes are groups.
    """

    def __init__(
        self,
        profile: ConfigurationKind,
        seed: int,
        size: int,
        groups: int,
        *,
        partners: bool = False,
    ) -> None:
        self.profile = profile
        self.seed = seed
        self.size = size
        self.groups = groups
        self.partners = partners
        self._tail = ref_tail(seed, "partners" if partners else "counterparties")
        self._shift = seed * 7919 + partners
        self.partner = (
            self
            if partners or profile is not ConfigurationKind.TRADE
            else LazyRows(profile, seed, size, 0, partners=True)
        )
        self._kind_refs = contact_kind_rows.PARTNER_REFS if partners else contact_kind_rows.OWN_REFS

    def ref(self, index: int) -> str:
        """Ref_Key of that index."""
        return f"{(index + self._shift) * ODD & 0xFFFFFFFF:08x}-{self._tail}"

    def index(self, ref: str) -> int | None:
        """The index of that Ref_Key, ``None`` when it was not generated."""
        head, _, tail = ref.partition("-")
        if tail != self._tail or len(head) != 8:
            return None
        index = (int(head, 16) * INVERSE - self._shift) & 0xFFFFFFFF
        return index if index < self.size else None

    def code(self, index: int) -> str:
        """Код of that index; nine characters, ascending with the index."""
        if self.profile is ConfigurationKind.LEGACY:
            return f"F{index + 1:08d}"
        return f"{(index + 1) // 1_000_000:02d}-{(index + 1) % 1_000_000:06d}"

    def columns(self, ids: Ids, names: Sequence[str]) -> list[list[Any]]:
        """Values of these properties, a list a property."""
        people = Traits(self.seed, ids, self.groups)
        return [self._column(people, name) for name in names]

    def flags(self, ids: Ids, name: str) -> tuple[Ids, list[Any]] | None:
        """A property of few values as codes and the values they stand for, where there is one."""
        people = Traits(self.seed, ids, self.groups)
        if name == "DeletionMark":
            return people.marked.astype(np.int64), [False, True]
        if name == "IsFolder":
            return people.is_group.astype(np.int64), [False, True]
        return None

    def _column(self, people: Traits, name: str) -> list[Any]:
        column = _COLUMNS[name](self, people)
        if self.groups and name in _ITEM_PROPERTIES and bool(people.is_group.any()):
            groups = people.is_group.tolist()
            return [None if group else value for value, group in zip(column, groups, strict=True)]
        return column

    def refs(self, ids: Ids) -> list[str]:
        """Ref_Key of these indexes."""
        heads = ((ids + self._shift) * ODD & 0xFFFFFFFF).tolist()
        tail = self._tail
        return [f"{head:08x}-{tail}" for head in heads]

    def partner_refs(self, ids: Ids) -> list[str]:
        """Партнер_Key: one's own partner, one in seven shares it with its neighbour."""
        return self.partner.refs(np.where((ids % 7 == 3), ids - 1, ids))

    def line_counts(self, ids: Ids) -> Ids:
        """How many contact lines each index has."""
        if self.profile is ConfigurationKind.CUSTOM:
            return np.zeros_like(ids)
        people = Traits(self.seed, ids, self.groups)
        if self.profile is ConfigurationKind.TRADE:
            return np.where(people.pick(12, 12) == 11, 0, 2)
        return people.line_counts

    def line_kinds(self, people: Traits, numbers: Ids) -> Ids:
        """The kind of each line; in trade addresses are one's own, the rest the partner's."""
        if self.profile is ConfigurationKind.TRADE:
            first, second = (0, 2) if self.partners else (4, 5)
            return np.where(numbers == 1, first, second)
        return people.line_kinds(numbers)

    def line_flags(self, ids: Ids, numbers: Ids, name: str) -> tuple[Ids, list[Any]] | None:
        """A property of contact lines as codes and values, where it has few of them."""
        if name not in {"Тип", "Вид_Key", "Вид"}:
            return None
        values = KIND_TYPES if name == "Тип" else self._kind_refs
        return self.line_kinds(Traits(self.seed, ids, self.groups), numbers), list(values)

    def line_columns(self, ids: Ids, numbers: Ids, names: Sequence[str]) -> list[list[Any]]:
        """Values of these properties of contact lines, a list a property."""
        people = Traits(self.seed + self.partners, ids, self.groups)
        found = self.line_kinds(Traits(self.seed, ids, self.groups), numbers)
        kind_list = found.tolist()
        fields: dict[str, list[Any]] | None = None
        columns = []
        for name in names:
            if name == "Ref_Key":
                column: list[Any] = self.refs(ids)
            elif name == "LineNumber":
                column = [str(number) for number in numbers.tolist()]
            elif name == "Тип":
                column = [KIND_TYPES[kind] for kind in kind_list]
            elif name in {"Вид_Key", "ВидДляСписка_Key"}:
                column = [self._kind_refs[kind] for kind in kind_list]
            elif name == "Представление":
                column = people.line_texts(found)
            elif name == "ДействуетС":
                column = [_EMPTY_DATE] * len(kind_list)
            else:
                fields = fields or people.line_fields(found)
                column = fields[name]
            columns.append(column)
        return columns

    def attribute_lines(self, people: Traits, kind: int) -> list[str]:
        """The text of one kind of contact kept as an attribute (custom profile)."""
        texts = people.line_texts(np.full_like(people.ids, kind))
        empty = (people.pick(20 + kind, 9) == 0).tolist()
        return ["" if none else text for text, none in zip(texts, empty, strict=True)]


def _constant(value: Any) -> Callable[[LazyRows, Traits], list[Any]]:
    return lambda _, people: [value] * len(people.ids)


def _parents(generated: LazyRows, people: Traits) -> list[str]:
    if not generated.groups:
        return [ZERO_REF] * len(people.ids)
    parents = generated.refs(people.pick(14, generated.groups))
    top = people.is_group.tolist()
    return [ZERO_REF if group else ref for ref, group in zip(parents, top, strict=True)]


def _comments(_: LazyRows, people: Traits) -> list[str]:
    return [COMMENTS[number] if number < 3 else "" for number in people.pick(15, 40).tolist()]


_COLUMNS: dict[str, Callable[[LazyRows, Traits], list[Any]]] = {
    "Ref_Key": lambda generated, people: generated.refs(people.ids),
    "DataVersion": lambda _, people: people.versions,
    "DeletionMark": lambda _, people: people.marked.tolist(),
    "Predefined": _constant(False),
    "PredefinedDataName": _constant(""),
    "Description": lambda _, people: people.names,
    "Code": lambda generated, people: [generated.code(index) for index in people.ids.tolist()],
    "Parent_Key": _parents,
    "IsFolder": lambda _, people: people.is_group.tolist(),
    "НаименованиеПолное": lambda _, people: people.full_names,
    "ЮридическоеФизическоеЛицо": lambda _, people: [
        "ФизическоеЛицо" if person else "ЮридическоеЛицо" for person in people.person.tolist()
    ],
    "ЮрФизЛицо": lambda _, people: [
        "ФизЛицо" if person else "ЮрЛицо" for person in people.person.tolist()
    ],
    "СтранаРегистрации_Key": _constant(_COUNTRY),
    "ГоловнойКонтрагент_Key": lambda generated, people: generated.refs(people.head),
    "КодПоЕДРПОУ": lambda _, people: people.tax_ids,
    "ИНН": lambda generated, people: (
        people.tax_ids if generated.profile is ConfigurationKind.CUSTOM else people.vat_numbers
    ),
    "ИННПлательщикаНДС": lambda _, people: people.vat_numbers,
    "НалоговыйНомер": _constant(""),
    "НомерСвидетельства": _constant(""),
    "Комментарий": _comments,
    "ДополнительнаяИнформация": _constant(""),
    "ГосударственныйОрган": _constant(False),
    "ДатаСоздания": lambda _, people: people.created,
    "Партнер_Key": lambda generated, people: generated.partner_refs(people.ids),
    "Телефон": lambda generated, people: generated.attribute_lines(people, 0),
    "Email": lambda generated, people: generated.attribute_lines(people, 2),
    "ЮридическийАдрес": lambda generated, people: generated.attribute_lines(people, 4),
}
_ITEM_PROPERTIES = set(_COLUMNS) - {
    "Ref_Key",
    "DataVersion",
    "DeletionMark",
    "Predefined",
    "PredefinedDataName",
    "Description",
    "Code",
    "Parent_Key",
    "IsFolder",
}

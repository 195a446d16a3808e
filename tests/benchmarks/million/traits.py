"""The traits of :mod:`zvirka.simulator.invented`, computed with NumPy for many rows at a time.

Nothing is stored: a page of a million-row catalogue is computed when asked for. Traits come as
columns for any set of indexes, texts as lists. A test holds both computations equal.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zvirka.simulator.invented_texts import (
    CONTACT_TEXTS,
    KIND_TYPES,
    LAYOUTS,
    LINE_FIELDS,
    contact_fields,
    firm_name,
    group_name,
    person_name,
    soiled,
    version_text,
)
from zvirka.simulator.simulated_catalogue import Ids

ODD = 0x9E3779B1
"""Multiplying by an odd number permutes 32-bit numbers: a Ref_Key leads back to its index."""
INVERSE = pow(ODD, -1, 1 << 32)

LAYOUT_COUNTS = np.array([len(each) for each in LAYOUTS], dtype=np.int64)
LAYOUT_KINDS = np.array([(*each, *(0,) * (8 - len(each))) for each in LAYOUTS], dtype=np.int64)


def mix(seed: int, ids: Ids, salt: int) -> NDArray[np.uint64]:
    """Well-spread 64-bit numbers of seed, index and salt (the finaliser of splitmix64)."""
    start = (seed * 0x2545F4914F6CDD1D + salt * 0x9E3779B97F4A7C15) & 0xFFFFFFFFFFFFFFFF
    value = ids.astype(np.uint64) * np.uint64(0xD1342543DE82EF95) + np.uint64(start)
    value ^= value >> np.uint64(30)
    value *= np.uint64(0xBF58476D1CE4E5B9)
    value ^= value >> np.uint64(27)
    value *= np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))


def edrpou(bases: Ids) -> Ids:
    """Seven-digit numbers completed to ЄДРПОУ codes by their check digit."""
    digits = [(bases // 10 ** (6 - place)) % 10 for place in range(7)]
    middle = (bases >= 3_000_000) & (bases <= 6_000_000)
    total = np.zeros_like(bases)
    second = np.zeros_like(bases)
    for place, digit in enumerate(digits):
        weight = np.where(middle, 7 if place == 0 else place, place + 1)
        total += digit * weight
        second += digit * (weight + 2)
    check = total % 11
    check = np.where(check > 9, second % 11, check)
    return bases * 10 + np.where(check > 9, 0, check)


def rnokpp(bases: Ids) -> Ids:
    """Nine-digit numbers completed to РНОКПП, the ten-digit tax number of a person."""
    total = np.zeros_like(bases)
    for place, weight in enumerate((-1, 5, 7, 9, 4, 6, 10, 5, 7)):
        total += (bases // 10 ** (8 - place)) % 10 * weight
    return bases * 10 + total % 11 % 10


VERSIONS = tuple(version_text(number) for number in range(1, 257))


class Traits:
    """The traits of the counterparties with these indexes; ``groups`` first indexes are groups."""

    def __init__(self, seed: int, ids: Ids, groups: int) -> None:
        self.seed = seed
        self.ids = ids
        self.groups = groups

    def pick(self, salt: int, choices: int, ids: Ids | None = None) -> Ids:
        """For every index a number below ``choices``."""
        where = self.ids if ids is None else ids
        return (mix(self.seed, where, salt) % np.uint64(choices)).astype(np.int64)

    @cached_property
    def is_group(self) -> NDArray[np.bool_]:
        """Whether the index is a group of counterparties."""
        return self.ids < self.groups

    @cached_property
    def branch(self) -> NDArray[np.bool_]:
        """Whether it is a branch, sharing name and ЄДРПОУ with the firm one index before."""
        before = self.ids - 1
        chosen = (self.pick(1, 40) == 0) & (before >= self.groups)
        firm_before = (self.pick(1, 40, before) != 0) & (self.pick(2, 10, before) < 6)
        return np.asarray(chosen & firm_before, dtype=np.bool_)

    @cached_property
    def head(self) -> Ids:
        """The index of the head firm: its own, except for a branch."""
        return np.where(self.branch, self.ids - 1, self.ids)

    @cached_property
    def person(self) -> NDArray[np.bool_]:
        """Whether it is a ФОП, a person in business."""
        return np.asarray(self.pick(2, 10, self.head) >= 6)

    @cached_property
    def marked(self) -> NDArray[np.bool_]:
        """Whether it is marked for deletion."""
        return np.asarray(self.pick(3, 50) == 0, dtype=np.bool_)

    @cached_property
    def names(self) -> list[str]:
        """Description."""
        return self._names(0)

    @cached_property
    def full_names(self) -> list[str]:
        """НаименованиеПолное."""
        return self._names(1)

    def _names(self, long: int) -> list[str]:
        pick, head = self.pick, self.head
        rows = zip(
            self.ids.tolist(),
            self.is_group.tolist(),
            self.person.tolist(),
            self.branch.tolist(),
            pick(4, 1 << 30, head).tolist(),
            pick(5, 1 << 30, head).tolist(),
            strict=True,
        )
        return [
            group_name(index)
            if group
            else (person_name(one, two, long) if person else firm_name(one, two, branch, long))
            for index, group, person, branch, one, two in rows
        ]

    @cached_property
    def tax_ids(self) -> list[str]:
        """ЄДРПОУ of firms, РНОКПП of people; rarely empty, rarely with a stray space."""
        head = self.head
        firms = edrpou(3_000_000 + (head * 611_953 + self.seed) % 1_500_000)
        people = rnokpp(200_000_000 + (head * 86_028_121 + self.seed) % 180_000_000)
        numbers = np.where(self.person, people, firms)
        dirt = self.pick(6, 1200)
        rows = zip(numbers.tolist(), self.is_group.tolist(), dirt.tolist(), strict=True)
        return ["" if group else soiled(str(number), stain) for number, group, stain in rows]

    @cached_property
    def vat_numbers(self) -> list[str]:
        """ИНН of VAT payers: twelve digits for a firm; empty for the others."""
        payer = (self.pick(7, 3) > 0) & ~self.is_group & ~self.person
        tails = self.pick(8, 99_999)
        bases = 3_000_000 + (self.head * 611_953 + self.seed) % 1_500_000
        rows = zip(payer.tolist(), bases.tolist(), tails.tolist(), strict=True)
        return [f"{base}{tail:05d}" if pays else "" for pays, base, tail in rows]

    @cached_property
    def versions(self) -> list[str]:
        """DataVersion as generated, before any write."""
        return [VERSIONS[number] for number in self.pick(9, 256).tolist()]

    @cached_property
    def created(self) -> list[str]:
        """ДатаСоздания, the wall clock of the base."""
        days = self.pick(10, 28).tolist()
        months = self.pick(11, 120).tolist()
        return [
            f"{2014 + month // 12}-{month % 12 + 1:02d}-{day + 1:02d}T00:00:00"
            for day, month in zip(days, months, strict=True)
        ]

    @cached_property
    def line_counts(self) -> Ids:
        """How many contact lines each index has."""
        return np.where(self.is_group, 0, LAYOUT_COUNTS[self.pick(12, len(LAYOUTS))])

    def line_kinds(self, numbers: Ids) -> Ids:
        """The kind of contact of line ``numbers`` (from 1) of each index."""
        return LAYOUT_KINDS[self.pick(12, len(LAYOUTS)), numbers - 1]

    def line_texts(self, kinds: Ids) -> list[str]:
        """Представление of the line of that kind of each index."""
        salted = self.ids * 8 + kinds
        one = self.pick(13, 1 << 40, salted).tolist()
        return [
            CONTACT_TEXTS[kind](number) for kind, number in zip(kinds.tolist(), one, strict=True)
        ]

    def line_fields(self, kinds: Ids) -> dict[str, list[Any]]:
        """The decomposed properties of the line: city, region, e-mail and phone parts."""
        salted = self.ids * 8 + kinds
        numbers = self.pick(13, 1 << 40, salted).tolist()
        texts = self.line_texts(kinds)
        fields: dict[str, list[Any]] = {name: [] for name in LINE_FIELDS}
        for kind, number, text in zip(kinds.tolist(), numbers, texts, strict=True):
            for name, value in contact_fields(KIND_TYPES[kind], text, number).items():
                fields[name].append(value)
        return fields

"""The infobase behind the publication: its tables, and writes as a person in 1C makes them.

Every write gives the object a new DataVersion and registers it in the exchange plan.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from datetime import date
from typing import Any

import msgspec

from zvirka.mapping import Attribute, ContactLine, FieldSource, RegisterLine
from zvirka.simulator.barcodes import BARCODES, BARCODES_TYPE, BarcodeRegister
from zvirka.simulator.composition import NOTHING_FURTHER, Further, group_count, published
from zvirka.simulator.configurations import (
    CONTACTS,
    COUNTERPARTIES,
    KINDS,
    PARTNERS,
    REGISTER,
    ConfigurationKind,
    EntityType,
    PublishedShape,
    TabularSection,
    default_of,
)
from zvirka.simulator.contact_kind_rows import default_kind, kind_of, kind_rows
from zvirka.simulator.exchange import ExchangePlan
from zvirka.simulator.further_catalogues import (
    CONTRACTS,
    NOMENCLATURE,
    invented_contracts,
    invented_nomenclature,
)
from zvirka.simulator.initial_content import Content
from zvirka.simulator.invented import Invented
from zvirka.simulator.invented_texts import contact_fields
from zvirka.simulator.lines import LineTable, Table
from zvirka.simulator.outbox_register import OUTBOX, OutboxRegister
from zvirka.simulator.prices import PRICES, PriceRegister
from zvirka.simulator.raw_catalogue import RawCatalogue, blank, save
from zvirka.simulator.simulated_catalogue import (
    Catalogue,
    Object,
    SimulatedCatalogue,
    SmallTable,
)


class Record(msgspec.Struct, frozen=True):
    """A counterparty as the base holds it now.

    ``values`` are the fields a typical mapping gives (code, name, tax_id, phone, email, address);
    ``attributes`` are the raw properties of the object.
    """

    ref: str
    version: str
    deletion_mark: bool
    group: bool
    values: dict[str, str | None]
    attributes: dict[str, Any]


class Infobase:
    """One 1C base: counterparties and what belongs to them. Safe to write from any thread."""

    def __init__(
        self, types: PublishedShape, content: Content | None, *, code_width: int = 0
    ) -> None:
        self.shape = types
        self.lock = threading.RLock()
        self.plan = ExchangePlan()
        self.outbox = OutboxRegister()
        """Messages of the extension; published only where the shape has the register."""
        self.prices = PriceRegister()
        self.barcodes = BarcodeRegister(types.type(BARCODES) or BARCODES_TYPE)
        self.tables: dict[str, Table] = {}
        self._content = content
        self._code_width = code_width
        self._created = 0
        for type_ in types.types:
            self._add(type_)
        self.counterparties = self._catalogue(COUNTERPARTIES)

    @classmethod
    def generate(
        cls,
        profile: ConfigurationKind,
        counterparties: int,
        seed: int,
        *,
        code_width: int = 0,
        further: Further = NOTHING_FURTHER,
    ) -> Infobase:
        """A base of that many invented counterparties, groups not counted, and what is further."""
        types = published(profile, further)
        groups = group_count(counterparties) if types.folders else 0
        content = Invented(profile, seed, counterparties + groups, groups)
        base = cls(types, content, code_width=code_width)
        if further.contracts is not None:
            owners, several = list(base.refs()), further.several_owners
            for made in invented_contracts(seed, further.contracts, owners, several=several):
                base.load(CONTRACTS, made)
        goods = list(invented_nomenclature(seed, further.nomenclature or 0))
        for made in goods:
            base.load(NOMENCLATURE, made)
        items = [one.ref for one in goods if not one.values["IsFolder"]]
        if further.prices:
            base.prices.invent(seed, items)
        if further.barcodes != "none":
            base.barcodes.invent(seed, items)
        return base

    @property
    def contracts(self) -> RawCatalogue:
        """The contracts, where they are published."""
        return RawCatalogue(self._catalogue(CONTRACTS), self.plan, self.lock)

    @property
    def nomenclature(self) -> RawCatalogue:
        """Goods and their groups, where they are published."""
        return RawCatalogue(self._catalogue(NOMENCLATURE), self.plan, self.lock)

    def _add(self, type_: EntityType) -> None:
        if type_.name == KINDS and self._content is not None:
            partners = self.shape.type(PARTNERS) is not None
            self.tables[KINDS] = SmallTable(type_, kind_rows(partners))
        elif type_.name.startswith("ExchangePlan_"):
            for row in self.plan.rows:
                for missing in type_.properties:
                    row.setdefault(missing.name, default_of(missing))
            self.tables[type_.name] = SmallTable(type_, self.plan.rows)
        elif type_.name.startswith(PRICES):
            self.tables[type_.name] = SmallTable(type_, [])
        elif type_.name == OUTBOX:
            self.tables[OUTBOX] = self.outbox.table
        elif type_.name == BARCODES:
            self.tables[BARCODES] = self.barcodes.table
        elif type_.name == REGISTER:
            section = TabularSection(CONTACTS, ())
            self.tables[REGISTER] = LineTable(self._catalogue(COUNTERPARTIES), section, type_)
        else:
            content = self._content
            catalogue = content.catalogue(type_) if content else SimulatedCatalogue(type_)
            self.tables[type_.name] = catalogue
            for each in type_.sections:
                lines = LineTable(catalogue, each, None)
                self.tables[lines.type.name] = lines

    def _catalogue(self, name: str) -> Catalogue:
        found = self.tables[name]
        assert not isinstance(found, LineTable | SmallTable)
        return found

    def refs(self) -> Iterator[str]:
        """Ref_Key of every counterparty, groups left out."""
        with self.lock:
            ids = self.counterparties.ids()
            names = ["Ref_Key", *(["IsFolder"] if self.shape.folders else [])]
            columns = self.counterparties.columns(ids, names) if len(ids) else [[], []]
        folders = columns[1] if self.shape.folders else [False] * len(columns[0])
        return (ref for ref, group in zip(columns[0], folders, strict=True) if not group)

    def get(self, ref: str) -> Record:
        """The counterparty of that Ref_Key.

        Raises:
            KeyError: the base has no such counterparty.
        """
        with self.lock:
            record = self._object(self.counterparties, ref)
            return Record(
                ref=ref,
                version=record.values["DataVersion"],
                deletion_mark=record.values["DeletionMark"],
                group=bool(record.values.get("IsFolder")),
                values={
                    name: self._value(record, place) for name, place in self.shape.places.items()
                },
                attributes=record.values,
            )

    def create(self, ref: str = "", **values: Any) -> str:
        """Write a new counterparty of these mapped fields and raw attributes; its Ref_Key.

        A code is given out when none is named. ``IsFolder=True`` makes a group.
        """
        with self.lock:
            self._created += 1
            content = self._content
            first = content.size if content else 0
            name = f"{first + self._created}:{content.seed if content else 0}"
            ref = ref or str(uuid.uuid5(uuid.NAMESPACE_URL, name))
            made = self._blank(self.counterparties.type, ref)
            if "code" in self.shape.places and "code" not in values:
                values["code"] = self._next_code()
            if values.get("IsFolder"):
                for each in self.counterparties.type.properties:
                    if each.item:
                        made.values[each.name] = None
            elif PARTNERS in self.tables:
                made.values["Партнер_Key"] = self._new_partner(ref, values.get("name", ""))
            self.counterparties.put(made)
            self._change(made, values)
            self._save(self.counterparties, made)
            return ref

    def update(self, ref: str, **changes: Any) -> None:
        """Change mapped fields and raw attributes of a counterparty.

        A field of a partner or of the contact register is written there: the counterparty's own
        DataVersion then stays, as in 1C.
        """
        with self.lock:
            record = self._object(self.counterparties, ref)
            if self._change(record, changes):
                self._save(self.counterparties, record)

    def add_contact(self, ref: str, field: str, value: str, since: date) -> None:
        """Write one more contact line of a field's kind, in force from that day."""
        place = self.shape.places[field]
        assert isinstance(place, ContactLine)
        assert not place.via
        with self.lock:
            record = self._object(self.counterparties, ref)
            line = _new_line(place, since)
            line |= {"Представление": value, **contact_fields(place.type, value)}
            record.sections[CONTACTS].append(line)
            _number(record.sections[CONTACTS])
            self._save(self.counterparties, record)

    def mark(self, ref: str, mark: bool = True) -> None:
        """Set or clear the deletion mark."""
        self.update(ref, DeletionMark=mark)

    def touch(self, ref: str) -> None:
        """Save a counterparty unchanged: only DataVersion moves."""
        with self.lock:
            self._save(self.counterparties, self._object(self.counterparties, ref))

    def delete(self, ref: str) -> None:
        """Delete a counterparty physically."""
        with self.lock:
            self._object(self.counterparties, ref)
            self.counterparties.remove(ref)
            self.plan.register(COUNTERPARTIES, ref)

    def backup(self) -> dict[str, Any]:
        """Return the state for :meth:`restore`."""
        with self.lock:
            return {name: each.snapshot() for name, each in self._catalogues()}

    def restore(self, backup: dict[str, Any]) -> None:
        """Restore a backup: objects and their DataVersion go back; later writes repeat versions."""
        with self.lock:
            for name, each in self._catalogues():
                each.restore(backup[name])

    def load(self, set_: str, written: Object) -> None:
        """Put an object as it is: with its own version and unregistered."""
        self._catalogue(set_).put(written)

    def _catalogues(self) -> Iterator[tuple[str, Catalogue]]:
        for name, each in self.tables.items():
            if not isinstance(each, LineTable | SmallTable):
                yield name, each

    def _object(self, catalogue: Catalogue, ref: str) -> Object:
        row = catalogue.find(ref)
        if row is None:
            raise KeyError(ref)
        return catalogue.object(row)

    def _save(self, catalogue: Catalogue, record: Object) -> None:
        save(catalogue, record, self.plan)

    def _blank(self, type_: EntityType, ref: str) -> Object:
        made = blank(type_, ref)
        made.sections.setdefault(CONTACTS, [])
        return made

    def _next_code(self) -> str:
        if self._content is None:
            return f"{self._created - 1:09d}"
        return self._content.code(self._content.size + self._created - 1)

    def _new_partner(self, ref: str, name: str) -> str:
        partners = self._catalogue(PARTNERS)
        made = self._blank(partners.type, str(uuid.uuid5(uuid.NAMESPACE_URL, f"partner:{ref}")))
        made.values["Description"] = name
        self._save(partners, made)
        return made.ref

    def _change(self, record: Object, changes: dict[str, Any]) -> bool:
        """Apply changes; whether the object itself changed, or nothing at all was asked."""
        own = not changes
        for name, value in changes.items():
            place = self.shape.places.get(name)
            match place:
                case None:
                    self._set(record, name, value)
                    own = True
                case Attribute(attribute):
                    self._set(record, attribute, value)
                    own = True
                case ContactLine(via=via) if via:
                    partners = self._catalogue(PARTNERS)
                    partner = self._object(partners, record.values[via])
                    _set_line(partner, place, value)
                    self._save(partners, partner)
                case RegisterLine():
                    _set_line(record, place, value)
                    self.counterparties.put(record)
                case _:
                    _set_line(record, place, value)
                    own = True
        return own

    def _set(self, record: Object, name: str, value: Any) -> None:
        if name not in record.values:
            raise KeyError(name)
        if name == "Code" and self._code_width:
            value = str(value).ljust(self._code_width)
        record.values[name] = value

    def _value(self, record: Object, place: FieldSource) -> str | None:
        if isinstance(place, Attribute):
            found = record.values[place.name]
            return None if found is None else str(found)
        if isinstance(place, ContactLine) and place.via:
            row = self._catalogue(PARTNERS).find(record.values[place.via])
            if row is None:
                return None
            record = self._catalogue(PARTNERS).object(row)
        line = _line(record, place)
        return None if line is None else str(line["Представление"])


def _line(record: Object, place: ContactLine | RegisterLine) -> dict[str, Any] | None:
    """The line a mapping means: of that kind, else the first of that type."""
    lines = record.sections[CONTACTS]
    if place.kind:
        ref, _ = kind_of(place.kind)
        return next((each for each in lines if each["Вид_Key"] == ref), None)
    return next((each for each in lines if each["Тип"] == place.type), None)


def _set_line(record: Object, place: ContactLine | RegisterLine, value: str | None) -> None:
    lines = record.sections[CONTACTS]
    found = _line(record, place)
    if not value:
        if found is not None:
            lines.remove(found)
    else:
        if found is None:
            found = _new_line(place)
            lines.append(found)
        found |= {"Представление": value, **contact_fields(place.type, value)}
    _number(lines)


def _new_line(place: ContactLine | RegisterLine, since: date = date.min) -> dict[str, Any]:
    partner = isinstance(place, ContactLine) and bool(place.via)
    own = default_kind(place.type, partner=partner)
    ref = kind_of(place.kind)[0] if place.kind else own
    return {
        "Тип": place.type,
        "Вид_Key": ref,
        "ВидДляСписка_Key": ref,
        "ДействуетС": f"{since.isoformat()}T00:00:00",
    }


def _number(lines: list[dict[str, Any]]) -> None:
    for number, each in enumerate(lines, start=1):
        each["LineNumber"] = str(number)

"""The infobase behind the publication: its tables, and writing to them as a person in 1C would.

Every write gives the object a new DataVersion and registers it in the exchange plan.
"""

from __future__ import annotations

import base64
import threading
import uuid
from collections.abc import Iterator
from typing import Any

import msgspec

from zvirka.domain import ZERO_REF
from zvirka.mapping import Attribute, ContactLine, FieldSource, RegisterLine
from zvirka.simulator.configurations import (
    CONTACTS,
    COUNTERPARTIES,
    KINDS,
    PARTNERS,
    REGISTER,
    ConfigurationKind,
    EntityType,
    Property,
    PublishedShape,
    TabularSection,
    shape,
)
from zvirka.simulator.contact_kind_rows import default_kind, kind_of, kind_rows
from zvirka.simulator.exchange import ExchangePlan
from zvirka.simulator.generated import Generated
from zvirka.simulator.generator import contact_fields, version_text
from zvirka.simulator.lines import LineTable, Table
from zvirka.simulator.outbox_register import OUTBOX, OUTBOX_TYPE, OutboxRegister
from zvirka.simulator.simulated_catalogue import Object, SimulatedCatalogue, SmallTable

DEFAULTS: dict[str, Any] = {
    "Edm.Boolean": False,
    "Edm.Guid": ZERO_REF,
    "Edm.DateTime": "0001-01-01T00:00:00",
    "Edm.Int64": "0",
    "Edm.Int32": 0,
    "Edm.Int16": 0,
    "Edm.Double": 0.0,
}
"""What an attribute holds that nobody filled in, by type; the others hold an empty string."""


class Held(msgspec.Struct, frozen=True):
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
    """One 1C base: counterparties and all that hangs on them. Safe to write from any thread."""

    def __init__(
        self, types: PublishedShape, generated: Generated | None, *, code_width: int = 0
    ) -> None:
        self.shape = types
        self.lock = threading.RLock()
        self.plan = ExchangePlan()
        self.outbox = OutboxRegister()
        """Messages of the extension; published only where the shape has the register."""
        self.tables: dict[str, Table] = {}
        self._generated = generated
        self._code_width = code_width
        self._created = 0
        for type_ in types.types:
            self._add(type_, generated)
        self.counterparties = self._catalogue(COUNTERPARTIES)

    @classmethod
    def generate(
        cls,
        profile: ConfigurationKind,
        counterparties: int,
        seed: int,
        *,
        code_width: int = 0,
        outbox: bool = False,
    ) -> Infobase:
        """A base of that many invented counterparties, groups not counted.

        ``outbox``: the extension is loaded, and its register published.
        """
        types = shape(profile)
        if outbox:
            types = msgspec.structs.replace(types, types=(*types.types, OUTBOX_TYPE))
        groups = min(max(1, counterparties // 100), 300) if types.folders else 0
        generated = Generated(profile, seed, counterparties + groups, groups)
        return cls(types, generated, code_width=code_width)

    def _add(self, type_: EntityType, generated: Generated | None) -> None:
        if type_.name == KINDS and generated is not None:
            partners = self.shape.type(PARTNERS) is not None
            self.tables[KINDS] = SmallTable(type_, kind_rows(partners))
        elif type_.name.startswith("ExchangePlan_"):
            for row in self.plan.rows:
                for missing in type_.properties:
                    row.setdefault(missing.name, _default(missing))
            self.tables[type_.name] = SmallTable(type_, self.plan.rows)
        elif type_.name == OUTBOX:
            self.tables[OUTBOX] = self.outbox.table
        elif type_.name == REGISTER:
            section = TabularSection(CONTACTS, ())
            self.tables[REGISTER] = LineTable(self._catalogue(COUNTERPARTIES), section, type_)
        else:
            own = generated.partner if generated and type_.name == PARTNERS else generated
            catalogue = SimulatedCatalogue(type_, own)
            self.tables[type_.name] = catalogue
            for each in type_.sections:
                lines = LineTable(catalogue, each, None)
                self.tables[lines.type.name] = lines

    def _catalogue(self, name: str) -> SimulatedCatalogue:
        found = self.tables[name]
        assert isinstance(found, SimulatedCatalogue)
        return found

    def refs(self) -> Iterator[str]:
        """Ref_Key of every counterparty, groups left out."""
        with self.lock:
            ids = self.counterparties.ids()
            names = ["Ref_Key", *(["IsFolder"] if self.shape.folders else [])]
            columns = self.counterparties.columns(ids, names) if len(ids) else [[], []]
        folders = columns[1] if self.shape.folders else [False] * len(columns[0])
        return (ref for ref, group in zip(columns[0], folders, strict=True) if not group)

    def get(self, ref: str) -> Held:
        """The counterparty of that Ref_Key.

        Raises:
            KeyError: there is none.
        """
        with self.lock:
            held = self._object(self.counterparties, ref)
            return Held(
                ref=ref,
                version=held.values["DataVersion"],
                deletion_mark=held.values["DeletionMark"],
                group=bool(held.values.get("IsFolder")),
                values={
                    name: self._value(held, place) for name, place in self.shape.places.items()
                },
                attributes=held.values,
            )

    def create(self, ref: str = "", **values: Any) -> str:
        """Write a new counterparty of these mapped fields and raw attributes; its Ref_Key.

        A code is given out when none is named. ``IsFolder=True`` makes a group.
        """
        with self.lock:
            self._created += 1
            size = self.counterparties.size + self._created
            name = f"{size}:{self._generated.seed if self._generated else 0}"
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
            held = self._object(self.counterparties, ref)
            if self._change(held, changes):
                self._save(self.counterparties, held)

    def mark(self, ref: str, mark: bool = True) -> None:
        """Set or take away the deletion mark."""
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
        """What :meth:`restore` goes back to."""
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

    def _catalogues(self) -> Iterator[tuple[str, SimulatedCatalogue]]:
        for name, each in self.tables.items():
            if isinstance(each, SimulatedCatalogue):
                yield name, each

    def _object(self, catalogue: SimulatedCatalogue, ref: str) -> Object:
        row = catalogue.find(ref)
        if row is None:
            raise KeyError(ref)
        return catalogue.object(row)

    def _save(self, catalogue: SimulatedCatalogue, held: Object) -> None:
        old = int.from_bytes(base64.b64decode(held.values["DataVersion"]), "big")
        held.values["DataVersion"] = version_text(old + 1)
        catalogue.put(held)
        self.plan.register(catalogue.type.name, held.ref)

    def _blank(self, type_: EntityType, ref: str) -> Object:
        values = {each.name: _default(each) for each in type_.properties}
        values |= {"Ref_Key": ref, "DataVersion": version_text(0)}
        sections: dict[str, list[dict[str, Any]]] = {each.name: [] for each in type_.sections}
        sections.setdefault(CONTACTS, [])
        return Object(values, sections)

    def _next_code(self) -> str:
        number = self.counterparties.size + self._created - 1
        return self._generated.code(number) if self._generated else f"{number:09d}"

    def _new_partner(self, ref: str, name: str) -> str:
        partners = self._catalogue(PARTNERS)
        made = self._blank(partners.type, str(uuid.uuid5(uuid.NAMESPACE_URL, f"partner:{ref}")))
        made.values["Description"] = name
        self._save(partners, made)
        return made.ref

    def _change(self, held: Object, changes: dict[str, Any]) -> bool:
        """Apply changes; whether the object itself changed, or nothing at all was asked."""
        own = not changes
        for name, value in changes.items():
            place = self.shape.places.get(name)
            match place:
                case None:
                    self._set(held, name, value)
                    own = True
                case Attribute(attribute):
                    self._set(held, attribute, value)
                    own = True
                case ContactLine(via=via) if via:
                    partners = self._catalogue(PARTNERS)
                    partner = self._object(partners, held.values[via])
                    _set_line(partner, place, value)
                    self._save(partners, partner)
                case RegisterLine():
                    _set_line(held, place, value)
                    self.counterparties.put(held)
                case _:
                    _set_line(held, place, value)
                    own = True
        return own

    def _set(self, held: Object, name: str, value: Any) -> None:
        if name not in held.values:
            raise KeyError(name)
        if name == "Code" and self._code_width:
            value = str(value).ljust(self._code_width)
        held.values[name] = value

    def _value(self, held: Object, place: FieldSource) -> str | None:
        if isinstance(place, Attribute):
            found = held.values[place.name]
            return None if found is None else str(found)
        if isinstance(place, ContactLine) and place.via:
            row = self._catalogue(PARTNERS).find(held.values[place.via])
            if row is None:
                return None
            held = self._catalogue(PARTNERS).object(row)
        line = _line(held, place)
        return None if line is None else str(line["Представление"])


def _default(each: Property) -> Any:
    return DEFAULTS.get(each.type, "")


def _line(held: Object, place: ContactLine | RegisterLine) -> dict[str, Any] | None:
    """The line a mapping means: of that kind, else the first of that type."""
    lines = held.sections[CONTACTS]
    if place.kind:
        ref, _ = kind_of(place.kind)
        return next((each for each in lines if each["Вид_Key"] == ref), None)
    return next((each for each in lines if each["Тип"] == place.type), None)


def _set_line(held: Object, place: ContactLine | RegisterLine, value: str | None) -> None:
    lines = held.sections[CONTACTS]
    found = _line(held, place)
    if not value:
        if found is not None:
            lines.remove(found)
    else:
        if found is None:
            partner = isinstance(place, ContactLine) and bool(place.via)
            own = default_kind(place.type, partner=partner)
            ref = kind_of(place.kind)[0] if place.kind else own
            found = {"Тип": place.type, "Вид_Key": ref, "ВидДляСписка_Key": ref}
            found["ДействуетС"] = "0001-01-01T00:00:00"
            lines.append(found)
        found |= {"Представление": value, **contact_fields(place.type, value)}
    for number, each in enumerate(lines, start=1):
        each["LineNumber"] = str(number)

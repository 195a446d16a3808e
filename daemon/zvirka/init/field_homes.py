"""Proposes where 1C keeps each field: the profile that fits, and what to say otherwise."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec

from zvirka.domain import Counterparty
from zvirka.init.finding_1c import FoundBase, shipped_mappings
from zvirka.mapping import Attribute, ContactLine, Mapping
from zvirka.message import Message
from zvirka.onec.catalogue_source import counterparties
from zvirka.onec.failures import MappingMismatchError
from zvirka.onec.mapping_fit import KINDS, catalog_entity, missing_in
from zvirka.onec.open_source import open_source
from zvirka.onec.protocol import Source
from zvirka.onec.schema import Entity
from zvirka.reconcile.run_conditions import in_words
from zvirka.settings.model import ErpSettings, OnecSettings, Settings
from zvirka.settings.profiles import mapping_of, read_profile

_OTHERS = {
    "name": ("Description", "НаименованиеПолное"),
    "tax_id": ("КодПоЕДРПОУ", "ИНН", "НалоговыйНомер", "ИННПлательщикаНДС", "КодПоОКПО"),
    "phone": ("Телефон", "НомерТелефона", "НомерТелефонаДляПоиска", "Телефоны"),
    "email": ("Email", "ЭлектроннаяПочта", "АдресЭлектроннойПочты", "ЭлПочта"),
    "address": ("ЮридическийАдрес", "Адрес", "ФактическийАдрес"),
}
"""Attributes under which configurations keep the usual fields."""

_TAX_ID = re.compile(r"\d{8,10}|\d{12}")
_SAMPLE = 60


class FieldHome(msgspec.Struct, frozen=True):
    """Where a field was found: in words, how sure that is (0 to 1), and why."""

    field: str
    home: str
    score: float
    reason: str


class SourceProposal(msgspec.Struct, frozen=True, kw_only=True):
    """What to write into ``[onec]``, and what was seen on the way.

    ``overrides`` is ``[onec.fields]``: what the profile says otherwise, ``False`` for a field that
    1C does not have. ``sample`` are whole counterparties, ``keys`` the codes of the first page.
    """

    onec: OnecSettings
    title: str
    mapping: Mapping
    overrides: dict[str, Any]
    homes: tuple[FieldHome, ...]
    sample: tuple[Counterparty, ...]
    count: int


def propose_source(
    found: FoundBase, profile: str = "", overrides: dict[str, Any] | None = None
) -> SourceProposal:
    """Choose the profile that lacks least, replace what it lacks, and read some counterparties.

    Args:
        found: the publication.
        profile: the profile to take in any case.
        overrides: ``[onec.fields]`` to keep where it fits.

    Raises:
        OnecError: 1C cannot be read.
        SettingsError: the profile does not exist.
    """
    mappings = shipped_mappings(found.onec)
    name = profile or min(mappings, key=lambda one: _lack(found, one, mappings[one]))
    known = dict(overrides or {})
    changes: dict[str, Any] = {}
    onec = _onec(found.onec, name, known)
    for _ in range(2):  # a replacement is proven as well
        changes |= _replacements(found, _mapping(onec))
        onec = _onec(found.onec, name, known | changes)
    with TemporaryDirectory(prefix="zvirka-init-") as scratch:
        onec, more = _with_known_kinds(onec, name, known | changes, Path(scratch))
        changes |= more
        if (better := _better_tax_id(found, onec, Path(scratch))) is not None:
            changes["tax_id"] = {"attribute": better}
            onec = _onec(found.onec, name, known | changes)
        mapping = _mapping(onec)
        with open_source(onec, mapping, Path(scratch)) as source:
            count = source.preflight()
            sample = tuple(_sample(source, mapping))
    return SourceProposal(
        onec=onec,
        title=read_profile(name).title,
        mapping=mapping,
        overrides=known | changes,
        homes=tuple(_homes(mapping, known | changes, sample)),
        sample=sample,
        count=count,
    )


def _lack(found: FoundBase, name: str, mapping: Mapping) -> tuple[bool, int, bool]:
    lacks = missing_in(found.schema, mapping, found.all_names)
    keyless = any(one.field in {"", *mapping.key} for one in lacks)
    entity = found.schema.entity(catalog_entity(mapping))
    coded = entity is not None and entity.has("Code") and mapping.key_is_ref
    return keyless, len(lacks) + coded, name == "custom"


def _onec(onec: OnecSettings, profile: str, overrides: dict[str, Any]) -> OnecSettings:
    data = onec.model_dump(by_alias=True, exclude_unset=True)
    return OnecSettings.model_validate(data | {"profile": profile, "fields": overrides})


def _mapping(onec: OnecSettings) -> Mapping:
    return mapping_of(Settings(onec=onec, erp=ErpSettings(url="sqlite://")))


def _replacements(found: FoundBase, mapping: Mapping) -> dict[str, Any]:
    """Return overrides for what the schema lacks: another attribute, no kind, or no field."""
    entity = found.schema.entity(catalog_entity(mapping))
    changes: dict[str, Any] = {}
    for lack in missing_in(found.schema, mapping, found.all_names):
        if entity is None or not lack.field or lack.field in mapping.key:
            continue
        if lack.entity == KINDS:
            source = mapping.field(lack.field).source
            if not isinstance(source, Attribute):
                way = "contact" if isinstance(source, ContactLine) else "register"
                changes[lack.field] = {way: source.type}
        else:
            other = next(_attributes(entity, lack.field), None)
            changes[lack.field] = False if other is None else {"attribute": other}
    return changes


def _attributes(entity: Entity, field: str) -> Iterator[str]:
    return (name for name in _OTHERS.get(field, ()) if entity.has(name))


def _with_known_kinds(
    onec: OnecSettings, profile: str, overrides: dict[str, Any], scratch: Path
) -> tuple[OnecSettings, dict[str, Any]]:
    """Leave out kinds of contact information that this base does not have."""
    changes: dict[str, Any] = {}
    for _ in onec.fields or read_profile(profile).fields:
        mapping = _mapping(onec)
        try:
            with open_source(onec, mapping, scratch) as source:
                source.preflight()
        except MappingMismatchError as error:
            field = error.place.removeprefix("onec.fields.").removesuffix(".kind")
            if field not in mapping.names or field in changes:
                raise
            source_of = mapping.field(field).source
            if not isinstance(source_of, ContactLine):
                raise
            changes[field] = {"contact": source_of.type}
            onec = _onec(onec, profile, overrides | changes)
        else:
            break
    return onec, changes


def _better_tax_id(found: FoundBase, onec: OnecSettings, scratch: Path) -> str | None:
    """Return the attribute that holds tax ids, if it is another one than the mapping says."""
    mapping = _mapping(onec)
    entity = found.schema.entity(catalog_entity(mapping))
    if entity is None or "tax_id" not in mapping.names:
        return None
    current = mapping.field("tax_id").source
    names = list(_attributes(entity, "tax_id"))
    if not isinstance(current, Attribute) or current.name not in names or len(names) < 2:
        return None
    extra = {f"tax_id_{number}": {"attribute": name} for number, name in enumerate(names)}
    fields = onec.model_dump(by_alias=True, exclude_unset=True).get("fields", {})
    wide = _onec(onec, onec.profile, fields | extra)
    with open_source(wide, _mapping(wide), scratch) as source:
        page = next(iter(source.objects()), None)
    if page is None:
        return None
    scores = {
        name: sum(bool(_TAX_ID.fullmatch((value or "").strip())) for value in page.values[key])
        for key, name in zip(extra, names, strict=True)
    }
    best = max(names, key=lambda name: (scores[name], name == current.name))
    # A VAT number fills as often as a tax id; only a clearly emptier attribute is replaced.
    return best if scores[best] > 2 * scores[current.name] else None


def _sample(source: Source, mapping: Mapping) -> Iterator[Counterparty]:
    page = next(iter(source.objects()), None)
    if page is None:
        return
    step = max(1, len(page.refs) // _SAMPLE)
    for objects, lines in source.fetch(list(islice(page.refs, 0, None, step))[:_SAMPLE]):
        yield from counterparties(mapping, objects, lines)


def _homes(
    mapping: Mapping, overrides: dict[str, Any], sample: tuple[Counterparty, ...]
) -> Iterator[FieldHome]:
    for field in mapping.fields:
        filled = sum(bool((party.values.get(field.name) or "").strip()) for party in sample)
        share = filled / len(sample) if sample else 0.0
        score = round(0.5 + share / 2, 2) if sample else 0.5
        named = Message("its name; filled in {filled} of {count}", filled=filled, count=len(sample))
        if field.name not in overrides:
            named = Message(
                "the profile; filled in {filled} of {count}", filled=filled, count=len(sample)
            )
        yield FieldHome(field.name, in_words(field.source), score, named)
    for name, override in overrides.items():
        if override is False:
            yield FieldHome(
                name, "", 0.0, Message("1C has no such property; the field is left out")
            )

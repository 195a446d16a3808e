"""A recorded base as an infobase: its ``$metadata`` and the objects of a ``SelectChanges`` feed.

A recording is a folder with one ``*metadata.xml`` and any number of ``*select_changes*.xml``.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lxml import etree

from zvirka.errors import UsageError
from zvirka.mapping import Attribute, ContactLine, FieldSource
from zvirka.message import Message, coded
from zvirka.simulator.configurations import (
    CONTACTS,
    COUNTERPARTIES,
    DEFAULTS,
    EntityType,
    Property,
    PublishedShape,
    TabularSection,
    section_type,
)
from zvirka.simulator.infobase import Infobase
from zvirka.simulator.simulated_catalogue import Object

_EDM = "{http://schemas.microsoft.com/ado/2009/11/edm}"
_DATA = "{http://schemas.microsoft.com/ado/2007/08/dataservices}"
_META = "{http://schemas.microsoft.com/ado/2007/08/dataservices/metadata}"
_UNLIMITED = {
    "ЗначенияПолей",
    "Значение",
    "ТекстоваяСтрока",
    "Комментарий",
    "ДополнительнаяИнформация",
    "НаименованиеПолное",
}
"""Strings that typical configurations leave unlimited: ``$metadata`` does not say so."""

_TAX_IDS = ("КодПоЕДРПОУ", "ИНН")


def recorded(folder: Path) -> tuple[Infobase, bytes]:
    """The infobase of a recording and its ``$metadata`` as recorded.

    Raises:
        UsageError: the folder holds no recording, or one that cannot be read.
    """
    schemas = sorted(folder.glob("*metadata.xml"))
    feeds = sorted(folder.glob("*select_changes*.xml"))
    if not schemas or not feeds:
        raise UsageError(
            coded("ZV3512", "the folder holds no recording of a base"),
            place=str(folder),
            remedy=Message("put a *metadata.xml and a *select_changes*.xml there"),
        )
    document = schemas[0].read_bytes()
    try:
        shape = _shape(etree.fromstring(document))
        base = Infobase(shape, None)
        for feed in feeds:
            for set_, held in _objects(etree.fromstring(feed.read_bytes()), shape):
                base.load(set_, held)
    except (etree.XMLSyntaxError, KeyError) as error:
        raise UsageError(
            coded("ZV3512", "the recording cannot be read: {error}", error=error),
            place=str(folder),
            remedy=Message("record $metadata and SelectChanges of one base, unaltered"),
        ) from error
    return base, document


def _shape(root: etree._Element) -> PublishedShape:
    found = {str(each.get("Name")): each for each in root.iter(f"{_EDM}EntityType")}
    targets = {
        str(each.get("Name")): str(each.findall(f"{_EDM}End")[-1].get("Type")).partition(".")[2]
        for each in root.iter(f"{_EDM}Association")
    }
    nested = {
        f"{name}_{section}" for name, each in found.items() for section in _section_names(each)
    }
    types = tuple(
        _entity_type(name, each, found, targets)
        for name, each in found.items()
        if name.startswith(("Catalog_", "ExchangePlan_")) and name not in nested
    )
    counterparties = next(each for each in types if each.name == COUNTERPARTIES)
    return PublishedShape(
        types=types,
        places=_places(counterparties),
        folders=counterparties.find("IsFolder") is not None,
    )


def _entity_type(
    name: str,
    element: etree._Element,
    found: dict[str, etree._Element],
    targets: dict[str, str],
) -> EntityType:
    navigations = tuple(
        (str(each.get("Name")), targets[str(each.get("Relationship")).partition(".")[2]])
        for each in element.iter(f"{_EDM}NavigationProperty")
    )
    sections = tuple(
        TabularSection(each, tuple(_properties(found[f"{name}_{each}"]))[1:])
        for each in _section_names(element)
        if f"{name}_{each}" in found
    )
    return EntityType(name, ("Ref_Key",), tuple(_properties(element)), sections, navigations)


def _properties(element: etree._Element) -> Iterator[Property]:
    """The flat properties; Ref_Key is the first in every recording."""
    for each in element.iter(f"{_EDM}Property"):
        name, type_ = str(each.get("Name")), str(each.get("Type"))
        if not type_.startswith("Collection("):
            yield Property(name, type_, unlimited=name in _UNLIMITED)


def _section_names(element: etree._Element) -> list[str]:
    return [
        str(each.get("Name"))
        for each in element.iter(f"{_EDM}Property")
        if str(each.get("Type")).startswith("Collection(")
    ]


def _places(type_: EntityType) -> dict[str, FieldSource]:
    places: dict[str, FieldSource] = {"name": Attribute("Description")}
    if type_.find("Code"):
        places["code"] = Attribute("Code")
    tax_id = next((each for each in _TAX_IDS if type_.find(each)), None)
    if tax_id:
        places["tax_id"] = Attribute(tax_id)
    if any(each.name == CONTACTS for each in type_.sections):
        places["phone"] = ContactLine("Телефон")
        places["email"] = ContactLine("АдресЭлектроннойПочты")
        places["address"] = ContactLine("Адрес")
    return places


def _objects(root: etree._Element, shape: PublishedShape) -> Iterator[tuple[str, Object]]:
    for properties in root.iter(f"{_META}properties"):
        entry = next(each for each in properties.iterancestors() if _local(each) == "entry")
        category = next(each for each in entry if _local(each) == "category")
        set_ = str(category.get("term")).partition(".")[2]
        type_ = shape.type(set_)
        if type_ is None:
            raise KeyError(set_)
        yield set_, _object(properties, type_)


def _object(properties: etree._Element, type_: EntityType) -> Object:
    children = {_local(each): each for each in properties}
    sections: dict[str, list[dict[str, Any]]] = {CONTACTS: []}
    for section in type_.sections:
        element = children.get(section.name)
        row_type = section_type(type_, section)
        lines = [] if element is None else element.findall(f"{_DATA}element")
        sections[section.name] = [
            _values({_local(each): each for each in line}, row_type.properties[1:])
            for line in lines
        ]
    return Object(_values(children, type_.properties), sections)


def _values(
    children: dict[str, etree._Element], properties: tuple[Property, ...]
) -> dict[str, Any]:
    return {each.name: _value(children.get(each.name), each.type) for each in properties}


def _value(element: etree._Element | None, type_: str) -> Any:
    if element is None:
        return DEFAULTS.get(type_, "")
    if element.get(f"{_META}null") == "true":
        return None
    text = element.text or ""
    if type_ == "Edm.Boolean":
        return text == "true"
    if type_ in {"Edm.Int16", "Edm.Int32"}:
        return int(text)
    if type_ == "Edm.Double":
        return float(text)
    return text


def _local(element: etree._Element) -> str:
    return etree.QName(element).localname

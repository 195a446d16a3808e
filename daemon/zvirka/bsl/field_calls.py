"""The mapping in 1C's own words: which function call in the module stands for which field.

OData and the language of 1C name the same things differently (``Code`` and ``Код``,
``Партнер_Key`` and ``Партнер``); this is the only place that knows both.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from zvirka.errors import SettingsError
from zvirka.mapping import Attribute, ContactLine, Field, Mapping, RegisterLine
from zvirka.message import Message, coded

KINDS_CATALOG = "ВидыКонтактнойИнформации"
"""The catalogue that names kinds of contact information (library of standard subsystems)."""

_STANDARD = {
    "Ref_Key": "Ссылка",
    "Code": "Код",
    "Description": "Наименование",
    "DeletionMark": "ПометкаУдаления",
    "Parent_Key": "Родитель",
    "Owner_Key": "Владелец",
    "Owner": "Владелец",
    "IsFolder": "ЭтоГруппа",
    "DataVersion": "ВерсияДанных",
    "Predefined": "Предопределенный",
    "PredefinedDataName": "ИмяПредопределенныхДанных",
}
_GUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def literal(text: str) -> str:
    """Return the text as a string literal of the language.

    Raises:
        SettingsError: it holds a line break or another control character.
    """
    if any(ord(character) < 32 for character in text):
        raise SettingsError(
            coded("ZV3401", "a value for the push module holds a control character"),
            place="onec.fields, bsl, receiver",
            remedy=Message("remove line breaks and tabs from it"),
        )
    return '"' + text.replace('"', '""') + '"'


def spelled(odata: str) -> str:
    """Return the name the language of 1C has for a property of OData."""
    return _STANDARD.get(odata, odata.removesuffix("_Key"))


def field_lines(mapping: Mapping) -> Iterator[str]:
    """Yield one statement of the module for each field that travels in the webhook."""
    for field in mapping.fields:
        if field.payload:
            yield f"Поля.Добавить({_call(field)});"


def objects(mapping: Mapping) -> tuple[str, ...]:
    """Return full names of the metadata objects zvirka reads over OData, without repeats."""
    names = [f"{'РегистрСведений' if mapping.slice else 'Справочник'}.{mapping.catalog}"]
    for field in mapping.fields:
        source = field.source
        if isinstance(source, RegisterLine):
            names.append(f"РегистрСведений.{source.register}")
        elif source.catalog:
            names.append(f"Справочник.{source.catalog}")
        if not isinstance(source, Attribute) and source.type:
            names.append(f"Справочник.{KINDS_CATALOG}")
    return (*dict.fromkeys(names), "РегистрСведений.ZvirkaOutbox")


def _call(field: Field) -> str:
    source = field.source
    arguments: tuple[str, ...]
    match source:
        case Attribute():
            arguments = ("ПолеРеквизит", field.payload, spelled(source.name))
            optional = spelled(source.via)
        case ContactLine():
            arguments = (
                "ПолеКонтакт",
                field.payload,
                source.type,
                _kind(source.kind),
                spelled(source.value),
                source.section,
            )
            optional = spelled(source.via)
        case RegisterLine():
            arguments = (
                "ПолеРегистр",
                field.payload,
                source.type,
                _kind(source.kind),
                spelled(source.value),
                source.register,
                spelled(source.object),
            )
            optional = ""
    name, *values = (*arguments, optional) if optional else arguments
    return f"{name}({', '.join(literal(value) for value in values)})"


def _kind(kind: str) -> str:
    return kind.lower() if _GUID.fullmatch(kind) else kind

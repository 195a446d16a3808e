"""Catalog_ВидыКонтактнойИнформации: which kinds of contact information the base knows."""

from __future__ import annotations

from typing import Any

from zvirka.domain import ZERO_REF
from zvirka.simulator.invented_texts import KIND_TYPES, version_text

OWN_KINDS = (
    ("ТелефонКонтрагента", "Телефон"),
    ("", "Телефон бухгалтерії"),
    ("EmailКонтрагента", "Email"),
    ("", "Email для рахунків"),
    ("ЮрАдресКонтрагента", "Юридична адреса"),
    ("ФактАдресКонтрагента", "Фактична адреса"),
    ("ПочтовыйАдресКонтрагента", "Поштова адреса"),
)
"""PredefinedDataName and Description of the kinds of a counterparty, in the order of LAYOUTS."""

PARTNER_KINDS = (
    ("ТелефонПартнера", "Телефон партнера"),
    ("", "Додатковий телефон партнера"),
    ("EmailПартнера", "Email партнера"),
    ("", "Додатковий email партнера"),
    ("АдресПартнера", "Адреса партнера"),
    ("", "Адреса доставки партнера"),
    ("", "Поштова адреса партнера"),
)

_TAIL = "c180-11e4-a7a9-000d884fd00d"
_OWN_FOLDER = f"1d78f3f0-{_TAIL}"
_PARTNER_FOLDER = f"1d78f3f1-{_TAIL}"


def kind_ref(partner: bool, kind: int) -> str:
    """Ref_Key of that kind."""
    return f"1d78f39{kind + 8 if partner else kind:x}-{_TAIL}"


OWN_REFS = tuple(kind_ref(False, kind) for kind in range(len(OWN_KINDS)))
PARTNER_REFS = tuple(kind_ref(True, kind) for kind in range(len(PARTNER_KINDS)))


def kind_of(name: str) -> tuple[str, str]:
    """Ref_Key and Тип of the kind with that predefined name or description."""
    for refs, kinds in ((OWN_REFS, OWN_KINDS), (PARTNER_REFS, PARTNER_KINDS)):
        for number, names in enumerate(kinds):
            if name in names:
                return refs[number], KIND_TYPES[number]
    raise KeyError(name)


def default_kind(type_: str, *, partner: bool) -> str:
    """Ref_Key of the kind a new line of that type gets."""
    return kind_ref(partner, KIND_TYPES.index(type_))


def kind_rows(partners: bool) -> list[dict[str, Any]]:
    """The rows of the catalogue: a folder and its kinds for each owner."""
    owners = [("СправочникКонтрагенты", False, OWN_KINDS)]
    if partners:
        owners.append(("СправочникПартнеры", True, PARTNER_KINDS))
    rows = []
    for folder, partner, kinds in owners:
        parent = _PARTNER_FOLDER if partner else _OWN_FOLDER
        rows.append(_row(parent, folder, folder, IsFolder=True))
        rows.extend(
            _row(
                kind_ref(partner, number),
                name,
                text,
                Parent_Key=parent,
                Тип=KIND_TYPES[number],
                РеквизитДопУпорядочивания=str(number),
            )
            for number, (name, text) in enumerate(kinds)
        )
    return rows


def _row(ref: str, name: str, text: str, **own: Any) -> dict[str, Any]:
    return {
        "Ref_Key": ref,
        "DataVersion": version_text(1),
        "DeletionMark": False,
        "Predefined": bool(name),
        "PredefinedDataName": name,
        "Description": text,
        "Parent_Key": ZERO_REF,
        "IsFolder": False,
        "Тип": None,
        "РеквизитДопУпорядочивания": None,
        **own,
    }

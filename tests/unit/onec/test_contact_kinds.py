"""Kinds of contact information are found by the property that names them in this base."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest

from zvirka.onec.contact_kinds import Kinds
from zvirka.onec.failures import MappingMismatchError
from zvirka.onec.mapping_fit import KINDS
from zvirka.onec.paging import Selection
from zvirka.onec.schema import Schema, trim

LEGAL, HOME = str(UUID(int=1)), str(UUID(int=2))
OWN = "ИмяПредопределенногоВида"
PREDEFINED = "PredefinedDataName"


def schema(*names: str) -> Schema:
    properties = "".join(f'<Property Name="{name}" Type="Edm.String"/>' for name in names)
    document = f"""<edmx:Edmx Version="1.0" xmlns:edmx="http://schemas.microsoft.com/ado/2007/06/edmx">
        <edmx:DataServices><Schema Namespace="StandardODATA"
            xmlns="http://schemas.microsoft.com/ado/2009/11/edm">
        <EntityType Name="{KINDS}"><Key><PropertyRef Name="Ref_Key"/></Key>
            <Property Name="Ref_Key" Type="Edm.Guid"/>{properties}</EntityType>
        <EntityContainer Name="EnterpriseV8">
            <EntitySet Name="{KINDS}" EntityType="StandardODATA.{KINDS}"/></EntityContainer>
        </Schema></edmx:DataServices></edmx:Edmx>"""
    return Schema(trim(document.encode(), [KINDS])[0])


class Catalogue:
    """Answers with these kinds, whatever is asked."""

    def __init__(self, *rows: dict[str, str]) -> None:
        self._body = json.dumps({"value": rows}).encode()

    def pages(self, selection: Selection) -> Iterator[list[Any]]:
        yield selection.shape.decode(self._body)


def kinds(names: tuple[str, ...], *rows: dict[str, str]) -> Kinds:
    return Kinds(Catalogue(*rows), schema(*names))  # type: ignore[arg-type]


def kind(ref: str, own: str, predefined: str, description: str) -> dict[str, str]:
    return {"Ref_Key": ref, OWN: own, PREDEFINED: predefined, "Description": description}


def test_a_base_of_the_newer_library_names_kinds_by_its_own_property() -> None:
    """БСП 3.1 leaves PredefinedDataName empty; runs ended with «1C has no kind»."""
    found = kinds(
        (OWN, PREDEFINED, "Description"),
        kind(LEGAL, "ЮрАдресКонтрагента", "", "Юридична адреса"),
        kind(HOME, "", "", "ЮрАдресКонтрагента"),
    )
    assert found.refs("ЮрАдресКонтрагента") == {LEGAL}
    assert found.refs("юрадресконтрагента ") == {LEGAL}


def test_an_older_base_names_them_as_predefined_or_by_description() -> None:
    rows = (
        kind(LEGAL, "", "ЮрАдресКонтрагента", "Юридична адреса"),
        kind(HOME, "", "", "Фактична адреса"),
    )
    found = kinds((PREDEFINED, "Description"), *rows)
    assert found.refs("ЮрАдресКонтрагента") == {LEGAL}
    assert found.refs("фактична адреса") == {HOME}
    assert found.required("Юридична адреса", "address") == {LEGAL}


def test_an_unknown_kind_is_told_with_near_names() -> None:
    found = kinds((OWN, "Description"), kind(LEGAL, "ЮрАдресКонтрагента", "", ""))
    with pytest.raises(MappingMismatchError) as caught:
        found.required("ЮрАдресКонтрагентов", "address")
    assert "ЮрАдресКонтрагента" in str(caught.value.remedy)

"""Small publications for the tests: one made by a function, one read from the fixtures."""

from __future__ import annotations

from pathlib import Path

EDM = "http://schemas.microsoft.com/ado/2009/11/edm"


def _type(name: str, key: str, properties: dict[str, str], extra: str = "") -> str:
    lines = "".join(
        f'<Property Name="{prop}" Type="{kind}" Nullable="true"/>'
        for prop, kind in properties.items()
    )
    keys = "".join(f'<PropertyRef Name="{part}"/>' for part in key.split(","))
    return f'<EntityType Name="{name}" OpenType="true"><Key>{keys}</Key>{lines}{extra}</EntityType>'


SECTION = {
    "Ref_Key": "Edm.Guid",
    "LineNumber": "Edm.Int64",
    "Тип": "Edm.String",
    "Вид_Key": "Edm.Guid",
    "Представление": "Edm.String",
}
CATALOGUE = {
    "Ref_Key": "Edm.Guid",
    "DataVersion": "Edm.String",
    "DeletionMark": "Edm.Boolean",
    "Code": "Edm.String",
    "Description": "Edm.String",
    "IsFolder": "Edm.Boolean",
    "КодПоЕДРПОУ": "Edm.String",
    "Лимит": "Edm.Double",
    "Порядок": "Edm.Int64",
    "Резидент": "Edm.Boolean",
    "Создан": "Edm.DateTime",
    "Партнер_Key": "Edm.Guid",
    "Фото": "Edm.Stream",
    "КонтактнаяИнформация": (
        "Collection(StandardODATA.Catalog_Контрагенты_КонтактнаяИнформация_RowType)"
    ),
    "ИсторияКПП": "Collection(StandardODATA.Catalog_Контрагенты_ИсторияКПП_RowType)",
}
NAVIGATION = (
    '<NavigationProperty Name="Партнер" Relationship="StandardODATA.Nowhere" '
    'FromRole="Begin" ToRole="End"/>'
)


def metadata(
    catalogue: dict[str, str] | None = None, *, section_published: bool = True, padding: int = 0
) -> bytes:
    """The $metadata of a base with counterparties, their contact lines and other catalogues."""
    section = "Catalog_Контрагенты_КонтактнаяИнформация"
    types = [
        _type("Catalog_Контрагенты", "Ref_Key", catalogue or CATALOGUE, NAVIGATION),
        _type("Catalog_КонтрагентыСкладов", "Ref_Key", {"Ref_Key": "Edm.Guid"}),
        *[_type(f"Document_Зайвий{n}", "Ref_Key", {"Ref_Key": "Edm.Guid"}) for n in range(padding)],
    ]
    sets = ["Catalog_Контрагенты", "Catalog_КонтрагентыСкладов"]
    if section_published:
        types.append(_type(section, "Ref_Key,LineNumber", SECTION))
        sets.append(section)
    rows = "".join(
        f'<Property Name="{name}" Type="{kind}" Nullable="true"/>' for name, kind in SECTION.items()
    )
    published = "".join(
        f'<EntitySet Name="{name}" EntityType="StandardODATA.{name}"/>' for name in sets
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<edmx:Edmx xmlns:edmx="http://schemas.microsoft.com/ado/2007/06/edmx" Version="1.0">'
        f'<edmx:DataServices><Schema xmlns="{EDM}" Namespace="StandardODATA">'
        f'{"".join(types)}<ComplexType Name="{section}_RowType">{rows}</ComplexType>'
        f'<EntityContainer Name="EnterpriseV8">{published}</EntityContainer>'
        "</Schema></edmx:DataServices></edmx:Edmx>"
    ).encode()


def trade(name: str) -> bytes:
    """An answer of an invented trade base, in the structure of a real one."""
    folder = Path(__file__).parents[2] / "fixtures" / "onec"
    return (folder / f"trade_{name}").read_bytes()

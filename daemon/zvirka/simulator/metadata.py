"""``$metadata``: EDMX 1.0 in the shape of a recorded one, made of the published entity types."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from zvirka.simulator.configurations import EntityType, Property, TabularSection, section_type

_HEAD = """<?xml version="1.0" encoding="UTF-8"?>
<edmx:Edmx xmlns:edmx="http://schemas.microsoft.com/ado/2007/06/edmx"
\t\tVersion="1.0">
\t<edmx:DataServices xmlns:m="http://schemas.microsoft.com/ado/2007/08/dataservices/metadata"
\t\t\tm:DataServiceVersion="3.0"
\t\t\tm:MaxDataServiceVersion="3.0">
\t\t<Schema xmlns="http://schemas.microsoft.com/ado/2009/11/edm"
\t\t\t\tNamespace="StandardODATA">
"""
_ENUM = """\t\t\t<EnumType Name="AllowedSign"
\t\t\t\t\tUnderlyingType="Edm.Int32">
\t\t\t\t<Member Name="Any"/>
\t\t\t\t<Member Name="Nonnegative"/>
\t\t\t</EnumType>
"""
_CONTAINER = """\t\t\t<EntityContainer Name="EnterpriseV8"
\t\t\t\t\tm:IsDefaultEntityContainer="true">
"""
_FOOT = """\t\t\t</EntityContainer>
\t\t</Schema>
\t</edmx:DataServices>
</edmx:Edmx>"""


def metadata(
    types: Iterable[EntityType], *, hidden: Collection[str] = (), at_least: int = 0
) -> bytes:
    """The document for these types; padded with unused types to ``at_least`` bytes.

    ``hidden`` names tabular sections that are not published as sets of their own.
    """
    published = list(types)
    sections = [(owner, each) for owner in published for each in owner.sections]
    flat = [
        each for owner in published for each in _with_sections(owner) if each.name not in hidden
    ]
    padding = _padding(at_least) if at_least else []
    known = {each.name for each in flat}
    ends = [
        (owner.name, name, target)
        for owner in published
        for name, target in owner.navigations
        if target in known
    ]
    parts = [
        _HEAD,
        *(_entity_type(each, known) for each in flat),
        *(_entity_type(each, known) for each in padding),
        *(_row_type(owner, each) for owner, each in sections),
        *(_association(*end) for end in ends),
        _ENUM,
        _CONTAINER,
        *(_entity_set(each.name) for each in (*flat, *padding)),
        _FOOT,
    ]
    return "".join(parts).encode()


def _with_sections(owner: EntityType) -> Iterator[EntityType]:
    yield owner
    for each in owner.sections:
        yield section_type(owner, each)


def _entity_type(type_: EntityType, known: set[str]) -> str:
    keys = "".join(f'\t\t\t\t\t<PropertyRef Name="{each}"/>\n' for each in type_.key)
    own = "".join(_property(each, nullable=each.name not in type_.key) for each in type_.properties)
    nested = "".join(
        f'\t\t\t\t<Property Name="{each.name}"\n'
        f'\t\t\t\t\t\tType="Collection(StandardODATA.{type_.name}_{each.name}_RowType)"\n'
        '\t\t\t\t\t\tNullable="true"/>\n'
        for each in type_.sections
    )
    navigations = "".join(
        f'\t\t\t\t<NavigationProperty Name="{name}"\n'
        f'\t\t\t\t\t\tRelationship="StandardODATA.{type_.name}_{name}"\n'
        '\t\t\t\t\t\tFromRole="Begin"\n\t\t\t\t\t\tToRole="End"/>\n'
        for name, target in type_.navigations
        if target in known
    )
    return (
        f'\t\t\t<EntityType Name="{type_.name}">\n\t\t\t\t<Key>\n{keys}\t\t\t\t</Key>\n'
        f"{own}{nested}{navigations}\t\t\t</EntityType>\n"
    )


def _row_type(owner: EntityType, section: TabularSection) -> str:
    properties = section_type(owner, section).properties
    lines = "".join(
        _property(each, nullable=each.name not in {"Ref_Key", "LineNumber"}) for each in properties
    )
    name = f"{owner.name}_{section.name}_RowType"
    return f'\t\t\t<ComplexType Name="{name}">\n{lines}\t\t\t</ComplexType>\n'


def _property(each: Property, *, nullable: bool) -> str:
    return (
        f'\t\t\t\t<Property Name="{each.name}"\n\t\t\t\t\t\tType="{each.type}"\n'
        f'\t\t\t\t\t\tNullable="{str(nullable).lower()}"/>\n'
    )


def _association(owner: str, name: str, target: str) -> str:
    return (
        f'\t\t\t<Association Name="{owner}_{name}">\n'
        f'\t\t\t\t<End Role="Begin"\n\t\t\t\t\t\tType="StandardODATA.{owner}"\n'
        '\t\t\t\t\t\tMultiplicity="*"/>\n'
        f'\t\t\t\t<End Role="End"\n\t\t\t\t\t\tType="StandardODATA.{target}"\n'
        '\t\t\t\t\t\tMultiplicity="0..1"/>\n'
        "\t\t\t</Association>\n"
    )


def _entity_set(name: str) -> str:
    return f'\t\t\t\t<EntitySet Name="{name}"\n\t\t\t\t\t\tEntityType="StandardODATA.{name}"/>\n'


_PADDED_PROPERTIES = tuple(Property(f"Реквизит{number}") for number in range(32))
_PADDED_BYTES = len(
    _entity_type(
        EntityType("Catalog_Довідник00000", ("Ref_Key",), _PADDED_PROPERTIES), set()
    ).encode()
)


def _padding(at_least: int) -> list[EntityType]:
    """As many unused catalogues as fill the document: a full publication is 14-15 MB."""
    return [
        EntityType(f"Catalog_Довідник{number:05d}", ("Реквизит0",), _PADDED_PROPERTIES)
        for number in range(at_least // _PADDED_BYTES + 1)
    ]

"""The entity types a configuration publishes: the shapes accounting, trade, custom, legacy, kz.

The names are those of typical Ukrainian configurations (BAS Бухгалтерія, BAS Управління
торгівлею, УТП); the properties of the contact section follow a recorded `$metadata`.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import msgspec

from zvirka.domain import ZERO_REF
from zvirka.mapping import Attribute, ContactLine, FieldSource, RegisterLine

CONTACTS = "КонтактнаяИнформация"
COUNTERPARTIES = "Catalog_Контрагенты"
PARTNERS = "Catalog_Партнеры"
KINDS = "Catalog_ВидыКонтактнойИнформации"
REGISTER = "InformationRegister_КонтактнаяИнформация"
EXCHANGE_PLAN = "ExchangePlan_Звірка"


DEFAULTS: dict[str, Any] = {
    "Edm.Boolean": False,
    "Edm.Guid": ZERO_REF,
    "Edm.DateTime": "0001-01-01T00:00:00",
    "Edm.Int64": "0",
    "Edm.Int32": 0,
    "Edm.Int16": 0,
    "Edm.Double": 0.0,
}
"""The value of an attribute that was not filled in, by type; an empty string for other types."""


class ConfigurationKind(StrEnum):
    """Which kind of configuration the simulator imitates."""

    ACCOUNTING = "accounting"
    TRADE = "trade"
    CUSTOM = "custom"
    LEGACY = "legacy"
    KZ = "kz"


class Property(msgspec.Struct, frozen=True):
    """One property of an entity type.

    ``unlimited`` strings can be neither compared nor sorted. ``item`` properties are null on a
    group. ``composite`` references arrive as text beside a ``…_Type`` and are compared by cast.
    """

    name: str
    type: str = "Edm.String"
    unlimited: bool = False
    item: bool = False
    composite: bool = False

    @property
    def reference(self) -> bool:
        """Whether the property holds a reference to an object."""
        return self.type == "Edm.Guid" or self.composite


class TabularSection(msgspec.Struct, frozen=True):
    """A tabular section: its name and the properties of a line besides Ref_Key."""

    name: str
    properties: tuple[Property, ...]


class EntityType(msgspec.Struct, frozen=True):
    """One published entity type; the entity set bears the same name.

    ``presentation`` is the property the platform shows, and sorts by, in place of a reference.
    """

    name: str
    key: tuple[str, ...]
    properties: tuple[Property, ...]
    sections: tuple[TabularSection, ...] = ()
    navigations: tuple[tuple[str, str], ...] = ()
    presentation: str = "Description"

    def find(self, name: str) -> Property | None:
        """The property of that name, tabular sections not counted."""
        return next((each for each in self.properties if each.name == name), None)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the properties, tabular sections not counted."""
        return tuple(each.name for each in self.properties)


class PublishedShape(msgspec.Struct, frozen=True):
    """The composition a profile publishes and where it keeps the six mapped fields."""

    types: tuple[EntityType, ...]
    places: dict[str, FieldSource]
    folders: bool

    def type(self, name: str) -> EntityType | None:
        """The entity type of that name."""
        return next((each for each in self.types if each.name == name), None)


def default_of(each: Property) -> Any:
    """Return the value of an attribute that was not filled in."""
    return DEFAULTS.get(each.type, "")


def section_type(owner: EntityType, section: TabularSection) -> EntityType:
    """The entity type a tabular section is published under."""
    return EntityType(
        name=f"{owner.name}_{section.name}",
        key=("Ref_Key", "LineNumber"),
        properties=(Property("Ref_Key", "Edm.Guid"), *section.properties),
        presentation="LineNumber",
    )


def shape(profile: ConfigurationKind) -> PublishedShape:
    """The composition of that profile."""
    return _SHAPES[profile]


def _guid(name: str, item: bool = True) -> Property:
    return Property(name, "Edm.Guid", item=item)


def _text(name: str) -> Property:
    return Property(name, item=True)


def _long(name: str) -> Property:
    return Property(name, unlimited=True, item=True)


_STANDARD = (
    Property("Ref_Key", "Edm.Guid"),
    Property("DataVersion"),
    Property("DeletionMark", "Edm.Boolean"),
    Property("Predefined", "Edm.Boolean"),
    Property("PredefinedDataName"),
    Property("Description"),
)
_CODED = (Property("Code"),)
_FOLDERS = (Property("Parent_Key", "Edm.Guid"), Property("IsFolder", "Edm.Boolean"))

_CONTACT_SECTION = TabularSection(
    CONTACTS,
    (
        Property("LineNumber", "Edm.Int64"),
        Property("Тип"),
        Property("Вид_Key", "Edm.Guid"),
        Property("Представление"),
        Property("ЗначенияПолей", unlimited=True),
        Property("Страна"),
        Property("Регион"),
        Property("Город"),
        Property("АдресЭП"),
        Property("ДоменноеИмяСервера"),
        Property("НомерТелефона"),
        Property("НомерТелефонаБезКодов"),
        Property("ВидДляСписка_Key", "Edm.Guid"),
        Property("ДействуетС", "Edm.DateTime"),
        Property("Значение", unlimited=True),
    ),
)
_EXTRA_SECTION = TabularSection(
    "ДополнительныеРеквизиты",
    (
        Property("LineNumber", "Edm.Int64"),
        Property("Свойство_Key", "Edm.Guid"),
        Property("Значение"),
        Property("Значение_Type"),
        Property("ТекстоваяСтрока", unlimited=True),
    ),
)
_HISTORY_SECTION = TabularSection(
    "ИсторияНаименований",
    (
        Property("LineNumber", "Edm.Int64"),
        Property("Период", "Edm.DateTime"),
        Property("НаименованиеПолное", unlimited=True),
    ),
)

_COMMON = (
    _long("НаименованиеПолное"),
    _text("ЮридическоеФизическоеЛицо"),
    _guid("СтранаРегистрации_Key"),
    _guid("ГоловнойКонтрагент_Key"),
    _text("КодПоЕДРПОУ"),
    _long("Комментарий"),
    _long("ДополнительнаяИнформация"),
    Property("ГосударственныйОрган", "Edm.Boolean", item=True),
    Property("ДатаСоздания", "Edm.DateTime", item=True),
)
_WITHOUT_EDRPOU = tuple(each for each in _COMMON if each.name != "КодПоЕДРПОУ")
_VAT = (_text("ИНН"), _text("НомерСвидетельства"))

_KINDS_TYPE = EntityType(
    KINDS,
    ("Ref_Key",),
    (*_STANDARD, *_FOLDERS, Property("Тип"), Property("РеквизитДопУпорядочивания", "Edm.Int64")),
)
_PLAN_TYPE = EntityType(
    EXCHANGE_PLAN,
    ("Ref_Key",),
    (
        Property("Ref_Key", "Edm.Guid"),
        Property("Code"),
        Property("Description"),
        Property("DataVersion"),
        Property("DeletionMark", "Edm.Boolean"),
        Property("SentNo", "Edm.Int64"),
        Property("ReceivedNo", "Edm.Int64"),
        Property("ThisNode", "Edm.Boolean"),
        Property("ExchangeDate", "Edm.DateTime"),
    ),
)
_REGISTER_TYPE = EntityType(
    REGISTER,
    ("Объект", "Объект_Type", "Тип", "Вид", "Вид_Type"),
    (
        Property("Объект", composite=True),
        Property("Объект_Type"),
        Property("Тип"),
        Property("Вид", composite=True),
        Property("Вид_Type"),
        Property("Представление"),
        Property("Поле1"),
        Property("Поле2"),
        Property("Поле3"),
        Property("Комментарий", unlimited=True),
        Property("ЗначениеПоУмолчанию", "Edm.Boolean"),
    ),
    presentation="Представление",
)

_OWN = (("ГоловнойКонтрагент", COUNTERPARTIES),)
_NESTED = (("Parent", COUNTERPARTIES), *_OWN)


_PLACES: dict[str, FieldSource] = {
    "name": Attribute("Description"),
    "tax_id": Attribute("КодПоЕДРПОУ"),
    "phone": ContactLine("Телефон"),
    "email": ContactLine("АдресЭлектроннойПочты"),
    "address": ContactLine("Адрес", "ЮрАдресКонтрагента"),
}

_SHAPES = {
    ConfigurationKind.ACCOUNTING: PublishedShape(
        types=(
            EntityType(
                COUNTERPARTIES,
                ("Ref_Key",),
                (*_STANDARD, *_CODED, *_FOLDERS, *_COMMON, *_VAT),
                (_CONTACT_SECTION, _EXTRA_SECTION, _HISTORY_SECTION),
                _NESTED,
            ),
            _KINDS_TYPE,
            _PLAN_TYPE,
        ),
        places={"code": Attribute("Code"), **_PLACES},
        folders=True,
    ),
    ConfigurationKind.TRADE: PublishedShape(
        types=(
            EntityType(
                COUNTERPARTIES,
                ("Ref_Key",),
                (
                    *_STANDARD,
                    *_COMMON,
                    _text("ИННПлательщикаНДС"),
                    _text("НалоговыйНомер"),
                    _guid("Партнер_Key"),
                ),
                (_CONTACT_SECTION, _EXTRA_SECTION, _HISTORY_SECTION),
                _OWN,
            ),
            EntityType(
                PARTNERS,
                ("Ref_Key",),
                (*_STANDARD, Property("Code"), _long("НаименованиеПолное"), _long("Комментарий")),
                (_CONTACT_SECTION, _EXTRA_SECTION),
            ),
            _KINDS_TYPE,
            _PLAN_TYPE,
        ),
        places={
            **_PLACES,
            "phone": ContactLine("Телефон", via="Партнер_Key", catalog="Партнеры"),
            "email": ContactLine("АдресЭлектроннойПочты", via="Партнер_Key", catalog="Партнеры"),
        },
        folders=False,
    ),
    ConfigurationKind.CUSTOM: PublishedShape(
        types=(
            EntityType(
                COUNTERPARTIES,
                ("Ref_Key",),
                (
                    *_STANDARD,
                    *_CODED,
                    *_FOLDERS,
                    _text("ИНН"),
                    _text("Телефон"),
                    _text("Email"),
                    _text("ЮридическийАдрес"),
                    _long("Комментарий"),
                ),
                (_EXTRA_SECTION,),
                (("Parent", COUNTERPARTIES),),
            ),
            _PLAN_TYPE,
        ),
        places={
            "code": Attribute("Code"),
            "name": Attribute("Description"),
            "tax_id": Attribute("ИНН"),
            "phone": Attribute("Телефон"),
            "email": Attribute("Email"),
            "address": Attribute("ЮридическийАдрес"),
        },
        folders=True,
    ),
    ConfigurationKind.KZ: PublishedShape(
        types=(
            EntityType(
                COUNTERPARTIES,
                ("Ref_Key",),
                (
                    *_STANDARD,
                    *_CODED,
                    *_FOLDERS,
                    *_WITHOUT_EDRPOU,
                    _text("ИдентификационныйКодЛичности"),
                ),
                (_CONTACT_SECTION, _EXTRA_SECTION, _HISTORY_SECTION),
                _NESTED,
            ),
            _KINDS_TYPE,
            _PLAN_TYPE,
        ),
        places={
            "code": Attribute("Code"),
            **_PLACES,
            "tax_id": Attribute("ИдентификационныйКодЛичности"),
        },
        folders=True,
    ),
    ConfigurationKind.LEGACY: PublishedShape(
        types=(
            EntityType(
                COUNTERPARTIES,
                ("Ref_Key",),
                (*_STANDARD, *_CODED, *_FOLDERS, *_COMMON, *_VAT, _text("ЮрФизЛицо")),
                (_EXTRA_SECTION,),
                _NESTED,
            ),
            _KINDS_TYPE,
            _REGISTER_TYPE,
            _PLAN_TYPE,
        ),
        places={
            "code": Attribute("Code"),
            "name": Attribute("Description"),
            "tax_id": Attribute("КодПоЕДРПОУ"),
            "phone": RegisterLine("Телефон"),
            "email": RegisterLine("АдресЭлектроннойПочты"),
            "address": RegisterLine("Адрес", "ЮрАдресКонтрагента"),
        },
        folders=True,
    ),
}

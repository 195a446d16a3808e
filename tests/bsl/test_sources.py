"""The XML sources of the extension against a description of public dumps, element by element.

:data:`ORDER` lists, for each element that has children, those that dumps of the format 2.4 to 2.20
show, in their order; the sources may leave some out and never swap or invent any. What the
description cannot prove, only a platform can: that it loads them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from lxml import etree

from tests.bsl.syntax import parse, read, routines
from tests.bsl.world import BSL, QUEUE

EXTENSION = BSL / "extension"
SOURCES = sorted(EXTENSION.rglob("*.xml"))

_FIELD = """
    Name Synonym Comment Type PasswordMode Format EditFormat ToolTip MarkNegatives Mask MultiLine
    ExtendedEdit MinValue MaxValue FillFromFillingValue FillValue FillChecking
    ChoiceFoldersAndItems ChoiceParameterLinks ChoiceParameters QuickChoice CreateOnInput
    ChoiceForm LinkByType ChoiceHistoryOnInput
"""
_FORM = "Name Synonym Comment FormType IncludeHelpInContents UsePurposes"
ORDER = {
    "MetaDataObject": """
        Configuration Language Subsystem Role CommonModule EventSubscription ScheduledJob CommonForm
        InformationRegister Form
    """,
    "MetaDataObject/Configuration": "InternalInfo Properties ChildObjects",
    "MetaDataObject/InformationRegister": "InternalInfo Properties ChildObjects",
    "MetaDataObject/Language": "InternalInfo Properties",
    "MetaDataObject/Subsystem": "Properties ChildObjects",
    **dict.fromkeys(
        (
            "MetaDataObject/Role",
            "MetaDataObject/CommonModule",
            "MetaDataObject/EventSubscription",
            "MetaDataObject/ScheduledJob",
            "MetaDataObject/CommonForm",
            "MetaDataObject/Form",
            "ChildObjects/Dimension",
            "ChildObjects/Resource",
        ),
        "Properties",
    ),
    "InternalInfo": "ContainedObject GeneratedType",
    "ContainedObject": "ClassId ObjectId",
    "GeneratedType": "TypeId ValueId",
    "Synonym": "item",
    "Title": "item",
    "item": "lang content",
    "Source": "Type TypeSet",
    "Content": "Item",
    "UsePurposes": "Value",
    "Type": "Type NumberQualifiers StringQualifiers",
    "NumberQualifiers": "Digits FractionDigits AllowedSign",
    "StringQualifiers": "Length AllowedLength",
    "JobSchedule": "Schedule",
    "Schedule": "WeekDays Months",
    "Configuration/Properties": """
        ObjectBelonging Name Synonym Comment ConfigurationExtensionPurpose
        KeepMappingToExtendedConfigurationObjectsByIDs NamePrefix
        ConfigurationExtensionCompatibilityMode DefaultRunMode UsePurposes ScriptVariant
        DefaultRoles Vendor Version DefaultLanguage BriefInformation DetailedInformation Copyright
        VendorInformationAddress ConfigurationInformationAddress InterfaceCompatibilityMode
    """,
    "Configuration/ChildObjects": """
        Language Subsystem StyleItem CommonPicture SessionParameter Role CommonTemplate
        CommonModule ExchangePlan EventSubscription ScheduledJob CommonCommand CommonForm Constant
        Catalog Document Enum InformationRegister
    """,
    "Language/Properties": """
        ObjectBelonging Name Synonym Comment ExtendedConfigurationObject LanguageCode
    """,
    "Subsystem/Properties": """
        Name Synonym Comment IncludeHelpInContents IncludeInCommandInterface UseOneCommand
        Explanation Picture Content
    """,
    "Role/Properties": "Name Synonym Comment",
    "CommonModule/Properties": """
        Name Synonym Comment Global ClientManagedApplication Server ExternalConnection
        ClientOrdinaryApplication ServerCall Privileged ReturnValuesReuse
    """,
    "EventSubscription/Properties": "Name Synonym Comment Source Event Handler",
    "ScheduledJob/Properties": """
        Name Synonym Comment MethodName Description Key Use Predefined RestartCountOnFailure
        RestartIntervalOnFailure
    """,
    "InformationRegister/Properties": """
        Name Synonym Comment UseStandardCommands EditType DefaultRecordForm DefaultListForm
        AuxiliaryRecordForm AuxiliaryListForm StandardAttributes
        InformationRegisterPeriodicity WriteMode MainFilterOnPeriod IncludeHelpInContents
        DataLockControlMode FullTextSearch EnableTotalsSliceFirst EnableTotalsSliceLast
        RecordPresentation ExtendedRecordPresentation ListPresentation ExtendedListPresentation
        Explanation DataHistory UpdateDataHistoryImmediatelyAfterWrite
        ExecuteAfterWriteDataHistoryVersionProcessing
    """,
    "InformationRegister/ChildObjects": "Resource Attribute Dimension Form Template Command",
    "Dimension/Properties": f"""
        {_FIELD} Master MainFilter DenyIncompleteValues Indexing FullTextSearch DataHistory
        TypeReductionMode
    """,
    "Resource/Properties": f"{_FIELD} Indexing FullTextSearch DataHistory",
    "Form/Properties": f"{_FORM} ExtendedPresentation",
    "CommonForm/Properties": f"{_FORM} UseStandardCommands ExtendedPresentation Explanation",
    "Rights": """
        setForNewObjects setForAttributesByDefault independentRightsOfChildObjects object
        restrictionTemplate
    """,
    "object": "name right",
    "right": "name value",
    "Form": """
        Title Width Height AutoTitle Customizable CommandSet ShowTitle AutoCommandBar Events
        ChildItems Attributes Commands
    """,
    "Table": """
        Representation CommandBarLocation DefaultItem MultipleChoice UseAlternationRowColor
        InitialTreeView EnableStartDrag FileDragMode DataPath RowPictureDataPath
        SearchStringLocation ViewStatusLocation SearchControlLocation AutoRefresh
        AutoRefreshPeriod Period ChoiceFoldersAndItems RestoreCurrentRow TopLevelParent ShowRoot
        AllowRootChoice UpdateOnDataChange UserSettingsGroup ContextMenu AutoCommandBar
        ExtendedTooltip SearchStringAddition ViewStatusAddition SearchControlAddition Events
        ChildItems
    """,
    "SearchStringAddition": "AdditionSource ContextMenu ExtendedTooltip",
    "ViewStatusAddition": "AdditionSource ContextMenu ExtendedTooltip",
    "SearchControlAddition": "AdditionSource ContextMenu ExtendedTooltip",
    "AdditionSource": "Item Type",
    "AutoCommandBar": "Autofill ChildItems",
    "LabelField": "DataPath DefaultItem TitleLocation ContextMenu ExtendedTooltip",
    "CheckBoxField": "DataPath ReadOnly CheckBoxType ContextMenu ExtendedTooltip",
    "InputField": """
        DataPath ReadOnly TitleLocation PasswordMode EditMode ContextMenu ExtendedTooltip Events
    """,
    "Button": "Type CommandName Title ExtendedTooltip",
    "Attribute": "Title Type MainAttribute SavedData UseAlways Columns Settings",
    "Settings": "ManualQuery DynamicDataRead QueryText MainTable ListSettings",
    "ListSettings": """
        filter order conditionalAppearance itemsViewMode itemsUserSettingID
    """,
    "Command": "Title ToolTip Picture Action Representation",
    **dict.fromkeys(("filter", "order", "conditionalAppearance"), "viewMode userSettingID"),
    "ChildItems": "Button Table LabelField CheckBoxField InputField",
    "Events": "Event",
    "Attributes": "Attribute",
    "Commands": "Command",
}
FREE = {"Dimension", "Resource", "Button", "Table", "LabelField", "CheckBoxField", "InputField"}
"""Kinds whose place is free: the developer's order of the fields of a register, items of a form."""


def tag(node: etree._Element) -> str:
    return etree.QName(node).localname


def described(root: etree._Element) -> Iterator[tuple[str, list[str]]]:
    """Every element that has children, under its name in the description, with them in order."""
    for node in root.iter(etree.Element):
        parent = node.getparent()
        inside = "" if parent is None else f"{tag(parent)}/{tag(node)}"
        children = [tag(child) for child in node.iterchildren(etree.Element)]
        if children:
            yield inside if inside in ORDER else tag(node), children


def faults(root: etree._Element) -> list[str]:
    """Elements and children the description does not know, or knows in another order."""
    found = []
    for key, children in described(root):
        known = ORDER.get(key, "").split()
        found += [f"{key}: {child} is not known" for child in children if child not in known]
        places = [known.index(c) for c in children if c in known and c not in FREE]
        if places != sorted(places):
            found.append(f"{key}: {' '.join(children)}")
    return found


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(EXTENSION)))
def test_every_source_has_the_elements_of_a_dump_in_their_order(path: Path) -> None:
    root = etree.parse(path).getroot()
    assert faults(root) == []


def test_an_element_moved_or_invented_is_found() -> None:
    root = etree.parse(EXTENSION / "CommonModules" / "ZvirkaPush.xml").getroot()
    properties = root[0][0]
    properties.append(properties[0])
    assert len(faults(root)) == 1
    etree.SubElement(properties, str(properties[0].tag) + "New")
    assert len(faults(root)) == 2
    etree.SubElement(etree.SubElement(root, "Unknown"), "Child")
    assert len(faults(root)) == 4


FORMS = {
    EXTENSION / "CommonForms/ZvirkaSettings/Ext/Form.xml",
    EXTENSION / "InformationRegisters/ZvirkaOutbox/Forms/ListForm/Ext/Form.xml",
}


def test_every_form_is_among_those_checked_here() -> None:
    assert set(EXTENSION.rglob("Form.xml")) == FORMS


@pytest.mark.parametrize("path", sorted(FORMS), ids=lambda path: path.parts[-4])
def test_buttons_name_commands_and_commands_name_routines_of_the_client(path: Path) -> None:
    root = etree.parse(path).getroot()
    module = read(path.with_name("Form") / "Module.bsl")
    commands = {str(node.get("name")) for node in root.iterfind("{*}Commands/{*}Command")}
    pressed = {str(node.text) for node in root.iter("{*}CommandName")}
    assert pressed == {f"Form.Command.{name}" for name in commands}
    client = set(re.findall(r"&НаКлиенте\n(?:Процедура|Функция) (\w+)", module))
    server = set(re.findall(r"&НаСервере\n(?:Процедура|Функция) (\w+)", module))
    assert {str(node.text) for node in root.iter("{*}Action")} <= client
    assert {str(node.text) for node in root.iter("{*}Event")} <= client | server
    directed = re.findall(r"&\w+\n(?:Процедура|Функция) (\w+)", module)
    assert sorted(directed) == sorted(routines(parse(module)))


@pytest.mark.parametrize("path", sorted(FORMS), ids=lambda path: path.parts[-4])
def test_items_of_a_form_have_numbers_and_names_of_their_own(path: Path) -> None:
    root = etree.parse(path).getroot()
    items = [root.find("{*}AutoCommandBar"), root.find("{*}ChildItems")]
    named = [node for item in items if item is not None for node in item.iter(etree.Element)]
    for attribute in ("id", "name"):
        values = [node.get(attribute) for node in named if node.get(attribute)]
        assert len(values) == len(set(values))


def test_the_list_shows_fields_of_the_register() -> None:
    [path] = (path for path in FORMS if "ListForm" in path.parts)
    root = etree.parse(path).getroot()
    shown = {str(node.text).removeprefix("Список.") for node in root.iter("{*}DataPath")}
    assert shown - {"Список"} <= {*QUEUE.dimensions, *QUEUE.resources} - {"Данные"}
    assert root.findtext(".//{*}MainTable") == "InformationRegister.ZvirkaOutbox"
    register = etree.parse(EXTENSION / "InformationRegisters/ZvirkaOutbox.xml").getroot()
    form = "InformationRegister.ZvirkaOutbox.Form.ListForm"
    assert register.findtext(".//{*}DefaultListForm") == form


def test_the_settings_form_edits_settings_the_module_has() -> None:
    [path] = (path for path in FORMS if "CommonForms" in path.parts)
    root = etree.parse(path).getroot()
    attributes = {str(node.get("name")) for node in root.iterfind("{*}Attributes/{*}Attribute")}
    assert {str(node.text) for node in root.iter("{*}DataPath")} == attributes
    core = read(BSL / "dropin" / "Zvirka.bsl")
    known = set(re.findall(r'^\tРезультат\.Вставить\("(\w+)", ', core, re.MULTILINE))
    assert attributes - {"ЭтаБаза"} <= known
    module = read(path.with_name("Form") / "Module.bsl")
    listed = re.search(r'Новый Структура\(\s*"([^"]+)"\)', module)
    assert listed
    written = {name.strip(" \t\n|") for name in listed[1].split(",")}
    assert written == attributes - {"РабочаяБаза", "ЭтаБаза"}
    hidden = {str(n.getparent().get("name")) for n in root.iter("{*}PasswordMode")}  # type: ignore[union-attr]
    assert hidden == {"Токен", "Пароль", "КлючПодписи"}


def test_no_schedule_is_shorter_than_a_minute() -> None:
    schedule = etree.parse(EXTENSION / "ScheduledJobs/ZvirkaOutbox/Ext/Schedule.xml").getroot()
    assert [int(s.get("RepeatPeriodInDay") or 0) for s in schedule] == [60]


def test_the_language_is_adopted_without_naming_an_object_of_the_base() -> None:
    language = (EXTENSION / "Languages" / "Русский.xml").read_text(encoding="utf-8-sig")
    assert "ExtendedConfigurationObject" not in language
    assert "00000000-0000" not in language

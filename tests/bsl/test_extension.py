"""The sources of the extension agree with each other and with the modules."""

from __future__ import annotations

from pathlib import Path

import pytest
from lxml import etree

from tests.bsl.syntax import parse as parse_module
from tests.bsl.syntax import read, routines
from tests.bsl.world import (
    BSL,
    CORE,
    OUTBOX,
    QUEUE,
)

EXTENSION = BSL / "extension"


MD = "{http://v8.1c.ru/8.3/MDClasses}"


def test_the_sources_list_exactly_the_objects_that_have_files() -> None:
    root = etree.parse(EXTENSION / "Configuration.xml").getroot()
    listed = {
        (str(c.tag).removeprefix(MD), c.text) for c in root.iter(f"{MD}ChildObjects") for c in c
    }
    folders = {
        "Language": "Languages",
        "Role": "Roles",
        "CommonModule": "CommonModules",
        "EventSubscription": "EventSubscriptions",
        "ScheduledJob": "ScheduledJobs",
        "InformationRegister": "InformationRegisters",
        "CommonForm": "CommonForms",
        "Subsystem": "Subsystems",
    }
    present = {
        (kind, file.stem)
        for kind, folder in folders.items()
        for file in EXTENSION.glob(f"{folder}/*.xml")
    }
    assert listed == present


def test_every_object_is_named_after_its_file_and_no_uuid_repeats() -> None:
    seen: list[str] = []
    for file in EXTENSION.glob("*/*.xml"):
        [described] = etree.parse(file).getroot()
        name = described.find(f"{MD}Properties/{MD}Name")
        assert name is not None
        assert name.text == file.stem
        seen += [str(node.get("uuid")) for node in described.iter() if node.get("uuid")]
    assert len(seen) == len(set(seen))


def test_subscriptions_and_the_job_name_exported_routines_that_exist() -> None:
    exported = {
        name
        for name, node in routines(parse_module(read(OUTBOX))).items()
        if node.child_by_field_name("export") is not None
    }
    named = set()
    for tag, folder in (("Handler", "EventSubscriptions"), ("MethodName", "ScheduledJobs")):
        for file in (EXTENSION / folder).glob("*.xml"):
            value = etree.parse(file).getroot().find(f".//{MD}{tag}")
            assert value is not None
            named.add(str(value.text).removeprefix("CommonModule.ZvirkaOutbox."))
    assert named <= exported


def test_the_register_of_the_sources_has_the_fields_the_module_uses() -> None:
    root = etree.parse(EXTENSION / "InformationRegisters" / "ZvirkaOutbox.xml").getroot()

    def names(tag: str) -> tuple[str, ...]:
        found = root.findall(f".//{MD}{tag}/{MD}Properties/{MD}Name")
        return tuple(str(node.text) for node in found)

    assert names("Dimension") == QUEUE.dimensions
    assert set(names("Resource")) == set(QUEUE.resources)


def test_both_variants_ship_one_and_the_same_core() -> None:
    assert read(EXTENSION / "CommonModules" / "ZvirkaPush" / "Ext" / "Module.bsl") == read(CORE)


SOURCES = sorted(EXTENSION.rglob("*.xml"))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(EXTENSION)))
def test_every_source_is_well_formed_and_of_one_version_of_the_format(path: Path) -> None:
    assert path.read_bytes().startswith(b"\xef\xbb\xbf<?xml")
    assert etree.parse(path).getroot().get("version") == "2.17"


def test_the_subscriptions_listen_to_the_event_their_handler_is_named_for() -> None:
    events = {
        "BeforeWrite": "ПередЗаписью",
        "OnWrite": "ПриЗаписи",
        "BeforeDelete": "ПередУдалением",
    }
    heard = {}
    for file in (EXTENSION / "EventSubscriptions").glob("*.xml"):
        root = etree.parse(file).getroot()
        heard[root.findtext(f".//{MD}Event")] = root.findtext(f".//{MD}Handler")
        assert "cfg:CatalogObject" in file.read_text(encoding="utf-8-sig")
    assert heard == {
        event: f"CommonModule.ZvirkaOutbox.{name}Контрагента" for event, name in events.items()
    }


def test_the_common_modules_run_on_the_server_and_no_client_can_call_them() -> None:
    for file in (EXTENSION / "CommonModules").glob("*.xml"):
        root = etree.parse(file).getroot()
        flags = (
            "Server",
            "ExternalConnection",
            "ClientOrdinaryApplication",
            "ServerCall",
            "Global",
        )
        found = [root.findtext(f".//{MD}{flag}") for flag in flags]
        assert found == ["true", "true", "true", "false", "false"], file.stem


ROLES = {
    "ZvirkaReader": {
        "InformationRegister.ZvirkaOutbox": ["Read", "View"],
        "Subsystem.ZvirkaSubsystem": ["View"],
    },
    "ZvirkaAdmin": {
        "InformationRegister.ZvirkaOutbox": ["Read", "Update", "View", "Edit"],
        "InformationRegister.ZvirkaSettings": ["Read", "Update"],
        "CommonForm.ZvirkaSettings": ["View"],
        "Subsystem.ZvirkaSubsystem": ["View"],
    },
}


@pytest.mark.parametrize("role", ROLES)
def test_a_role_gives_what_its_name_says_and_nothing_else(role: str) -> None:
    rights = etree.parse(EXTENSION / "Roles" / role / "Ext" / "Rights.xml").getroot()
    space = "{http://v8.1c.ru/8.2/roles}"
    granted = {
        str(given.findtext(f"{space}name")): [
            str(right.findtext(f"{space}name")) for right in given.iter(f"{space}right")
        ]
        for given in rights.iter(f"{space}object")
    }
    assert granted == ROLES[role]


def test_no_role_is_given_to_everybody() -> None:
    assert "DefaultRoles" not in (EXTENSION / "Configuration.xml").read_text(encoding="utf-8")

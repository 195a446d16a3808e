"""What ``zvirka check`` says of 1C, against a publication that has each fault in turn."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from tests.integration.test_onec_faults import base_of, mapping_for, onec_settings
from tests.unit.onec.samples import trade
from tests.unit.onec.scripted import Reply, served
from zvirka.findings import Finding
from zvirka.onec.source_check import check_source
from zvirka.onec.undelivered import REGISTER
from zvirka.settings.model import FieldSettings, OnecSettings

CATALOG = "Catalog_Контрагенты"


def checked(onec: OnecSettings, directory: Path) -> list[Finding]:
    return check_source(onec, mapping_for(onec), directory)


def failures(findings: list[Finding]) -> list[Finding]:
    return [finding for finding in findings if finding.level == "failure"]


@pytest.mark.parametrize("profile", ["accounting", "trade", "custom", "legacy"])
def test_a_base_that_fits_its_profile_is_all_ok(tmp_path: Path, profile: str) -> None:
    with base_of(profile) as simulator:
        findings = checked(onec_settings(simulator, profile), tmp_path)
    assert {finding.level for finding in findings} == {"ok"}
    texts = " ".join(finding.text for finding in findings)
    assert "900 records in scope" in texts
    assert "one 1C session" in texts
    assert "related values can be read" in texts or profile == "custom"


def test_a_catalogue_without_code_is_told_which_profile_fits(tmp_path: Path) -> None:
    with base_of("trade") as simulator:
        findings = checked(onec_settings(simulator, "accounting"), tmp_path)
    no_code = next(one for one in failures(findings) if one.subject == CATALOG)
    assert "no Code" in no_code.text
    assert 'profile = "trade" fits' in no_code.remedy


def test_the_recorded_trade_base_is_told_the_same(tmp_path: Path) -> None:
    document = trade("metadata.xml")
    with served(Reply(document, content_type="application/xml;charset=utf-8")) as script:
        findings = checked(OnecSettings(url=script.url, profile="accounting"), tmp_path)
    no_code = next(one for one in failures(findings) if one.subject == CATALOG)
    assert "no Code" in no_code.text
    assert 'profile = "trade" fits' in no_code.remedy
    tax_id = next(one for one in failures(findings) if one.subject == "onec.fields.tax_id")
    assert "КодПоЕДРПОУ" in tax_id.text
    assert "КодПоОКПО" in tax_id.remedy
    assert "ИНН" in tax_id.remedy


def test_a_register_base_is_told_its_profile(tmp_path: Path) -> None:
    with base_of("legacy") as simulator:
        findings = checked(onec_settings(simulator, "accounting"), tmp_path)
    advice = next(one for one in findings if one.subject == "profile")
    assert 'profile = "legacy" fits' in advice.remedy


def test_a_misspelt_property_is_a_failure_with_near_names(tmp_path: Path) -> None:
    with base_of() as simulator:
        fields = {"tax_id": FieldSettings(attribute="КодПоЄДРПО")}
        findings = checked(onec_settings(simulator, "accounting", fields=fields), tmp_path)
    (failure,) = failures(findings)
    assert failure.subject == "onec.fields.tax_id"
    assert "КодПоЕДРПОУ" in failure.remedy


def test_an_unknown_kind_is_a_failure_with_near_names(tmp_path: Path) -> None:
    with base_of() as simulator:
        fields = {"address": FieldSettings(contact="Адрес", kind="ЮрАдресКонтрагентов")}
        findings = checked(onec_settings(simulator, "accounting", fields=fields), tmp_path)
    (failure,) = failures(findings)
    assert "ЮрАдресКонтрагента" in failure.remedy


@pytest.mark.parametrize(
    ("switch", "value", "subject", "word"),
    [
        ("unpublished", {CATALOG}, CATALOG, "composition"),
        ("maintenance", True, "1C connection", "locked"),
        ("no_licence", True, "1C connection", "licence"),
        ("html_200", True, "1C connection", "web page"),
    ],
)
def test_each_fault_is_a_failure_with_its_remedy(
    tmp_path: Path, switch: str, value: Any, subject: str, word: str
) -> None:
    with base_of() as simulator:
        setattr(simulator.faults, switch, value)
        findings = checked(onec_settings(simulator, "accounting", retries=0), tmp_path)
    (failure, *_) = failures(findings)
    assert failure.subject == subject
    assert word in failure.text
    assert failure.remedy


def test_wrong_password_and_wrong_publication_are_told_apart(tmp_path: Path) -> None:
    with base_of() as simulator:
        wrong = onec_settings(simulator, "accounting", password=SecretStr("секрет не той"))
        (password,) = failures(checked(wrong, tmp_path))
        elsewhere = simulator.url.replace("/base/", "/other/")
        moved = onec_settings(simulator, "accounting", url=elsewhere)
        (publication,) = failures(checked(moved, tmp_path))
    assert "password" in password.text
    assert "секрет" not in repr(password)
    assert "publication" in publication.text


def test_a_hidden_row_is_a_failure_and_allowed_only_a_warning(tmp_path: Path) -> None:
    with base_of() as simulator:
        simulator.faults.hide = {next(iter(simulator.base.refs()))}
        (failure, *_) = failures(checked(onec_settings(simulator, "accounting"), tmp_path))
        restricted = checked(onec_settings(simulator, "accounting", allowed_only=True), tmp_path)
    assert "code 20" in failure.text
    assert not failures(restricted)
    warning = next(one for one in restricted if one.level == "warning")
    assert warning.subject == "onec.allowed_only"


def test_an_unpublished_section_is_a_warning_about_weight(tmp_path: Path) -> None:
    with base_of() as simulator:
        simulator.faults.unpublished = {f"{CATALOG}_КонтактнаяИнформация"}
        findings = checked(onec_settings(simulator, "accounting"), tmp_path)
    assert not failures(findings)
    (warning,) = [one for one in findings if one.level == "warning"]
    assert "ten times" in warning.text


def test_unsafe_settings_are_warned_of(tmp_path: Path) -> None:
    with base_of() as simulator:
        onec = onec_settings(simulator, "accounting", verify_tls=False, session=False)
        warned = {one.subject for one in checked(onec, tmp_path) if one.level == "warning"}
    assert warned == {"1C session"}  # the settings themselves warn of verify_tls, once


def outbox_finding(findings: list[Finding]) -> Finding:
    (found,) = (finding for finding in findings if finding.subject == REGISTER)
    return found


def test_an_outbox_that_is_not_published_is_no_fault(tmp_path: Path) -> None:
    with base_of() as simulator:
        found = outbox_finding(checked(onec_settings(simulator, "accounting"), tmp_path))
    assert found.level == "ok"
    assert "not published" in found.text


def test_the_check_counts_what_waits_in_the_outbox(tmp_path: Path) -> None:
    moment = datetime(2026, 11, 24, 21, tzinfo=UTC)
    with base_of(outbox=True) as simulator:
        onec = onec_settings(simulator, "accounting")
        outbox = simulator.base.outbox
        messages = [outbox.put(ref, "update", moment) for ref in list(simulator.base.refs())[:3]]
        waiting = outbox_finding(checked(onec, tmp_path))
        outbox.fail(messages[0], moment, "HTTP 503", 503)
        failing = outbox_finding(checked(onec, tmp_path))
    assert waiting.level == "ok"
    assert waiting.text.endswith("published; messages waiting in it: 3")
    assert failing.level == "warning"
    assert failing.text.endswith("messages waiting in it: 3, sent without success so far: 1")


def test_an_outbox_the_user_may_not_read_is_a_warning_that_names_the_role(tmp_path: Path) -> None:
    with base_of(outbox=True) as simulator:
        simulator.faults.denied = {REGISTER}
        findings = checked(onec_settings(simulator, "accounting"), tmp_path)
    found = outbox_finding(findings)
    assert found.level == "warning"
    assert "ZvirkaReader" in found.remedy
    assert failures(findings) == []


@pytest.mark.parametrize(
    ("plan", "node", "told"),
    [
        ("Звірка", "ZV", ""),
        ("Звірка", "нема", "no such node"),
        ("Нема", "ZV", ""),
        ("Звірка", "", "only one of"),
    ],
)
def test_the_exchange_plan_and_its_node_are_looked_up(
    tmp_path: Path, plan: str, node: str, told: str
) -> None:
    with base_of("accounting") as simulator:
        onec = onec_settings(simulator, "accounting")
        named = onec.model_copy(update={"exchange_plan": plan, "exchange_node": node})
        findings = [one for one in checked(named, tmp_path) if one.subject == "exchange plan"]
    [one] = findings
    assert one.level == ("ok" if (plan, node) == ("Звірка", "ZV") else "failure")
    assert told in one.text

"""The evidence named is evidence for the cause it stands beside."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.unit.report.sample import sample_book
from zvirka.domain import Cause, Difference, Kind
from zvirka.i18n.words import Words
from zvirka.reconcile.evidence import Evidence

SINCE = datetime(2026, 11, 20, tzinfo=UTC)


def explained(directory: Path, kind: Kind, cause: Cause) -> str:
    journal = sample_book(directory)
    evidence = Evidence(journal, {}, dict, SINCE, True, [])
    [difference] = evidence.explain(
        [Difference(number=1, kind=kind, cause=cause, key="1", ref="", name="ТОВ")]
    )
    journal.close()
    return difference.evidence


@pytest.mark.parametrize("kind", [Kind.DIFFERENT, Kind.INACTIVE])
def test_an_edit_in_the_erp_is_proven_by_1c_not_having_changed(tmp_path: Path, kind: Kind) -> None:
    evidence = explained(tmp_path, kind, Cause.ERP_EDIT)
    assert evidence == "1C has not changed this record since both sides last agreed"
    assert Words("uk").told(evidence).startswith("1С не змінювала")


def test_a_client_gone_from_the_erp_is_not_said_to_be_unchanged_in_1c(tmp_path: Path) -> None:
    evidence = explained(tmp_path, Kind.MISSING, Cause.ERP_EDIT)
    assert evidence == "both sides held this client when they last agreed"


@pytest.mark.parametrize("cause", [Cause.MISSED_CREATE, Cause.MISSED_UPDATE, Cause.MISSED_DELETE])
def test_a_missing_webhook_explains_what_was_missed(tmp_path: Path, cause: Cause) -> None:
    assert explained(tmp_path, Kind.DIFFERENT, cause).startswith("no webhook came")


@pytest.mark.parametrize("cause", [Cause.DUPLICATE, Cause.NOT_OURS, Cause.UNDONE, Cause.REJECTED])
def test_a_missing_webhook_explains_nothing_else(tmp_path: Path, cause: Cause) -> None:
    assert explained(tmp_path, Kind.DIFFERENT, cause) == ""

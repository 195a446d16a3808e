"""Compares the data of a JSON report of any version of the format with what the journal yields."""

from __future__ import annotations

from typing import Any

import msgspec

from zvirka.errors import NOT_JSON
from zvirka.report import format_json
from zvirka.report.content import ReportContent

_UNSET: tuple[object, ...] = (None, 0, "", [], {}, False)
_OF_THE_FILE = frozenset({"version", "generator", "seal"})


def holds_data_of(document: bytes, findings: ReportContent) -> bool:
    """Whether every member the document shares with today's report has the same value.

    Versions 1 and 2 wrote 0 or an empty text for what later is absent, and the row that was written
    as the ``row`` of a correction.
    """
    try:
        told = msgspec.json.decode(document)
    except NOT_JSON:
        return False
    today = msgspec.json.decode(b"".join(format_json.pieces(findings)))
    if not isinstance(told, dict) or not {"run", "chain", "differences"} <= told.keys():
        return False
    if told.get("version") in {1, 2}:
        for difference in today["differences"]:
            for one in difference["corrections"]:
                one["row"] = one["written_row"] or one["row"]
    names = (told.keys() & today.keys()) - _OF_THE_FILE
    return all(_agree(told[name], today[name]) for name in names)


def _agree(told: Any, today: Any) -> bool:
    if isinstance(told, dict) and isinstance(today, dict):
        return all(_agree(told[name], today[name]) for name in told.keys() & today.keys())
    if isinstance(told, list) and isinstance(today, list):
        return len(told) == len(today) and all(map(_agree, told, today))
    return bool(told == today) or (told in _UNSET and today in _UNSET)

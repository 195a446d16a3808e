"""The languages of reports, pages and commands: messages, numbers, dates, safe text."""

from __future__ import annotations

from typing import Literal

Language = Literal["uk", "en"]
LANGUAGES: tuple[Language, ...] = ("uk", "en")


def N_(message: str) -> str:
    """Mark a message for the catalogue where it is only named, and translated later."""
    return message

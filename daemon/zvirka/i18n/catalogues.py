"""The catalogue of messages and the locale of a language, each read once."""

from __future__ import annotations

from functools import cache
from gettext import NullTranslations
from io import BytesIO
from pathlib import Path

from babel import Locale
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import Translations

_LOCALE = Path(__file__).parent / "locale"
_REGIONS = {"uk": "uk_UA", "en": "en_GB"}


@cache
def locale_of(language: str) -> Locale:
    """How the region writes dates and numbers."""
    return Locale.parse(_REGIONS[language])


@cache
def catalogue_of(language: str) -> NullTranslations:
    """The translated messages; none for the language they are written in."""
    source = _LOCALE / language / "LC_MESSAGES" / "zvirka.po"
    if not source.exists():
        return NullTranslations()
    with source.open("rb") as file:
        catalogue = read_po(file, locale=language)
    compiled = BytesIO()
    write_mo(compiled, catalogue)
    compiled.seek(0)
    return Translations(compiled)

"""The register of codes: what each error means and what to do about it, in both languages.

The register is the documentation itself, ``docs/errors.md`` and ``docs/errors.uk.md``: a heading
of the second level begins a family of codes, one of the third a code.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from zvirka.i18n import Language
from zvirka.package_files import shipped

_FAMILY = re.compile(r"^## (.+)$", re.MULTILINE)
_CODE = re.compile(r"^### (ZV\d{4}): (.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Explanation:
    """One code: the family of those who can act, a title, and Markdown with numbered steps."""

    code: str
    family: str
    title: str
    text: str


def explanations(language: Language) -> list[Explanation]:
    """All codes in their order.

    Raises:
        ZvirkaError: the files shipped with zvirka are missing.
    """
    name = "errors.uk.md" if language == "uk" else "errors.md"
    content = (shipped("docs") / name).read_text(encoding="utf-8")
    _, *families = _FAMILY.split(content)
    found = []
    for family, body in zip(families[::2], families[1::2], strict=True):
        _, *parts = _CODE.split(body)
        rows = zip(parts[::3], parts[1::3], parts[2::3], strict=True)
        found += [Explanation(code, family, title, text.strip()) for code, title, text in rows]
    return found

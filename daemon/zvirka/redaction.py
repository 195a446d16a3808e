"""Keeps secrets and personal data out of the log.

Callers do not log them in the first place; this catches exception texts and the messages of
libraries. Known secrets are masked wherever they occur. Phones, e-mails and tax ids are recognised
by pattern only, so the fields that identify a counterparty (Код, Ref_Key) are exempt.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Collection, Mapping
from typing import Any
from urllib.parse import quote, quote_plus

MASK = "********"
_SHORTEST_ANYWHERE = 4
"""A shorter secret is masked only as a whole word: "1" would mask half of every line."""

IDENTIFYING = frozenset({"code", "key", "new_key", "ref", "row", "run", "phase"})
"""Names of fields that say which counterparty or run is meant."""

_CREDENTIALS = (
    (re.compile(r"(?i)\b(basic|bearer)\s+[\w.~+/=-]{6,}"), rf"\1 {MASK}"),
    (re.compile(r"(?<=://)([^/@:\s]*):([^/@\s]*)@"), rf"\1:{MASK}@"),
)
_PERSONAL = (
    (re.compile(r"(?<![\w.+-])(?<!://)[\w.+-]+@[\w-]+(?:\.[\w-]+)+"), "<email>"),
    (re.compile(r"(?<!\w)\+\d[\d\s()-]{7,}\d(?!\w)"), "<phone>"),
    (
        re.compile(r"(?<![\w-])(?:38)?\(?0\d{2}\)?[\s-]?\d{3}[\s-]?\d{2}[\s-]?\d{2}(?![\w-])"),
        "<phone>",
    ),
    (re.compile(r"(?<![\w.-])\d{8}(?:\d{2}){0,2}(?![\w-]|\.\d)"), "<tax id>"),
)


class Redactor:
    """Masks the given secrets and what looks like personal data."""

    def __init__(self, secrets: Collection[str] = ()) -> None:
        forms = {form for secret in secrets for form in _forms(secret)}
        longest_first = sorted(forms, key=len, reverse=True)
        self._secrets = (
            re.compile("|".join(_pattern(form) for form in longest_first)) if forms else None
        )

    def text(self, text: str) -> str:
        """Return the text without secrets and without what looks like personal data."""
        text = self.secrets(text)
        for pattern, mask in _PERSONAL:
            text = pattern.sub(mask, text)
        return text

    def secrets(self, text: str) -> str:
        """Return the text without secrets, everything else as it was."""
        if self._secrets is not None:
            text = self._secrets.sub(MASK, text)
        for pattern, mask in _CREDENTIALS:
            text = pattern.sub(mask, text)
        return text

    def fields(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Return log fields as plain values without secrets; numbers stay numbers."""
        return {name: self._field(name, value) for name, value in fields.items()}

    def _field(self, name: str, value: Any) -> Any:
        if value is None or isinstance(value, bool | int | float):
            return value
        if isinstance(value, Mapping):
            return {str(key): self._field(str(key), item) for key, item in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [self._field(name, item) for item in value]
        return self.secrets(str(value)) if name in IDENTIFYING else self.text(str(value))


def _forms(secret: str) -> set[str]:
    """Return the secret as written, as in a URL, in a repr, and in base64."""
    if not secret:
        return set()
    encoded = base64.b64encode(secret.encode()).decode().rstrip("=")
    return {secret, quote(secret, safe=""), quote_plus(secret), repr(secret)[1:-1], encoded}


def _pattern(form: str) -> str:
    if len(form) >= _SHORTEST_ANYWHERE:
        return re.escape(form)
    return rf"(?<!\w){re.escape(form)}(?!\w)"

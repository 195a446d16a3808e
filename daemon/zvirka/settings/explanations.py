"""Sentences about wrong settings: the key, what was found, what is expected, a suggestion.

The value of a secret never gets into a sentence.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from difflib import SequenceMatcher
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr, ValidationError
from pydantic_core import ErrorDetails

_LONGEST = 60
_LIKENESS = 0.6
_PASSWORD_IN_URL = re.compile(r"(?<=://)([^/@:\s]*):([^/@\s]*)@")

_EXPECTED = {
    "string_type": "a text in quotes",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "time_delta_type": "a duration such as 90s, 15m, 12h, 7d or 3y",
    "time_delta_parsing": "a duration such as 90s, 15m, 12h, 7d or 3y",
    "path_type": "a path in quotes",
    "list_type": "a list in square brackets",
    "dict_type": "a table",
    "model_type": "a table",
    "model_attributes_type": "a table",
    "literal_error": "one of {expected}",
    "greater_than_equal": "at least {ge}",
    "less_than_equal": "at most {le}",
    "greater_than": "more than {gt}",
}


def masked_url(text: str) -> str:
    """Return the text with passwords inside URLs replaced by asterisks."""
    return _PASSWORD_IN_URL.sub(r"\1:********@", text)


def settings_problems(
    error: ValidationError, model: type[BaseModel], origins: Mapping[str, str]
) -> Iterator[tuple[str, str]]:
    """Yield (dotted key, sentence) for everything a validation found."""
    for detail in error.errors(include_url=False):
        key = ".".join(str(step) for step in detail["loc"])
        origin = origins.get(key, "")
        yield key, _sentence(detail, model) + (f" [from {origin}]" if origin[:1] == "$" else "")


def keys_of(model: type[BaseModel]) -> list[str]:
    """Return the keys of a table as they are written."""
    return [field.alias or name for name, field in model.model_fields.items()]


def did_you_mean(word: str, known: Sequence[str]) -> str:
    """Return " (did you mean X?)", or nothing when no known word is near.

    Swapped letters come first, then the most similar word; of equally similar words the one whose
    length is nearer.
    """
    word = word.lower()

    def rank(other: str) -> tuple[bool, float, int]:
        likeness = SequenceMatcher(None, word, other).ratio()
        return sorted(word) == sorted(other), likeness, -abs(len(word) - len(other))

    nearest = max(known, key=rank, default="")
    return f" (did you mean {nearest}?)" if nearest and rank(nearest)[1] >= _LIKENESS else ""


def annotation_at(annotation: Any, location: Sequence[int | str]) -> Any:
    """Return the type of the value at a location of the settings; ``None`` when it is unknown."""
    for step in location:
        annotation = _bare(annotation)
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            annotation = next(
                (
                    field.annotation
                    for name, field in annotation.model_fields.items()
                    if step in (name, field.alias)
                ),
                None,
            )
        else:
            annotation = next(reversed(get_args(annotation)), None)  # of a dict, of a list
    return _bare(annotation)


def holds_secret(annotation: Any) -> bool:
    """Whether a value of the type is, or contains, a secret."""
    return annotation is SecretStr or any(holds_secret(part) for part in get_args(annotation))


def _bare(annotation: Any) -> Any:
    """Return the type without ``Annotated`` and ``None``; of a union, its first alternative."""
    while True:
        parts = [part for part in get_args(annotation) if part is not NoneType]
        if get_origin(annotation) not in (Annotated, Union, UnionType):
            return annotation
        annotation = parts[0]


def _sentence(detail: ErrorDetails, model: type[BaseModel]) -> str:
    if detail["type"] == "extra_forbidden":
        known = sorted(keys_of(annotation_at(model, detail["loc"][:-1])))
        guess = did_you_mean(str(detail["loc"][-1]), known)
        return "unknown key" + (guess or f"; known here: {', '.join(known)}")
    if detail["type"] == "missing":
        return "a value is required, and none was found"
    known_type = _EXPECTED.get(detail["type"])
    expected = known_type.format(**detail.get("ctx", {})) if known_type else detail["msg"]
    found = _found(detail["input"], annotation_at(model, detail["loc"]))
    return f"found {found}, expected {expected}"


def _found(value: Any, annotation: Any) -> str:
    if holds_secret(annotation):
        return "a value that is not shown"
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list | tuple):
        return "a list"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        text = masked_url(value)
        return f'"{text[:_LONGEST]}…"' if len(text) > _LONGEST else f'"{text}"'
    return repr(value)

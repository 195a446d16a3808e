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

from zvirka.message import Message

_LONGEST = 60
_LIKENESS = 0.6
_PASSWORD_IN_URL = re.compile(r"(?<=://)([^/@:\s]*):([^@]*)@")
_PASSWORD_IN_QUERY = re.compile(r"([?&](?:password|passwd|sslpassword)=)[^&\s]*", re.IGNORECASE)

_EXPECTED = {
    "string_type": Message("a text in quotes"),
    "bool_type": Message("true or false"),
    "bool_parsing": Message("true or false"),
    "int_type": Message("a whole number"),
    "int_parsing": Message("a whole number"),
    "int_from_float": Message("a whole number"),
    "float_type": Message("a number"),
    "float_parsing": Message("a number"),
    "time_delta_type": Message("a duration such as 90s, 15m, 12h, 7d or 3y"),
    "time_delta_parsing": Message("a duration such as 90s, 15m, 12h, 7d or 3y"),
    "duration": Message("a duration of at least 0s and at most 100y"),
    "timeout": Message("a duration of more than 0s and at most 1d"),
    "path_type": Message("a path in quotes"),
    "list_type": Message("a list in square brackets"),
    "dict_type": Message("a table"),
    "model_type": Message("a table"),
    "model_attributes_type": Message("a table"),
    "literal_error": Message("one of {expected}"),
    "greater_than_equal": Message("at least {ge}"),
    "less_than_equal": Message("at most {le}"),
    "greater_than": Message("more than {gt}"),
    "column": Message("a table or a text in quotes"),
    "scalar": Message("a text, a number, true or false"),
    "constant": Message('a table such as { sql = "CURRENT_TIMESTAMP" }'),
}


def masked_url(text: str) -> str:
    """Return the text with passwords inside URLs replaced by asterisks."""
    return _PASSWORD_IN_QUERY.sub(r"\1********", _PASSWORD_IN_URL.sub(r"\1:********@", text))


def settings_problems(
    error: ValidationError, model: type[BaseModel], origins: Mapping[str, str]
) -> Iterator[tuple[str, Message]]:
    """Yield (dotted key, sentence) for everything a validation found."""
    for detail in error.errors(include_url=False):
        key = ".".join(str(step) for step in detail["loc"])
        origin = origins.get(key, "")
        sentence = _sentence(detail, model)
        if origin[:1] == "$":
            sentence = Message("{what} [from {origin}]", what=sentence, origin=origin)
        yield key, sentence


def toml_place(error: ValueError) -> Message | str:
    """Where a file stops being TOML; the library says the rest in English only."""
    found = re.search(r"at line (\d+), column (\d+)", str(error))
    if found is None:
        return type(error).__name__
    return Message("line {line}, column {column}", line=found[1], column=found[2])


def about(key: str, sentence: Message) -> Message:
    """A line about a key."""
    return Message("{key}: {what}", key=key, what=sentence)


def keys_of(model: type[BaseModel]) -> list[str]:
    """Return the keys of a table as they are written."""
    return [field.alias or name for name, field in model.model_fields.items()]


def did_you_mean(word: str, known: Sequence[str]) -> Message | str:
    """Return " (did you mean X?)", or nothing when no known word is near.

    Swapped letters come first, then the most similar word; of equally similar words the one whose
    length is nearer.
    """
    word = word.lower()

    def rank(other: str) -> tuple[bool, float, int]:
        likeness = SequenceMatcher(None, word, other).ratio()
        return sorted(word) == sorted(other), likeness, -abs(len(word) - len(other))

    nearest = max(known, key=rank, default="")
    if not nearest or rank(nearest)[1] < _LIKENESS:
        return ""
    return Message(" (did you mean {word}?)", word=nearest)


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


def _sentence(detail: ErrorDetails, model: type[BaseModel]) -> Message:
    if detail["type"] == "extra_forbidden":
        known = sorted(keys_of(annotation_at(model, detail["loc"][:-1])))
        guess = did_you_mean(str(detail["loc"][-1]), known)
        if guess:
            return Message("unknown key{guess}", guess=guess)
        return Message("unknown key; known here: {names}", names=known)
    if detail["type"] == "missing":
        return Message("a value is required, and none was found")
    found = _found(detail["input"], annotation_at(model, detail["loc"]))
    return Message("found {found}, expected {expected}", found=found, expected=expected(detail))


def expected(detail: ErrorDetails) -> str:
    """What a value should be, by the kind of what a validation found."""
    known = _EXPECTED.get(detail["type"])
    limits: dict[str, Any] = {name: str(value) for name, value in detail.get("ctx", {}).items()}
    if "expected" in limits:  # 'a', 'b' or 'c'
        limits["expected"] = re.findall(r"'[^']*'|[\w.]+(?=,|$)", limits["expected"])
    return Message(known.template, **limits) if known else detail["msg"]


def _found(value: Any, annotation: Any) -> str:
    if holds_secret(annotation):
        return Message("a value that is not shown")
    if isinstance(value, dict):
        return Message("a table")
    if isinstance(value, list | tuple):
        return Message("a list")
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        text = masked_url(value)
        return f'"{text[:_LONGEST]}…"' if len(text) > _LONGEST else f'"{text}"'
    return repr(value)

"""What is wrong with settings, in sentences: where, what was found, what is expected.

A secret's value never gets into a sentence.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr, ValidationError
from pydantic_core import ErrorDetails

_LONGEST = 60
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
}


def masked_url(text: str) -> str:
    """Return the text with passwords inside of URLs replaced by asterisks."""
    return _PASSWORD_IN_URL.sub(r"\1:********@", text)


def settings_problems(
    error: ValidationError, model: type[BaseModel], origins: Mapping[str, str]
) -> Iterator[tuple[str, str]]:
    """Yield (dotted key, sentence) for everything a validation found, one pair a key."""
    groups: dict[str, list[ErrorDetails]] = {}
    for detail in error.errors(include_url=False):
        groups.setdefault(_walk(model, detail["loc"])[0], []).append(detail)
    for key, details in groups.items():
        # A table that fails inside also fails as the text it might have been: only the first
        # is what the writer meant.
        deeper = any(other.startswith(f"{key}.") for other in groups)
        if not (deeper and isinstance(details[0]["input"], dict)):
            yield key, _sentence(details, model) + _from(origins.get(key, ""))


def keys_of(model: type[BaseModel]) -> list[str]:
    """Return the keys of a table as they are written."""
    return [field.alias or name for name, field in model.model_fields.items()]


def did_you_mean(word: str, known: Sequence[str]) -> str:
    """Return « (did you mean X?)», or nothing when no known word is near."""
    near = difflib.get_close_matches(word.lower(), known, n=1, cutoff=0.6)
    return f" (did you mean {near[0]}?)" if near else ""


def _from(origin: str) -> str:
    return f" [from {origin}]" if origin.startswith("$") else ""


def _sentence(details: list[ErrorDetails], model: type[BaseModel]) -> str:
    first = details[0]
    if first["type"] == "extra_forbidden":
        table = _walk(model, first["loc"][:-1])[1]
        known = sorted(
            {
                key
                for option in _alternatives(table)
                if isinstance(option, type) and issubclass(option, BaseModel)
                for key in keys_of(option)
            }
        )
        guess = did_you_mean(str(first["loc"][-1]), known)
        return "unknown key" + (guess or f"; known here: {', '.join(known)}")
    if first["type"] == "missing":
        return "a value is required, and none was found"
    expected = " or ".join(dict.fromkeys(_expected(detail) for detail in details))
    return f"found {_found(first['input'], _walk(model, first['loc'])[1])}, expected {expected}"


def _expected(detail: ErrorDetails) -> str:
    kind, context = detail["type"], detail.get("ctx", {})
    if kind == "literal_error":
        return f"one of {context['expected']}"
    if kind == "greater_than_equal":
        return f"at least {context['ge']}"
    if kind == "less_than_equal":
        return f"at most {context['le']}"
    if kind == "greater_than":
        return f"more than {context['gt']}"
    return _EXPECTED.get(kind, detail["msg"])


def _found(value: Any, annotation: Any) -> str:
    if _is_secret(annotation):
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


def _is_secret(annotation: Any) -> bool:
    """Whether a value of the type may be, or hold, a secret."""
    return annotation is SecretStr or any(_is_secret(part) for part in get_args(annotation))


def _walk(model: type[BaseModel], location: tuple[int | str, ...]) -> tuple[str, Any]:
    """Return the dotted key of an error's location, without union tags, and the type there."""
    annotation: Any = model
    parts: list[str] = []
    for step in location:
        options = list(_alternatives(annotation))
        following = [_follow(option, step) for option in options]
        found = [item for item in following if item is not _NOWHERE]
        if found:
            parts.append(str(step))
            annotation = found[0] if len(found) == 1 else Union[tuple(found)]  # noqa: UP007
        elif _is_tag(options, step):
            continue
        else:
            parts.append(str(step))
            annotation = Any
    return ".".join(parts), annotation


_NOWHERE = object()


def _alternatives(annotation: Any) -> Iterator[Any]:
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from _alternatives(get_args(annotation)[0])
    elif origin in (Union, UnionType):
        for part in get_args(annotation):
            yield from _alternatives(part)
    else:
        yield annotation


def _follow(annotation: Any, step: int | str) -> Any:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        for name, field in annotation.model_fields.items():
            if step in (name, field.alias):
                return field.annotation
    elif get_origin(annotation) is dict:
        return get_args(annotation)[1]
    elif get_origin(annotation) is list and isinstance(step, int):
        return get_args(annotation)[0]
    return _NOWHERE


def _is_tag(options: list[Any], step: int | str) -> bool:
    """Whether a step of a location only names an alternative of a union."""
    return len(options) > 1 and any(getattr(option, "__name__", "") == step for option in options)

"""Writes zvirka.toml: only what differs from the defaults, with a comment where it was found."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from zvirka.settings.value_types import SqlExpression

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_INLINE = frozenset({"where", "on_create", "on_update"})
"""Tables that stay on one line inside the table of a child."""


def settings_text(tables: Mapping[str, Any], comments: Mapping[str, str], head: str) -> str:
    """Return the text of a settings file.

    Args:
        tables: the settings, as they are loaded.
        comments: by dotted key, written above it.
        head: the first comment.
    """
    lines = [f"# {line}" for line in head.splitlines()]
    lines += [""]
    plain = {key: value for key, value in tables.items() if not isinstance(value, dict)}
    lines += [f"{key} = {literal(value)}" for key, value in plain.items()]
    for name, table in tables.items():
        if isinstance(table, dict):
            lines += _table(name, table, comments)
    return "\n".join(lines).strip() + "\n"


def _table(path: str, table: Mapping[str, Any], comments: Mapping[str, str]) -> Iterator[str]:
    inner = {
        key: value
        for key, value in table.items()
        if isinstance(value, dict) and not _is_inline(path, key, value)
    }
    own = {key: value for key, value in table.items() if key not in inner}
    if own or not inner:
        yield ""
        yield f"[{path}]"
    for key, value in own.items():
        if comment := comments.get(f"{path}.{key}"):
            yield f"# {comment}"
        yield f"{_key(key)} = {literal(value)}"
    for key, value in inner.items():
        yield from _table(f"{path}.{_key(key)}", value, comments)


def _is_inline(path: str, key: str, value: Mapping[str, Any]) -> bool:
    if path.startswith("erp.children.") and key in _INLINE:
        return True
    return path.endswith("columns") and "column" in value


def literal(value: Any) -> str:
    """Return a value as TOML writes it."""
    if isinstance(value, SqlExpression):
        return f"{{ sql = {literal(value.sql)} }}"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_key(k)} = {literal(v)}" for k, v in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(literal, value)) + "]"
    if isinstance(value, int | float):
        return str(value)
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else literal(name)


def with_value(text: str, table: str, key: str, value: Any) -> str:
    """Return the text with one key set, everything else as it was.

    The key replaces its own line; a new one is added at the end of its table, and a new table at
    the end of the file.
    """
    lines = text.splitlines()
    line = f"{_key(key)} = {literal(value)}"
    starts = [n for n, old in enumerate(lines) if old.split("#")[0].strip() == f"[{table}]"]
    if not starts:
        return "\n".join([*lines, "", f"[{table}]", line]) + "\n"
    begin = starts[0] + 1
    heads = (n for n in range(begin, len(lines)) if lines[n].lstrip().startswith("["))
    end = next(heads, len(lines))
    for number in range(begin, end):
        if re.match(rf"\s*{re.escape(_key(key))}\s*=", lines[number]):
            lines[number] = line
            return "\n".join(lines) + "\n"
    while end > begin and (not lines[end - 1].strip() or lines[end - 1].startswith("#")):
        end -= 1
    return "\n".join([*lines[:end], line, *lines[end:]]) + "\n"

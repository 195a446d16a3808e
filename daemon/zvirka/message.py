"""A sentence as data: its English template and what goes into it.

A :class:`Message` reads as its English text, so that logs and programs need nothing else. What a
person reads is rendered at the edge (:meth:`zvirka.i18n.words.Words.told`) from the template and
the arguments. The journal keeps it as JSON; texts written by older versions stay as they are.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from typing import Any, NoReturn

_PART = re.compile(r"\{(\w+)\}")
_STORED = '{"message":'


class Message(str):
    """A sentence with its arguments.

    Args:
        template: the English sentence with ``{name}`` for each argument; the key of the catalogue.
        arguments: texts, numbers, other messages, words of the domain (enums), or lists of these.
            Numbers are counts and get grouped digits; a number that names something is a text.
            No personal data.
    """

    __slots__ = ("arguments", "code", "many", "template")
    template: str
    arguments: Mapping[str, Any]
    code: str
    many: str

    def __new__(cls, template: str, /, **arguments: Any) -> Message:
        """Make the sentence; its text is English."""
        return cls._make(template, arguments)

    @classmethod
    def _make(
        cls, template: str, arguments: Mapping[str, Any], code: str = "", many: str = ""
    ) -> Message:
        one = many == "" or arguments.get("count") == 1
        self = str.__new__(cls, filled(template if one else many, arguments, _english))
        self.template, self.arguments, self.many = template, arguments, many
        nested = {n: v.code for n, v in arguments.items() if isinstance(v, Message) and v.code}
        # The reason that the system gives is nearer to the fault than what it kept from working.
        self.code = nested.get("why") or code or next(iter(nested.values()), "")
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError("a message is stored by stored()")


class Coded(Message):
    """A message with a code of the register (docs/errors.md): every cause of an error is one."""

    __slots__ = ()


def coded(code: str, template: str, /, **arguments: Any) -> Coded:
    """A sentence with its code, ``ZV1203``."""
    made = Coded._make(template, arguments, code)
    assert isinstance(made, Coded)
    return made


def plural(one: str, many: str, /, *, count: int, **arguments: Any) -> Message:
    """A sentence that depends on ``{count}``."""
    return Message._make(one, {"count": count, **arguments}, many=many)


def joined(parts: Iterable[str], separator: str = "; ") -> Message:
    """Sentences in a row; plain texts among them stay as they are."""
    named = {f"part{number}": part for number, part in enumerate(parts)}
    return Message._make(separator.join(f"{{{name}}}" for name in named), named)


def also(text: str, more: Message) -> Message:
    """A sentence after what was said before, if anything was."""
    return joined([text, more]) if text else more


def filled(template: str, arguments: Mapping[str, Any], show: Callable[[str, Any], str]) -> str:
    """The template with its arguments put in; a part without an argument stays as written."""
    return _PART.sub(
        lambda part: show(part[1], arguments[part[1]]) if part[1] in arguments else part[0],
        template,
    )


def stored(text: str) -> str:
    """The text as the journal keeps it: a message as JSON, any other text as it is."""
    if isinstance(text, Message):
        return json.dumps(_encoded(text), ensure_ascii=False, separators=(",", ":"))
    return f" {text}" if text.startswith(_STORED) else text


def loaded(text: str) -> str:
    """The message that :func:`stored` wrote, or the text itself."""
    if not text.startswith(_STORED):
        return text
    try:
        made: Message = _decoded(json.loads(text))
        return made
    except (ValueError, TypeError, KeyError, RecursionError):
        return text  # altered: the seal says so, a report must still be possible


def _english(name: str, value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(_english(name, one) for one in value)
    return str(value.value if isinstance(value, Enum) else value)


def _encoded(value: Any) -> Any:
    if isinstance(value, Message):
        content = {"message": str.__str__(value.template), "many": value.many, "code": value.code}
        arguments = {name: _encoded(one) for name, one in value.arguments.items()}
        return {key: one for key, one in content.items() if one} | (
            {"with": arguments} if arguments else {}
        )
    if isinstance(value, list | tuple):
        return [_encoded(one) for one in value]
    return value if isinstance(value, bool | int | float) else _english("", value)


def _decoded(value: Any) -> Any:
    if isinstance(value, dict):
        arguments = {name: _decoded(one) for name, one in value.get("with", {}).items()}
        return Message._make(
            value["message"], arguments, value.get("code", ""), value.get("many", "")
        )
    return [_decoded(one) for one in value] if isinstance(value, list) else value

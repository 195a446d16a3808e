"""Help in the reader's language, read off the commands themselves.

The English texts stand where typer takes them: docstrings, ``help=``, metavars, epilogs. Each
paragraph, option text, metavar and quoted text of an example is a message of the catalogue
(:func:`sentences` lists them for the test that holds the catalogue complete). A paragraph after a
backspace, click's sign for "do not wrap", is a list: a heading, then lines of a command or value
and, two spaces on, what it means.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from typing import Any

from zvirka.i18n import N_

Translate = Callable[[str], str]

_HEADINGS = {
    "usage": N_("Usage"),
    "argument": N_("Arguments"),
    "option": N_("Options"),
    "commands": N_("Commands"),
}
_DEFAULT = N_("default: {value}")
_REQUIRED = N_("required")
_TYPES = {"<int range>": "N", "<int>": "N", "<float range>": "N", "<str>": "TEXT", "<path>": "PATH"}
_METAVAR = re.compile(r"<[^>]*>|\b[A-Z]{2,}\b")
_QUOTED = re.compile(r'(?<=")[^"]+(?=")')
_CYRILLIC = re.compile("[а-яіїєґ]", re.IGNORECASE)
_NAMES = frozenset({"REF", "ID"})  # the same in both languages


def write_help(command: Any, context: Any, formatter: Any) -> None:
    """Write the help of a command or group to click's formatter, in the language of the call."""
    tell: Translate = context.obj.messages.text
    pieces = " ".join(command.collect_usage_pieces(context))
    usage = f"{tell(_HEADINGS['usage'])}: "
    formatter.write_usage(context.command_path, metavar(pieces, tell), usage)
    for paragraph in paragraphs(command.help):
        _write_paragraph(paragraph, formatter, tell)
    for kind in ("argument", "option"):
        rows = [
            row
            for parameter in command.get_params(context)
            if parameter.param_type_name == kind
            and (row := parameter_row(parameter, context, tell)) is not None
        ]
        if rows:
            with formatter.section(tell(_HEADINGS[kind])):
                formatter.write_dl(rows)
    below = getattr(command, "commands", {})
    if below:
        with formatter.section(tell(_HEADINGS["commands"])):
            formatter.write_dl([(name, summary(one, tell)) for name, one in below.items()])
    for paragraph in paragraphs(command.epilog):
        _write_paragraph(paragraph, formatter, tell)


def summary(command: Any, tell: Translate) -> str:
    """Return the first paragraph of a command's help."""
    return tell(next(paragraphs(command.help), ""))


def parameter_row(parameter: Any, context: Any, tell: Translate) -> tuple[str, str] | None:
    """Return how help writes an option or argument, and what it says about it."""
    row = parameter.get_help_record(context)
    if row is None:
        return None
    written, text = row
    if parameter.param_type_name == "argument":
        written = written.partition(" ")[0]  # without its type
    for shown, plain in _TYPES.items():
        written = written.replace(shown, plain)
    _, _, extra = text.partition(parameter.help)
    told = " ".join([tell(_one_line(parameter.help)), *_extras(extra, tell)])
    return metavar(written, tell), told


def metavar(text: str, tell: Translate) -> str:
    """Return a usage line or the names of an option with its placeholders translated."""
    return _METAVAR.sub(lambda one: tell(one[0]) if _is_word(one[0]) else one[0], text)


def paragraphs(text: str | None) -> Iterator[str]:
    """Yield the paragraphs of a help text, each in one line; a list keeps its lines."""
    for part in inspect.cleandoc(text or "").split("\n\n"):
        if part.startswith("\b"):
            yield part.removeprefix("\b").strip("\n")
        elif part:
            yield _one_line(part)


def sentences(command: Any, context: Any) -> Iterator[str]:
    """Yield every English text that the help of a command and of those below it shows."""
    usage = " ".join(command.collect_usage_pieces(context))
    yield from filter(_is_word, _METAVAR.findall(usage))
    for part in [*paragraphs(command.help), *paragraphs(command.epilog)]:
        heading, *lines = part.splitlines()
        yield heading
        for line in lines:
            example, text = _example(line)
            yield from (one for one in _QUOTED.findall(example) if not _CYRILLIC.search(one))
            yield from [text] if text else []
    for parameter in command.get_params(context):
        yield _one_line(parameter.help)
        row = parameter_row(parameter, context, str) or ("", "")
        yield from filter(_is_word, _METAVAR.findall(row[0]))
    for one in getattr(command, "commands", {}).values():
        yield from sentences(one, context)


def _write_paragraph(paragraph: str, formatter: Any, tell: Translate) -> None:
    heading, *lines = paragraph.splitlines()
    formatter.write_paragraph()
    with formatter.indentation():
        formatter.write_text(tell(heading))
        rows = [_example(line) for line in lines]
        rows = [(_QUOTED.sub(lambda one: tell(one[0]), left), tell(text)) for left, text in rows]
        with formatter.indentation():
            if any(text for _, text in rows):
                formatter.write_dl(rows)
            else:  # lines to be copied: never wrapped
                for left, _ in rows:
                    formatter.write(f"{'':{formatter.current_indent}}{left}\n")


def _example(line: str) -> tuple[str, str]:
    left, _, text = line.strip().partition("  ")
    return left, text.strip()


def _extras(text: str, tell: Translate) -> Iterator[str]:
    """Yield what click appends to the text of a parameter, ``[default: 20; x>=1; required]``."""
    shown = []
    for extra in text.strip(" []").split("; "):
        name, _, value = extra.partition(": ")
        if name == "default":
            shown.append(tell(_DEFAULT).format(value=value))
        elif name:
            shown.append(tell(_REQUIRED) if name == "required" else name)
    if shown:
        yield f"[{'; '.join(shown)}]"


def _is_word(metavar: str) -> bool:
    """Whether it is a word; choices (``<uk|en>``) and names of 1C are not."""
    return metavar[0] != "<" and metavar not in _NAMES


def _one_line(text: str) -> str:
    return " ".join(text.split())

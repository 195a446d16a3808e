"""What typer says about a command line it cannot read, as messages of ours."""

from __future__ import annotations

import re
from typing import Any

from typer import TyperException

from zvirka.cli.help import metavar
from zvirka.errors import UsageError
from zvirka.message import Coded, Message, coded

_NO_COMMAND = re.compile(r"No such command '(.+?)'\.?(?: Did you mean (.+)\?)?$")
_EXTRA = re.compile(r"Got unexpected extra argument\(s\) \((.+)\)$")


def usage_error(error: TyperException, translate: Any) -> UsageError:
    """The error of the command line, with the help of the command as its remedy.

    Args:
        error: what typer raised.
        translate: gives a metavar of the help in the reader's language.
    """
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "zvirka"
    return UsageError(
        _cause(error, lambda name: metavar(name, translate)),
        place=command,
        remedy=Message("see {command} --help", command=command),
    )


def _cause(error: Any, named: Any) -> Coded:
    kind = type(error).__name__
    parameter = getattr(error, "param", None)
    name = named(_name(parameter)) if parameter is not None else ""
    if kind == "MissingParameter":
        return coded("ZV3503", "{name} is missing", name=name)
    if kind == "BadParameter":
        return coded(
            "ZV3503", "the value of {name} does not fit: {why}", name=name, why=_why(error)
        )
    if kind == "NoSuchOption":
        near = sorted(error.possibilities or ())
        if near:
            return coded(
                "ZV3503",
                "there is no option {name}; similar: {names}",
                name=error.option_name,
                names=near,
            )
        return coded("ZV3503", "there is no option {name}", name=error.option_name)
    if kind == "BadOptionUsage":
        if "not take a value" in error.message:
            return coded("ZV3503", "{name} takes no value", name=error.option_name)
        return coded("ZV3503", "{name} needs a value", name=error.option_name)
    return _other(error.message)


def _other(text: str) -> Coded:
    if text == "Missing command.":
        return coded("ZV3503", "{name} is missing", name=Message("the command"))
    if found := _EXTRA.match(text):
        return coded("ZV3503", "superfluous: {words}", words=found[1])
    if found := _NO_COMMAND.match(text):
        if found[2]:
            names = found[2].replace("'", "")
            return coded(
                "ZV3503", "there is no command {name}; similar: {names}", name=found[1], names=names
            )
        return coded("ZV3503", "there is no command {name}", name=found[1])
    return coded("ZV3503", "{text}", text=text)


def _name(parameter: Any) -> str:
    """An option as it is typed, an argument as the help names it."""
    if parameter.param_type_name == "option":
        return str(max(parameter.opts, key=len))
    return str(parameter.display_name_raw).strip("[].")


def _why(error: Any) -> str:
    from pydantic import ValidationError

    from zvirka.settings.explanations import expected

    wrong = error.__cause__
    if not isinstance(wrong, ValidationError):
        return str(error.message)
    detail = wrong.errors(include_url=False)[0]
    choices = error.param.type_descriptor.choices
    return Message(
        "found {found}, expected {expected}",
        found=repr(detail["input"]),
        expected=Message("one of {expected}", expected=list(choices))
        if choices
        else expected(detail),
    )

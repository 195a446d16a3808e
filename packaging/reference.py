"""Writes the reference pages that follow from the code: docs/reference/*.md.

Usage: reference.py [--check]; with --check it writes nothing and fails on a page that is not
current.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, get_args

from command_tree import Parameter, commands, common_parameters
from manpages import CODES
from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from zvirka.cli.results import SCHEMA as RESULTS_SCHEMA
from zvirka.package_files import shipped
from zvirka.report.format_json import SCHEMA
from zvirka.service.metrics import Metrics
from zvirka.settings.model import Settings

PAGES = Path(__file__).resolve().parents[1] / "docs/reference"
NOTE = "<!-- Written by packaging/reference.py (make docs): change the code, not this page. -->\n"


def pages() -> dict[str, str]:
    """Return the pages by their file names."""
    return {
        name: NOTE + "\n" + "\n".join(lines) + "\n"
        for name, lines in (
            ("settings.md", _settings()),
            ("commands.md", _commands()),
            ("exit-codes.md", _exit_codes()),
            ("metrics.md", _metrics()),
            ("json.md", _json()),
        )
    }


def _commands() -> Iterator[str]:
    yield from (
        "# Commands",
        "",
        "Every command takes these options, before or after its name:",
        "",
    )
    yield from _parameters(common_parameters())
    for command in commands():
        yield from ("", f"## zvirka {command.name}", "")
        for paragraph in command.paragraphs:
            yield from (_code(paragraph), "")
        if command.parameters:
            yield from _parameters(command.parameters)
            yield ""
        yield from ("```sh", *command.examples, "```")


def _parameters(parameters: tuple[Parameter, ...]) -> Iterator[str]:
    yield from ("| | |", "|---|---|")
    for parameter in parameters:
        yield f"| `{_cell(parameter.written)}` | {_cell(_code(parameter.text))} |"


def _exit_codes() -> Iterator[str]:
    yield from ("# Exit codes", "", "They are a contract with units and scripts.", "")
    yield from ("| code | meaning |", "|---|---|")
    for code, text in CODES.items():
        yield f"| {int(code)} | {text} |"
    yield "| 130 | interrupted by Ctrl+C |"
    yield "| 141 | the reader of the output went away, as in `zvirka show 10 \\| head` |"
    yield from ("", "`zvirka reject` ends with 1: what it rejects stays different.")


def _metrics() -> Iterator[str]:
    yield "# Metrics"
    yield from (
        "",
        "`[metrics]` serves them to Prometheus over HTTP, writes them as a textfile for",
    )
    yield from ("node_exporter, or both. They describe the last run.", "")
    yield from ("| metric | meaning |", "|---|---|")
    for family in Metrics().registry.collect():
        yield f"| `{family.name}` | {_cell(family.documentation)} |"


def _json() -> Iterator[str]:
    report = json.loads(SCHEMA.read_text("utf-8"))
    printed = json.loads(RESULTS_SCHEMA.read_text("utf-8"))
    yield from ("# JSON", "", "A count that a run did not take is `null`.", "", "## Commands", "")
    yield f"With `--json` every command prints one object (`{RESULTS_SCHEMA.name}`, installed with"
    yield "zvirka); a command that fails prints `error`."
    yield from ("", "| command | object |", "|---|---|")
    for command, value in printed["commands"].items():
        yield f"| `{command}` | {_cell(_kind(value))} |"
    yield from ("", "## Reports", "")
    yield f"A report in JSON is a [Report](#report) (`{SCHEMA.name}`)."
    for name, part in (printed["$defs"] | report["$defs"]).items():
        yield from ("", f"## {name}", "", _code(_first(part.get("description", ""))), "")
        if "enum" in part:
            yield ", ".join(f"`{value}`" for value in part["enum"])
        else:
            yield from ("| key | type |", "|---|---|")
            for key, value in part["properties"].items():
                yield f"| `{key}` | {_cell(_kind(value))} |"


def _kind(value: dict[str, Any]) -> str:
    if "$ref" in value:
        name = value["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in value:
        return " or ".join(_kind(each) for each in value["anyOf"])
    if isinstance(value.get("additionalProperties"), dict):
        return f"{_kind(value['additionalProperties'])} by name"
    if value.get("type") == "array":
        return f"list of {_kind(value['items'])}" if value.get("items") else "list"
    kind = value.get("type", "any")
    return str(" or ".join(kind) if isinstance(kind, list) else kind)


def _settings() -> Iterator[str]:
    example = shipped("config").joinpath("zvirka.example.toml").read_text("utf-8")
    head, *sections = re.split(r"^# ── (.+?) ─+\n", example, flags=re.MULTILINE)
    yield from (
        "# Settings",
        "",
        "`zvirka.toml`, as `zvirka.example.toml` documents it. First every",
    )
    yield from ("key with its type and default, then what each means.", "")
    yield from ("## Keys", "", "| key | type | default |", "|---|---|---|")
    yield from _keys(Settings, "")
    yield from ("", "## How settings are read", "", "```toml", head.strip(), "```")
    for title, text in zip(sections[::2], sections[1::2], strict=True):
        yield from ("", f"## {title}", "", "```toml", text.strip(), "```")


def _keys(model: type[BaseModel], above: str) -> Iterator[str]:
    for name, field in model.model_fields.items():
        key = f"{above}{field.alias or name}"
        inner = next(_models(field.annotation), None)
        if inner is None:
            yield f"| `{key}` | {_cell(_type(field.annotation))} | {_cell(_default(field))} |"
        else:
            container = str(field.annotation)
            many = ".NAME" if "dict[" in container else "[]" if "list[" in container else ""
            yield from _keys(inner, f"{key}{many}.")


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        if annotation.__name__ != "SqlExpression":
            yield annotation
        return
    for inner in get_args(annotation):
        yield from _models(inner)


def _type(annotation: Any) -> str:
    simple = {
        str: "text", int: "integer", float: "number", bool: "true or false",
        timedelta: "duration", Path: "path", SecretStr: "secret",
    }  # fmt: skip
    if annotation in simple:
        return simple[annotation]
    parts = [part for part in get_args(annotation) if part is not type(None)]
    text = str(annotation)
    if text.startswith("typing.Literal"):
        return ", ".join(f'"{part}"' for part in parts)
    if text.startswith("list["):
        return f"list of {_type(parts[0])}"
    if text.startswith("dict["):
        return "table"
    if text.startswith("typing.Annotated"):
        return _type(parts[0])
    found = dict.fromkeys(_type(part) for part in parts if "SqlExpression" not in str(part))
    return " or ".join(found) or "value"


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "**required**"
    value = field.default
    if value is None:
        return "–"
    if isinstance(value, timedelta):
        return f"`{_duration(value)}`"
    if isinstance(value, Path):
        return f'`"{value}"`'
    return f"`{json.dumps(value, ensure_ascii=False)}`"


def _duration(value: timedelta) -> str:
    seconds = int(value.total_seconds())
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds and seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def _first(description: str) -> str:
    return " ".join(description.split("\n\n")[0].split())


def _code(text: str) -> str:
    """Return a docstring's paragraph with Markdown's backticks and no stray markup."""
    return text.replace("``", "`").replace("<", "&lt;").replace("[[web.users]]", "`[[web.users]]`")


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def main() -> int:
    """Write the pages, or check them."""
    stale = []
    for name, text in pages().items():
        path = PAGES / name
        if path.exists() and path.read_text("utf-8") == text:
            continue
        stale.append(name)
        if "--check" not in sys.argv:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
    if stale and "--check" in sys.argv:
        sys.stderr.write(f"not current: {', '.join(stale)}; run python packaging/reference.py\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

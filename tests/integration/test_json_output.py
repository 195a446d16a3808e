"""``--json``: one object from every command, as the schema says, and from every error."""

from __future__ import annotations

import json
import os
from contextlib import redirect_stdout
from io import StringIO

import jsonschema
import pytest

from tests.integration.test_one_language import Demo, demo, story
from tests.unit.cli.lines import run
from tests.unit.cli.test_help import ALL
from zvirka.cli.results import RESULTS, SCHEMA, schema

__all__ = ["demo"]
SERVES_OR_CONVERSES = {"serve", "daemon", "worker", "init"}


def test_the_schema_is_that_of_the_types_and_names_every_command() -> None:
    if os.environ.get("ZVIRKA_UPDATE_GOLDEN"):
        SCHEMA.write_text(json.dumps(schema(), indent=1, ensure_ascii=False) + "\n", "utf-8")
    assert json.loads(SCHEMA.read_text("utf-8")) == json.loads(json.dumps(schema()))
    assert set(RESULTS) == set(ALL) - SERVES_OR_CONVERSES


def shape(name: str) -> jsonschema.Draft202012Validator:
    described = schema()
    return jsonschema.Draft202012Validator(
        {**described["commands"][name], "$defs": described["$defs"]}
    )


def printed(*line: str) -> object:
    shown = StringIO()
    with redirect_stdout(shown):
        run(*line, "--json")
    return json.loads(shown.getvalue())


@pytest.mark.long
def test_every_command_prints_what_the_schema_says(
    demo: Demo, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = {"demo", "simulate"}  # these print more than their result, or serve
    for code, line, environ in story(demo, "en"):
        name = next(one for one in ALL if f"{line} ".startswith(f"{one} "))
        if name in seen & {"demo", "simulate"} or name in SERVES_OR_CONVERSES:
            continue
        monkeypatch.setattr("sys.stdin", StringIO("long password\n"))
        with monkeypatch.context() as patch:
            for variable, value in environ.items():
                patch.setenv(variable, value)
            content = printed(*line.split())
        assert isinstance(content, dict), line
        shape("error" if code == 64 else name).validate(content)
        seen.add(name)
    assert set(RESULTS) - seen == set()


@pytest.mark.long
@pytest.mark.parametrize(
    ("line", "code"),
    [("plann", "ZV3503"), ("show 999", "ZV3508"), ("config check --config none.toml", "ZV3101")],
)
def test_an_error_is_an_object_too(demo: Demo, line: str, code: str) -> None:
    content = printed(*line.split())
    shape("error").validate(content)
    assert isinstance(content, dict)
    assert content["error"]["code"] == code

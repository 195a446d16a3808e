"""The files of config/: documented in full, true to the models, loadable."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin

import pytest
from pydantic import BaseModel, SecretStr, TypeAdapter
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from zvirka.package_files import shipped
from zvirka.settings.loading import load_settings
from zvirka.settings.model import Settings
from zvirka.settings.profiles import mapping_of
from zvirka.settings.value_types import SqlExpression

CONFIG = shipped("config")
EXAMPLE = CONFIG / "zvirka.example.toml"
STORES = sorted((CONFIG / "stores").glob("*.toml"))
SHOWN = re.compile(r"^#: ?(.*)$")


def uncommented(text: str) -> str:
    """The file with everything it shows set."""
    return "\n".join(
        match[1] if (match := SHOWN.match(line)) else line for line in text.splitlines()
    )


def shown_values() -> Iterator[tuple[str, Any, bool]]:
    """(dotted key, value, whether it is only an example) for each key shown or set."""
    table = ""
    for line in uncommented(EXAMPLE.read_text(encoding="utf-8")).splitlines():
        if line.startswith("["):
            table = line.split("#")[0].strip().strip("[]") + "."
        elif line and not line.startswith("#"):
            ((name, value),) = tomllib.loads(line).items()
            yield f"{table}{name}", value, re.search(r"  # example\b", line) is not None


def models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [found for part in get_args(annotation) for found in models_in(part)]


def infos(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """(dotted key, field) of every key; ``*`` stands for names that are free."""
    for name, info in model.model_fields.items():
        key = f"{prefix}{info.alias or name}"
        inner = [found for found in models_in(info.annotation) if found is not SqlExpression]
        free = ".*" if get_origin(info.annotation) is dict else ""
        if inner:
            yield from infos(inner[0], f"{key}{free}.")
        else:
            yield key, info


def keys(model: type[BaseModel]) -> Iterator[tuple[str, Any]]:
    """(dotted key, default) of every key."""
    return ((key, info.get_default(call_default_factory=True)) for key, info in infos(model))


def annotated() -> dict[str, Any]:
    return {
        key: Annotated[(info.annotation, *info.metadata)] if info.metadata else info.annotation
        for key, info in infos(Settings)
    }


def generic(key: str) -> str:
    """The key with ``*`` for names that are free."""
    return re.sub(r"^(onec\.fields|erp\.children|erp\.columns)\.[^.]+", r"\1.*", key)


FREE = {
    "onec.fields.*",
    "erp.columns.*",
    "erp.children.*.columns",
    "erp.on_create.source",
    "erp.on_update.updated_at",
}
"""Shown by an example of a name; the names themselves are free."""


def test_every_key_is_in_the_example_and_every_key_of_the_example_exists() -> None:
    shown = {generic(key) for key, _, _ in shown_values()}
    wanted = {key for key, _ in keys(Settings) if ".columns.*." not in key}
    wanted -= {"erp.on_create", "erp.on_update"}
    assert sorted(shown - FREE) == sorted(wanted)
    assert shown >= FREE
    text = EXAMPLE.read_text(encoding="utf-8")
    assert all(word in text for word in ("column = ", "max_length = ", "truncate = ", "sql = "))


def test_what_is_not_called_an_example_is_the_default() -> None:
    defaults = dict(keys(Settings))
    told = {generic(key) for key, _, example in shown_values() if not example}
    compared = 0
    for key, value, example in shown_values():
        default = defaults.get(generic(key))
        if key in {"onec.url", "erp.url"}:
            continue
        if example:
            nothing: tuple[Any, ...] = (None, "", {}, [], PydanticUndefined)
            assert default in nothing or generic(key) in FREE | told, f"{key} hides its default"
        else:
            annotation = annotated()[generic(key)]
            assert TypeAdapter(annotation).validate_python(value) == default, key
            compared += 1
    assert compared > 60


def test_example_as_it_stands_loads() -> None:
    loaded = load_settings(EXAMPLE, {})
    assert loaded.warnings == ()
    assert mapping_of(loaded.settings).key_name == "code"


def test_example_with_everything_set_is_valid() -> None:
    settings = Settings.model_validate(
        tomllib.loads(uncommented(EXAMPLE.read_text(encoding="utf-8")))
    )
    names = mapping_of(settings).names
    assert {"full_name", "delivery_address", "partner_phone", "fax"} <= set(names)
    assert "email" not in names


def test_there_is_an_example_of_each_shape_of_store() -> None:
    assert [file.stem for file in STORES] == [
        "embedded",
        "hard-delete-by-ref",
        "production-postgresql",
        "webhook",
    ]


@pytest.mark.parametrize("file", STORES, ids=lambda file: file.stem)
def test_store_example_loads_and_says_what_it_is_for(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    loaded = load_settings(file, {})
    mapping = mapping_of(loaded.settings)
    erp = loaded.settings.erp
    assert text.startswith("# ")
    assert loaded.warnings == ()
    assert {"name", "tax_id"} <= set(mapping.names)
    if erp.table is not None:
        assert erp.owned, "rows people entered by hand must be out of reach in every example"


def test_no_shipped_file_holds_a_secret() -> None:
    for file in [EXAMPLE, *STORES]:
        settings = load_settings(file, {}).settings
        assert not list(secrets_of(settings)), file


def secrets_of(value: Any) -> Iterator[SecretStr]:
    if isinstance(value, SecretStr):
        yield value
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from secrets_of(getattr(value, name))
    elif isinstance(value, list):
        for item in value:
            yield from secrets_of(item)

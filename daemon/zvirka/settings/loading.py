"""Loading the settings: zvirka.toml, then the environment over it, then the secrets.

``zvirka.toml`` is looked for at ``--config``, ``$ZVIRKA_CONFIG``, ``./zvirka.toml`` and
``/etc/zvirka/zvirka.toml``. ``$ZVIRKA_ONEC__URL`` overrides ``[onec] url``: two underscores go a
table down, lists and tables are written as JSON. Secrets: :mod:`zvirka.settings.secrets`.
All problems are reported at once, each by the dotted path of its key.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, SecretStr, ValidationError

from zvirka.errors import SettingsError, os_reason
from zvirka.findings import Finding
from zvirka.message import Message, coded, joined
from zvirka.settings.checks import cross_problems, cross_warnings
from zvirka.settings.explanations import (
    about,
    annotation_at,
    did_you_mean,
    keys_of,
    masked_url,
    settings_problems,
    toml_place,
)
from zvirka.settings.model import OnecSettings, Settings
from zvirka.settings.places import SYSTEM_FILE, find_settings
from zvirka.settings.secrets import resolve_secrets

PREFIX = "ZVIRKA_"
MASK = "********"
_TELLING = frozenset({"state_dir", "journal", "report", "schedule", "alerts", "metrics", "log"})
_NOT_SETTINGS = frozenset({"ZVIRKA_CONFIG", "ZVIRKA_LANG"})


@dataclass(frozen=True)
class Loaded:
    """Settings and where they came from.

    ``origins`` maps the dotted keys that are set to a text such as ``$ZVIRKA_ONEC__URL``,
    ``credential onec.password`` or the path of a file; other keys have their default.
    """

    settings: Settings
    origins: dict[str, str]
    path: Path | None
    warnings: tuple[Finding, ...] = ()


@dataclass(frozen=True)
class EffectiveValue:
    """One line of ``zvirka config show``; a secret's value is already masked."""

    key: str
    value: str
    origin: str


def load_settings(path: Path | None, environ: Mapping[str, str]) -> Loaded:
    """Load the settings from the file (``None``: the usual places) and the environment.

    Raises:
        SettingsError: no file, a file that is not TOML, unknown keys, wrong types, missing
            values or secrets, keys that contradict each other; all of it in one message.
    """
    file = find_settings(path, environ)
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    if file is not None:
        _lay(values, _read_toml(file), origins, str(file))
        _anchor_paths(Settings, values, file.parent)
    _lay_environment(values, origins, environ)
    problems = [*_unknown_variables(environ)]
    secrets = resolve_secrets(values, origins, environ)
    problems += secrets.problems
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        problems += settings_problems(error, Settings, origins)
    else:
        problems += cross_problems(settings)
    if problems:
        raise _settings_error(dict(reversed(problems)), file)
    warnings = (*secrets.warnings, *cross_warnings(settings))
    return Loaded(settings, origins, file, warnings)


def load_leniently(path: Path | None, environ: Mapping[str, str]) -> Settings | None:
    """Return what of unusable settings says where the journal is and whom to tell.

    Each of those tables counts if it is sound by itself; nothing else is read. ``None`` when the
    file cannot be read at all.
    """
    try:
        file = find_settings(path, environ)
        values = _read_toml(file) if file is not None else {}
    except SettingsError:
        return None
    if file is not None:
        _anchor_paths(Settings, values, file.parent)
    _lay_environment(values, {}, environ)
    resolve_secrets(values, {}, environ)
    sound: dict[str, Any] = {
        "onec": {"url": "http://settings.invalid"},
        "erp": {"url": "sqlite://"},
    }
    for name in _TELLING & values.keys():
        with suppress(ValidationError):
            Settings.model_validate(sound | {name: values[name]})
            sound[name] = values[name]
    return Settings.model_validate(sound)


def effective_values(loaded: Loaded) -> list[EffectiveValue]:
    """Return every effective key in the order of the models, secrets masked."""
    return [
        EffectiveValue(key, value, _origin_of(key, loaded.origins))
        for key, value in _flatten(loaded.settings, "")
    ]


def _read_toml(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        cause = coded(
            "ZV3102", "the settings file is not TOML: {details}", details=toml_place(error)
        )
        remedy = Message("correct that line")
    except UnicodeDecodeError:
        cause = coded("ZV3102", "the settings file is not UTF-8 text")
        remedy = Message("save it as UTF-8 without a BOM")
    except RecursionError:
        cause = coded("ZV3102", "the settings file is nested too deep")
        remedy = Message("look for a row of brackets")
    except OSError as error:
        cause = coded("ZV4102", "the settings file cannot be read: {why}", why=os_reason(error))
        remedy = Message("make it readable")
    raise SettingsError(cause, place=str(file), remedy=remedy)


def _lay_environment(
    values: dict[str, Any], origins: dict[str, str], environ: Mapping[str, str]
) -> None:
    """Lay the variables over the values; the variable of a key counts before one of its table."""
    for name in sorted(environ, key=lambda name: name.count("__")):
        path = name[len(PREFIX) :].lower().split("__")
        if name.upper().startswith(PREFIX) and path[0] in keys_of(Settings):
            value = _decoded(environ[name], annotation_at(Settings, path))
            for step in reversed(path):
                value = {step: value}
            _lay(values, value, origins, f"${name}")


def _decoded(text: str, annotation: Any) -> Any:
    """Decode the JSON of a list or table; text that is not JSON is left for the validation."""
    if annotation not in (str, SecretStr, Path):
        try:
            value = json.loads(text)
        except ValueError:
            return text
        if isinstance(value, list | dict):
            return value
    return text


def _lay(
    below: dict[str, Any],
    above: Mapping[str, Any],
    origins: dict[str, str],
    origin: str,
    prefix: str = "",
) -> None:
    """Lay one source over another, table by table, and note the origin of every leaf."""
    for name, value in above.items():
        key = f"{prefix}{name}"
        if isinstance(value, Mapping):
            if not isinstance(below.get(name), dict):
                below[name] = {}
            _lay(below[name], value, origins, origin, f"{key}.")
            if not value:
                origins[key] = origin
        else:
            below[name] = value
            origins[key] = origin


def _unknown_variables(environ: Mapping[str, str]) -> Iterator[tuple[str, Message]]:
    """Yield variables that look like misspelt settings."""
    known = keys_of(Settings)
    for name in sorted(environ):
        word, _, rest = name.upper().removeprefix(PREFIX).lower().partition("__")
        if not name.upper().startswith(PREFIX) or name.upper() in _NOT_SETTINGS or word in known:
            continue
        guess = did_you_mean(word, known)
        # A variable without a table may belong to another program; one close to a key is a typo.
        if rest or guess:
            yield f"${name}", Message("unknown table or key {word}{guess}", word=word, guess=guess)


def _anchor_paths(model: type[BaseModel], values: dict[str, Any], base: Path) -> None:
    """Make relative paths of the file relative to the file, whatever the working directory is."""
    for name, info in model.model_fields.items():
        value = values.get(name)
        options = (info.annotation, *get_args(info.annotation))
        is_profile = model is OnecSettings and name == "profile" and str(value).endswith(".toml")
        if isinstance(value, str) and (Path in options or is_profile):
            values[name] = str(base / Path(value).expanduser())
        elif isinstance(value, dict):
            for option in options:
                if isinstance(option, type) and issubclass(option, BaseModel):
                    _anchor_paths(option, value, base)


def _settings_error(problems: Mapping[str, Message], file: Path | None) -> SettingsError:
    lines = joined(["", *(about(key, problems[key]) for key in sorted(problems))], "\n  ")
    if file is not None:
        return SettingsError(
            coded("ZV3103", "the settings cannot be used:{lines}\n", lines=lines),
            place=str(file),
            remedy=Message("zvirka.example.toml documents every key"),
        )
    return SettingsError(
        coded(
            "ZV3101",
            "there is no settings file, and the environment alone is not enough:{lines}\n",
            lines=lines,
        ),
        place=f"--config, $ZVIRKA_CONFIG, {Path('zvirka.toml').absolute()}, {SYSTEM_FILE}",
        remedy=Message("copy zvirka.example.toml to one of these places and fill it in"),
    )


def _origin_of(key: str, origins: Mapping[str, str]) -> str:
    parts = key.split(".")
    for length in range(len(parts), 0, -1):
        origin = origins.get(".".join(parts[:length]))
        if origin:
            return origin
    return "default"


def _flatten(table: BaseModel, prefix: str) -> Iterator[tuple[str, str]]:
    for name, info in type(table).model_fields.items():
        key = f"{prefix}{info.alias or name}"
        yield from _flatten_value(key, getattr(table, name))


def _flatten_value(key: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, BaseModel):
        yield from _flatten(value, f"{key}.")
    elif isinstance(value, dict) and value:
        for name, item in value.items():
            yield from _flatten_value(f"{key}.{name}", item)
    elif isinstance(value, list) and value and isinstance(value[0], BaseModel):
        for number, item in enumerate(value):
            yield from _flatten_value(f"{key}.{number}", item)
    else:
        yield key, _shown(value)


def _shown(value: Any) -> str:
    if isinstance(value, SecretStr):
        return MASK
    if isinstance(value, timedelta):
        return duration_text(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return "[" + ", ".join(_shown(item) for item in value) + "]"
    if isinstance(value, dict):
        return "{}"
    return "" if value is None else masked_url(str(value))


def duration_text(value: timedelta) -> str:
    """Return a duration as it is written in the settings: in the largest unit that fits."""
    seconds = int(value.total_seconds())
    for unit, length in (("y", 31536000), ("d", 86400), ("h", 3600), ("m", 60)):
        if seconds and seconds % length == 0:
            return f"{seconds // length}{unit}"
    return f"{seconds}s"

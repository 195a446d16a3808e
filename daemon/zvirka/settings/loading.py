"""Loading the settings: zvirka.toml, then the environment over it, then the secrets.

``zvirka.toml`` is looked for at ``--config``, ``$ZVIRKA_CONFIG``, ``./zvirka.toml`` and
``/etc/zvirka/zvirka.toml``. ``$ZVIRKA_ONEC__URL`` overrides ``[onec] url``: two underscores go a
table down, lists and tables are written as JSON. Secrets: :mod:`zvirka.settings.secrets`.
All problems are reported at once, each by the dotted path of its key.
"""

from __future__ import annotations

import json
import stat
import tomllib
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache, partial
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
    settings_problems,
    toml_place,
)
from zvirka.settings.flow_values import (
    OWN,
    chosen,
    credential_key,
    environment_of,
    flow_files,
    for_all_flows,
    misplaced,
    names_of,
    share,
    shared_entries,
    shared_tables,
)
from zvirka.settings.model import OnecSettings, Settings
from zvirka.settings.places import SYSTEM_FILE, find_settings
from zvirka.settings.secrets import resolve_secrets

PREFIX = "ZVIRKA_"
_TELLING = frozenset(
    {"name", "state_dir", "journal", "report", "schedule", "alerts", "metrics", "log"}
)
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
class _Files:
    """``zvirka.toml``, what it holds, and the files of the further flows by name."""

    file: Path | None
    whole: dict[str, Any]
    further: dict[str, Path]

    @property
    def names(self) -> list[str]:
        """The names of all flows; that of ``zvirka.toml`` comes first if it is one."""
        return names_of(self.whole, self.further)


@dataclass(frozen=True)
class _Sources:
    """What files and environment say for one flow, before secrets and validation.

    ``file`` is ``zvirka.toml``, ``own_file`` that of a further flow. ``problems`` are keys that are
    out of place.
    """

    file: Path | None
    own_file: Path | None
    environ: Mapping[str, str]
    values: dict[str, Any]
    origins: dict[str, str]
    problems: list[tuple[str, Message]]
    key_of: Callable[[str], str]


def load_settings(path: Path | None, environ: Mapping[str, str], flow: str | None = None) -> Loaded:
    """Load the settings of a flow from the file (``None``: the usual places) and the environment.

    Without ``flow`` they are those of ``zvirka.toml`` itself, or of the only flow there is.

    Raises:
        SettingsError: no file, a file that is not TOML, unknown keys, wrong types, missing
            values or secrets, keys that contradict each other, all of it in one message; there is
            no such flow, or several and none was asked for.
    """
    return _load(_files(path, environ), environ, flow)


def _load(files: _Files, environ: Mapping[str, str], flow: str | None) -> Loaded:
    sources = _sources(files, environ, flow)
    values, origins = sources.values, sources.origins
    problems = [*_unknown_variables(tuple(sorted(sources.environ))), *sources.problems]
    secrets = resolve_secrets(values, origins, sources.environ, sources.key_of)
    problems += secrets.problems
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        problems += settings_problems(error, Settings, origins)
    else:
        problems += cross_problems(settings)
    if problems:
        raise _settings_error(dict(reversed(problems)), sources.own_file or sources.file)
    written = (sources.file, sources.own_file)
    warnings = (
        *(warning for file in written for warning in _file_warnings(file)),
        *secrets.warnings,
        *cross_warnings(settings),
    )
    return Loaded(settings, origins, sources.file, warnings)


@dataclass(frozen=True)
class Flows:
    """The settings of all flows by name, and the errors of those that cannot be used."""

    loaded: dict[str, Loaded]
    broken: dict[str, SettingsError]


def load_flows(path: Path | None, environ: Mapping[str, str]) -> Flows:
    """Load the settings of all flows; each knows the others.

    Raises:
        SettingsError: as :func:`flow_names`.
    """
    found: dict[str, Loaded] = {}
    broken: dict[str, SettingsError] = {}
    files = _files(path, environ)
    for name in files.names:
        try:
            found[name] = _load(files, environ, name)
        except SettingsError as error:
            broken[name] = error
    every = {name: loaded.settings for name, loaded in found.items()}
    return Flows(
        {
            name: replace(loaded, settings=loaded.settings.among(every))
            for name, loaded in found.items()
        },
        broken,
    )


def load_leniently(
    path: Path | None, environ: Mapping[str, str], flow: str | None = None
) -> Settings | None:
    """Return what of unusable settings says where the journal is and whom to tell.

    Each of those tables counts if it is sound by itself; nothing else is read. ``None`` when the
    file cannot be read at all.
    """
    try:
        sources = _sources(_files(path, environ), environ, flow)
    except SettingsError:
        return None
    values = sources.values
    resolve_secrets(values, {}, sources.environ, sources.key_of)
    sound: dict[str, Any] = {
        "onec": {"url": "http://settings.invalid"},
        "erp": {"url": "sqlite://"},
    }
    for name in _TELLING & values.keys():
        with suppress(ValidationError):
            Settings.model_validate(sound | {name: values[name]})
            sound[name] = values[name]
    return Settings.model_validate(sound)


def flow_names(path: Path | None, environ: Mapping[str, str]) -> list[str]:
    """Return the names of all flows; that of ``zvirka.toml`` comes first if it is one.

    Raises:
        SettingsError: the file asked for does not exist or cannot be read, or the name of a flow's
            file cannot name a flow.
    """
    return _files(path, environ).names


def _files(path: Path | None, environ: Mapping[str, str]) -> _Files:
    file = find_settings(path, environ)
    if file is None:
        return _Files(None, {}, {})
    whole = _read_toml(file)
    _anchor_paths(Settings, whole, file.parent)
    for model, entry in shared_entries(whole):
        _anchor_paths(model, entry, file.parent)
    return _Files(file, whole, flow_files(file, whole))


def _sources(files: _Files, environ: Mapping[str, str], flow: str | None) -> _Sources:
    file = files.file
    name = chosen(flow, files.names, file)
    own_file = files.further.get(name)
    further = own_file is not None
    environ = environment_of(name, environ, further=further)
    values, origins, problems = _values(files.whole, file, name, own_file)
    _lay_environment(values, origins, environ)
    key_of = partial(credential_key, flow=name, further=further, shared=shared_tables(values))
    problems += share(values, origins)
    return _Sources(file, own_file, environ, values, origins, problems, key_of)


def _values(
    whole: dict[str, Any], file: Path | None, name: str, own_file: Path | None
) -> tuple[dict[str, Any], dict[str, str], list[tuple[str, Message]]]:
    """Return what the files say for a flow, where each key came from, and what is out of place."""
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    if file is None:
        return values, origins, []
    if own_file is None:
        _lay(values, whole, origins, str(file))
        return values, origins, []
    _lay(values, for_all_flows(whole, name), origins, str(file))
    own = _read_toml(own_file)
    _anchor_paths(Settings, own, own_file.parent)
    _lay(values, {key: own[key] for key in own.keys() & OWN}, origins, str(own_file))
    return values, origins, [*misplaced(own, file)]


def _read_toml(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8-sig"))  # Windows writes a BOM
    except tomllib.TOMLDecodeError as error:
        cause = coded(
            "ZV3102", "the settings file is not TOML: {details}", details=toml_place(error)
        )
        remedy = Message("correct that line")
    except UnicodeDecodeError:
        cause = coded("ZV3102", "the settings file is not UTF-8 text")
        remedy = Message("save it as UTF-8")
    except ValueError:
        cause = coded("ZV3102", "the settings file holds a number of too many digits")
        remedy = Message("look for a long row of digits")
    except RecursionError:
        cause = coded("ZV3102", "the settings file is nested too deep")
        remedy = Message("look for a row of brackets")
    except OSError as error:
        cause = coded("ZV4102", "the settings file cannot be read: {why}", why=os_reason(error))
        remedy = Message("make it readable")
    raise SettingsError(cause, place=str(file), remedy=remedy)


def _file_warnings(file: Path | None) -> Iterator[Finding]:
    """Warn of a file others can write: its SQL is run as the user of the service."""
    if file is not None and file.stat().st_mode & stat.S_IWOTH:
        yield Finding(
            "warning",
            "zvirka.toml",
            coded("ZV3105", "everybody on this machine can change {path}", path=file),
            Message("chmod o-w {path}", path=file),
        )


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
        except (ValueError, RecursionError):
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


@lru_cache(maxsize=8)
def _unknown_variables(names: tuple[str, ...]) -> tuple[tuple[str, Message], ...]:
    """Return variables that look like misspelt settings; each flow asks of nearly the same."""
    return tuple(_misspelt(names))


def _misspelt(names: tuple[str, ...]) -> Iterator[tuple[str, Message]]:
    known = keys_of(Settings)
    for name in names:
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

"""Where secrets come from: the environment, systemd credentials, files; inline as a last resort.

Every secret ``x`` of a table has a sibling ``x_file``. A systemd credential is named by the dotted
key: ``LoadCredential=onec.password:/etc/zvirka/onec.password`` becomes
``$CREDENTIALS_DIRECTORY/onec.password``. A key ``x_file`` without a sibling (a CA bundle, the
signing key) is the file itself; its credential is named without ``_file``.
"""

from __future__ import annotations

import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args, get_origin

from pydantic import BaseModel, SecretStr
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from zvirka.findings import Finding
from zvirka.settings.model import Settings

_LARGEST = 1 << 20


@dataclass
class SecretsFound:
    """What went wrong (dotted key, sentence) and what deserves a word while secrets were read."""

    problems: list[tuple[str, str]] = field(default_factory=list)
    warnings: list[Finding] = field(default_factory=list)


@dataclass(frozen=True)
class _Slot:
    """One secret of the settings: its table, its name, whether it is a list, whether a file is it.

    ``optional`` is set for tables that are absent until somebody writes them.
    """

    table: tuple[str, ...]
    name: str
    many: bool = False
    only_file: bool = False
    optional: bool = False

    @property
    def key(self) -> str:
        return ".".join((*self.table, self.name))

    @property
    def file_key(self) -> str:
        return f"{self.key}_file"


def resolve_secrets(
    values: dict[str, Any], origins: dict[str, str], environ: Mapping[str, str]
) -> SecretsFound:
    """Put the secrets into ``values`` and their places into ``origins``.

    The order: an environment variable, a file named by one, a systemd credential, a file named in
    zvirka.toml, a value in zvirka.toml.
    """
    found = SecretsFound()
    directory = environ.get("CREDENTIALS_DIRECTORY", "")
    slots = list(_slots(Settings, ()))
    for slot in slots:
        credential = Path(directory, slot.key) if directory else None
        if credential is not None and not credential.is_file():
            credential = None
        table = _table(values, slot, create=not slot.optional)
        if table is None:
            if credential is not None:
                found.warnings.append(_unused(slot.key, f"there is no [{'.'.join(slot.table)}]"))
            continue
        _resolve(slot, table, origins, credential, found)
    if directory:
        _name_strangers(Path(directory), {slot.key for slot in slots}, found)
    return found


def secret_values(settings: Settings) -> frozenset[str]:
    """Return every secret the settings hold, for the logs to mask; passwords in URLs included."""
    found = set(_secrets_in(settings))
    for url in (settings.erp.url, settings.journal.url):
        try:
            password = make_url(url).password if url else None
        except ArgumentError:
            password = None
        if password:
            found.add(str(password))
    return frozenset(value for value in found if value)


def _resolve(
    slot: _Slot,
    table: dict[str, Any],
    origins: dict[str, str],
    credential: Path | None,
    found: SecretsFound,
) -> None:
    from_environment = [
        key for key in (slot.key, slot.file_key) if origins.get(key, "").startswith("$")
    ]
    if len(from_environment) > 1 or (
        not from_environment
        and not slot.only_file
        and slot.name in table
        and f"{slot.name}_file" in table
    ):
        found.problems.append((slot.key, f"found this and {slot.file_key}, expected one of them"))
    elif from_environment == [slot.key]:
        return
    elif credential is not None and not from_environment:
        origin = f"credential {slot.key}"
        if slot.only_file:
            table[f"{slot.name}_file"] = str(credential)
            origins[slot.file_key] = origin
        else:
            _read(slot, table, credential, slot.key, found)
            origins[slot.key] = origin
    elif f"{slot.name}_file" in table:
        if not slot.only_file:
            path = Path(str(table[f"{slot.name}_file"])).expanduser()
            _read(slot, table, path, slot.file_key, found)
            _warn_of_readers(slot, path, found)
            origins[slot.key] = f"file {path}"
    elif slot.name in table:
        found.warnings.append(
            Finding(
                "warning",
                slot.key,
                "the secret stands in zvirka.toml itself",
                f"move it to a file and set {slot.file_key}, or to a systemd credential",
            )
        )


def _read(slot: _Slot, table: dict[str, Any], path: Path, place: str, found: SecretsFound) -> None:
    try:
        with path.open("rb") as file:
            text = file.read(_LARGEST).decode("utf-8-sig")
    except OSError as error:
        found.problems.append((place, f"cannot read {path}: {error.strerror}"))
        return
    except UnicodeDecodeError:
        found.problems.append((place, f"{path} is not UTF-8 text"))
        return
    if not text.strip():
        found.problems.append((place, f"{path} is empty, expected a secret in it"))
        return
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    table[slot.name] = lines if slot.many else text.rstrip("\r\n")


def _warn_of_readers(slot: _Slot, path: Path, found: SecretsFound) -> None:
    try:
        everybody = path.stat().st_mode & stat.S_IROTH
    except OSError:
        return
    if everybody:
        text = f"everybody on this machine can read {path}"
        found.warnings.append(Finding("warning", slot.file_key, text, f"chmod o-r {path}"))


def _name_strangers(directory: Path, known: set[str], found: SecretsFound) -> None:
    try:
        names = sorted(path.name for path in directory.iterdir())
    except OSError as error:
        found.problems.append(
            ("$CREDENTIALS_DIRECTORY", f"cannot list {directory}: {error.strerror}")
        )
        return
    for name in names:
        if name not in known:
            found.warnings.append(_unused(name, "no secret has that name"))


def _unused(name: str, why: str) -> Finding:
    text = f"the systemd credential is not used: {why}"
    return Finding("warning", name, text, "correct its name in LoadCredential=, or take it out")


def _table(values: dict[str, Any], slot: _Slot, *, create: bool) -> dict[str, Any] | None:
    table = values
    for step in slot.table:
        if step not in table:
            if not create:
                return None
            table[step] = {}
        table = table[step]
        if not isinstance(table, dict):
            return None
    return table


def _slots(
    model: type[BaseModel], table: tuple[str, ...], optional: bool = False
) -> Iterator[_Slot]:
    fields = model.model_fields
    for name, info in fields.items():
        options = (info.annotation, *get_args(info.annotation))
        secret = name.removesuffix("_file")
        if secret != name and Path in options:
            if secret not in fields:
                yield _Slot(table, secret, only_file=True, optional=optional)
            elif _holds_secret(fields[secret].annotation):
                many = get_origin(fields[secret].annotation) is list
                yield _Slot(table, secret, many=many, optional=optional)
        if get_origin(info.annotation) in (dict, list):
            continue
        for part in options:
            if isinstance(part, type) and issubclass(part, BaseModel):
                yield from _slots(part, (*table, name), optional or part is not info.annotation)


def _holds_secret(annotation: Any) -> bool:
    return annotation is SecretStr or any(_holds_secret(part) for part in get_args(annotation))


def _secrets_in(value: Any) -> Iterator[str]:
    if isinstance(value, SecretStr):
        yield value.get_secret_value()
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from _secrets_in(getattr(value, name))
    elif isinstance(value, dict):
        for item in value.values():
            yield from _secrets_in(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _secrets_in(item)

"""Where secrets come from: the environment, systemd credentials, files, and zvirka.toml itself.

Every secret ``x`` of a table has a sibling ``x_file``. A systemd credential is named by the dotted
key: ``LoadCredential=onec.password:/etc/zvirka/onec.password`` becomes
``$CREDENTIALS_DIRECTORY/onec.password``. A key ``x_file`` without a sibling (a CA bundle, the
signing key) is the file itself; its credential is named without ``_file``.
"""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, get_args, get_origin

from pydantic import BaseModel, SecretStr

from zvirka.database_address import database_url
from zvirka.errors import os_reason
from zvirka.findings import Finding
from zvirka.message import Coded, Message, coded
from zvirka.settings.explanations import holds_secret
from zvirka.settings.model import Settings

_LARGEST = 1 << 20


@dataclass
class SecretsFound:
    """Problems (dotted key, sentence) and warnings met while secrets were read."""

    problems: list[tuple[str, Message]] = field(default_factory=list)
    warnings: list[Finding] = field(default_factory=list)

    def warn(self, key: str, text: Coded, remedy: Message) -> None:
        """Add a warning."""
        self.warnings.append(Finding("warning", key, text, remedy))


@dataclass(frozen=True)
class _Secret:
    """A secret of the settings: its table and name.

    ``many``: it is a list. ``only_file``: the file itself is the value. ``optional``: its table is
    absent unless the settings have it.
    """

    table: tuple[str, ...]
    name: str
    many: bool
    only_file: bool
    optional: bool

    @property
    def key(self) -> str:
        return ".".join((*self.table, self.name))

    @property
    def file_key(self) -> str:
        return f"{self.key}_file"


def resolve_secrets(
    values: dict[str, Any],
    origins: dict[str, str],
    environ: Mapping[str, str],
    key_of: Callable[[str], str] = lambda credential: credential,
) -> SecretsFound:
    """Put the secrets into ``values`` and their places into ``origins``.

    The first of these counts: an environment variable, a file named by one, a systemd credential,
    a file named in zvirka.toml, a value in zvirka.toml. ``key_of`` gives the dotted key a
    credential is for, empty for one that concerns another flow.
    """
    found = SecretsFound()
    files = _credentials(environ.get("CREDENTIALS_DIRECTORY", ""), found)
    # One of the flow itself counts before one that it shares.
    credentials = {key: files[name] for name in sorted(files) if (key := key_of(name))}
    fix = Message("correct its name in LoadCredential=, or remove it")
    for secret in _all_secrets():
        credential = credentials.pop(secret.key, None)
        table = _table(values, secret)
        if table is not None:
            _resolve(secret, table, origins, credential, found)
        elif credential is not None:
            table_name = ".".join(secret.table)
            text = coded(
                "ZV3104",
                "the systemd credential is not used: there is no [{table}]",
                table=table_name,
            )
            found.warn(secret.key, text, fix)
    for name in credentials:
        text = coded("ZV3104", "the systemd credential is not used: no secret has that name")
        found.warn(name, text, fix)
    return found


def secret_values(settings: Settings) -> frozenset[str]:
    """Return every secret of the settings, passwords in URLs included; the logs mask them."""
    found = set(_secrets_in(settings))
    for url in (settings.erp.url, settings.journal.url):
        address = database_url(url)
        found.add(str(address.password or "") if address is not None else "")
    return frozenset(found - {""})


def _credentials(directory: str, found: SecretsFound) -> dict[str, Path]:
    try:
        return {path.name: path for path in sorted(Path(directory).iterdir())} if directory else {}
    except OSError as error:
        text = Message("cannot list {path}: {why}", path=directory, why=os_reason(error))
        found.problems.append(("$CREDENTIALS_DIRECTORY", text))
        return {}


def _resolve(
    secret: _Secret,
    table: dict[str, Any],
    origins: dict[str, str],
    credential: Path | None,
    found: SecretsFound,
) -> None:
    name, file_name = secret.name, f"{secret.name}_file"
    variables = [key for key in (secret.key, secret.file_key) if origins.get(key, "")[:1] == "$"]
    twice = name in table and file_name in table and not secret.only_file
    if len(variables) > 1 or (twice and not variables):
        both = Message("found this and {key}, expected one of them", key=secret.file_key)
        found.problems.append((secret.key, both))
    elif variables == [secret.key]:
        return
    elif credential is not None and not variables:
        key = secret.file_key if secret.only_file else secret.key
        origins[key] = f"credential {secret.key}"
        if secret.only_file:
            table[file_name] = str(credential)
        else:
            _read(secret, table, credential, found)
    elif secret.only_file:
        if file_name in table:
            path = Path(str(table[file_name])).expanduser()
            with suppress(OSError):  # the code that uses the key reports a broken file
                _warn_if_open(secret, path, path.stat().st_mode, found)
    elif file_name in table:
        path = Path(str(table[file_name])).expanduser()
        origins[secret.key] = f"file {path}"
        _warn_if_open(secret, path, _read(secret, table, path, found), found)
    elif name in table:
        remedy = Message(
            "move it to a file and set {key}, or to a systemd credential", key=secret.file_key
        )
        found.warn(
            secret.key, coded("ZV3105", "the secret is written in zvirka.toml itself"), remedy
        )


def _warn_if_open(secret: _Secret, path: Path, mode: int, found: SecretsFound) -> None:
    if mode & stat.S_IROTH:
        warning = coded("ZV3105", "everybody on this machine can read {path}", path=path)
        found.warn(secret.file_key, warning, Message("chmod o-r {path}", path=path))


def _read(secret: _Secret, table: dict[str, Any], path: Path, found: SecretsFound) -> int:
    """Put the secret of a file into the table; return the file's mode, 0 if it cannot be used."""
    try:
        with path.open("rb") as file:
            mode = path.stat().st_mode
            text = file.read(_LARGEST).decode("utf-8-sig")
    except OSError as error:
        problem = Message("cannot read {path}: {why}", path=path, why=os_reason(error))
    except UnicodeDecodeError:
        problem = Message("{path} is not UTF-8 text", path=path)
    else:
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        if lines:
            table[secret.name] = lines if secret.many else text.rstrip("\r\n")
            return mode
        problem = Message("{path} is empty, expected a secret in it", path=path)
    found.problems.append((secret.file_key, problem))
    return 0


def _table(values: dict[str, Any], secret: _Secret) -> dict[str, Any] | None:
    """Return the secret's table, made unless it is optional; ``None`` when it is no table."""
    table: Any = values
    for step in secret.table:
        if not isinstance(table, dict) or (secret.optional and step not in table):
            return None
        table = table.setdefault(step, {})
    return table if isinstance(table, dict) else None


@cache
def _all_secrets() -> tuple[_Secret, ...]:
    return tuple(_secrets(Settings, ()))


def _secrets(
    model: type[BaseModel], table: tuple[str, ...], optional: bool = False
) -> Iterator[_Secret]:
    """Yield the secrets of a model and of the tables in it, lists of tables left out."""
    fields = model.model_fields
    for name, info in fields.items():
        options = (info.annotation, *get_args(info.annotation))
        secret = name.removesuffix("_file")
        if secret != name and Path in options:
            kind = fields[secret].annotation if secret in fields else None
            if kind is None or holds_secret(kind):
                yield _Secret(table, secret, get_origin(kind) is list, kind is None, optional)
        if get_origin(info.annotation) not in (dict, list):
            for part in options:
                if isinstance(part, type) and issubclass(part, BaseModel):
                    absent = optional or part is not info.annotation
                    yield from _secrets(part, (*table, name), absent)


def _secrets_in(value: Any) -> Iterator[str]:
    if isinstance(value, SecretStr):
        yield value.get_secret_value()
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from _secrets_in(getattr(value, name))
    elif isinstance(value, dict | list | tuple):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _secrets_in(item)

"""The steps of ``zvirka init``: 1C, the ERP, the settings file with its secrets."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping as MappingABC
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Protocol

import msgspec
from pydantic import SecretStr
from sqlalchemy import make_url

from zvirka.atomic_files import replaced
from zvirka.database_address import database_url
from zvirka.errors import SettingsError, UsageError, os_reason
from zvirka.init.erp_database import ErpDatabase, TableChoice
from zvirka.init.field_homes import SourceProposal, propose_source
from zvirka.init.finding_1c import find_publication
from zvirka.init.grants import grants
from zvirka.init.repairing import repaired, source_changes, store_changes
from zvirka.init.settings_file import settings_text
from zvirka.init.store_proposal import StoreProposal, propose_store
from zvirka.message import Message, coded
from zvirka.settings.model import ErpSettings, OnecSettings

_SYSTEM = Path("/etc/zvirka")
_CREDENTIALS = Path("/etc/credstore")
_HEAD = """Written by `zvirka init` from what 1C and the ERP's database hold.
Every key is documented in zvirka.example.toml; `zvirka config show` prints all that is in effect.
When the base or the table has changed: zvirka init --from {file}"""


class Answers(msgspec.Struct, kw_only=True):
    """What was given on the command line; ``None`` and '' are asked for or proposed."""

    onec_url: str
    onec_user: str | None
    onec_password_file: Path | None
    profile: str
    erp_url: str | None
    erp_password_file: Path | None
    schema: str
    table: str
    key: str
    out: Path
    state_dir: Path | None
    flow: str = ""
    """The further flow whose file ``out`` is; empty for ``zvirka.toml``."""


class Shown(Protocol):
    """What the steps show and ask; :class:`zvirka.cli.init_output.InitOutput`."""

    def ask(self, name: str, default: str = "", *, hidden: bool = False) -> str:
        """Return an answer; the default where nobody is there to give one."""
        ...

    def confirm(self, name: str) -> bool:
        """Return whether to go on."""
        ...

    def say(self, name: str, **values: object) -> None:
        """Print a sentence."""
        ...

    def lines(self, lines: Sequence[str]) -> None:
        """Print lines that are to be copied."""
        ...

    def source(self, found: SourceProposal) -> None:
        """Show which base was found, and where it keeps each field."""
        ...

    def tables(self, choices: Sequence[TableChoice]) -> None:
        """Show the tables that may hold the clients."""
        ...

    def store(self, found: StoreProposal) -> None:
        """Show which column holds what, and some pairs."""
        ...


class Conversation:
    """Settles the answers one after the other and writes the settings file.

    Args:
        answers: the command line; what is missing is asked for.
        shown: the terminal.
        environ: may hold the passwords.
    """

    def __init__(self, answers: Answers, shown: Shown, environ: MappingABC[str, str]) -> None:
        self._answers = answers
        self._shown = shown
        self._environ = environ
        self._secrets: dict[str, str] = {}

    def settle(self, repair: Path | None) -> None:
        """Go through the steps.

        Raises:
            UsageError: an answer is missing and nobody is there to give it, or is refused.
            SourceError: 1C cannot be read.
            StoreError: the ERP's database cannot be read.
        """
        old = tomllib.loads(repair.read_text("utf-8-sig")) if repair is not None else {}
        source = self._source(old)
        self._shown.source(source)
        erp = self._erp(old)
        if erp.table is None and self._is_embedded(erp):
            self._finish(old, source, None, erp, None)
            return
        with closing(ErpDatabase(erp)) as database:
            store = self._store(database, source, erp)
            self._finish(old, source, store, erp, database)

    # -- 1C -------------------------------------------------------------------------------------

    def _source(self, old: dict[str, Any]) -> SourceProposal:
        answers, known = self._answers, old.get("onec", {})
        url = answers.onec_url or known.get("url", "") or self._shown.ask("init_onec_url")
        if not url:
            raise _missing("--onec-url")
        user = answers.onec_user if answers.onec_user is not None else known.get("user")
        user = self._shown.ask("init_onec_user") if user is None else user
        place = answers.onec_password_file or _known_file(known, answers.out)
        password = self._secret("onec.password", place, wanted=bool(user))
        kept = {name: known[name] for name in known.keys() - {"fields", "password_file", "profile"}}
        onec = OnecSettings.model_validate(
            {**kept, "url": url, "user": user, "password": password or None}
        )
        found = find_publication(onec)
        profile = answers.profile or known.get("profile", "")
        return propose_source(found, profile, known.get("fields"))

    # -- the ERP ----------------------------------------------------------------------------------

    def _erp(self, old: dict[str, Any]) -> ErpSettings:
        answers, known = self._answers, old.get("erp", {})
        text = answers.erp_url if answers.erp_url is not None else known.get("url")
        text = self._shown.ask("init_erp_url") if text is None else text
        if not text:
            return ErpSettings(url=f"sqlite:///{self._state_dir() / 'erp.db'}")
        url = database_url(text)
        if url is None:
            raise SettingsError(
                coded("ZV3303", "the address of the store is not a database URL"),
                place="--erp-url",
                remedy=Message(
                    "write it as postgresql://user@host/database or sqlite:////path/file.db"
                ),
            )
        sqlite = url.get_backend_name() == "sqlite"
        if url.password:
            self._secrets["erp.password"] = str(url.password)
            url = url._replace(password=None)  # set() ignores None
        elif not sqlite:
            place = answers.erp_password_file or _known_file(known, answers.out)
            self._secret("erp.password", place, wanted=bool(url.username))
        password = self._secrets.get("erp.password")
        return ErpSettings(
            url=url.render_as_string(hide_password=False),
            password=SecretStr(password) if password else None,
            table=answers.table or known.get("table"),
            schema=answers.schema or known.get("schema"),
        )

    def _is_embedded(self, erp: ErpSettings) -> bool:
        url = make_url(erp.url)
        if url.get_backend_name() != "sqlite":
            return False
        file = Path(url.database or "")
        return not (file.exists() and file.stat().st_size)

    def _store(
        self, database: ErpDatabase, source: SourceProposal, erp: ErpSettings
    ) -> StoreProposal:
        name = erp.table
        if name is None:
            choices = database.ranked()
            self._shown.tables(choices)
            best = choices[0].name if choices else ""
            name = self._shown.ask("init_which_table", best) or best
            if not name:
                raise _missing("--table")
        sample, key = source.sample, self._answers.key
        found = propose_store(database, name, source.mapping, sample, key=key)
        self._shown.store(found)
        return found

    # -- the settings file ------------------------------------------------------------------------

    def _finish(
        self,
        old: dict[str, Any],
        source: SourceProposal,
        store: StoreProposal | None,
        erp: ErpSettings,
        database: ErpDatabase | None,
    ) -> None:
        if not self._shown.confirm("init_write"):
            raise UsageError(
                coded("ZV3107", "nothing was written"),
                remedy=Message("run it again with other answers"),
            )
        out = self._answers.out
        if old:
            changes = list(source_changes(old, source))
            if store is not None and database is not None:
                changes += store_changes(old, store, database)
            text = repaired(out.read_text("utf-8"), changes)
            self._shown.say("init_repaired", count=len(changes))
            self._shown.lines([f"[{table}] {key}" for table, key, _ in changes])
        else:
            text = self._text(source, store, erp)
        out.parent.mkdir(mode=0o750, exist_ok=True)
        _write(out, text, 0o640)
        if os.geteuid() == 0 and (owner := self._service()) is not None:
            os.chown(out, 0, owner.st_gid)  # the service reads it, and cannot change it
        self._shown.say("written", path=out)
        if database is not None and store is not None and not old:
            self._grants(database, store, erp)

    def _text(self, source: SourceProposal, store: StoreProposal | None, erp: ErpSettings) -> str:
        out = self._answers.out
        tables: dict[str, Any] = {}
        if not self._answers.flow and (
            out.parent != _SYSTEM or self._answers.state_dir is not None
        ):
            tables["state_dir"] = str(self._state_dir())
            self._state_dir().mkdir(mode=0o700, parents=True, exist_ok=True)
        onec: dict[str, Any] = {"url": source.onec.url, "user": source.onec.user}
        onec |= {"profile": source.onec.profile}
        fields = dict(source.overrides)
        if store is not None:
            if store.key:
                onec["key"] = store.key
            fields |= dict.fromkeys(store.dropped, False)
        if fields:
            onec["fields"] = fields
        settings: dict[str, Any] = {"url": erp.url}
        for table, target in (("onec", onec), ("erp", settings)):
            if f"{table}.password" in self._secrets:
                target |= self._stored(f"{table}.password")
        tables |= {"onec": onec, "erp": settings | (store.erp if store is not None else {})}
        return settings_text(tables, _comments(source, store), _HEAD.format(file=out))

    def _stored(self, key: str) -> dict[str, str]:
        """Store a secret where the service finds it; return what the settings have to say."""
        out, name = self._answers.out, key
        if self._home == _SYSTEM and os.geteuid() == 0:
            if self._answers.flow:
                name = f"flows.{self._answers.flow}.{key}"
            _CREDENTIALS.mkdir(mode=0o700, exist_ok=True)
            file = _CREDENTIALS / f"zvirka.{name}"
            _write(file, self._secrets[key], 0o600)
            self._shown.say("init_secret", path=file)
            return {}
        file = out.parent / f"{out.stem}.{key}" if out.stem != "zvirka" else out.parent / key
        _write(file, self._secrets[key], 0o600)
        if os.geteuid() == 0 and (owner := self._service()) is not None:
            os.chown(file, owner.st_uid, owner.st_gid)
        self._shown.say("init_secret", path=file)
        return {"password_file": file.name}

    def _grants(self, database: ErpDatabase, store: StoreProposal, erp: ErpSettings) -> None:
        settings = ErpSettings.model_validate({"url": erp.url, **store.erp})
        user = make_url(erp.url).username or "zvirka"
        if lines := grants(database, settings, user):
            self._shown.say("init_grants")
            self._shown.lines(lines)

    def _service(self) -> os.stat_result | None:
        """Return whose the state directory is; ``None`` before there is one."""
        state = self._state_dir()
        return state.stat() if state.exists() else None

    def _state_dir(self) -> Path:
        if self._answers.state_dir is not None:
            return self._answers.state_dir.absolute()
        return Path("/var/lib/zvirka") if self._home == _SYSTEM else self._home / "state"

    @property
    def _home(self) -> Path:
        """The directory of ``zvirka.toml``."""
        out = self._answers.out
        return out.parent.parent if self._answers.flow else out.parent

    def _secret(self, key: str, file: Path | None, *, wanted: bool) -> str:
        given = self._environ.get(f"ZVIRKA_{key.upper().replace('.', '__')}", "")
        if file is not None:
            try:
                given = file.read_text("utf-8").rstrip("\r\n")
            except OSError as error:
                raise UsageError(
                    coded("ZV4102", "the password cannot be read: {why}", why=os_reason(error)),
                    place=str(file),
                ) from None
        elif not given and wanted:
            given = self._shown.ask("password", hidden=True)
        if given:
            self._secrets[key] = given
        return given


def _known_file(table: dict[str, Any], out: Path) -> Path | None:
    name = table.get("password_file")
    return out.parent / name if name else None


def _comments(source: SourceProposal, store: StoreProposal | None) -> dict[str, str]:
    comments = {"onec.profile": source.title}
    comments |= {f"onec.fields.{home.field}": home.reason for home in source.homes if not home.home}
    if store is not None:
        comments |= {f"erp.columns.{one.field}": one.reason for one in store.columns}
        if "owned" in store.erp:
            comments["erp.owned"] = "All other rows are never read, compared or touched."
    return comments


def _missing(option: str) -> UsageError:
    return UsageError(
        coded("ZV3108", "an answer is missing, and this is no terminal to ask on"),
        place=option,
        remedy=Message("give it"),
    )


def _write(file: Path, text: str, mode: int) -> None:
    try:
        with replaced(file, mode) as stream:
            stream.write(text.encode())
    except OSError as error:
        raise UsageError(
            coded("ZV4101", "the file cannot be written: {why}", why=os_reason(error)),
            place=str(file),
            remedy=Message("name another place with --out, or run it as root"),
        ) from None

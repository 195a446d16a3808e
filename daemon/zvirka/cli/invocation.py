"""One call of a command: what was asked for on the command line, and the doors it leads to."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from zvirka.cli.invoker import who
from zvirka.cli.progress_bars import TerminalProgress
from zvirka.cli.texts import Language, Messages, language_of
from zvirka.logs import configure_logs
from zvirka.mapping import Mapping as FieldMapping
from zvirka.settings.loading import Loaded, load_settings
from zvirka.settings.model import LogSettings, ScheduleSettings, Settings
from zvirka.settings.profiles import mapping_of
from zvirka.settings.secrets import secret_values

if TYPE_CHECKING:
    from zvirka.i18n.words import Words
    from zvirka.journal.journal import Journal


class StandardError:
    """The standard error of this moment: bars put their own in its place while they are drawn."""

    def write(self, text: str) -> int:
        """Write to whatever standard error is now."""
        return sys.stderr.write(text)

    def flush(self) -> None:
        """Flush whatever standard error is now."""
        sys.stderr.flush()

    def isatty(self) -> bool:
        """Whether a person reads it."""
        return sys.stderr.isatty()

    def fileno(self) -> int:
        """The descriptor, to recognise the journal by."""
        return sys.stderr.fileno()


def _in_language(loaded: Loaded, language: str) -> Loaded:
    """The settings with the reports in the language that was asked for."""
    report = loaded.settings.report.model_copy(update={"language": language})
    settings = loaded.settings.model_copy(update={"report": report})
    origins = {**loaded.origins, "report.language": "--lang"}
    return replace(loaded, settings=settings, origins=origins)


@dataclass(frozen=True)
class Common:
    """The options that every command takes, before its name or after it."""

    config: Path | None = None
    lang: str | None = None
    json: bool = False
    log_level: str | None = None

    def over(self, below: Common) -> Common:
        """Return these options, and those given before the command's name where these are not."""
        return Common(
            self.config or below.config,
            self.lang or below.lang,
            self.json or below.json,
            self.log_level or below.log_level,
        )


@dataclass(frozen=True)
class Invocation:
    """One call. Settings are loaded, and logs configured with their secrets, on first use."""

    common: Common
    environ: Mapping[str, str]
    out: TextIO = field(default_factory=lambda: sys.stdout)

    @cached_property
    def loaded(self) -> Loaded:
        """Settings with their origins.

        Raises:
            SettingsError: they cannot be used.
        """
        loaded = load_settings(self.common.config, self.environ)
        if self.common.lang is not None:
            loaded = _in_language(loaded, self.common.lang)
        self.configure_logs(loaded.settings.log, secret_values(loaded.settings))
        return loaded

    @property
    def settings(self) -> Settings:
        """The settings."""
        return self.loaded.settings

    @cached_property
    def mapping(self) -> FieldMapping:
        """The mapping of fields.

        Raises:
            SettingsError: it is unclear.
        """
        return mapping_of(self.settings)

    @cached_property
    def language(self) -> Language:
        """The language of results; of the settings only when the command has loaded them."""
        loaded = self.__dict__.get("loaded")
        report = loaded.settings.report if loaded is not None else None
        return language_of(self.common.lang, self.environ, report)

    @cached_property
    def messages(self) -> Messages:
        """The sentences in that language."""
        return Messages(self.language)

    @cached_property
    def words(self) -> Words:
        """The domain's words in that language, and times in the zone of the schedule."""
        from zvirka.i18n.words import Words

        loaded = self.__dict__.get("loaded")
        schedule = loaded.settings.schedule if loaded is not None else ScheduleSettings()
        return Words(self.language, schedule.timezone)

    @property
    def who(self) -> str:
        """Who asks."""
        return who(self.environ)

    def say(self, name: str, **values: object) -> str:
        """Return a sentence in the language of the call."""
        return self.messages.say(name, **values)

    def progress(self) -> TerminalProgress:
        """Return bars on standard error, silent when nobody looks."""
        return TerminalProgress(
            sys.stderr, name_of=self.messages.phase, per_second=self.messages.per_second
        )

    def journal(self) -> AbstractContextManager[Journal]:
        """Open the journal, to be closed on leaving the block.

        Raises:
            JournalError: it cannot be opened.
        """
        from contextlib import closing

        from zvirka.journal.journal import open_journal

        return closing(open_journal(self.settings))

    def configure_logs(self, log: LogSettings, secrets: frozenset[str] = frozenset()) -> None:
        """Send the log to standard error in the shape and at the level asked for."""
        if self.common.log_level is not None:
            log = LogSettings.model_validate({"level": self.common.log_level, "format": log.format})
        configure_logs(log, stream=StandardError(), environ=self.environ, secrets=secrets)  # type: ignore[arg-type]

    # -- results ---------------------------------------------------------------------------------

    def print(self, text: str = "") -> None:
        """Print one line of the result."""
        self.out.write(f"{text}\n")

    def print_json(self, content: Any) -> None:
        """Print the result as JSON, the only thing on standard output then."""
        text = msgspec.json.format(msgspec.json.encode(content, enc_hook=str), indent=2)
        self.out.write(f"{text.decode()}\n")

    def print_table(self, headings: list[str], rows: list[list[str]]) -> None:
        """Print rows as a table; data is text, never markup."""
        table = Table(box=None, pad_edge=False, header_style="bold")
        for heading in headings:
            table.add_column(heading, overflow="fold")
        for row in rows:
            table.add_row(*(Text(cell) for cell in row))
        # Nothing is folded or coloured where a program reads it.
        width = None if self.out.isatty() else 10_000
        console = Console(file=self.out, highlight=False, width=width)
        with console.capture() as captured:
            console.print(table)
        self.out.write("".join(f"{line.rstrip()}\n" for line in captured.get().splitlines()))

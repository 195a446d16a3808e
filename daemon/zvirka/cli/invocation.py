"""One call of a command: its common options, and the settings, journal and output they lead to.

The heavy parts (settings, logs, tables) are imported where they are used: ``zvirka --help`` needs
none of them.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TextIO

from zvirka.cli.invoker import who
from zvirka.cli.texts import Messages, language_of
from zvirka.cli.wrapping import longest_word, wrapped
from zvirka.errors import OutputError, os_reason
from zvirka.i18n import Language
from zvirka.message import Message, coded

if TYPE_CHECKING:
    from zvirka.cli.progress_bars import TerminalProgress
    from zvirka.i18n.words import Words
    from zvirka.journal.journal import Journal
    from zvirka.mapping import Mapping as FieldMapping
    from zvirka.settings.loading import Loaded
    from zvirka.settings.model import Settings
    from zvirka.settings.service_tables import LogSettings


_COLOURS = {"good": "32", "warning": "33", "bad": "31"}
_ENDLESS = 10_000
_YES = frozenset({"y", "yes", "т", "так"})


@contextmanager
def writing_output() -> Iterator[None]:
    """Turn what keeps standard output from being written, a full disk, into an error of ours.

    Raises:
        OutputError: it cannot be written.
        BrokenPipeError: its reader went away.
    """
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputError(
            coded("ZV4101", "the output cannot be written: {why}", why=os_reason(error)),
            place=Message("standard output"),
            remedy=Message("see to the space of the disk it goes to; what the command did stands"),
        ) from None


class StandardError:
    """Whatever ``sys.stderr`` is at the moment of writing: progress bars replace it."""

    def write(self, text: str) -> int:
        """Write the text."""
        return sys.stderr.write(text)

    def flush(self) -> None:
        """Flush it."""
        sys.stderr.flush()

    def isatty(self) -> bool:
        """Whether it is a terminal."""
        return sys.stderr.isatty()

    def fileno(self) -> int:
        """Return its descriptor, by which systemd's journal is recognised."""
        return sys.stderr.fileno()


@dataclass
class Common:
    """The options that every command takes; filled in while the command line is read."""

    config: Path | None = None
    lang: str | None = None
    json: bool = False
    log_level: str | None = None
    flows: tuple[str, ...] = ()
    all_flows: bool = False


@dataclass
class Invocation:
    """One call. Settings are loaded, and logs configured with their secrets, on first use."""

    environ: Mapping[str, str]
    common: Common = field(default_factory=Common)
    out: TextIO = field(default_factory=lambda: sys.stdout)
    waits_for_others: bool = False
    """Whether the run that was performed left differences that wait for rows of other flows."""
    _stepped_down: bool = False

    @cached_property
    def loaded(self) -> Loaded:
        """Settings with their origins.

        Raises:
            SettingsError: they cannot be used.
        """
        self._become_service_user()
        loaded = self._load()
        if self.common.lang is not None:
            loaded = _in_language(loaded, self.common.lang)
        self._configure_logs(loaded.settings.log, _secrets_of(loaded))
        return loaded

    @property
    def settings_at_hand(self) -> Settings | None:
        """The settings, or what of unusable ones says where the journal is and whom to tell."""
        from zvirka.settings.loading import load_leniently

        loaded = self.__dict__.get("loaded")
        if loaded is not None:
            return self.settings
        return load_leniently(self.common.config, self.environ, self._flow)

    @property
    def _flow(self) -> str | None:
        return self.common.flows[0] if self.common.flows else None

    def _load(self) -> Loaded:
        from zvirka.settings.loading import load_flows, load_settings

        config, environ, flow = self.common.config, self.environ, self._flow
        if len(self.flow_names) == 1:
            return load_settings(config, environ, flow)
        chosen = load_settings(config, environ, flow)  # its own errors first
        name = chosen.settings.name
        return load_flows(config, environ).loaded[name]

    @cached_property
    def flow_names(self) -> list[str]:
        """The names of all flows.

        Raises:
            SettingsError: there is no settings file, or it cannot be read.
        """
        from zvirka.settings.loading import flow_names

        self._become_service_user()
        return flow_names(self.common.config, self.environ)

    def use_any_flow(self, names: list[str]) -> None:
        """Load the first flow's settings that can be used: they configure the logs.

        Raises:
            SettingsError: those of the first flow, when none can be used.
        """
        from zvirka.settings.loading import load_flows

        usable = load_flows(self.common.config, self.environ).loaded
        self.common.flows = (next((name for name in names if name in usable), names[0]),)
        _ = self.loaded

    def for_flow(self, name: str) -> Invocation:
        """Return the same call for one flow."""
        common = replace(self.common, flows=(name,), all_flows=False)
        return Invocation(self.environ, common, self.out)

    def _become_service_user(self) -> None:
        """Leave root's rights before anything of the installation is opened."""
        if os.geteuid() == 0 and not self._stepped_down:
            self._stepped_down = True
            from zvirka.cli.service_user import become_service_user

            _ = self.who  # the person, not the user that the process becomes
            config, environ = become_service_user(self.common.config, self.environ)
            self.common.config, self.environ = config, environ

    @property
    def settings(self) -> Settings:
        """The settings."""
        return self.loaded.settings

    @property
    def secrets(self) -> frozenset[str]:
        """The secrets of the settings; none before they are loaded."""
        loaded = self.__dict__.get("loaded")
        return _secrets_of(loaded) if loaded is not None else frozenset()

    @cached_property
    def mapping(self) -> FieldMapping:
        """The mapping of fields.

        Raises:
            SettingsError: it is unclear.
        """
        from zvirka.settings.profiles import mapping_of

        return mapping_of(self.settings)

    @cached_property
    def language(self) -> Language:
        """The language of results, help and errors."""
        return language_of(self.common.lang, self.environ, self._written_language)

    def _written_language(self) -> str | None:
        from zvirka.settings.places import written_language

        loaded = self.__dict__.get("loaded")
        if loaded is not None:
            report = loaded.settings.report
            return report.language if "language" in report.model_fields_set else None
        return written_language(self.common.config, self.environ)

    @cached_property
    def messages(self) -> Messages:
        """The sentences in that language."""
        return Messages(self.language)

    @cached_property
    def words(self) -> Words:
        """The domain's words in that language, and times in the zone of the schedule."""
        from zvirka.i18n.words import Words
        from zvirka.settings.service_tables import ScheduleSettings

        loaded = self.__dict__.get("loaded")
        schedule = loaded.settings.schedule if loaded is not None else ScheduleSettings()
        return Words(self.language, schedule.timezone)

    @cached_property
    def who(self) -> str:
        """The person or unit that asks."""
        return who(self.environ)

    def say(self, name: str, **values: object) -> str:
        """Return a sentence in the language of the call."""
        return self.messages.say(name, **values)

    def confirm(self, name: str, *, default: bool = False) -> bool:
        """Ask a question that is answered with yes or no."""
        self.out.write(f"{self.say(name)} [{self.say('yes_no')}] ")
        self.out.flush()
        answer = sys.stdin.readline().strip().casefold()
        return answer in _YES if answer else default

    def progress(self) -> TerminalProgress:
        """Return progress bars on standard error; silent when it is not a terminal."""
        from zvirka.cli.progress_bars import TerminalProgress

        return TerminalProgress(
            sys.stderr, name_of=self.messages.phase, per_second=self.messages.per_second
        )

    def journal(self) -> AbstractContextManager[Journal]:
        """Open the journal; leaving the block closes it.

        Raises:
            JournalError: it cannot be opened.
        """
        from contextlib import closing

        from zvirka.journal.journal import open_journal

        return closing(open_journal(self.settings))

    def configure_logs(self, level: str = "WARNING") -> None:
        """Log to standard error at ``--log-level``, else at this level, until settings are read."""
        from zvirka.settings.service_tables import LogSettings

        self._configure_logs(LogSettings.model_validate({"level": level}), self.secrets)

    def _configure_logs(self, log: LogSettings, secrets: frozenset[str]) -> None:
        from zvirka.logs import configure_logs

        if self.common.log_level is not None:
            log = log.model_copy(update={"level": self.common.log_level})
        configure_logs(
            log,
            stream=StandardError(),  # type: ignore[arg-type]
            environ=self.environ,
            secrets=secrets,
            language=self.language,
        )

    # -- results ---------------------------------------------------------------------------------

    def print(self, text: str = "") -> None:
        """Print a line of the result; on a terminal it is wrapped between words."""
        width = self._width()
        lines = text.splitlines() or [""]
        self._write("".join(f"{wrapped(line, width)}\n" for line in lines))

    def tinted(self, text: str, tone: str) -> str:
        """Return the text in the colour of a tone, ``good``, ``warning`` or ``bad``."""
        if not self._colours or tone not in _COLOURS:
            return text
        return f"\x1b[{_COLOURS[tone]}m{text}\x1b[0m"

    def print_json(self, content: Any) -> None:
        """Print the whole result as JSON."""
        import json

        import msgspec

        try:
            encoded = msgspec.json.encode(content, enc_hook=str)
        except UnicodeEncodeError:  # the name of a file, in bytes that are not UTF-8
            text = json.dumps(msgspec.to_builtins(content, enc_hook=str), ensure_ascii=False)
            encoded = text.encode(errors="surrogateescape").decode(errors="replace").encode()
        self._write(f"{msgspec.json.format(encoded, indent=2).decode()}\n")

    def print_table(self, headings: list[str], rows: list[list[str]]) -> None:
        """Print rows as a table; cells are text, never markup.

        Where the terminal is too narrow for the longest words, each row becomes a block of lines.
        """
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        width = self._width()
        columns = [max(map(longest_word, column)) for column in zip(headings, *rows, strict=True)]
        if sum(columns) + 2 * len(columns) > width:
            for row in rows:
                for heading, cell in zip(headings, row, strict=True):
                    self.print(f"{heading}: {cell}")
                self.print()
            return
        table = Table(box=None, pad_edge=False, header_style="bold")
        for heading, least in zip(headings, columns, strict=True):
            table.add_column(heading, overflow="fold", min_width=least)
        for row in rows:
            table.add_row(*map(Text.from_ansi, row))
        # No folding and no colours where a program reads it.
        colours: Literal["standard"] | None = "standard" if self._colours else None
        console = Console(file=self.out, highlight=False, width=width, color_system=colours)
        with writing_output(), console.capture() as captured:
            console.print(table)
        self._write("".join(f"{line.rstrip()}\n" for line in captured.get().splitlines()))

    def _write(self, text: str) -> None:
        with writing_output():
            self.out.write(text)

    @property
    def _colours(self) -> bool:
        return self.out.isatty() and not self.environ.get("NO_COLOR")

    def _width(self) -> int:
        return shutil.get_terminal_size().columns if self.out.isatty() else _ENDLESS


def _in_language(loaded: Loaded, language: str) -> Loaded:
    """Return the settings with ``--lang`` as the language of reports."""
    report = loaded.settings.report.model_copy(update={"language": language})
    settings = loaded.settings.model_copy(update={"report": report})
    origins = {**loaded.origins, "report.language": "--lang"}
    return replace(loaded, settings=settings, origins=origins)


def _secrets_of(loaded: Loaded) -> frozenset[str]:
    from zvirka.settings.secrets import secret_values

    return secret_values(loaded.settings)

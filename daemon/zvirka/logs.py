"""Logs: human on a terminal, JSON lines on request, the journal under systemd; never a secret.

Configured once by the command line. Everything else imports loguru's ``logger``, gives it a
constant message with keyword fields, and sets the run and its phase by ``logger.contextualize``.
People read the message in their language, from the one catalogue; JSON lines keep the English.
What an audit needs goes to the journal tables, not here: a broken sink is silent.
"""

from __future__ import annotations

import logging
import os
import socket
import sys
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, TextIO

import msgspec
from loguru import logger

from zvirka.i18n import Language
from zvirka.i18n.visible_text import one_line
from zvirka.i18n.words import Words
from zvirka.message import Message
from zvirka.redaction import Redactor
from zvirka.settings.service_tables import LogSettings

JOURNAL_SOCKET = Path("/run/systemd/journal/socket")
_BRIDGED = {
    "urllib3": logging.WARNING,
    "uvicorn": logging.WARNING,
    # It warns of every malformed request, which anybody can send at any rate.
    "uvicorn.error": logging.ERROR,
    "uvicorn.access": logging.WARNING,
    "sqlalchemy": logging.WARNING,
    "pyodata": logging.WARNING,
}
"""Libraries and the lowest level worth reading; below it they print addresses and bodies."""

_LONGEST_DATAGRAM = 100_000
_PRIORITIES = (("ERROR", 3), ("WARNING", 4), ("SUCCESS", 5), ("INFO", 6))
_COLOURS = {"ERROR": "31", "CRITICAL": "31;1", "WARNING": "33", "SUCCESS": "32", "DEBUG": "2"}


@dataclass(frozen=True)
class LogEntry:
    """One log entry, already redacted. ``exception`` is a traceback without local values."""

    at: datetime
    level: str
    severity: int
    source: str
    message: str
    fields: dict[str, Any]
    exception: str

    @property
    def priority(self) -> int:
        """The level as syslog and systemd count: 2 critical … 7 debug."""
        if self.severity > logging.ERROR:
            return 2
        for name, priority in _PRIORITIES:
            if self.severity >= logger.level(name).no:
                return priority
        return 7


def configure_logs(
    settings: LogSettings,
    *,
    stream: TextIO,
    environ: Mapping[str, str],
    secrets: Collection[str] = (),
    extra: Mapping[str, Any] | None = None,
    language: Language = "en",
) -> None:
    """Send every log entry of this process to one place, redacted.

    Args:
        settings: level and shape.
        stream: where human and JSON lines go, and the journal's when its socket is not there.
        environ: its ``JOURNAL_STREAM`` says whether the stream is the journal.
        secrets: values to mask wherever they occur.
        extra: fields of every entry.
        language: of messages and of fields that are sentences.
    """
    redactor = Redactor(secrets)
    shape = _shape(settings, stream, environ)
    write = _writer(shape, stream, environ)
    words = cache(lambda: Words("en" if shape == "json" else language))

    def sink(message: Any) -> None:
        write(_entry(message, redactor, words()))

    logger.remove()
    logger.configure(extra=dict(extra or {}))
    logger.add(
        sink,
        level=settings.level,
        # The text of the message is then the traceback alone; the rest comes from the record.
        format=lambda _: "{exception}",
        backtrace=False,
        diagnose=False,
        enqueue=False,
        catch=True,
    )
    _bridge()


def _shape(settings: LogSettings, stream: TextIO, environ: Mapping[str, str]) -> str:
    if settings.format != "auto":
        return settings.format
    return "systemd" if is_journal(stream, environ) else "human"


def is_journal(stream: TextIO, environ: Mapping[str, str]) -> bool:
    """Whether what is written to the stream arrives in systemd's journal (systemd.exec(5))."""
    try:
        status = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


def _entry(message: Any, redactor: Redactor, words: Words) -> LogEntry:
    record = message.record
    text = record["message"]
    told = {
        name: words.told(value) if isinstance(value, Message) else value
        for name, value in record["extra"].items()
    }
    return LogEntry(
        at=record["time"],
        level=record["level"].name,
        severity=record["level"].no,
        source=f"{record['name']}:{record['line']}",
        message=redactor.text(words.gettext(text) if text else ""),
        fields=redactor.fields(told),
        exception=redactor.text(str(message)).strip("\n"),
    )


def _writer(shape: str, stream: TextIO, environ: Mapping[str, str]) -> Callable[[LogEntry], None]:
    if shape == "systemd":
        return JournalSink(stream, JOURNAL_SOCKET)
    colour = shape == "human" and stream.isatty() and not environ.get("NO_COLOR")
    render = json_line if shape == "json" else human_lines

    def write(entry: LogEntry) -> None:
        text = render(entry)
        if colour and (code := _COLOURS.get(entry.level)):
            text = f"\x1b[{code}m{text}\x1b[0m"
        stream.write(f"{text}\n")
        stream.flush()

    return write


def human_lines(entry: LogEntry) -> str:
    """Return the entry for a person: time, level, message, fields, traceback below."""
    head = f"{entry.at:%Y-%m-%d %H:%M:%S} {entry.level:<8} {entry.message}"
    return _with_fields(head, entry)


def json_line(entry: LogEntry) -> str:
    """Return the entry as one line of JSON; absent parts are left out."""
    content: dict[str, Any] = {
        "at": entry.at.isoformat(timespec="milliseconds"),
        "level": entry.level,
        "message": entry.message,
        "source": entry.source,
        "fields": entry.fields,
    }
    if entry.exception:
        content["exception"] = entry.exception
    return msgspec.json.encode(content).decode()


class JournalSink:
    """Entries for systemd's journal, with fields to select by: ``journalctl ZVIRKA_RUN=12``.

    They go through the journal's own socket. Without it they go to the stream, each *line* with
    the ``<N>`` prefix that systemd takes the level from (sd-daemon(3)).
    """

    def __init__(self, stream: TextIO, path: Path) -> None:
        self._stream = stream
        self._path = str(path)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)

    def __call__(self, entry: LogEntry) -> None:
        """Write one entry."""
        try:
            self._socket.sendto(journal_datagram(entry), self._path)
        except OSError:
            lines = _with_fields(entry.message, entry).splitlines() or [""]
            self._stream.write("".join(f"<{entry.priority}>{line}\n" for line in lines))
            self._stream.flush()


def journal_datagram(entry: LogEntry) -> bytes:
    """Return the entry in the journal's native protocol (systemd.io/JOURNAL_NATIVE_PROTOCOL)."""
    fields = {
        "MESSAGE": _with_fields(entry.message, entry)[:_LONGEST_DATAGRAM],
        "PRIORITY": str(entry.priority),
        "SYSLOG_IDENTIFIER": "zvirka",
        "ZVIRKA_SOURCE": entry.source,
    }
    for name, value in entry.fields.items():
        variable = "".join(c if c.isascii() and c.isalnum() else "_" for c in name).upper()
        fields[f"ZVIRKA_{variable}"] = _plain(value)[:_LONGEST_DATAGRAM]
    parts = []
    for name, value in fields.items():
        data = value.encode("utf-8", "replace")
        # The binary form takes line breaks; the text form would end at the first one.
        parts.append(name.encode() + b"\n" + len(data).to_bytes(8, "little") + data + b"\n")
    return b"".join(parts)


def _with_fields(head: str, entry: LogEntry) -> str:
    fields = " ".join(f"{name}={_plain(value)}" for name, value in entry.fields.items())
    text = f"{head}  {fields}" if fields else head
    return f"{text}\n{entry.exception}" if entry.exception else text


def _plain(value: Any) -> str:
    """A field's value on one line: line breaks in data must not look like entries of their own."""
    if isinstance(value, str) and value.isprintable():
        return value
    # JSON leaves C1 controls and bidirectional marks as they are.
    return one_line(msgspec.json.encode(value).decode())


def _bridge() -> None:
    """Send warnings of libraries the same way; drop everything below a warning."""
    logging.basicConfig(handlers=[_Bridge()], level=logging.WARNING, force=True)
    for name, level in _BRIDGED.items():
        library = logging.getLogger(name)
        library.handlers.clear()
        library.propagate = True
        library.setLevel(level)
    logging.captureWarnings(True)


class _Bridge(logging.Handler):
    """Hands entries of the standard library's logging to loguru."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            level: str | int = logger.level(record.levelname).name
        except ValueError:
            level = record.levelno
        frame, depth = sys._getframe(1), 1
        while frame.f_back is not None and frame.f_code.co_filename == logging.__file__:
            frame, depth = frame.f_back, depth + 1
        bound = logger.opt(depth=depth, exception=record.exc_info).bind(library=record.name)
        bound.log(level, "{}", record.getMessage())

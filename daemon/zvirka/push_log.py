"""Reads the log file of the push module, one event per line, skipping lines it does not know.

A line holds seven fields apart by tabs (``bsl/README.uk.md``): the time in ISO 8601 UTC with
milliseconds, the level, the action, Ссылка, Код, the HTTP status (0 without an answer), a text.
The file is UTF-8, begins with a byte order mark and is written by jobs of 1C that may be cut off.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from uuid import UUID

import msgspec

from zvirka.domain import ZERO_REF
from zvirka.errors import ZvirkaError
from zvirka.message import Message, coded

_LEVELS = frozenset({"INFO", "WARNING", "ERROR"})
_ACTIONS = frozenset({"create", "update", "delete"})
_FIELDS = 7
_LONGEST = 4096
REMEMBERED = 100_000
"""Names :func:`errors_by_ref` keeps at most."""


class PushLogLine(msgspec.Struct, frozen=True):
    """One event of the push module.

    ``at`` is aware UTC, ``ref`` Ref_Key in lower case, ``code`` trimmed and possibly empty,
    ``status`` 0 when no answer came, ``text`` the error or what happened, without personal data.
    """

    at: datetime
    level: str
    action: str
    ref: str
    code: str
    status: int
    text: str


def read_push_log(path: Path, since: datetime | None = None) -> Iterator[PushLogLine]:
    """Yield the events of the file not older than ``since`` (aware), in the file's order.

    A line that is not an event is passed over: a job of 1C may have been cut off midway, and the
    file may hold what somebody pasted there.

    Raises:
        ZvirkaError: the file is there but cannot be read.
    """
    try:
        with path.open("rb") as file:
            while raw := file.readline(_LONGEST):
                line = parse_line(raw)
                if line is not None and (since is None or line.at >= since):
                    yield line
    except FileNotFoundError:
        return
    except OSError as error:
        raise ZvirkaError(
            coded("ZV4102", "the log file of the push module cannot be read"),
            place=str(path),
            remedy=Message("let zvirka's user read it, or unset report.push_log"),
        ) from error


def errors_by_ref(path: Path, since: datetime | None = None) -> dict[str, PushLogLine]:
    """The last error of each counterparty not older than ``since``, by Ref_Key and by Код.

    A later delivery takes the error away: every message carries the whole row. Of more than
    :data:`REMEMBERED` names the latest are kept, so that memory stays flat when a receiver was
    away for weeks.

    Raises:
        ZvirkaError: the file is there but cannot be read.
    """
    found: dict[str, PushLogLine] = {}
    for line in read_push_log(path, since):
        delivered = 200 <= line.status <= 299 and line.level == "INFO"
        if not delivered and line.level != "ERROR":
            continue
        for name in {line.ref, line.code} - {"", ZERO_REF}:
            found.pop(name, None)
            if not delivered:
                found[name] = line
        while len(found) > REMEMBERED:
            del found[next(iter(found))]
    return found


def parse_line(raw: bytes) -> PushLogLine | None:
    """Return the event a line holds, ``None`` when it holds none."""
    try:
        text = raw.decode("utf-8").strip("\ufeff\r\n")
    except UnicodeDecodeError:
        return None
    parts = text.split("\t")
    if len(parts) != _FIELDS or parts[1] not in _LEVELS or parts[2] not in _ACTIONS:
        return None
    try:
        at = datetime.fromisoformat(parts[0])
        ref = str(UUID(parts[3]))
        status = int(parts[5])
    except ValueError:
        return None
    if at.tzinfo is None or not 0 <= status <= 999:
        return None
    return PushLogLine(at, parts[1], parts[2], ref, parts[4].strip(), status, parts[6])

"""Alerts: one message per change of state, not one per night.

Four states are watched: a run failed and is not tried again, a run is held, differences stay, and
no run has succeeded for ``stale_after`` (the dead man's switch). ``alerts.json`` in the state
directory keeps what was sent and what is still to be sent, so that neither a restart nor a dead
mail server loses or repeats a message. apprise delivers them: e-mail, Telegram, Slack and more.

Messages hold counts and the report's place, never personal data.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import apprise
import msgspec
from loguru import logger

from zvirka.atomic_files import replaced
from zvirka.errors import NOT_JSON
from zvirka.i18n import Language
from zvirka.i18n.words import Words
from zvirka.journal.head import Head
from zvirka.report import report_stem
from zvirka.service.alert_texts import counted, say, tallied
from zvirka.service.daemon_records import Situation
from zvirka.settings.flow_values import MAIN
from zvirka.settings.model import Settings
from zvirka.settings.service_tables import AlertSettings

CONDITIONS = ("failed", "held", "differences", "stale")

_MOST_WAITING = 50
_SHOWN = 10
"""So many flows are named in a message."""

_KEPT_FOR = timedelta(days=7)
_FIRST_PAUSE = timedelta(minutes=1)
_LONGEST_PAUSE = timedelta(hours=1)

Send = Callable[[str, str, str], bool]
"""(address, title, body) → whether it was delivered."""


class Alert(msgspec.Struct, kw_only=True):
    """A message to be sent. ``left``: fingerprints of the addresses still to receive it."""

    condition: str
    title: str
    body: str
    since: datetime
    left: list[str]
    attempts: int = 0
    next_attempt: datetime


class Active(msgspec.Struct):
    """A condition that holds. Another ``signature`` is another state and is announced again."""

    signature: str
    since: datetime


class State(msgspec.Struct, kw_only=True):
    """What ``alerts.json`` holds.

    ``watching_since`` is when the dead man's switch was armed.
    """

    active: dict[str, Active] = {}
    waiting: list[Alert] = []
    watching_since: datetime | None = None


class Alerts:
    """The alerts of one state directory.

    Args:
        settings: the settings in force; addresses, language, ``stale_after``.
        send: delivers one message; :func:`send_by_apprise` by default.
    """

    def __init__(self, settings: Settings, send: Send | None = None) -> None:
        self._settings = settings
        self._send = send or send_by_apprise
        self._path = settings.state_dir / "alerts.json"
        self._state = _load(self._path)

    @property
    def active(self) -> frozenset[str]:
        """The conditions that hold."""
        return frozenset(self._state.active)

    @property
    def waiting(self) -> int:
        """Messages that are not delivered yet."""
        return len(self._state.waiting)

    def watch(self, now: datetime) -> None:
        """Arm the dead man's switch, once in the life of the state directory."""
        if self._state.watching_since is None or self._state.watching_since > now:
            self._state.watching_since = now
            self._save()

    def judge(self, situation: Situation, failure: tuple[str, str] | None, now: datetime) -> None:
        """Compare the situation with what was announced last, and queue what changed.

        Args:
            situation: from the journal.
            failure: kind and reason of a run that failed and is not tried again; ``None`` when
                the last one ended well or an attempt is still to come.
            now: the time.
        """
        found = dict(self._conditions(situation, failure, now))
        before = dict(self._state.active)
        for condition in CONDITIONS:
            known = self._state.active.get(condition)
            if condition in found:
                signature, body = found[condition]
                if known is None or known.signature != signature:
                    self._state.active[condition] = Active(signature, now)
                    self._queue(condition, "raised", body, now)
            elif known is not None and self._is_over(condition, known, situation):
                del self._state.active[condition]
                self._queue(condition, "cleared", self._about(situation), now)
        if self._state.active != before:
            self._save()

    def tell_failed_unit(
        self,
        unit: str,
        now: datetime,
        good: datetime | None = None,
        why: str = "",
        head: Head | None = None,
    ) -> None:
        """Queue the message of ``OnFailure=``: systemd gave a unit up, for the reason ``why``.

        ``head`` is that of the chain, where the journal can be read.

        Once, until a run has ended well since (``good``): a timer that fails every night is one
        state.
        """
        condition = f"unit {unit}"
        known = self._state.active.get(condition)
        if known is not None and (good is None or good <= known.since):
            return
        self._state.active[condition] = Active(unit, now)
        language = self._settings.alerts.language
        body = say(language, "see_journal", unit=unit)
        if why:
            body = f"{say(language, 'cause', why=why)}\n{body}"
        if head is not None:
            body = f"{body}\n{_head_line(language, head)}"
        self._queue("unit", "raised", body, now, unit=unit)
        self._save()

    def tell_untaken(self, flows: Sequence[str], now: datetime) -> None:
        """Queue the message that no worker takes these due flows, or that all are taken again."""
        known = self._state.active.get("untaken")
        if bool(flows) == (known is not None):
            return
        language = self._settings.alerts.language
        if flows:
            self._state.active["untaken"] = Active("untaken", now)
            shown = ", ".join(flows[:_SHOWN]) + (" …" if len(flows) > _SHOWN else "")
            self._queue("untaken", "raised", say(language, "waiting_flows", flows=shown), now)
        else:
            del self._state.active["untaken"]
            self._queue("untaken", "cleared", "", now)
        self._save()

    def flush(self, now: datetime) -> None:
        """Send what waits and is due. Never raises; what fails waits for the next time."""
        addresses = {_fingerprint(url): url for url in _addresses(self._settings.alerts)}
        before = msgspec.json.encode(self._state)
        owed: set[str] = set()
        for message in self._state.waiting:
            if message.next_attempt <= now:
                self._try(message, addresses, owed, now)
            owed.update(message.left)
        self._state.waiting = [message for message in self._state.waiting if message.left]
        if msgspec.json.encode(self._state) != before:
            self._save()

    @staticmethod
    def _is_over(condition: str, known: Active, situation: Situation) -> bool:
        """Whether a condition that is not found any more has really ended.

        A failure is over when a run has ended well since: the daemon may have been restarted, and
        a failure may have left no run behind. Differences are gone when a run counted none.
        """
        last = situation.last
        if condition == "failed":
            return last is not None and not last.status.broke_off and last.ended > known.since
        if condition == "differences":
            return last is not None and last.facts.remaining is not None
        return True

    def _try(
        self, message: Alert, addresses: dict[str, str], owed: set[str], now: datetime
    ) -> None:
        """Hand one message over to whom it is owed, unless an earlier one still is (``owed``)."""
        message.left = [
            mark
            for mark in message.left
            if mark in addresses and (mark in owed or not self._hand_over(addresses[mark], message))
        ]
        message.attempts += 1
        pause = min(_FIRST_PAUSE * 2 ** min(message.attempts, 10), _LONGEST_PAUSE)
        message.next_attempt = now + pause
        if message.left and now - message.since > _KEPT_FOR:
            logger.error("an alert could not be delivered", condition=message.condition)
            message.left = []

    def _conditions(
        self, situation: Situation, failure: tuple[str, str] | None, now: datetime
    ) -> list[tuple[str, tuple[str, str]]]:
        language = self._settings.alerts.language
        about = self._about(situation)
        found = []
        if failure is not None:
            kind, why = failure
            found.append(
                (
                    "failed",
                    (
                        kind,
                        f"{say(language, 'cause', why=Words(language).told(why))}\n{about}".strip(),
                    ),
                )
            )
        if situation.held:
            run, digest, actions = situation.held[0]
            text = say(language, "by_action", counts=tallied(Words(language).action, actions))
            text += "\n" + say(language, "approve", run=run, flow=self._settings.flow_option)
            found.append(("held", (digest or str(run), f"{text}\n{about}".strip())))
        remaining = situation.last.facts.remaining if situation.last else 0
        if remaining:
            found.append(("differences", ("remain", about)))
        longest = self._settings.schedule.stale_after
        good = situation.good
        if good is None or good - now > longest:  # it ran while the clock was ahead
            good = self._state.watching_since
        if good is not None and now - good > longest:
            hours = int((now - good).total_seconds() // 3600)
            text = say(language, "silent", hours=counted(language, "hours", hours))
            found.append(("stale", ("stale", f"{text}\n{about}".strip())))
        return found

    def _about(self, situation: Situation) -> str:
        """The last run in a few lines: counts and the report's place."""
        last, language = situation.last, self._settings.alerts.language
        if last is None:
            return ""
        lines = [say(language, "run", run=last.run)]
        if (left := last.facts.remaining) is not None:
            lines = [f"{lines[0]}: {counted(language, 'remaining', left)}"]
        if counts := tallied(Words(language).cause, last.facts.causes or {}):
            lines.append(say(language, "by_cause", counts=counts))
        lines.append(say(language, "report", place=report_place(self._settings, last.run)))
        if head := situation.head:
            lines.append(_head_line(language, head))
        return "\n".join(lines)

    def _queue(
        self, condition: str, change: str, body: str, now: datetime, **values: object
    ) -> None:
        flow = self._settings.name
        title = "zvirka: " if flow == MAIN else f"zvirka, {flow}: "
        title += say(self._settings.alerts.language, f"{condition}.{change}", **values)
        logger.warning("alert", condition=condition, change=change)
        left = [_fingerprint(url) for url in _addresses(self._settings.alerts)]
        if left:
            self._state.waiting.append(
                Alert(
                    condition=condition,
                    title=title,
                    body=body,
                    since=now,
                    left=left,
                    next_attempt=now,
                )
            )
            del self._state.waiting[:-_MOST_WAITING]

    def _hand_over(self, address: str, message: Alert) -> bool:
        try:
            taken = self._send(address, message.title, message.body)
        except Exception as error:
            taken = False
            logger.warning("an alert was not taken", error=type(error).__name__)
        else:
            if not taken:
                logger.warning("an alert was not taken", condition=message.condition)
        return taken

    def _save(self) -> None:
        try:
            with replaced(self._path, 0o600) as file:
                file.write(msgspec.json.encode(self._state))
        except OSError as error:
            logger.error("alerts.json cannot be written", error=str(error.strerror))


def send_by_apprise(address: str, title: str, body: str) -> bool:
    """Send one message to one apprise address; whether it was taken.

    apprise's own log is silenced: it may name addresses, and addresses hold secrets.
    """
    log = logging.getLogger("apprise")
    log.propagate = False
    if not log.handlers:
        log.addHandler(logging.NullHandler())
    carrier = apprise.Apprise()
    if not carrier.add(address):
        return False
    return bool(carrier.notify(title=title, body=body, body_format=apprise.NotifyFormat.TEXT))


def report_place(settings: Settings, run: int) -> str:
    """Where a person finds the report of a run: a link with ``report_base``, else the file."""
    formats = settings.report.formats
    name = f"{report_stem(run)}.{'html' if 'html' in formats or not formats else formats[0]}"
    if settings.alerts.report_base:
        return f"{settings.alerts.report_base.rstrip('/')}/{name}"
    return str(settings.report_directory / name)


def _head_line(language: Language, head: Head) -> str:
    return say(language, "head", run=head.run, digest=head.digest)


def _addresses(settings: AlertSettings) -> list[str]:
    return [url.get_secret_value() for url in settings.urls]


def _fingerprint(address: str) -> str:
    return hashlib.sha256(address.encode()).hexdigest()[:16]


def _load(path: Path) -> State:
    try:
        return msgspec.json.decode(path.read_bytes(), type=State)
    except FileNotFoundError:
        return State()
    except (OSError, *NOT_JSON) as error:
        # At worst a message is sent twice; refusing to run would be worse.
        logger.error("alerts.json cannot be read and is reset", error=type(error).__name__)
        return State()

"""What the types of the settings cannot say: keys that need, exclude or contradict each other."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytz

from zvirka.errors import SettingsError
from zvirka.findings import Finding
from zvirka.net import address_of, is_loopback
from zvirka.settings.model import (
    OnecSettings,
    ScheduleSettings,
    Settings,
    WebhookSettings,
    WebSettings,
)

SHORTEST_SECRET = 32
"""Characters of ``web.secret``: 24 random bytes in base64."""

_CLOCK = re.compile(r"([01]\d|2[0-3]):[0-5]\d")


def cross_problems(settings: Settings) -> Iterator[tuple[str, str]]:
    """Yield (dotted key, sentence) for everything that cannot work as it is written."""
    yield from _onec_problems(settings.onec)
    erp = settings.erp
    if erp.writer == "webhook" and erp.webhook is None:
        yield "erp.writer", 'found "webhook", and the table [erp.webhook] it needs is missing'
    if erp.webhook is not None:
        yield from _webhook_problems(erp.webhook)
    if erp.table is None and (erp.columns or erp.children or erp.owned):
        yield "erp.table", "required with erp.columns, erp.children or erp.owned"
    if any(not canary.strip() for canary in settings.guard.canaries):
        yield "guard.canaries", "found an empty key, expected keys of known counterparties"
    yield from _schedule_problems(settings.schedule)
    yield from _listen_problems(settings)
    if settings.web.enabled:
        yield from _web_problems(settings.web)


def cross_warnings(settings: Settings) -> Iterator[Finding]:
    """Yield what works and yet deserves a word in ``zvirka check``."""
    onec, webhook = settings.onec, settings.erp.webhook
    if not onec.verify_tls:
        yield Finding(
            "warning",
            "onec.verify_tls",
            "the certificate of 1C is not verified",
            "set onec.ca_file to the certificate authority instead",
        )
    if webhook is not None and not webhook.verify_tls:
        yield Finding(
            "warning",
            "erp.webhook.verify_tls",
            "the certificate of the ERP is not verified",
            "set erp.webhook.ca_file to the certificate authority instead",
        )
    if settings.web.enabled and _open_http(settings.web.public_url):
        yield Finding(
            "warning",
            "web.public_url",
            "passwords and personal data go to browsers unencrypted",
            "put the page behind a reverse proxy with https and write its address here",
        )
    if onec.password is not None and _open_http(onec.url):
        yield Finding(
            "warning",
            "onec.url",
            "the password goes to 1C unencrypted",
            "publish the base over https",
        )


def _onec_problems(onec: OnecSettings) -> Iterator[tuple[str, str]]:
    if (problem := _url_problem(onec.url)) is not None:
        yield "onec.url", problem
    if onec.password is not None and not onec.user:
        yield "onec.user", "required with onec.password"
    if onec.ca_file is not None and not onec.verify_tls:
        yield "onec.ca_file", "found together with verify_tls = false, expected one of them"
    if not re.fullmatch(r"[A-Z]{2}", onec.region):
        yield "onec.region", f'found "{onec.region}", expected a country such as UA'


def _webhook_problems(webhook: WebhookSettings) -> Iterator[tuple[str, str]]:
    if (problem := _url_problem(webhook.url)) is not None:
        yield "erp.webhook.url", problem
    if webhook.token is not None and (webhook.user or webhook.password is not None):
        yield "erp.webhook.token", "found together with a user or password, expected one of them"
    if webhook.password is not None and not webhook.user:
        yield "erp.webhook.user", "required with erp.webhook.password"


def _url_problem(url: str) -> str | None:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host, parts = None, urlsplit("")
    if parts.scheme not in {"http", "https"} or not host:
        return "expected a whole address that begins with https:// or http://"
    if parts.username or parts.password:
        return "found a user or password in the address, expected them in keys of their own"
    return None


def _schedule_problems(schedule: ScheduleSettings) -> Iterator[tuple[str, str]]:
    clocks = [("schedule.at", schedule.at)]
    clocks += [("schedule.also_at", at) for at in schedule.also_at]
    for key, quiet in (("quiet_from", schedule.quiet_from), ("quiet_to", schedule.quiet_to)):
        clocks += [(f"schedule.{key}", quiet)] if quiet is not None else []
    for key, clock in clocks:
        if not _CLOCK.fullmatch(clock):
            yield key, f'found "{clock}", expected a time such as 02:30'
    if (schedule.quiet_from is None) != (schedule.quiet_to is None):
        yield "schedule.quiet_from", "expected both quiet_from and quiet_to, or neither"
    if schedule.timezone not in pytz.all_timezones_set:
        yield (
            "schedule.timezone",
            (f'found "{schedule.timezone}", expected a zone such as Europe/Kyiv'),
        )


def _listen_problems(settings: Settings) -> Iterator[tuple[str, str]]:
    addresses = {"receiver.listen": settings.receiver.listen, "web.listen": settings.web.listen}
    if settings.metrics.listen is not None:
        addresses["metrics.listen"] = settings.metrics.listen
    for key, listen in addresses.items():
        try:
            host, _ = address_of(listen, key)
        except SettingsError as error:
            yield key, error.cause
            continue
        if key == "receiver.listen" and not settings.receiver.tokens and not is_loopback(host):
            yield (
                "receiver.tokens",
                (f"required when receiver.listen ({listen}) can be reached from other machines"),
            )
    if not settings.receiver.path.startswith("/"):
        yield "receiver.path", f'found "{settings.receiver.path}", expected it to begin with /'


def _web_problems(web: WebSettings) -> Iterator[tuple[str, str]]:
    if not web.users:
        yield "web.users", "required with web.enabled: nobody could sign in"
    if web.secret is None or len(web.secret.get_secret_value()) < SHORTEST_SECRET:
        yield (
            "web.secret",
            f"required with web.enabled, at least {SHORTEST_SECRET} characters: "
            "openssl rand -base64 32 makes one",
        )
    host = web.listen.rpartition(":")[0].strip("[]")
    if not web.public_url and not is_loopback(host):
        yield (
            "web.public_url",
            f"required when web.listen ({web.listen}) can be reached from other machines",
        )
    if web.public_url and (problem := _url_problem(web.public_url)) is not None:
        yield "web.public_url", problem
    for name, times in Counter(user.name for user in web.users).items():
        if times > 1:
            yield "web.users", f'found "{name}" {times} times, expected each name once'
    for number, user in enumerate(web.users):
        if not user.password_hash.get_secret_value().startswith("$argon2"):
            yield (
                f"web.users.{number}.password_hash",
                ("expected an argon2 hash, as `zvirka web hash-password` prints it"),
            )


def _open_http(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme == "http" and not is_loopback(parts.hostname or "")

"""Checks beyond types: keys that need, exclude or contradict each other."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from ipaddress import ip_network
from urllib.parse import urlsplit

import pytz

from zvirka.database_address import database_url, hosts_of, may_be_read_on_the_way
from zvirka.errors import SettingsError
from zvirka.findings import Finding
from zvirka.message import Message, coded
from zvirka.net import address_of, is_loopback
from zvirka.settings.model import ErpSettings, OnecSettings, Settings
from zvirka.settings.service_tables import ScheduleSettings, WebSettings

SHORTEST_SECRET = 32
"""Characters of ``web.secret``: 24 random bytes in base64."""

_CLOCK = re.compile(r"([01]\d|2[0-3]):[0-5]\d")

Problem = tuple[str, Message]
"""The dotted key, and the sentence about it."""


def cross_problems(settings: Settings) -> Iterator[Problem]:
    """Yield everything that cannot work as it is written."""
    yield from _onec_problems(settings.onec)
    yield from _erp_problems(settings.erp)
    yield from _query_problems("erp.url", "erp.password", settings.erp.url)
    yield from _query_problems("journal.url", "journal.password", settings.journal.url or "")
    if _is_sqlite(settings.journal.url or "sqlite:") and settings.journal.password is not None:
        yield "journal.password", _no_password("journal.url")
    if any(not canary.strip() for canary in settings.guard.canaries):
        yield "guard.canaries", Message("found an empty key, expected keys of known counterparties")
    yield from _schedule_problems(settings.schedule)
    yield from _proxy_problems(settings)
    yield from _listen_problems(settings)
    if settings.web.enabled:
        yield from _web_problems(settings.web)
    if settings.fleet.enabled and _is_sqlite(settings.journal.url or "sqlite:"):
        yield "journal.url", Message("required by fleet.enabled: a database of PostgreSQL")


def cross_warnings(settings: Settings) -> Iterator[Finding]:
    """Yield what works but is doubtful; ``zvirka check`` shows it."""
    onec, webhook = settings.onec, settings.erp.webhook
    tls = [("onec", "1C", onec.verify_tls)]
    tls += [("erp.webhook", "the ERP", webhook.verify_tls)] if webhook is not None else []
    for table, whose, verified in tls:
        if not verified:
            yield Finding(
                "warning",
                f"{table}.verify_tls",
                coded("ZV3206", "the certificate of {whose} is not verified", whose=whose),
                Message("set {table}.ca_file to the certificate authority instead", table=table),
            )
    if settings.web.enabled and _open_http(settings.web.public_url):
        yield Finding(
            "warning",
            "web.public_url",
            coded("ZV3409", "passwords and personal data go to browsers unencrypted"),
            Message("put the page behind a reverse proxy with https and write its address here"),
        )
    if onec.password is not None and _open_http(onec.url):
        yield Finding(
            "warning",
            "onec.url",
            coded("ZV3207", "the password goes to 1C unencrypted"),
            Message("publish the base over https"),
        )
    yield from _database_warnings("erp.url", settings.erp.url)
    yield from _database_warnings("journal.url", settings.journal.url or "")


def _database_warnings(key: str, address: str) -> Iterator[Finding]:
    url = database_url(address)  # opening it says what is wrong with one that is none
    if url is None or not may_be_read_on_the_way(url):
        return
    needed = (
        "sslmode=verify-full&sslrootcert=" if url.get_backend_name() == "postgresql" else "ssl_ca="
    )
    yield Finding(
        "warning",
        key,
        coded(
            "ZV3311",
            "personal data and the password may go to {host} unencrypted or to another server",
            host=", ".join(hosts_of(url)),
        ),
        Message(
            "add ?{needed}FILE to the address; FILE is the certificate of the authority",
            needed=needed,
        ),
    )


def _onec_problems(onec: OnecSettings) -> Iterator[Problem]:
    yield from _url_problems("onec.url", onec.url)
    if onec.password is not None and not onec.user:
        yield "onec.user", Message("required with onec.password")
    if onec.ca_file is not None and not onec.verify_tls:
        yield (
            "onec.ca_file",
            Message("found together with verify_tls = false, expected one of them"),
        )
    if not re.fullmatch(r"[A-Z]{2}", onec.region):
        yield (
            "onec.region",
            Message('found "{region}", expected a country such as UA', region=onec.region),
        )


def _query_problems(key: str, password: str, address: str) -> Iterator[Problem]:
    """Find a password in the query of an address, which every message would show."""
    if re.search(r"[?&](password|passwd)=", address, re.IGNORECASE):
        yield (
            key,
            Message("found a password after the question mark, expected {key}", key=password),
        )


def _erp_problems(erp: ErpSettings) -> Iterator[Problem]:
    if erp.password is not None and _is_sqlite(erp.url):
        yield "erp.password", _no_password("erp.url")
    if erp.table is None and (erp.columns or erp.children or erp.owned):
        yield "erp.table", Message("required with erp.columns, erp.children or erp.owned")
    webhook = erp.webhook
    if webhook is None:
        if erp.writer == "webhook":
            yield (
                "erp.writer",
                Message('found "webhook", and the table [erp.webhook] it needs is missing'),
            )
        return
    yield from _url_problems("erp.webhook.url", webhook.url)
    if webhook.token is not None and (webhook.user or webhook.password is not None):
        yield (
            "erp.webhook.token",
            Message("found together with a user or password, expected one of them"),
        )
    if webhook.password is not None and not webhook.user:
        yield "erp.webhook.user", Message("required with erp.webhook.password")


def _no_password(key: str) -> Message:
    return Message(
        "found a password, and {key} is an SQLite file, which takes none; remove it", key=key
    )


def _is_sqlite(url: str) -> bool:
    return url.partition(":")[0].partition("+")[0] == "sqlite"


def _url_problems(key: str, url: str) -> Iterator[Problem]:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host, parts = None, urlsplit("")
    if parts.scheme not in {"http", "https"} or not host:
        yield key, Message("expected a whole address that begins with https:// or http://")
    elif parts.username or parts.password:
        yield (
            key,
            Message("found a user or password in the address, expected them in keys of their own"),
        )


def _proxy_problems(settings: Settings) -> Iterator[Problem]:
    webhook = settings.erp.webhook
    proxies = {
        "onec.proxy": settings.onec.proxy,
        "erp.webhook.proxy": webhook.proxy if webhook is not None else "",
    }
    for key, proxy in proxies.items():
        try:
            parts = urlsplit(proxy)
            good = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
        except ValueError:
            good = False
        if proxy not in {"", "environment"} and not good:
            yield key, Message('expected http://HOST:PORT, "environment", or nothing')


def _schedule_problems(schedule: ScheduleSettings) -> Iterator[Problem]:
    clocks = [("at", schedule.at), *(("also_at", at) for at in schedule.also_at)]
    clocks += [("quiet_from", schedule.quiet_from or ""), ("quiet_to", schedule.quiet_to or "")]
    for name, clock in clocks:
        if not _CLOCK.fullmatch(clock) and (clock or "quiet" not in name):
            yield (
                f"schedule.{name}",
                Message('found "{clock}", expected a time such as 02:30', clock=clock),
            )
    if (schedule.quiet_from is None) != (schedule.quiet_to is None):
        yield "schedule.quiet_from", Message("expected both quiet_from and quiet_to, or neither")
    if schedule.timezone not in pytz.all_timezones_set:
        zone = Message(
            'found "{zone}", expected a zone such as Europe/Kyiv', zone=schedule.timezone
        )
        yield "schedule.timezone", zone


def _listen_problems(settings: Settings) -> Iterator[Problem]:
    receiver, web = settings.receiver, settings.web
    open_to_others = {
        "receiver.listen": (receiver.listen, "receiver.tokens", receiver.tokens),
        "web.listen": (web.listen, "web.public_url", web.public_url or not web.enabled),
        "metrics.listen": (settings.metrics.listen, "", True),
    }
    for key, (listen, needed, given) in open_to_others.items():
        if listen is None:
            continue
        try:
            host, _ = address_of(listen, key)
        except SettingsError as error:
            yield key, error.cause
            continue
        if not given and not is_loopback(host):
            yield (
                needed,
                Message(
                    "required when {key} ({listen}) can be reached from other machines",
                    key=key,
                    listen=listen,
                ),
            )
    for proxy in web.trusted_proxies:
        try:
            ip_network(proxy)
        except ValueError:
            yield (
                "web.trusted_proxies",
                Message(
                    'found "{proxy}", expected an address such as 127.0.0.1, or a network such as'
                    " 10.0.0.0/24",
                    proxy=proxy,
                ),
            )
    if web.trusted_header and not web.trusted_proxies:
        yield (
            "web.trusted_proxies",
            Message("required by web.trusted_header: only these may send it"),
        )
    if not receiver.path.startswith("/"):
        yield (
            "receiver.path",
            Message('found "{path}", expected it to begin with /', path=receiver.path),
        )


def _web_problems(web: WebSettings) -> Iterator[Problem]:
    if not web.users:
        yield "web.users", Message("required with web.enabled: without users nobody can sign in")
    if web.secret is None or len(web.secret.get_secret_value()) < SHORTEST_SECRET:
        yield (
            "web.secret",
            Message(
                "required with web.enabled, at least {shortest_secret} characters: make one"
                " with: openssl rand -base64 32",
                shortest_secret=SHORTEST_SECRET,
            ),
        )
    if web.public_url:
        yield from _url_problems("web.public_url", web.public_url)
        if urlsplit(web.public_url).path not in {"", "/"}:
            found = Message("the page needs a host name of its own, found a path")
            yield "web.public_url", found
    for name, times in Counter(user.name for user in web.users).items():
        if times > 1:
            yield (
                "web.users",
                Message(
                    'found "{name}" {times} times, expected each name once', name=name, times=times
                ),
            )
    for number, user in enumerate(web.users):
        if not user.password_hash.get_secret_value().startswith("$argon2"):
            expected = Message("expected an argon2 hash, as `zvirka web hash-password` prints it")
            yield f"web.users.{number}.password_hash", expected


def _open_http(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme == "http" and not is_loopback(parts.hostname or "")

"""Tables of ``zvirka.toml`` about the service: nights, alerts, logs, workers, listeners, push."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr

from zvirka.settings.value_types import Duration, Table, Timeout


class ScheduleSettings(Table):
    """``[schedule]``: when the daemon runs."""

    at: str = "02:30"
    also_at: list[str] = []
    timezone: str = "Europe/Kyiv"
    jitter: Duration = timedelta(0)
    catch_up: bool = True
    quiet_from: str | None = None
    quiet_to: str | None = None
    retries: Annotated[int, Field(ge=0, le=20)] = 3
    retry_pause: Duration = timedelta(minutes=10)
    stale_after: Duration = timedelta(hours=36)


class AlertSettings(Table):
    """``[alerts]``: apprise addresses (each may be a secret) and the language of messages."""

    urls: list[SecretStr] = []
    urls_file: Path | None = None
    language: Literal["uk", "en"] = "uk"
    report_base: str = ""


class MetricsSettings(Table):
    """``[metrics]``: Prometheus by HTTP and as a node_exporter textfile; off when unset."""

    listen: str | None = None
    textfile: Path | None = None
    flow: Annotated[str, Field(min_length=1)] = "main"


class LogSettings(Table):
    """``[log]``: level and shape; ``auto`` is journal under systemd, human on a terminal."""

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    format: Literal["auto", "human", "json", "systemd"] = "auto"


class FleetSettings(Table):
    """``[fleet]``: runs spread over workers on several machines (:mod:`zvirka.fleet`).

    A worker that was not heard of for ``takeover`` counts as dead, and another one takes its run.
    A flow that has been due for ``alert_after`` and that no worker takes is announced.
    """

    enabled: bool = False
    takeover: Timeout = timedelta(seconds=30)
    alert_after: Duration = timedelta(minutes=30)


class ReceiverSettings(Table):
    """``[receiver]``: the ERP-side webhook endpoint."""

    listen: str = "127.0.0.1:8791"
    path: str = "/api/webhook/1c/clients"
    tokens: list[SecretStr] = []
    tokens_file: Path | None = None
    signature_key: SecretStr | None = None
    signature_key_file: Path | None = None
    signature_window: Duration = timedelta(minutes=5)
    max_body: Annotated[int, Field(ge=1024)] = 262_144


class UserSettings(Table):
    """``[[web.users]]``: a person who may sign in; ``password_hash`` is argon2."""

    name: str
    role: Literal["auditor", "admin"]
    password_hash: SecretStr


class WebSettings(Table):
    """``[web]``: the page for admins and auditors; off by default.

    ``public_url`` is how browsers reach it; over https the cookies are marked Secure.
    ``trusted_proxies`` counts for the receiver as well. ``trusted_header`` names the
    header in which these proxies, and nobody else, say which of the users has signed in with them.
    """

    enabled: bool = False
    listen: str = "127.0.0.1:8792"
    public_url: str = ""
    trusted_proxies: list[str] = []
    trusted_header: str = ""
    users: list[UserSettings] = []
    secret: SecretStr | None = None
    secret_file: Path | None = None
    session_for: Duration = timedelta(hours=8)


class BslSettings(Table):
    """``[bsl]``: what ``zvirka bsl render`` writes into the push module."""

    address: str = ""
    user: str = ""
    password: SecretStr | None = None
    password_file: Path | None = None
    server_ca: str = ""
    client_certificate: str = ""
    certificate_password: SecretStr | None = None
    certificate_password_file: Path | None = None
    proxy: str = ""
    base: str = ""
    log_file: str = ""
    timeout: Duration = timedelta(seconds=30)
    strict_echo: bool = True
    push_exchange_loads: bool = False
    compatibility: Annotated[str, Field(pattern=r"^8\.3\.(1[1-9]|2\d)$")] = "8.3.23"
    language: str = "Русский"
    language_code: str = "ru"

"""Where 1C posts to, and what it shows there."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import SplitResult, unquote, urlsplit

import msgspec
from pydantic import SecretStr

from zvirka.errors import SettingsError
from zvirka.message import Message, coded
from zvirka.settings.model import Settings


def address(settings: Settings) -> str:
    """Return the URL 1C posts to: ``bsl.address``, else the ERP's webhook, else our receiver."""
    if settings.bsl.address:
        return settings.bsl.address
    if settings.erp.webhook is not None:
        return settings.erp.webhook.url
    return f"http://{settings.receiver.listen}{settings.receiver.path}"


def checked_address(address: str) -> SplitResult:
    """The address in its parts.

    Raises:
        SettingsError: it is not one 1C can post to.
    """
    url = urlsplit(address)
    try:
        port = url.port
    except ValueError:
        port = -1
    if url.scheme not in {"http", "https"} or not url.hostname or port == -1:
        raise SettingsError(
            coded("ZV3402", "the address for the push module is not an HTTP URL"),
            place="bsl.address",
            remedy=Message('write it whole, e.g. "https://erp.example.com/api/webhook/1c/clients"'),
        )
    if _is_unspecified(url.hostname):
        raise SettingsError(
            coded(
                "ZV3403",
                "1C cannot post to {hostname}: it means every address of a machine, not one",
                hostname=url.hostname,
            ),
            place="bsl.address",
            remedy=Message("set bsl.address to the name or address 1C reaches the receiver by"),
        )
    return url


def _is_unspecified(host: str) -> bool:
    try:
        return ip_address(host).is_unspecified
    except ValueError:
        return False


class Credentials(msgspec.Struct, frozen=True):
    """What 1C shows the receiver: a bearer token, else user and password; empty where unset."""

    token: str = ""
    user: str = ""
    password: str = ""


def credentials_of(settings: Settings) -> Credentials:
    """Return the credentials that belong to the address 1C posts to.

    ``bsl.user`` first, then those written into the address, then the ERP's own when 1C posts to
    the ERP's webhook, then the receiver's token.
    """
    url = urlsplit(address(settings))
    if settings.bsl.user:
        return Credentials("", settings.bsl.user, secret_text(settings.bsl.password))
    if url.username:
        return Credentials("", unquote(url.username), unquote(url.password or ""))
    webhook = settings.erp.webhook
    if webhook is not None and address(settings) == webhook.url:
        if webhook.token:
            return Credentials(webhook.token.get_secret_value())
        if webhook.user:
            return Credentials("", webhook.user, secret_text(webhook.password))
    if settings.receiver.tokens:
        return Credentials(settings.receiver.tokens[0].get_secret_value())
    return Credentials()


def signature_key(settings: Settings) -> str:
    """Return the key our receiver checks; the ERP's own webhook knows nothing of it."""
    webhook = settings.erp.webhook
    if webhook is not None and address(settings) == webhook.url:
        return ""
    return secret_text(settings.receiver.signature_key)


def secret_text(value: SecretStr | None) -> str:
    """The secret as it is; empty where unset."""
    return value.get_secret_value() if value else ""

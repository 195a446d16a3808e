"""Writes the push module for one configuration.

The shipped files are the templates: what stands between ``// >>> zvirka: NAME`` and
``// <<< zvirka: NAME`` is replaced, the extension is fitted to the compatibility mode and the
language of the configuration, everything else is copied as it is.
"""

from __future__ import annotations

import os
import re
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit
from xml.sax.saxutils import escape

import msgspec
from loguru import logger
from pydantic import SecretStr

from zvirka.bsl.field_calls import field_lines, literal, objects
from zvirka.errors import SettingsError, ZvirkaError
from zvirka.mapping import Mapping
from zvirka.message import Message, coded
from zvirka.net import address_of, is_loopback
from zvirka.package_files import shipped
from zvirka.settings.model import BslSettings, Settings

_CORE = ("dropin/Zvirka.bsl", "extension/CommonModules/ZvirkaPush/Ext/Module.bsl")
_PROCESSING = "processing/ObjectModule.bsl"
_EXTENSION = "extension/Configuration.xml"
_LANGUAGE = "extension/Languages/Русский.xml"
_JOBS = "extension/ScheduledJobs/"
_JOBS_SINCE = (8, 3, 23)
"""The first compatibility mode in which an extension may have scheduled jobs of its own."""


def render(settings: Settings, mapping: Mapping, out: Path) -> list[Path]:
    """Write both variants, the processings and the guide into ``out``; return what was written.

    The module that holds the secrets is readable by its owner only; a warning says so.

    Raises:
        SettingsError: 1C cannot post to the address, or a value cannot stand in the module.
        ZvirkaError: a file cannot be written, or a shipped module is damaged.
    """
    blocks = {
        "settings": _settings_lines(settings, mapping),
        "fields": list(field_lines(mapping)),
        "objects": [f"Имена.Добавить({literal(name)});" for name in objects(mapping)],
    }
    source = shipped("bsl")
    written = []
    for template in sorted(path for path in source.rglob("*") if path.is_file()):
        relative = template.relative_to(source).as_posix()
        if relative.startswith(_JOBS) and not _has_jobs(settings.bsl):
            continue
        text = template.read_text(encoding="utf-8")
        if relative in _CORE:
            text = _filled(_filled(text, "settings", blocks), "fields", blocks)
        elif relative == _PROCESSING:
            text = _filled(text, "objects", blocks)
        elif relative == _EXTENSION:
            text = _configuration(text, settings.bsl)
        elif relative == _LANGUAGE:
            text = _language(text, settings.bsl)
            relative = relative.replace("Русский", settings.bsl.language)
        written.append(_write(out / relative, text, private=relative in _CORE))
    _warn(settings, mapping, out)
    return written


def address(settings: Settings) -> str:
    """Return the URL 1C posts to: ``bsl.address``, else the ERP's webhook, else our receiver."""
    if settings.bsl.address:
        return settings.bsl.address
    if settings.erp.webhook is not None:
        return settings.erp.webhook.url
    return f"http://{settings.receiver.listen}{settings.receiver.path}"


def _warn(settings: Settings, mapping: Mapping, out: Path) -> None:
    """Say what an administrator would find out too late."""
    url = urlsplit(address(settings))
    credentials = credentials_of(settings)
    if credentials.token or credentials.password or _signature_key(settings):
        logger.warning(
            "the rendered modules hold secrets; keep them private and delete them after loading",
            directory=str(out),
        )
    if url.scheme == "http" and not is_loopback(url.hostname or ""):
        logger.warning(
            "1C would send personal data and the token unencrypted; put https before the receiver"
            " and set bsl.address",
            address=f"http://{url.netloc.rpartition('@')[2]}",
        )
    if is_loopback(url.hostname or ""):
        logger.warning(
            "1C would post to its own machine; set bsl.address unless 1C runs on this one",
            address=url.hostname,
        )
    if not settings.bsl.base:
        logger.warning(
            "the pasted module does not know the production base: a copy of it would push as well;"
            " set bsl.base"
        )
    if mapping.scope:
        logger.warning("the push module sends every counterparty; onec.scope does not narrow it")


def _settings_lines(settings: Settings, mapping: Mapping) -> list[str]:
    url = _checked(address(settings))
    secure = url.scheme == "https"
    path = url.path or settings.receiver.path
    bsl = settings.bsl
    credentials = credentials_of(settings)
    proxy, proxy_port = address_of(bsl.proxy, "bsl.proxy") if bsl.proxy else ("", 0)
    values: dict[str, str] = {
        "Включено": _boolean(True),
        "Сервер": literal(url.hostname or ""),
        "Порт": str(url.port or (443 if secure else 80)),
        "Путь": literal(f"{path}?{url.query}" if url.query else path),
        "ЗащищенноеСоединение": _boolean(secure),
        "ФайлСертификатов": literal(bsl.server_ca),
        "ФайлСертификатаКлиента": literal(bsl.client_certificate),
        "ПарольСертификатаКлиента": literal(_secret(bsl.certificate_password)),
        "Токен": literal(credentials.token),
        "Пользователь": literal(credentials.user),
        "Пароль": literal(credentials.password),
        "КлючПодписи": literal(_signature_key(settings)),
        "ПроксиСервер": literal(proxy),
        "ПроксиПорт": str(proxy_port),
        "ПроксиПользователь": literal(""),
        "ПроксиПароль": literal(""),
        "Таймаут": str(max(1, round(bsl.timeout.total_seconds()))),
        "СтрогоеПодтверждение": _boolean(bsl.strict_echo),
        "ОтправлятьПриЗагрузке": _boolean(bsl.push_exchange_loads),
        "ОтправлятьСразу": _boolean(True),
        "РабочаяБаза": literal(bsl.base),
        "ФайлЖурнала": literal(bsl.log_file),
        "ИмяСправочника": literal(mapping.catalog),
    }
    return [f"Результат.Вставить({literal(name)}, {value});" for name, value in values.items()]


def _checked(address: str) -> SplitResult:
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
        return Credentials("", settings.bsl.user, _secret(settings.bsl.password))
    if url.username:
        return Credentials("", unquote(url.username), unquote(url.password or ""))
    webhook = settings.erp.webhook
    if webhook is not None and address(settings) == webhook.url:
        if webhook.token:
            return Credentials(webhook.token.get_secret_value())
        if webhook.user:
            return Credentials("", webhook.user, _secret(webhook.password))
    if settings.receiver.tokens:
        return Credentials(settings.receiver.tokens[0].get_secret_value())
    return Credentials()


def _signature_key(settings: Settings) -> str:
    """Return the key our receiver checks; the ERP's own webhook knows nothing of it."""
    webhook = settings.erp.webhook
    if webhook is not None and address(settings) == webhook.url:
        return ""
    return _secret(settings.receiver.signature_key)


def _secret(value: SecretStr | None) -> str:
    return value.get_secret_value() if value else ""


def _has_jobs(bsl: BslSettings) -> bool:
    return tuple(int(part) for part in bsl.compatibility.split(".")) >= _JOBS_SINCE


def _configuration(text: str, bsl: BslSettings) -> str:
    """The root of the extension for the configuration's mode and default language."""
    version = bsl.compatibility.replace(".", "_")
    text = text.replace("Version8_3_23", f"Version{version}")
    if not _has_jobs(bsl):
        text = re.sub(r"\t*<ScheduledJob>.*\n", "", text)
    name = escape(bsl.language)
    text = text.replace("Language.Русский", f"Language.{name}")
    return text.replace("<Language>Русский<", f"<Language>{name}<")


def _language(text: str, bsl: BslSettings) -> str:
    text = text.replace("<Name>Русский<", f"<Name>{escape(bsl.language)}<")
    code = escape(bsl.language_code)
    return text.replace("<LanguageCode>ru<", f"<LanguageCode>{code}<")


def _boolean(value: bool) -> str:
    return "Истина" if value else "Ложь"


def _filled(text: str, block: str, blocks: dict[str, list[str]]) -> str:
    body = "".join(f"\t{line}\n" for line in blocks[block])
    pattern = rf"(\t// >>> zvirka: {block}\n).*?(\t// <<< zvirka: {block}\n)"
    filled, count = re.subn(
        pattern, lambda found: found[1] + body + found[2], text, flags=re.DOTALL
    )
    if count != 1:
        raise ZvirkaError(
            coded("ZV5501", "a shipped module has lost the block to fill in"),
            place=block,
            remedy=Message("reinstall zvirka"),
        )
    return filled


def _write(path: Path, text: str, *, private: bool) -> Path:
    mode = 0o600 if private else 0o644
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
    except OSError as error:
        raise ZvirkaError(
            coded("ZV4101", "the module cannot be written"),
            place=str(path),
            remedy=Message("choose another directory with --out"),
        ) from error
    return path

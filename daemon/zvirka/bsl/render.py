"""Writes the push module for one configuration.

The shipped modules are the templates: what stands between ``// >>> zvirka: NAME`` and
``// <<< zvirka: NAME`` is replaced, everything else is copied as it is.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from urllib.parse import urlsplit

from loguru import logger

from zvirka.bsl.field_calls import field_lines, literal, objects
from zvirka.errors import SettingsError, ZvirkaError
from zvirka.mapping import Mapping
from zvirka.package_files import shipped
from zvirka.settings.model import Settings

_CORE = ("dropin/Zvirka.bsl", "extension/CommonModules/Zvirka/Ext/Module.bsl")
_PROCESSING = "processing/ObjectModule.bsl"


def render(settings: Settings, mapping: Mapping, out: Path) -> list[Path]:
    """Write both variants, the processing and the guide into ``out``; return what was written.

    The module that holds the token is readable by its owner only; a warning says so.

    Raises:
        SettingsError: no address to send to, or one that is not an HTTP URL.
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
        relative = template.relative_to(source)
        text = template.read_text(encoding="utf-8")
        if relative.as_posix() in _CORE:
            text = _filled(_filled(text, "settings", blocks), "fields", blocks)
        elif relative.as_posix() == _PROCESSING:
            text = _filled(text, "objects", blocks)
        written.append(_write(out / relative, text, private=relative.as_posix() in _CORE))
    if _token(settings):
        logger.warning("the rendered modules hold the token; keep them private", directory=str(out))
    if mapping.scope:
        logger.warning("the push module sends every counterparty; onec.scope does not narrow it")
    return written


def address(settings: Settings) -> str:
    """Return the URL 1C posts to: ``bsl.address``, else the ERP's webhook, else our receiver."""
    if settings.bsl.address:
        return settings.bsl.address
    if settings.erp.webhook is not None:
        return settings.erp.webhook.url
    return f"http://{settings.receiver.listen}{settings.receiver.path}"


def _settings_lines(settings: Settings, mapping: Mapping) -> list[str]:
    url = urlsplit(address(settings))
    try:
        port = url.port
    except ValueError:
        port = -1
    if url.scheme not in {"http", "https"} or not url.hostname or port == -1:
        raise SettingsError(
            "the address for the push module is not an HTTP URL",
            place="bsl.address",
            remedy='write it whole, e.g. "https://erp.example.com/api/webhook/1c/clients"',
        )
    secure = url.scheme == "https"
    path = url.path or settings.receiver.path
    values: dict[str, str] = {
        "Сервер": literal(url.hostname),
        "Порт": str(port or (443 if secure else 80)),
        "Путь": literal(f"{path}?{url.query}" if url.query else path),
        "ЗащищенноеСоединение": _boolean(secure),
        "ФайлСертификатов": literal(""),
        "Токен": literal(_token(settings)),
        "Таймаут": str(max(1, round(settings.bsl.timeout.total_seconds()))),
        "СтрогоеПодтверждение": _boolean(settings.bsl.strict_echo),
        "ОтправлятьПриЗагрузке": _boolean(settings.bsl.push_exchange_loads),
        "ФайлЖурнала": literal(settings.bsl.log_file),
        "ИмяСправочника": literal(mapping.catalog),
    }
    return [f"Результат.Вставить({literal(name)}, {value});" for name, value in values.items()]


def _token(settings: Settings) -> str:
    """Return the token of whoever receives: the ERP's own webhook when 1C posts there, or ours."""
    webhook = settings.erp.webhook
    if webhook is not None and webhook.token and address(settings) == webhook.url:
        return webhook.token.get_secret_value()
    if settings.receiver.tokens:
        return settings.receiver.tokens[0].get_secret_value()
    return ""


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
            "a shipped module has lost the block to fill in",
            place=block,
            remedy="reinstall zvirka",
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
            "the module cannot be written",
            place=str(path),
            remedy="choose another directory with --out",
        ) from error
    return path

"""Writes the push module for one configuration.

The shipped files are the templates: what stands between ``// >>> zvirka: NAME`` and
``// <<< zvirka: NAME`` is replaced, the extension is fitted to the compatibility mode and the
language of the configuration, everything else is copied as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit
from xml.sax.saxutils import escape

import msgspec

from zvirka.bsl.field_calls import field_lines, literal, objects
from zvirka.bsl.output_directory import OutputFile, write_all
from zvirka.bsl.push_address import (
    address,
    checked_address,
    credentials_of,
    secret_text,
    signature_key,
)
from zvirka.bsl.pushed_catalogues import FurtherCatalogue, further_catalogues, other_flows
from zvirka.errors import SettingsError, ZvirkaError
from zvirka.mapping import Mapping
from zvirka.message import Message, coded
from zvirka.net import address_of, is_loopback
from zvirka.package_files import shipped
from zvirka.settings.model import Settings
from zvirka.settings.profiles import mapping_of
from zvirka.settings.service_tables import BslSettings

_CORE = ("dropin/Zvirka.bsl", "extension/CommonModules/ZvirkaPush/Ext/Module.bsl")
_PROCESSING = "processing/ObjectModule.bsl"
_EXTENSION = "extension/Configuration.xml"
_LANGUAGE = "extension/Languages/Русский.xml"
_JOBS = "extension/ScheduledJobs/"
_JOBS_SINCE = (8, 3, 23)
"""The first compatibility mode in which an extension may have scheduled jobs of its own."""


class Rendered(msgspec.Struct, frozen=True):
    """The files written, and what an administrator would find out too late.

    ``deleted`` are files of an earlier rendering that this one does not have. ``warnings`` are the
    names of sentences of the command line, with their arguments.
    """

    paths: list[Path]
    deleted: list[Path]
    warnings: list[tuple[str, dict[str, str]]]


def render(settings: Settings, mapping: Mapping, out: Path) -> Rendered:
    """Write both variants, the processings and the guide into ``out``.

    One module tells of all catalogues of the base: that of these settings, and those of the other
    flows (:func:`zvirka.bsl.pushed_catalogues.further_catalogues`).

    The module that holds the secrets is readable by its owner only. Files of an earlier rendering
    that this one does not write are deleted: the Configurator would load them.

    Raises:
        SettingsError: the module does not push this catalogue, 1C cannot post to the address, or a
            value cannot be written into the module.
        ZvirkaError: a file cannot be written or is somebody else's, or a shipped module is damaged.
    """
    if not mapping.is_pushed:
        raise SettingsError(
            coded(
                "ZV3308",
                "the push module does not tell of the catalogue {catalog}",
                catalog=mapping.catalog,
            ),
            place="onec.key",
            remedy=Message("let zvirka reconcile it at night; only one field can name a client"),
        )
    further, left_out = further_catalogues(settings, mapping)
    read = (mapping, *map(mapping_of, other_flows(settings)))
    names = dict.fromkeys(name for one in read for name in objects(one))
    blocks = {
        "settings": _settings_lines(settings, mapping),
        "fields": list(field_lines(mapping)),
        "catalogues": [line for one in further for line in _catalogue_lines(one)],
        "objects": [f"Имена.Добавить({literal(name)});" for name in names],
    }
    source = shipped("bsl")
    files = []
    for template in sorted(path for path in source.rglob("*") if path.is_file()):
        name = template.relative_to(source).as_posix()
        if name.startswith(_JOBS) and not _has_jobs(settings.bsl):
            continue
        text = template.read_text(encoding="utf-8")
        if name in _CORE:
            for block in ("settings", "fields", "catalogues"):
                text = _filled(text, block, blocks)
        elif name == _PROCESSING:
            text = _filled(text, "objects", blocks)
        elif name == _EXTENSION:
            text = _configuration(text, settings.bsl)
        elif name == _LANGUAGE:
            text = _language(text, settings.bsl)
        written_as = name.replace("Русский", settings.bsl.language) if name == _LANGUAGE else name
        files.append(OutputFile(written_as, text, private=name in _CORE))
    deleted = write_all(out, files)
    written = [out / file.name for file in files]
    scoped = any(one.scope for one in (mapping, *(one.mapping for one in further)))
    warnings = list(_warnings(settings, out, scoped=scoped))
    warnings += [("bsl_flow_left_out", {"flow": flow}) for flow in left_out]
    return Rendered(written, deleted, warnings)


def _warnings(
    settings: Settings, out: Path, *, scoped: bool
) -> Iterator[tuple[str, dict[str, str]]]:
    url = urlsplit(address(settings))
    credentials = credentials_of(settings)
    if credentials.token or credentials.password or signature_key(settings):
        yield "bsl_secrets", {"directory": str(out)}
    host = url.hostname or ""
    if is_loopback(host):
        yield "bsl_own_machine", {"address": host}
    elif url.scheme == "http":
        yield "bsl_unencrypted", {"address": f"http://{url.netloc.rpartition('@')[2]}"}
    if not settings.bsl.base:
        yield "bsl_no_base", {}
    if scoped:
        yield "bsl_scope", {}


def _catalogue_lines(catalogue: FurtherCatalogue) -> Iterator[str]:
    """The statements that tell the module of one more catalogue."""
    yield "Поля = Новый Массив;"
    yield from field_lines(catalogue.mapping)
    yield f'Описание = Новый Структура("Путь, Поля", {literal(catalogue.path)}, Поля);'
    yield f"Результат.Вставить({literal(catalogue.mapping.catalog)}, Описание);"


def _settings_lines(settings: Settings, mapping: Mapping) -> list[str]:
    url = checked_address(address(settings))
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
        "ПарольСертификатаКлиента": literal(secret_text(bsl.certificate_password)),
        "Токен": literal(credentials.token),
        "Пользователь": literal(credentials.user),
        "Пароль": literal(credentials.password),
        "КлючПодписи": literal(signature_key(settings)),
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

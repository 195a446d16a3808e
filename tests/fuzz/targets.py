"""Every decoder of bytes from outside: a sample to mutate, and what it may raise.

A target passes when it returns, or raises one of the errors it documents. Anything else is a fault
of ours: bytes of 1C, of a sender or of an administrator must never end a run with a traceback.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from tests.unit.onec.samples import metadata
from zvirka.errors import SettingsError, ZvirkaError
from zvirka.mapping import Attribute, Field, Mapping
from zvirka.onec import responses
from zvirka.onec.changes import read_feed
from zvirka.onec.decoding import RowDecoder, decode_count, decode_ref
from zvirka.onec.failures import OnecError
from zvirka.onec.schema import Schema, trim
from zvirka.onec.session import decoded
from zvirka.onec.transport import HttpAnswer
from zvirka.push_log import parse_line
from zvirka.receiver.payload import PayloadReader, PayloadRefusal
from zvirka.settings.loading import load_settings

REF = "6f1c2d34-8a5b-11ee-9c3d-000000000001"
CATALOGUE = "Catalog_Контрагенты"
_SCHEMA = Schema(trim(metadata(), [CATALOGUE, f"{CATALOGUE}_КонтактнаяИнформация"])[0])
_NOW = datetime(2026, 11, 28, tzinfo=UTC)
_MAPPING = Mapping(
    catalog="Контрагенты",
    fields=(
        Field("code", Attribute("Code"), payload="Код"),
        Field("name", Attribute("Description"), payload="Наименование"),
    ),
)
_READER = PayloadReader(_MAPPING)


@dataclass(frozen=True)
class Target:
    """A decoder under test. ``allowed`` are the errors it documents."""

    run: Callable[[bytes], object]
    allowed: tuple[type[Exception], ...]
    samples: tuple[bytes, ...]


def _rows(body: bytes) -> object:
    catalogue, section = (_SCHEMA.entity(f"{CATALOGUE}{part}") for part in ("", _SECTION))
    assert catalogue is not None
    assert section is not None
    lines = RowDecoder(section, ["LineNumber", "Тип", "Представление"])
    names = ["Ref_Key", "DataVersion", "DeletionMark", "Code", "Лимит", "Резидент"]
    decoder = RowDecoder(catalogue, names, {"КонтактнаяИнформация": lines})
    rows = decoded(body, decoder.decode, place="x")
    return [decoder.refs(rows), *(decoder.texts(rows, name) for name in names)]


def _answer(body: bytes) -> object:
    kinds = ("application/json", "text/html", "text/plain", "application/atom+xml")
    status = (200, 400, 401, 404, 500)[len(body) % 5]
    headers = {"Content-Type": kinds[len(body) % 4], "Location": body[:64].decode("latin-1")}
    error = responses.error_in(HttpAnswer(status, headers, body), place="http://1c/base")
    assert error is None or (len(str(error)) < 2000 and "\x1b" not in str(error))
    return error


def _metadata(body: bytes) -> object:
    return Schema(trim(body, [CATALOGUE])[0]).entity(CATALOGUE)


def _settings(body: bytes) -> object:
    handle, name = tempfile.mkstemp(suffix=".toml")
    os.close(handle)
    file = Path(name)
    try:
        file.write_bytes(body)
        return load_settings(file, {})
    finally:
        file.unlink()


_SECTION = "_КонтактнаяИнформация"
_ROWS = (
    '{"odata.metadata":"x","value":[{"Ref_Key":"' + REF + '","DataVersion":"AAAAAQ==",'
    '"DeletionMark":false,"Code":"000000001","Лимит":1.50,"Резидент":true,'
    '"КонтактнаяИнформация":[{"LineNumber":"1","Тип":"Телефон","Представление":"+38"}]}]}'
).encode()
_ERROR = '{"odata.error":{"code":"9","message":{"lang":"ru","value":"Нет «Іваненко»"}}}'.encode()
_FEED = (
    '<feed xmlns="http://www.w3.org/2005/Atom" xmlns:at="http://purl.org/atompub/tombstones/1.0"'
    ' xmlns:m="http://schemas.microsoft.com/ado/2007/08/dataservices/metadata"'
    ' xmlns:d="http://schemas.microsoft.com/ado/2007/08/dataservices">'
    f"<entry><id>http://1c/{CATALOGUE}(guid'{REF}')</id>"
    f'<category term="StandardODATA.{CATALOGUE}"/><content><m:properties>'
    f"<d:Ref_Key>{REF}</d:Ref_Key></m:properties></content></entry>"
    f"<at:deleted-entry ref=\"http://1c/{CATALOGUE}(guid'{REF}')\"/></feed>"
).encode()
_WEBHOOK = (
    '{"action":"update","clientData":{"Код":"1","Наименование":"А","Ссылка":"' + REF + '",'
    '"ПометкаУдаления":false},"messageId":"m","stamp":1}'
).encode()
_LINE = f"2026-11-28T02:30:00.000Z\tERROR\tupdate\t{REF}\t000000001\t503\tHTTP 503\n".encode()
_TOML = (
    b'state_dir = "/var/lib/zvirka"\n[onec]\nurl = "http://1c/base/"\nuser = "x"\n'
    b'fields = { phone = { attribute = "T" } }\n[erp]\nurl = "sqlite:////tmp/erp.db"\n'
    b"[guard]\nmax_deletes = 5\nmax_change_share = 0.3\n"
)

TARGETS = {
    "rows": Target(_rows, (OnecError,), (_ROWS,)),
    "count": Target(lambda body: decoded(body, decode_count, place="x"), (OnecError,), (b"42",)),
    "ref": Target(
        lambda body: decoded(body, decode_ref, place="x"),
        (OnecError,),
        (f'{{"Ref_Key":"{REF}"}}'.encode(),),
    ),
    "answer": Target(_answer, (), (_ERROR, b"<html><script>x</script>a</html>", _FEED)),
    "feed": Target(lambda body: read_feed(body, CATALOGUE, 1), (OnecError,), (_FEED,)),
    "metadata": Target(_metadata, (OnecError,), (metadata(),)),
    "webhook": Target(lambda body: _READER.read(body, _NOW), (PayloadRefusal,), (_WEBHOOK,)),
    "push_log": Target(parse_line, (), (_LINE,)),
    "settings": Target(_settings, (SettingsError, ZvirkaError), (_TOML,)),
}

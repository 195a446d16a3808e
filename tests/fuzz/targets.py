"""Every decoder of bytes from outside: a sample to mutate, and what it may raise.

A target passes when it returns, or raises one of the errors it documents. Anything else is a fault
of ours: bytes of 1C, of a sender or of an administrator must never end a run with a traceback.
"""

from __future__ import annotations

import gzip
import json
import os
import tempfile
import zlib
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any, cast

from tests.unit.onec.samples import metadata
from zvirka.backup.archive import Manifest, opened, write_archive
from zvirka.erp.webhook.endpoint import judge
from zvirka.errors import SettingsError, UsageError, ZvirkaError
from zvirka.journal.head import read_head
from zvirka.journal.keyring import read_rotation
from zvirka.mapping import Attribute, Field, Mapping
from zvirka.onec import responses
from zvirka.onec.changes import ChangeFeed, read_feed
from zvirka.onec.decoding import RowDecoder, decode_count, decode_ref
from zvirka.onec.failures import OnecError
from zvirka.onec.schema import Schema, trim
from zvirka.onec.session import decoded
from zvirka.onec.transport import HttpAnswer
from zvirka.onec.undelivered import OutboxReader
from zvirka.push_log import parse_line
from zvirka.receiver.payload import PayloadReader, PayloadRefusal
from zvirka.receiver.signature import Signatures, sign
from zvirka.report.embedded_data import in_html
from zvirka.report.file_proof import prove_file
from zvirka.report.timestamps import decoded as decoded_timestamp
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


def _in_a_file(suffix: str, read: Callable[[Path], object]) -> Callable[[bytes], object]:
    """A decoder of files as one of bytes."""

    def run(body: bytes) -> object:
        handle, name = tempfile.mkstemp(suffix=suffix)
        os.close(handle)
        file = Path(name)
        try:
            file.write_bytes(body)
            return read(file)
        finally:
            file.unlink()

    return run


class _Answering:
    """A conversation with 1C in which every question has the same answer."""

    url = "http://1c/base/"

    def __init__(self, body: bytes) -> None:
        self._body = body

    def get(self, path: str, *_: object, decode: Callable[[bytes], Any], **__: object) -> Any:
        return decoded(self._body, decode, place=path)


def _outbox(body: bytes) -> object:
    reader = OutboxReader(cast("Any", _Answering(b"")), page_bytes=10**6, max_url=2000)
    shape = reader.all_messages.shape
    return list(reader.messages(decoded(body, shape.decode, place="x"), shape))


def _nodes(body: bytes) -> object:
    return ChangeFeed(cast("Any", _Answering(body)), "Звірка", "ZV", CATALOGUE).received()


def _signature(body: bytes) -> None:
    Signatures(["key"]).check(body.decode("latin-1"), b"body", _NOW)


def _endpoint(body: bytes) -> object:
    status = (200, 429, 503)[len(body) % 3]
    return judge(status, {"Retry-After": body[:20].decode("latin-1")}, body)


def _backup(body: bytes) -> object:
    archive = body if body.startswith(b"\x1f\x8b") else gzip.compress(body, 1)
    with (
        tempfile.TemporaryDirectory() as scratch,
        opened(BytesIO(archive), "x", Path(scratch)) as (manifest, _),
    ):
        return manifest


def _made_backup() -> bytes:
    with tempfile.TemporaryDirectory() as scratch:
        member = Path(scratch) / "journal.db"
        member.write_bytes(b"journal")
        made = BytesIO()
        write_archive(made, {"journal.db": member}, _MANIFEST)
        return made.getvalue()


_MANIFEST = Manifest(
    version="0.1.0", schema="0001", made_at=_NOW, journal="sqlite", runs=0, last=None, files={}
)
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
_OUTBOX = json.dumps(
    {
        "value": [
            {
                "Идентификатор": REF,
                "Ссылка": REF,
                "Код": "000000001",
                "Действие": "update",
                "Создано": "2026-11-28T02:30:00.000Z",
                "Попыток": 2,
                "СледующаяПопытка": 63900000000000,
                "КодСостояния": 503,
                "Ошибка": "HTTP 503",
                "Остановлено": False,
                "Справочник": "Контрагенты",
                "Порядок": "1",
            }
        ]
    },
    ensure_ascii=False,
).encode()
_NODES = (
    '{"value":[{"Ref_Key":"' + REF + '","Code":"ZV","Description":"x","ReceivedNo":"3",'
    '"ThisNode":false}]}'
).encode()
_SIGNATURE = sign("key", int(_NOW.timestamp()), b"body").encode()
_HEAD = b'{"head":1,"run":7,"digest":"ab","receipt":3,"receipt_digest":"cd"}'
_ROTATION = json.dumps(
    {"old": "00" * 32, "new": "11" * 32, "after_run": 3, "at": "x", "signature": "22" * 64}
).encode()
_PAGE = (
    b'<p><template id="zvirka-data">zvirka uk Europe/Kyiv '
    + b64encode(zlib.compress(b'{"version":3}'))
    + b"</template>"
)
_SAMPLES = Path(__file__).parent / "samples"
_GOLDEN = Path(__file__).parents[1] / "golden/report/story.en"
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
    "settings": Target(
        _in_a_file(".toml", lambda file: load_settings(file, {})),
        (SettingsError, ZvirkaError),
        (_TOML,),
    ),
    "outbox": Target(_outbox, (OnecError,), (_OUTBOX,)),
    "nodes": Target(_nodes, (OnecError,), (_NODES,)),
    "signature": Target(_signature, (PayloadRefusal,), (_SIGNATURE,)),
    "endpoint": Target(_endpoint, (), (b'{"success": true}', b"<html>", b"12")),
    "timestamp": Target(
        decoded_timestamp, (ValueError,), ((_SAMPLES / "timestamp.tsr").read_bytes(),)
    ),
    "head": Target(read_head, (), (_HEAD,)),
    "rotation": Target(read_rotation, (UsageError,), (_ROTATION,)),
    "report": Target(
        _in_a_file(".json", lambda file: prove_file(file, None)),
        (UsageError,),
        (_GOLDEN.with_name("story.en.json").read_bytes(),),
    ),
    "page": Target(in_html, (), (_PAGE,)),
    "backup": Target(_backup, (UsageError,), (_made_backup(), gzip.decompress(_made_backup()))),
}

"""A base with modules in it, and an ERP that answers over HTTP."""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

from tests.bsl.catalog import CatalogObject, Ref
from tests.bsl.infobase import CatalogMeta, Infobase, Register
from tests.bsl.interpreter import Module
from tests.bsl.platform import platform
from tests.bsl.syntax import read
from tests.bsl.values import Array, EnumValue, Named

BSL = Path(__file__).resolve().parents[2] / "bsl"
SEED = Path(__file__).parent / "fixtures" / "seed_module.bsl"
CORE = BSL / "dropin" / "Zvirka.bsl"
OBJECT = BSL / "dropin" / "ObjectModule.bsl"
OUTBOX = BSL / "extension" / "CommonModules" / "ZvirkaOutbox" / "Ext" / "Module.bsl"
PROCESSING = BSL / "processing" / "ObjectModule.bsl"
SENDER = BSL / "processing" / "SenderObjectModule.bsl"
FORMS = (
    BSL / "processing" / "FormModule.bsl",
    BSL / "extension/CommonForms/ZvirkaSettings/Ext/Form/Module.bsl",
    BSL / "extension/InformationRegisters/ZvirkaOutbox/Forms/ListForm/Ext/Form/Module.bsl",
)
SHIPPED = (CORE, OBJECT, OUTBOX, PROCESSING, SENDER, *FORMS)

ACCOUNTING = CatalogMeta("Контрагенты", ("КодПоЕДРПОУ",), ("КонтактнаяИнформация",), groups=True)
TRADE = CatalogMeta("Контрагенты", ("ИНН", "Партнер"), (), code_length=0)
PARTNERS = CatalogMeta("Партнеры", (), ("КонтактнаяИнформация",))
KINDS = CatalogMeta("ВидыКонтактнойИнформации")
QUEUE = Register(
    "ZvirkaOutbox",
    ("Ссылка",),
    (
        "Идентификатор", "Действие", "Код", "Данные", "Порядок", "Создано", "Попыток",
        "СледующаяПопытка", "ЗанятоДо", "КодСостояния", "Ошибка", "Остановлено", "Справочник",
    ),
)  # fmt: skip
SETTINGS = Register("ZvirkaSettings", ("Имя",), ("Значение",))

Answer = Callable[[dict[str, Any]], tuple[int, bytes]]


def echo(message: dict[str, Any]) -> tuple[int, bytes]:
    """What our receiver answers: the messageId again."""
    return 200, json.dumps({"messageId": message.get("messageId")}).encode()


class Erp:
    """An HTTP server that keeps what it was sent; ``answer`` can be changed any time."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.paths: list[str] = []
        self.bodies: list[bytes] = []
        self.answer: Answer = echo
        erp = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                erp.bodies.append(body)
                message = json.loads(body)
                erp.messages.append(message)
                erp.headers.append(dict(self.headers))
                erp.paths.append(self.path)
                status, answer = erp.answer(message)
                self.send_response(status)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: object) -> None:
                """Keep the test output clean."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]

    @property
    def actions(self) -> list[str]:
        return [message["action"] for message in self.messages]


@contextmanager
def running_erp(tls: ssl.SSLContext | None = None) -> Iterator[Erp]:
    erp = Erp()
    if tls is not None:
        erp.server.socket = tls.wrap_socket(erp.server.socket, server_side=True)
    thread = Thread(target=erp.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield erp
    finally:
        erp.server.shutdown()
        erp.server.server_close()
        thread.join()


class World:
    """An infobase of one configuration with the push module in it.

    ``modules`` are common modules by name; ``object_module`` belongs to the catalogues it was
    ``pasted`` into; without it the subscriptions of the extension are wired.
    """

    def __init__(
        self,
        directory: Path,
        *catalogs: CatalogMeta,
        modules: dict[str, str],
        object_module: str = "",
        registers: tuple[Register, ...] = (),
        pasted: tuple[str, ...] = ("Контрагенты",),
    ) -> None:
        self.now = datetime(2026, 1, 31, 22, 15, 7, 42000)  # noqa: DTZ001
        self.base = Infobase(*(catalogs or (ACCOUNTING, KINDS)), registers=registers)
        self.names = platform(self.base, lambda: self.now, directory)
        for name, source in modules.items():
            self.names[name] = self.base.modules[name] = Module(source, self.names)
        if object_module:
            self.base.open_object = lambda this: (
                Module(object_module, self.names, this) if this.meta.name in pasted else None
            )
        self.log = directory / "zvirka-push.log"
        if "ВидыКонтактнойИнформации" in self.base.catalogs:
            self.new(
                "ВидыКонтактнойИнформации", ИмяПредопределенныхДанных="ЮрАдресКонтрагента"
            ).Записать()

    def subscribe(self) -> None:
        """Wire the extension's event subscriptions as its XML sources do."""
        outbox = self.names["ZvirkaOutbox"]
        for event in ("ПередЗаписью", "ПриЗаписи", "ПередУдалением"):
            routine = f"{event}Контрагента"
            self.base.subscriptions[event] = [partial(outbox.call_exported, routine)]

    def new(self, catalog: str = "Контрагенты", **values: Any) -> CatalogObject:
        made = CatalogObject(self.base, self.base.catalogs[catalog])
        for name, value in values.items():
            made.bsl_set(name, value)
        return made

    def open(self, ref: Ref) -> CatalogObject:
        found = ref.ПолучитьОбъект()
        assert found is not None
        return found

    def send_queue(self, *, after: timedelta = timedelta()) -> None:
        """Run the extension's scheduled job once, ``after`` that much time."""
        self.now += after
        outbox = self.names["ZvirkaOutbox"]
        self.base.start(lambda: outbox.call_exported("ОтправитьОчередь"))

    @property
    def queue(self) -> list[dict[str, Any]]:
        return self.base.committed.records["ZvirkaOutbox"]

    @property
    def settings(self) -> dict[str, str]:
        """What the base keeps in ZvirkaSettings."""
        rows = self.base.committed.records["ZvirkaSettings"]
        return {row["Имя"]: row["Значение"] for row in rows}

    def log_lines(self) -> list[list[str]]:
        if not self.log.exists():
            return []
        content = self.log.read_text(encoding="utf-8-sig")
        return [line.split("\t") for line in content.splitlines()]


def contact(kind: Any, line_type: str, shown: str) -> Named:
    return Named(Тип=EnumValue(line_type), Вид=kind, Представление=shown)


def lines(*rows: Named) -> Array:
    return Array(rows)


def core_for(erp_port: int, **settings: str) -> str:
    """The shipped common module, its settings changed the way an administrator would."""
    values = {
        '"Сервер", "your-erp-domain.com"': '"Сервер", "127.0.0.1"',
        '"Порт", 443': f'"Порт", {erp_port}',
        '"ЗащищенноеСоединение", Истина': '"ЗащищенноеСоединение", Ложь',
    }
    source = read(CORE)
    for before, after in {**values, **settings}.items():
        assert before in source, before
        source = source.replace(before, after)
    return source


def world_for(erp: Erp, directory: Path, *catalogs: CatalogMeta, **settings: str) -> World:
    return World(
        directory,
        *catalogs,
        modules={"Zvirka": core_for(erp.port, **settings)},
        object_module=read(OBJECT),
    )


def written(world: World, **values: Any) -> Any:
    made = world.new(**{"Код": "000000001", "Наименование": "Альфа"} | values)
    made.Записать()
    return made


LATER = {'"ОтправлятьСразу", Истина': '"ОтправлятьСразу", Ложь'}


def extended(erp: Erp, directory: Path, *catalogs: CatalogMeta, **settings: str) -> World:
    core = core_for(erp.port, **(settings or LATER))
    made = World(
        directory,
        *catalogs,
        modules={"ZvirkaPush": core, "ZvirkaOutbox": read(OUTBOX)},
        registers=(QUEUE, SETTINGS),
    )
    made.subscribe()
    return made


def queued(world: World, code: str = "1") -> Any:
    made = world.new(Код=code, Наименование="Альфа", КодПоЕДРПОУ="12345678")
    made.Записать()
    return made

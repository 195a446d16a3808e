"""The published interface: which answer an OData request gets from the infobase."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import numpy as np

from zvirka.simulator import query_options
from zvirka.simulator.configurations import COUNTERPARTIES
from zvirka.simulator.faults import Faults
from zvirka.simulator.infobase import Infobase
from zvirka.simulator.lines import LineTable, Table, nested
from zvirka.simulator.metadata import metadata
from zvirka.simulator.odata_answers import (
    ATOM,
    TEXT,
    XML,
    OdataAnswer,
    encode_rows,
    entry,
    error_answer,
    feed,
    tombstone,
    turned,
)
from zvirka.simulator.prices import PRICES
from zvirka.simulator.query_options import Options
from zvirka.simulator.refusals import (
    BAD_URL,
    NO_RIGHTS,
    NOT_SUPPORTED,
    OBJECT_NOT_FOUND,
    PROPERTY_NOT_FOUND,
    TYPE_NOT_FOUND,
    OdataRefusal,
    segment_not_found,
)
from zvirka.simulator.selection import Selector
from zvirka.simulator.simulated_catalogue import Ids, Object, SmallTable

_SEGMENT = re.compile(r"([\w]+)(?:\((.*)\))?")
_GUID_KEY = re.compile(r"(?:Ref_Key=)?guid'([0-9a-fA-F-]{36})'")
_EXCHANGE_POINT = re.compile(r"ExchangePlan_\w+\(guid''?([0-9a-fA-F-]{36})''?\)")


class Publication:
    """Answers requests below ``odata/standard.odata/``.

    ``metadata_bytes`` pads ``$metadata``; ``recorded_metadata`` is served in its place.
    """

    def __init__(
        self,
        base: Infobase,
        faults: Faults,
        *,
        metadata_bytes: int = 0,
        recorded_metadata: bytes | None = None,
    ) -> None:
        self.base = base
        self.faults = faults
        self.address = ""
        self._metadata_bytes = metadata_bytes
        self._recorded_metadata = recorded_metadata
        self._metadata_kept: tuple[frozenset[str], bytes] | None = None
        self._selector = Selector()
        self._turn = 0
        self._pages = 0

    def warm(self) -> None:
        """Sort the catalogues and their lines as requests are likely to ask."""
        for table in self.base.tables.values():
            if isinstance(table, LineTable) and table.type.find("Ref_Key"):
                self._selector.ordered(table, (("Ref_Key", False), ("LineNumber", False)))
            elif not isinstance(table, LineTable | SmallTable):
                self._selector.ordered(table, (("Ref_Key", False),))
                if table.type.find("Code"):
                    self._selector.ordered(table, (("Code", False),))

    def answer(self, method: str, path: str, params: dict[str, str], accept: str) -> OdataAnswer:
        """The answer to a request; ``path`` is decoded and relative to the interface."""
        json = "json" in params.get("$format", accept).lower()
        try:
            with self.base.lock:
                answer = self._route(method, path, params, accept)
        except OdataRefusal as refusal:
            return error_answer(refusal, json=json)
        if "$top" in params and self.faults.between_pages is not None:
            self._pages += 1
            self.faults.between_pages(self._pages)
        return answer

    def _route(self, method: str, path: str, params: dict[str, str], accept: str) -> OdataAnswer:
        if method == "POST" and path in {"SelectChanges", "NotifyChangesReceived"}:
            return self._exchange(path, params)
        if method != "GET":
            raise OdataRefusal(NOT_SUPPORTED, f"Метод {method} не поддерживается")
        asked = query_options.read(params, accept)
        first, *rest = path.split("/")
        if first == "":
            return self._service_document(asked)
        if first == "$metadata":
            return OdataAnswer(self._metadata(), XML)
        match = _SEGMENT.fullmatch(first)
        if match is None:
            raise OdataRefusal(BAD_URL, f"Ошибка разбора пути {first}")
        table = self._table(match.group(1))
        if rest and match.group(1) == PRICES:
            table, rest = self.base.prices.virtual(rest[0]), rest[1:]
        if rest == ["$count"] and match.group(2) is None:
            return self._count(table, asked)
        if match.group(2) is not None:
            return self._one(table, match.group(2), rest, asked)
        if rest:
            raise segment_not_found(rest[0])
        return self._set(table, asked)

    def _table(self, name: str) -> Table:
        found = self.base.tables.get(name)
        if found is None or name in self.faults.unpublished:
            raise OdataRefusal(TYPE_NOT_FOUND, f"Сущность «{name}» не найдена")
        if name in self.faults.denied:
            raise _forbidden(name)
        return found

    def _metadata(self) -> bytes:
        if self._recorded_metadata is not None:
            return self._recorded_metadata
        hidden = frozenset(self.faults.unpublished)
        if self._metadata_kept is None or self._metadata_kept[0] != hidden:
            types = [each for each in self.base.shape.types if each.name not in hidden]
            document = metadata(types, hidden=hidden, at_least=self._metadata_bytes)
            self._metadata_kept = hidden, document
        return self._metadata_kept[1]

    def _service_document(self, asked: Options) -> OdataAnswer:
        names = [name for name in self.base.tables if name not in self.faults.unpublished]
        if not asked.json:
            rows = "".join(f'<collection href="{each}"/>' for each in names)
            return OdataAnswer(f"<service><workspace>{rows}</workspace></service>".encode(), XML)
        value = [{"name": each, "url": each} for each in names]
        body = {"odata.metadata": f"{self.address}$metadata", "value": value}
        return OdataAnswer(msgspec.json.encode(body), _json_type(asked))

    def _rows(self, table: Table, asked: Options) -> Ids:
        """The rows meant, those under row-level rights left out or refused."""
        lies = self.faults.filters
        where = None if lies == "ignored" else asked.where
        rows = self._selector.rows(table, where, asked.order)
        if lies == "empty" and where is not None:
            return rows[:0]
        hidden = self._hidden(table)
        if not hidden:
            return rows
        kept = rows[~np.isin(rows, hidden)]
        if len(kept) < len(rows) and not asked.allowed_only:
            raise _forbidden(table.type.name)
        return kept

    def _hidden(self, table: Table) -> list[int]:
        if not self.faults.hide or not table.type.name.startswith(COUNTERPARTIES):
            return []
        name = "Ref_Key" if table.type.find("Ref_Key") else "Объект"
        return table.named(set(self.faults.hide), name) or []

    def _count(self, table: Table, asked: Options) -> OdataAnswer:
        if self.faults.no_count:
            raise segment_not_found("$count")
        return OdataAnswer(str(len(self._rows(table, asked))).encode(), TEXT)

    def _set(self, table: Table, asked: Options) -> OdataAnswer:
        rows = self._rows(table, asked)
        total = len(rows)
        if not asked.inline_count:
            # With $inlinecount=allpages 1C ignores $top and $skip.
            end = None if asked.top is None else asked.skip + asked.top
            rows = rows[asked.skip : end]
        limit = self.faults.full_disk_above
        if limit is not None and len(rows) > limit:
            raise OdataRefusal(
                None, "Ошибка при выполнении операции с файлом: No space left on device"
            )
        if not asked.json:
            held = [self._held(table, row) for row in rows.tolist()]
            entries = [entry(self.address, table.type, each) for each in held]
            return OdataAnswer(feed(self.address, entries, table.type.name), ATOM)
        array = self._array(table, rows, asked)
        head = b"{"
        if asked.detail != "nometadata":
            context = f"{self.address}$metadata#{table.type.name}"
            head += b'"odata.metadata":' + msgspec.json.encode(context) + b","
        if asked.inline_count:
            head += f'"odata.count":"{total}",'.encode()
        return OdataAnswer(head + b'"value":' + array + b"}", _json_type(asked))

    def _array(self, table: Table, rows: Ids, asked: Options) -> bytes:
        names = self._selected(table, asked)
        if not len(rows):
            return b"[]"
        sections = {each.name for each in table.type.sections}
        flat = [name for name in names if name not in sections]
        columns: dict[str, list[Any]] = dict(
            zip(flat, table.columns(rows, flat), strict=True) if flat else ()
        )
        for name in names:
            if name in sections:
                columns[name] = nested(table, name, rows)
        columns |= self._links(table, rows, names, asked)
        self._turn += 1
        order = turned(list(columns), self._turn)
        return encode_rows(order, [columns[name] for name in order])

    def _selected(self, table: Table, asked: Options) -> list[str]:
        names = list(table.type.names)
        sections = [each.name for each in table.type.sections]
        if asked.select is None or asked.select == ["*"]:
            return names + sections
        if asked.select == ["**"]:
            return names
        for each in asked.select:
            if each not in names and each not in sections:
                raise segment_not_found(each)
        return list(dict.fromkeys(asked.select))

    def _links(
        self, table: Table, rows: Ids, names: Sequence[str], asked: Options
    ) -> dict[str, list[Any]]:
        """Navigation links, and in full detail the address and type of each row."""
        if asked.detail == "nometadata" or isinstance(table, LineTable | SmallTable):
            return {}
        refs = table.columns(rows, ["Ref_Key"])[0]
        name = table.type.name
        links: dict[str, list[Any]] = {}
        for target, _ in table.type.navigations:
            if f"{target}_Key" in names:
                found = [f"{name}(guid'{ref}')/{target}" for ref in refs]
                links[f"{target}@navigationLinkUrl"] = found
        if asked.detail == "fullmetadata":
            links["odata.type"] = [f"StandardODATA.{name}"] * len(refs)
            links["odata.id"] = [f"{self.address}{name}(guid'{ref}')" for ref in refs]
            links["odata.editLink"] = [f"{name}(guid'{ref}')" for ref in refs]
        return links

    def _one(self, table: Table, key: str, rest: list[str], asked: Options) -> OdataAnswer:
        match = _GUID_KEY.fullmatch(key)
        if match is None or isinstance(table, LineTable):
            raise OdataRefusal(BAD_URL, f"Ошибка разбора ключа {key}")
        ref = match.group(1).lower()
        row = table.find(ref)
        if row is None:
            raise OdataRefusal(OBJECT_NOT_FOUND, f"Экземпляр сущности {table.type.name} не найден")
        if row in self._hidden(table):
            raise _forbidden(table.type.name)
        if rest:
            return self._property(table, row, rest[0], asked)
        if not asked.json:
            text = entry(self.address, table.type, self._held(table, row), alone=True)
            return OdataAnswer(text.encode(), ATOM.replace("feed", "entry"))
        body = self._array(table, np.array([row]), asked)[1:-1]
        if asked.detail != "nometadata":
            context = f"{self.address}$metadata#{table.type.name}/@Element"
            body = b'{"odata.metadata":' + msgspec.json.encode(context) + b"," + body[1:]
        return OdataAnswer(body, _json_type(asked))

    def _property(self, table: Table, row: int, name: str, asked: Options) -> OdataAnswer:
        if table.type.find(name) is None:
            raise OdataRefusal(PROPERTY_NOT_FOUND, f"Свойство {name} не найдено")
        value = table.columns(np.array([row]), [name])[0][0]
        context = f"{self.address}$metadata#{table.type.find(name)}"
        return OdataAnswer(
            msgspec.json.encode({"odata.metadata": context, "value": value}), _json_type(asked)
        )

    def _held(self, table: Table, row: int) -> Object:
        if not isinstance(table, LineTable | SmallTable):
            held = table.object(row)
            held.sections = {each.name: held.sections[each.name] for each in table.type.sections}
            return held
        columns = table.columns(np.array([row]), table.type.names)
        values = {name: column[0] for name, column in zip(table.type.names, columns, strict=True)}
        return Object(values, {})

    def _exchange(self, operation: str, params: dict[str, str]) -> OdataAnswer:
        match = _EXCHANGE_POINT.search(params.get("DataExchangePoint", ""))
        number = params.get("MessageNo", "")
        if match is None or not number.isdecimal():
            raise OdataRefusal(BAD_URL, f"Неверные параметры операции {operation}")
        node = match.group(1).lower()
        try:
            if operation == "NotifyChangesReceived":
                self.base.plan.confirm(node, int(number))
                return OdataAnswer(b"", XML)
            changes = self.base.plan.select(node, int(number))
        except KeyError:
            raise OdataRefusal(OBJECT_NOT_FOUND, "Узел плана обмена не найден") from None
        if any(each.ref in self.faults.hide for each in changes):
            raise _forbidden(COUNTERPARTIES)
        entries = [self._change(each.set, each.ref) for each in changes]
        body = feed(self.address, entries)
        if _has_control_character(entries):
            raise OdataRefusal(None, "Текст XML содержит недопустимый символ", status=400)
        return OdataAnswer(body, ATOM)

    def _change(self, set_: str, ref: str) -> str:
        table = self._table(set_)
        row = table.find(ref)
        if row is None:
            return tombstone(self.address, set_, ref)
        held = self._held(table, row)
        for section, lines in held.sections.items():
            held.sections[section] = [
                {name: value for name, value in line.items() if name != "Ref_Key"} for line in lines
            ]
        return entry(self.address, table.type, held)


def _has_control_character(texts: Iterable[str]) -> bool:
    return any(_CONTROL.search(each) for each in texts)


_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f]")


def _forbidden(name: str) -> OdataRefusal:
    return OdataRefusal(NO_RIGHTS, f"Недостаточно прав для доступа к данным: {name}")


def _json_type(asked: Options) -> str:
    return f"application/json;odata={asked.detail};charset=utf-8"

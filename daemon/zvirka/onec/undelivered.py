"""The outbox of the extension: changes that 1C could not push yet, with the reason.

The register is zvirka's own (``bsl/extension/InformationRegisters/ZvirkaOutbox.xml``), so its
names are known beforehand and no $metadata is asked for: where the extension is not loaded, or the
register not in the composition, 1C says so in one answer. Delivered messages leave the register.
The data of a deleted counterparty, which stand there as well, are never asked for.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

import msgspec
from loguru import logger

from zvirka.domain import ZERO_REF
from zvirka.identity import canonical_key, trimmed
from zvirka.message import Message, coded
from zvirka.onec import failures
from zvirka.onec.decoding import Row, RowDecoder, as_ref
from zvirka.onec.odata_queries import Queries
from zvirka.onec.paging import PageReader, Selection
from zvirka.onec.protocol import Undelivered
from zvirka.onec.schema import Schema
from zvirka.onec.session import OnecSession
from zvirka.redaction import Redactor

REGISTER = "InformationRegister_ZvirkaOutbox"
"""The entity set of the register."""

MOST = 100_000
"""Messages read at most, the newest ones: a receiver may be away for weeks."""

PROPERTIES = {
    "Идентификатор": "Edm.String",
    "Ссылка": "Edm.String",
    "Код": "Edm.String",
    "Действие": "Edm.String",
    "Создано": "Edm.String",
    "Попыток": "Edm.Int32",
    "СледующаяПопытка": "Edm.Int64",
    "КодСостояния": "Edm.Int16",
    "Ошибка": "Edm.String",
    "Остановлено": "Edm.Boolean",
    "Справочник": "Edm.String",
}
"""What is read of each message."""

_ORDER = "Порядок"
_STOPPED, _CATALOGUE = "Остановлено", "Справочник"
_NEWER = frozenset({_STOPPED, _CATALOGUE})
"""What the register of an extension of 0.1.0 does not have."""
_ACTIONS = frozenset({"create", "update", "delete"})
_NUMBER = re.compile("[0-9]{1,18}")
_EPOCH = datetime(1, 1, 1, tzinfo=UTC)
"""Where 1C counts milliseconds from."""

_NOT_THERE = (failures.NotInCompositionError, failures.PublicationNotFoundError)


class Waiting(msgspec.Struct, frozen=True):
    """How many messages wait, how many of them have failed, and how many are stopped."""

    messages: int
    failed: int
    stopped: int = 0


class OutboxReader:
    """The register of one publication.

    Args:
        session: where to ask.
        page_bytes: what a page should weigh.
        max_url: the longest URL the web server takes.
        allowed_only: read only the rows the user may see.
        catalogue: whose messages to give; a message that names none is of the only one. Empty for
            all of them.
    """

    def __init__(
        self,
        session: OnecSession,
        *,
        page_bytes: int,
        max_url: int,
        allowed_only: bool = False,
        catalogue: str = "",
    ) -> None:
        self._catalogue = catalogue
        schema = Schema(_edmx(), session.url)
        entity = schema.entity(REGISTER)
        assert entity is not None
        self._queries = Queries(schema, allowed_only=allowed_only)
        self._reader = PageReader(session, self._queries, page_bytes=page_bytes, max_url=max_url)
        order, unique = (f"{_ORDER} desc", "Идентификатор"), ("Идентификатор",)
        older = [name for name in PROPERTIES if name not in _NEWER]
        self.all_messages = Selection(RowDecoder(entity, list(PROPERTIES)), "", order, unique)
        self._older = Selection(RowDecoder(entity, older), "", order, unique)

    def newest(self, most: int = MOST) -> Iterator[Undelivered]:
        """The messages that wait, the newest first; none where the register is not published.

        Raises:
            OnecError: the register is published, and yet cannot be read.
        """
        try:
            try:
                yield from self._read(self.all_messages, most)
            except failures.NameNotFoundError:
                yield from self._read(self._older, most)
        except failures.AccessDeniedError as error:
            raise _without_role(error) from error
        except _NOT_THERE as error:
            logger.debug("the outbox of 1C is not published", reason=type(error).__name__)

    def waiting(self) -> Waiting | None:
        """How much waits now; ``None`` where the register is not published.

        Raises:
            OnecError: the register is published, and yet cannot be read.
        """
        tried = self._queries.clause(self.all_messages.shape.entity, "Попыток", "0", "gt")
        failed = msgspec.structs.replace(self.all_messages, where=tried)
        try:
            return Waiting(
                self._reader.count(self.all_messages), self._reader.count(failed), self._stopped()
            )
        except failures.AccessDeniedError as error:
            raise _without_role(error) from error
        except _NOT_THERE:
            return None

    def _stopped(self) -> int:
        stopped = msgspec.structs.replace(self.all_messages, where=f"{_STOPPED} eq true")
        try:
            return self._reader.count(stopped)
        except failures.NameNotFoundError:
            return 0

    def _read(self, selection: Selection, most: int) -> Iterator[Undelivered]:
        left = most
        for rows in self._reader.pages(selection):
            yield from self.messages(rows[:left], selection.shape)
            left -= len(rows)
            if left <= 0:
                logger.info("only the newest messages of the outbox of 1C were read", most=most)
                return

    def messages(self, rows: Sequence[Row], shape: RowDecoder) -> Iterator[Undelivered]:
        """Rows as messages; what is no message of the extension is passed over."""
        read = [
            shape.texts(rows, name) if name in shape.names else [None] * len(rows)
            for name in list(PROPERTIES)[1:]
        ]
        for ref, code, action, created, attempts, due, status, error, stopped, catalogue in zip(
            *read, strict=True
        ):
            since = _moment(created)
            if as_ref(ref) == ZERO_REF or action not in _ACTIONS or since is None:
                continue
            if self._catalogue and trimmed(catalogue) not in {"", self._catalogue}:
                continue
            count = _whole(attempts)
            yield Undelivered(
                ref=as_ref(ref),
                code=canonical_key(code),
                action=action,
                created=since,
                tried=_tried(count, _whole(due)),
                attempts=count,
                status=_whole(status),
                error=sys.intern(_safe(error or "")),
                stopped=stopped == "true",
            )


def _without_role(error: failures.AccessDeniedError) -> failures.AccessDeniedError:
    """The same error with the way out that fits the register."""
    return failures.AccessDeniedError(
        error.message,
        code=error.internal_code,
        status=error.status,
        place=error.place,
        cause=coded("ZV1605", "1C denies access to the outbox of the extension"),
        remedy=Message("give the user of OData the role ZvirkaReader (bsl/README.uk.md)"),
    )


def _safe(error: str) -> str:
    """The reason on one line without what looks personal: a receiver may answer with anything."""
    return failures.safe_message(Redactor().text(error))


def _whole(text: str | None) -> int:
    """A number of the register; 0 where another program wrote something else."""
    return int(text) if text and _NUMBER.fullmatch(text) else 0


def _moment(text: str | None) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return moment if moment.tzinfo else None


def _tried(attempts: int, due: int) -> datetime | None:
    """When a message was last sent, from when it is due again.

    The extension waits a minute after the first failure, then two, four … and an hour at most
    (``ОтложитьСообщение``).
    """
    if not attempts:
        return None
    pause = timedelta(minutes=min(60, 2 ** min(attempts - 1, 10)))
    try:
        return _EPOCH + timedelta(milliseconds=due) - pause
    except OverflowError:
        return None


def _edmx() -> bytes:
    """The register as $metadata would describe it, as far as it is read."""
    properties = {**PROPERTIES, _ORDER: "Edm.Int64"}
    lines = "".join(
        f'<Property Name="{name}" Type="{kind}" Nullable="{str(name != "Идентификатор").lower()}"/>'
        for name, kind in properties.items()
    )
    return (
        '<edmx:Edmx xmlns:edmx="http://schemas.microsoft.com/ado/2007/06/edmx" Version="1.0">'
        "<edmx:DataServices>"
        '<Schema xmlns="http://schemas.microsoft.com/ado/2009/11/edm" Namespace="StandardODATA">'
        f'<EntityType Name="{REGISTER}"><Key><PropertyRef Name="Идентификатор"/></Key>'
        f"{lines}</EntityType>"
        '<EntityContainer Name="EnterpriseV8">'
        f'<EntitySet Name="{REGISTER}" EntityType="StandardODATA.{REGISTER}"/>'
        "</EntityContainer></Schema></edmx:DataServices></edmx:Edmx>"
    ).encode()

"""The outbox of the extension: an information register of messages that were not delivered yet.

Names and types are those of ``bsl/extension/InformationRegisters/ZvirkaOutbox.xml`` as OData shows
them; a delivered message leaves the register.
"""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from zvirka.simulator.configurations import EntityType, Property
from zvirka.simulator.simulated_catalogue import SmallTable

OUTBOX = "InformationRegister_ZvirkaOutbox"

OUTBOX_TYPE = EntityType(
    OUTBOX,
    ("Ссылка",),
    (
        Property("Ссылка"),
        Property("Идентификатор"),
        Property("Действие"),
        Property("Код"),
        Property("Данные", unlimited=True),
        Property("Порядок", "Edm.Int64"),
        Property("Создано"),
        Property("Попыток", "Edm.Int32"),
        Property("СледующаяПопытка", "Edm.Int64"),
        Property("ЗанятоДо", "Edm.Int64"),
        Property("КодСостояния", "Edm.Int16"),
        Property("Ошибка"),
        Property("Остановлено", "Edm.Boolean"),
        Property("Справочник"),
    ),
    presentation="Идентификатор",
)

_EPOCH = datetime(1, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


class OutboxRegister:
    """The rows of the register, to be put and failed and delivered as the extension does."""

    def __init__(self) -> None:
        self.table = SmallTable(OUTBOX_TYPE, [])

    def put(
        self,
        ref: str,
        action: str,
        created: datetime,
        *,
        code: str = "",
        data: str = "",
        catalogue: str = "Контрагенты",
    ) -> str:
        """A change of that object begins to wait; the identifier of its message."""
        message = str(uuid.uuid4())
        row: dict[str, Any] = {
            "Идентификатор": message,
            "Ссылка": ref,
            "Действие": action,
            "Код": code,
            "Данные": data,
            "Порядок": _milliseconds(created),
            "Создано": created.astimezone(UTC).isoformat(timespec="milliseconds")[:-6] + "Z",
            "Попыток": 0,
            "СледующаяПопытка": "0",
            "ЗанятоДо": "0",
            "КодСостояния": 0,
            "Ошибка": "",
            "Остановлено": False,
            "Справочник": catalogue,
        }
        self._change([*self.table.rows, row])
        return message

    def fail(
        self, message: str, tried: datetime, error: str, status: int = 0, *, stopped: bool = False
    ) -> None:
        """Record a failed attempt at ``tried``: the message waits a minute, two, four … an hour.

        ``stopped``: it is not sent any more, as after an answer 4xx.
        """
        row = next(row for row in self.table.rows if row["Идентификатор"] == message)
        pause = timedelta(minutes=min(60, 2 ** min(row["Попыток"], 10)))
        failed = {
            "Попыток": row["Попыток"] + 1,
            "СледующаяПопытка": _milliseconds(tried + pause),
            "КодСостояния": status,
            "Ошибка": error,
            "Остановлено": stopped,
        }
        self._change([row | failed if each is row else each for each in self.table.rows])

    def deliver(self, message: str) -> None:
        """The message was delivered, and leaves."""
        self._change([row for row in self.table.rows if row["Идентификатор"] != message])

    def _change(self, rows: list[dict[str, Any]]) -> None:
        """Replace the rows whole, so that a request that is being answered sees one state."""
        self.table.rows = rows
        self.table.stamp += 1


def _milliseconds(moment: datetime) -> str:
    """Milliseconds since the year one, as 1C counts them; Edm.Int64 travels as text."""
    return str((moment - _EPOCH) // _MILLISECOND)

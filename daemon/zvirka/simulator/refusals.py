"""The refusals of 1C: HTTP status, internal code, Russian text."""

from __future__ import annotations

NOT_SUPPORTED = 0
BAD_URL = 6
TYPE_NOT_FOUND = 8
OBJECT_NOT_FOUND = 9
PROPERTY_NOT_FOUND = 10
BAD_OPTION = 14
NO_RIGHTS = 20
BAD_FUNCTION = 21

_STATUS = {
    NOT_SUPPORTED: 501,
    BAD_URL: 400,
    TYPE_NOT_FOUND: 404,
    OBJECT_NOT_FOUND: 404,
    PROPERTY_NOT_FOUND: 404,
    BAD_OPTION: 400,
    NO_RIGHTS: 401,
    BAD_FUNCTION: 400,
}


class OdataRefusal(Exception):  # noqa: N818 - it is an answer, not a fault
    """1C answers with an error: its internal ``code``, an HTTP ``status`` and a text.

    ``code`` is ``None`` for failures of the platform underneath, which carry status 500.
    """

    def __init__(self, code: int | None, text: str, status: int | None = None) -> None:
        super().__init__(text)
        self.code = code
        self.text = text
        self.status = status or (500 if code is None else _STATUS[code])


def segment_not_found(name: str) -> OdataRefusal:
    """An unknown name in ``$select``, ``$filter`` or ``$orderby``."""
    return OdataRefusal(BAD_URL, f"Сегмент пути {name} не найден!")


def incomparable() -> OdataRefusal:
    """The answer to comparing references by order, or strings of unlimited length at all."""
    return OdataRefusal(
        None,
        "Нельзя сравнивать поля неограниченной длины и поля несовместимых типов.",
        status=500,
    )

"""One webhook's body, decoded into types at the edge: old payloads of six fields and new ones.

The contract is the push module's: ``{"action", "clientData": {…}, "messageId", "stamp"}``, of
which older modules send the first two only. Keys of ``clientData`` are the mapping's ``payload``
names; one that is absent leaves the stored value, an empty string clears it.
"""

from __future__ import annotations

import hashlib
import json
import re
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

import msgspec

from zvirka.domain import EMPTY_DATE, ZERO_REF
from zvirka.errors import NOT_JSON
from zvirka.identity import canonical_key
from zvirka.mapping import Mapping

ACTIONS = ("create", "update", "delete")
REF, MARK, VERSION = "Ссылка", "ПометкаУдаления", "ВерсияДанных"
_REF = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
LONGEST = 200
"""Characters of a pairing key or a messageId."""
LONGEST_VALUE = 10_000
"""Characters of any other value."""
DEEPEST = 50
"""How deep what no mapping knows may be nested."""
_NOTHING = frozenset({ZERO_REF, EMPTY_DATE})
"""How 1C writes an empty reference and an empty date; OData does not give them either."""
LAST_STAMP = 253_402_300_799_999
"""The last millisecond of the year 9999, and small enough for every reader of JSON."""


class Written(str):
    """A number with a point, an exponent or too many digits, as the body wrote it: «1.50»."""


class PayloadRefusal(Exception):  # noqa: N818 - an answer, not an error of ours
    """The webhook is not taken in: the HTTP status, the reason, and the field it is about."""

    def __init__(
        self, status: int, reason: str, field: str = "", message_id: str | None = None
    ) -> None:
        self.status = status
        self.reason = reason
        self.field = field
        self.message_id = message_id
        super().__init__(reason)


class WebhookMessage(msgspec.Struct, frozen=True, kw_only=True):
    """A webhook understood: which client, and what it should be.

    ``ref`` is empty when the payload does not carry Ссылка, ``marked`` is ``None`` when it does
    not carry ПометкаУдаления, ``stamp`` milliseconds UTC. ``extra`` is what no mapping knows.
    """

    received_at: datetime
    action: Literal["create", "update", "delete"]
    key: str
    ref: str
    marked: bool | None
    values: dict[str, str | None]
    message_id: str | None
    stamp: int | None
    digest: str
    extra: dict[str, Any]


class PayloadReader:
    """Reads bodies by one mapping."""

    def __init__(self, mapping: Mapping) -> None:
        self._fields = {field.payload: field.name for field in mapping.fields if field.payload}
        self._payloads = {name: payload for payload, name in self._fields.items()}
        [self._key] = mapping.key
        self._decoder = msgspec.json.Decoder(dict[str, Any], float_hook=Written)

    def read(self, body: bytes, received_at: datetime) -> WebhookMessage:
        """Return what the body says.

        Raises:
            PayloadRefusal: it is not such a message; the field at fault is named.
        """
        whole = self._decoded(body)
        message_id = _short_text(whole.pop("messageId", None), "messageId")
        try:
            return self._message(whole, message_id, received_at, hashlib.sha256(body).hexdigest())
        except PayloadRefusal as refusal:
            refusal.message_id = message_id
            raise

    def place(self, field: str) -> str:
        """The path of a mapped field in the body, for messages: ``clientData.ИНН``."""
        return f"clientData.{self._payloads[field]}" if field in self._payloads else ""

    def place_in(self, detail: str) -> str:
        """Where the mapped field a store's reason begins with («field tax_id …») stands."""
        words = detail.split(" ", 2)
        return self.place(words[1]) if words[0] == "field" and len(words) > 1 else ""

    def schema(self) -> dict[str, Any]:
        """The body as JSON Schema, for OpenAPI."""
        text = {
            "type": ["string", "number", "boolean", "null"],
            "maxLength": LONGEST_VALUE,
            "pattern": r"^[^\u0000]*$",
        }
        data: dict[str, Any] = dict.fromkeys(self._fields, text)
        if "name" in self._payloads:
            data[self._payloads["name"]] = text | {"type": ["string", "number", "boolean"]}
        if self._key != "ref":
            key = {"type": ["string", "integer"], "minLength": 1, "maxLength": LONGEST}
            key |= {"minimum": -(2**63), "maximum": 2**63 - 1}
            pattern = r"^[^\u0000]*[^\s\u0000][^\u0000]*$"
            data[self._payloads[self._key]] = key | {"pattern": pattern}
        by_ref = self._key == "ref"
        short = {"maxLength": LONGEST, "pattern": r"^[^\u0000]*$"}
        ref = {"pattern": f"^{_REF.pattern}$", "not": {"const": ZERO_REF}}
        data[REF] = {"type": "string" if by_ref else ["string", "null"], **ref}
        data[MARK] = {"type": ["boolean", "null"]}
        data[VERSION] = {"type": ["string", "null"], **short}
        needed = REF if by_ref else self._payloads[self._key]
        return {
            "type": "object",
            "required": ["action", "clientData"],
            "properties": {
                "action": {"enum": list(ACTIONS)},
                "clientData": {"type": "object", "required": [needed], "properties": data},
                "messageId": {"type": ["string", "null"], **short},
                "stamp": {"type": ["integer", "null"], "minimum": 0, "maximum": LAST_STAMP},
            },
        }

    def _decoded(self, body: bytes) -> dict[str, Any]:
        text = body.removeprefix(b"\xef\xbb\xbf")
        try:
            whole = self._decoder.decode(text)
            json.loads(text, object_pairs_hook=_without_doubles, parse_int=str)
            return whole
        except msgspec.ValidationError:
            raise PayloadRefusal(422, "the body is not a JSON object") from None
        except NOT_JSON:
            raise PayloadRefusal(422, "the body is not JSON in UTF-8") from None

    def _message(
        self, whole: dict[str, Any], message_id: str | None, received_at: datetime, digest: str
    ) -> WebhookMessage:
        action = whole.pop("action", None)
        if action not in ACTIONS:
            raise PayloadRefusal(422, "action is create, update or delete", "action")
        data = whole.pop("clientData", None)
        if not isinstance(data, dict):
            raise PayloadRefusal(422, "clientData is an object", "clientData")
        stamp = _stamp(whole.pop("stamp", None))
        ref = _ref(data.pop(REF, None))
        marked = _marked(data.pop(MARK, None))
        _short_text(data.get(VERSION), f"clientData.{VERSION}")
        key = self._pairing_key(ref, data)
        values = {
            name: _text(payload, data.pop(payload))
            for payload, name in self._fields.items()
            if payload in data
        }
        if values.get("name", "") is None:
            raise PayloadRefusal(422, "the name is null", self.place("name"))
        extra = _plain(whole | ({"clientData": data} if data else {}))
        return WebhookMessage(
            received_at=received_at,
            action=action,
            key=key,
            ref=ref,
            marked=marked,
            values=values,
            message_id=message_id,
            stamp=stamp,
            digest=digest,
            extra=extra,
        )

    def _pairing_key(self, ref: str, data: dict[str, Any]) -> str:
        if self._key == "ref":
            if not ref:
                reason = "clients are paired by Ref_Key: Ссылка is needed"
                raise PayloadRefusal(422, reason, f"clientData.{REF}")
            return ref
        place = self.place(self._key)
        if self._payloads[self._key] not in data:
            raise PayloadRefusal(422, "the pairing key is missing", place)
        value = data[self._payloads[self._key]] = _whole(data[self._payloads[self._key]])
        if type(value) not in (str, int):
            raise PayloadRefusal(422, "the pairing key is a text", place)
        key = canonical_key(str(value))
        if not key:
            raise PayloadRefusal(422, "the pairing key is empty", place)
        if len(key) > LONGEST:
            raise PayloadRefusal(422, f"the pairing key has more than {LONGEST} characters", place)
        return key


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The object; refused if a key occurs twice, since it is unclear which value counts."""
    made = dict(pairs)
    if len(made) < len(pairs):
        names = [name for name, _ in pairs]
        doubled = next(name for name in names if names.count(name) > 1)
        raise PayloadRefusal(422, "the key stands twice in the body", doubled[:LONGEST])
    return made


def _plain(value: Any, depth: int = 0) -> Any:
    """The value in built-in types; refused if nested too deeply to be stored."""
    if depth > DEEPEST:
        raise PayloadRefusal(422, f"the body is nested deeper than {DEEPEST}", "body")
    if isinstance(value, Written):
        return str(value)
    if isinstance(value, list):
        return [_plain(item, depth + 1) for item in value]
    if isinstance(value, dict):
        return {name: _plain(item, depth + 1) for name, item in value.items()}
    return value


def _whole(value: Any) -> Any:
    """A number written as ``2.0`` or ``2e1`` as the integer that JSON Schema takes it for."""
    if not isinstance(value, Written):
        return value
    number = Decimal(value)
    is_short = number.is_finite() and number.adjusted() < LONGEST
    return int(number) if is_short and number == number.to_integral_value() else value


def _text(payload: str, value: Any) -> str | None:
    """A value as the text OData would give: 1C's old module sends what the attribute holds."""
    place = f"clientData.{payload}"
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str | int):
        raise PayloadRefusal(422, "the value is a text", place)
    text = str(value)
    if len(text) > LONGEST_VALUE:
        raise PayloadRefusal(422, f"the value has more than {LONGEST_VALUE} characters", place)
    if "\x00" in text:
        raise PayloadRefusal(422, "the value holds the character U+0000", place)
    return None if text in _NOTHING else text


def _short_text(value: Any, place: str) -> str | None:
    if value is None:
        return None
    if type(value) is not str or len(value) > LONGEST or "\x00" in value:
        raise PayloadRefusal(422, f"a text of at most {LONGEST} characters", place)
    return value


def _stamp(value: Any) -> int | None:
    if value is None:
        return None
    value = _whole(value)
    if type(value) is not int or not 0 <= value <= LAST_STAMP:
        raise PayloadRefusal(422, "stamp is milliseconds UTC since 1970", "stamp")
    return value


def _ref(value: Any) -> str:
    if value is None:
        return ""
    if type(value) is not str or not _REF.fullmatch(value) or value == ZERO_REF:
        raise PayloadRefusal(422, "Ссылка is a Ref_Key, and not the empty one", f"clientData.{REF}")
    return value.lower()


def _marked(value: Any) -> bool | None:
    if value is not None and not isinstance(value, bool):
        raise PayloadRefusal(422, "ПометкаУдаления is true or false", f"clientData.{MARK}")
    return value

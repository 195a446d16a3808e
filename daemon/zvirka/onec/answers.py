"""Judges an answer of 1C by content type and body, never by status alone.

An authentication or publication problem comes back as a web page with status 200; licences and
locks come as 500 or 503 with the reason in Russian in the body.
"""

from __future__ import annotations

import html
import re

import msgspec
from lxml import etree

from zvirka.onec import errors
from zvirka.onec.errors import OnecError

_BY_CODE: dict[str, type[OnecError]] = {
    "0": errors.QueryRefusedError,
    "6": errors.NameNotFoundError,
    "8": errors.NotInCompositionError,
    "9": errors.ObjectNotFoundError,
    "10": errors.NameNotFoundError,
    "14": errors.QueryRefusedError,
    "20": errors.AccessDeniedError,
    "21": errors.QueryRefusedError,
}
_BY_STATUS: dict[int, type[OnecError]] = {
    401: errors.UnauthorizedError,
    403: errors.ForbiddenError,
    404: errors.PublicationNotFoundError,
    501: errors.QueryRefusedError,
    406: errors.NoLicenceError,
}
_LICENCE = re.compile(r"лиценз|licen[sc]e", re.IGNORECASE)
_LOCK = re.compile(
    r"заблокирован|блокировка (начала|установки)|начало сеанса|монопольн"
    r"|соединени\w+ с информационной базой запрещен",
    re.IGNORECASE,
)
_NO_SENSE = re.compile(r"нельзя сравнивать|несовместимых типов|неограниченной длины", re.IGNORECASE)
_TAG = re.compile(rb"<(script|style)\b.*?</\1>|<[^>]*>", re.DOTALL | re.IGNORECASE)
_SAVED = 65536


class _Message(msgspec.Struct):
    value: str = ""


class _Error(msgspec.Struct):
    code: str | int = ""
    message: _Message | str | None = None


class _JsonError(msgspec.Struct, rename={"error": "odata.error"}):
    error: _Error


def error_in(
    status: int, content_type: str, body: bytes, *, place: str, retry_after: float | None = None
) -> OnecError | None:
    """The error that the answer holds, ``None`` when it is what was asked for.

    An answer with status 2xx is an error when its body is an OData error or a web page.

    Args:
        status: the HTTP status.
        content_type: the header as received.
        body: the whole body.
        place: what was asked, for the message; no query string, no secrets.
        retry_after: seconds of the header Retry-After, if any.
    """
    code, message, is_page = _read(content_type, body)
    if status < 300 and not code and not is_page:
        return None
    kind = _kind(status, code, message, is_page)
    if is_page and kind not in (errors.NoLicenceError, errors.MaintenanceLockError):
        message = ""
    return kind(message, code=code, status=status, place=place, retry_after=retry_after)


def _read(content_type: str, body: bytes) -> tuple[str, str, bool]:
    """Internal code, message, and whether the body is a web page."""
    head = body[:512].lstrip(b"\xef\xbb\xbf \t\r\n")
    if b'"odata.error"' in head:
        try:
            found = msgspec.json.decode(body, type=_JsonError).error
        except msgspec.DecodeError:
            return "", "", False
        text = found.message.value if isinstance(found.message, _Message) else found.message
        return str(found.code) or "-1", text or "", False
    if head.startswith(b"<") and b"error" in head and (answer := _xml_error(body)):
        return *answer, False
    lowered = head.lower()
    page = lowered.startswith((b"<!doctype html", b"<html")) or (
        "text/html" in content_type and lowered.startswith(b"<")
    )
    if page or "text/" in content_type:
        text = html.unescape(_TAG.sub(b" ", body[:_SAVED]).decode("utf-8", "replace"))
        return "", " ".join(text.split()), page
    return "", "", False


def _xml_error(body: bytes) -> tuple[str, str] | None:
    parser = etree.XMLParser(resolve_entities=False, no_network=True)
    try:
        root = etree.fromstring(body, parser)
    except etree.XMLSyntaxError:
        return None
    if etree.QName(root).localname != "error":
        return None
    texts = {etree.QName(child).localname: child.text or "" for child in root if child.tag}
    return texts.get("code", "") or "-1", texts.get("message", "")


def _kind(status: int, code: str, message: str, is_page: bool) -> type[OnecError]:
    if status >= 500 and _LICENCE.search(message):
        return errors.NoLicenceError
    if status >= 500 and _LOCK.search(message):
        return errors.MaintenanceLockError
    if _NO_SENSE.search(message):
        return errors.QueryRefusedError
    if code in _BY_CODE and not (code == "0" and status == 500):
        return _BY_CODE[code]
    if status < 300:
        return errors.NotOdataError if is_page else errors.UnexpectedAnswerError
    if 300 <= status < 400:
        return errors.RedirectedError
    if status not in _BY_STATUS and (status >= 500 or status == 429):
        return errors.ServerFailureError
    return _BY_STATUS.get(status, errors.QueryRefusedError if code else errors.NotOdataError)

"""Judges an answer of 1C by content type and body, never by status alone.

An authentication or publication problem comes back as a web page with status 200; licences and
locks come as 500 or 503 with the reason in Russian in the body.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import urlsplit

import lxml.html
import msgspec
from lxml import etree

from zvirka.errors import NOT_JSON
from zvirka.message import Message, coded
from zvirka.onec import failures
from zvirka.onec.failures import OnecError, safe_message
from zvirka.onec.transport import HttpAnswer

_BY_CODE: dict[str, type[OnecError]] = {
    "0": failures.QueryRefusedError,
    "6": failures.NameNotFoundError,
    "8": failures.NotInCompositionError,
    "9": failures.ObjectNotFoundError,
    "10": failures.NameNotFoundError,
    "14": failures.QueryRefusedError,
    "20": failures.AccessDeniedError,
    "21": failures.QueryRefusedError,
}
_BY_STATUS: dict[int, type[OnecError]] = {
    401: failures.UnauthorizedError,
    403: failures.ForbiddenError,
    404: failures.PublicationNotFoundError,
    405: failures.ReadOnlyPublicationError,
    501: failures.ReadOnlyPublicationError,
    406: failures.NoLicenceError,
    413: failures.RequestTooLongError,
    414: failures.RequestTooLongError,
}
_LICENCE = re.compile(r"л[иі]ценз|licen[sc]e", re.IGNORECASE)
_LOCK = re.compile(
    r"заблокирован|блокировка (начала|установки)|начало сеанса|монопольн"
    r"|соединени\w+ с информационной базой запрещен",
    re.IGNORECASE,
)
_NO_SENSE = re.compile(r"нельзя сравнивать|несовместимых типов|неограниченной длины", re.IGNORECASE)
_CODE = re.compile(r"[-\w.]{0,16}")
_LOGIN = re.compile(r"log-?in|sign-?in|auth|sso", re.IGNORECASE)
_SAVED = 65536


class _Message(msgspec.Struct):
    value: str = ""


class _Error(msgspec.Struct):
    code: str | int = ""
    message: _Message | str | None = None


class _JsonError(msgspec.Struct, rename={"error": "odata.error"}):
    error: _Error


def error_in(answer: HttpAnswer, *, place: str, secrets: Sequence[str] = ()) -> OnecError | None:
    """The error that the answer holds, ``None`` when it is what was asked for.

    An answer with status 2xx is an error when its body is an OData error or a web page.

    Args:
        answer: as received.
        place: what was asked, for the message; no query string, no secrets.
        secrets: texts that must not appear in the message, whatever 1C says.
    """
    content_type = answer.headers.get("Content-Type", "")
    code, message, is_page = _read(content_type, answer.body)
    if answer.status < 300 and not code and not is_page:
        return None
    kind = _kind(answer.status, code, message, is_page)
    if is_page and kind not in (failures.NoLicenceError, failures.MaintenanceLockError):
        message = ""
    for secret in secrets:
        message = message.replace(secret, "…")
    if kind is failures.RedirectedError:
        return _redirected(answer, place)
    wait = answer.headers.get("Retry-After", "")
    return kind(
        message,
        code=code if _CODE.fullmatch(code) else "?",
        status=answer.status,
        place=place,
        retry_after=float(wait) if wait.isascii() and wait.isdigit() else None,
    )


def _redirected(answer: HttpAnswer, place: str) -> OnecError:
    """Where the address leads, without its query, and what that means."""
    target = urlsplit(answer.headers.get("Location", ""))
    shown = safe_message(f"{target.scheme}://{target.netloc.rpartition('@')[2]}{target.path}")
    same = urlsplit(place)
    if (target.scheme, target.path) == ("https", same.path) and same.scheme == "http":
        remedy = Message("write https:// instead of http:// in onec.url")
    elif _LOGIN.search(target.path):
        remedy = Message(
            "a login page answers instead of the publication: let the path of OData pass it, "
            "or give onec.url an address that it does not protect"
        )
    else:
        remedy = Message("write the final address into onec.url, if it is the publication")
    cause = coded("", "{cause}: {where}", cause=failures.RedirectedError.says, where=shown)
    return failures.RedirectedError(cause=cause, status=answer.status, place=place, remedy=remedy)


def _read(content_type: str, body: bytes) -> tuple[str, str, bool]:
    """Internal code, message, and whether the body is a web page."""
    head = body[:512].lstrip(b" \t\r\n")
    if b'"odata.error"' in head:
        try:
            found = msgspec.json.decode(body, type=_JsonError).error
        except NOT_JSON:
            return "", "", False
        text = found.message.value if isinstance(found.message, _Message) else found.message
        return str(found.code) or "-1", text or "", False
    if head.startswith(b"<") and b"error" in head and (answer := _xml_error(body)):
        return *answer, False
    lowered = head.lower()
    page = lowered.startswith((b"<!doctype html", b"<html")) or (
        "text/html" in content_type and lowered.startswith(b"<")
    )
    if page or "text/" in content_type or not content_type:
        return "", _text_of(body[:_SAVED]), page
    return "", "", False


def _text_of(body: bytes) -> str:
    """The text of a web page or of plain text, on one line."""
    try:
        text = body.decode("utf-8-sig")
    except (
        UnicodeDecodeError
    ):  # the modules of Apache and IIS may answer in the code page of Windows
        text = body.decode("cp1251", "replace")
    if text.lstrip().startswith("<"):
        try:
            page = lxml.html.document_fromstring(
                text.encode(), parser=lxml.html.HTMLParser(encoding="utf-8")
            )
        except (etree.ParserError, ValueError):
            return ""
        etree.strip_elements(page, "script", "style", etree.Comment, with_tail=False)
        text = str(page.text_content())
    return " ".join(text.split())


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
    if status >= 400 and _LICENCE.search(message):
        return failures.NoLicenceError
    if status >= 400 and _LOCK.search(message):
        return failures.MaintenanceLockError
    if _NO_SENSE.search(message):
        return failures.QueryRefusedError
    if code in _BY_CODE and not (code == "0" and status == 500):
        return _BY_CODE[code]
    if status < 300:
        return failures.NotOdataError if is_page else failures.UnexpectedAnswerError
    if 300 <= status < 400:
        return failures.RedirectedError
    if status not in _BY_STATUS and (status >= 500 or status == 429):
        return failures.ServerFailureError
    return _BY_STATUS.get(status, failures.QueryRefusedError if code else failures.NotOdataError)

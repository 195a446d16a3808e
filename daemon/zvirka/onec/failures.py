"""Why 1C could not be read: one class a cause, each with the way out.

Whether asking again can help is an attribute of the class, ``passing``: requests are repeated a
few times on a passing error, and a nightly run may be; a permanent one waits for a person.
Internal codes of the interface: 0 not supported, 6 bad URL, 8 entity type not found, 9 object not
found, 10 property not found, 14 bad query option, 20 no rights, 21 function misuse.
"""

from __future__ import annotations

import re
from typing import ClassVar

from zvirka.errors import SourceError
from zvirka.message import Coded, Message, coded

_LONGEST_MESSAGE = 300
_READ = 2000
"""Characters of a message that are looked at; masking all of a long one would take minutes."""
_QUOTED = re.compile(r"""'([^']*)'|"([^"]*)"|«([^»]*)»|“([^”]*)”|„([^“”]*)[“”]""")
_NAME = re.compile(r"[^\W\d][\w./$-]*")
_UNCLOSED = re.compile(r'["«“„][^"»“”]*$')
_UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]+")
_PERSONAL = re.compile(
    r"""
    \S+@\S+                                 # an e-mail address
  | [^\s:/]+:[^\s:/]\S*                     # user:password
  | \+?\d(?:[\s()-]*\d){4,}                # a phone, a tax id, a card
  | [A-ZА-ЯЁІЇЄҐ][а-яёіїєґ'ʼ’-]+(?:\s+[А-ЯЁІЇЄҐ][а-яёіїєґ'ʼ’-]+)+   # a name of two words or more
    """,
    re.VERBOSE,
)
_GUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


class OnecError(SourceError):
    """1C refused, failed or was not there.

    Args:
        message: what 1C itself said, in Russian as always; made safe by :func:`safe_message`.
        code: 1C's internal code, empty when the answer held none.
        status: the HTTP status, 0 when there was no answer.
        place: the URL or the name that is meant, without secrets.
        remedy: replaces the advice of the class.
        cause: replaces the cause of the class.
        retry_after: seconds the server asked to wait, when it did.
    """

    passing: ClassVar[bool] = False
    says: ClassVar[Coded] = coded("ZV1100", "1C could not be read")
    advice: ClassVar[Message | None] = None

    def __init__(
        self,
        message: str = "",
        *,
        code: str = "",
        status: int = 0,
        place: str = "",
        remedy: Message | None = None,
        cause: Coded | None = None,
        retry_after: float | None = None,
    ) -> None:
        self.message = safe_message(message)
        self.internal_code = code
        self.status = status
        self.retry_after = retry_after
        details = [Message("code {number}", number=code)] if code else []
        details += [Message("HTTP {status}", status=str(status))] if status else []
        text = cause or self.says
        if self.message:
            text = coded("", "{cause}: «{message}»", cause=text, message=self.message)
        if details:
            text = coded("", "{cause} ({details})", cause=text, details=details)
        super().__init__(text, place=place, remedy=remedy or self.advice)


def safe_message(text: str) -> str:
    """1C's message on one line, short, without values: it may echo literals and presentations.

    Names of the configuration and GUIDs stay, since they identify. Everything else in quotes
    goes, and what looks like an e-mail address, credentials, a number of five digits or more, or
    a person's name.
    """

    def mask(match: re.Match[str]) -> str:
        inner = next(group for group in match.groups() if group is not None)
        known = _NAME.fullmatch(inner) or _GUID.fullmatch(inner)
        return f"'{inner}'" if known else "'…'"

    line = " ".join(_UNSAFE.sub(" ", text[:_READ]).split())
    line = _UNCLOSED.sub("'…'", _QUOTED.sub(mask, line))
    parts = _GUID.split(line)
    guids = [*_GUID.findall(line), ""]
    pairs = zip(parts, guids, strict=True)
    line = "".join(_PERSONAL.sub("…", part) + guid for part, guid in pairs)
    return line if len(line) <= _LONGEST_MESSAGE else line[: _LONGEST_MESSAGE - 1] + "…"


# -- there is no conversation ----------------------------------------------------------------------


class UnreachableError(OnecError):
    """No connection: refused, dropped, or the host name is unknown."""

    passing = True
    says = coded("ZV1101", "1C does not answer: the connection failed")
    advice = Message(
        "check that the web server of 1C runs and that host and port of onec.url are right"
    )


class UnknownHostError(UnreachableError):
    """The name of the host has no address."""

    says = coded("ZV1102", "the host name of 1C is unknown")
    advice = Message("check the host in onec.url, and that the name server knows it")


class PortRefusedError(UnreachableError):
    """The machine answers, the port does not."""

    says = coded("ZV1103", "1C does not answer: the port refuses the connection")
    advice = Message("check that the web server of 1C runs, and the port in onec.url")


class PlainPortError(OnecError):
    """TLS was begun with a port that speaks plain HTTP."""

    says = coded("ZV1104", "the port of 1C speaks plain HTTP, and onec.url begins with https")
    advice = Message("write http:// in onec.url, or the port that speaks TLS")


class TimedOutError(OnecError):
    """No connection or no answer within the time-out."""

    passing = True
    says = coded("ZV1105", "1C did not answer in time")
    advice = Message(
        "raise onec.read_timeout or lower onec.page_bytes; look at the load of the 1C server"
    )


class TlsRefusedError(OnecError):
    """The certificate of the web server is not trusted, or there is no TLS there."""

    says = coded("ZV1110", "the TLS connection to 1C was refused")
    advice = Message(
        "name the authority's certificate in onec.ca_file, or replace the server's certificate"
    )


class UntrustedAuthorityError(TlsRefusedError):
    """The certificate is self-signed, or of an authority that this machine does not know."""

    says = coded("ZV1111", "the certificate of 1C is self-signed or of an unknown authority")
    advice = Message("name the authority's certificate in onec.ca_file")


class CertificateExpiredError(TlsRefusedError):
    """The certificate is past its last day."""

    says = coded("ZV1112", "the certificate of 1C has expired")
    advice = Message("renew it on the web server of 1C; check the date of this machine")


class CertificateNameError(TlsRefusedError):
    """The certificate names other hosts."""

    says = coded("ZV1113", "the certificate of 1C is for another host name")
    advice = Message("write the name of the certificate into onec.url, or issue one for this name")


class CutShortError(OnecError):
    """The body ended early, or is not the JSON that its beginning promised."""

    passing = True
    says = coded("ZV1402", "the answer of 1C was cut short or damaged in transit")
    advice = Message("look for a proxy that limits answers, or lower onec.page_bytes")


class TooLargeError(OnecError):
    """An answer above onec.max_answer_bytes; a smaller page may avoid it."""

    says = coded("ZV1403", "an answer of 1C is too large")
    advice = Message("raise onec.max_answer_bytes if the base really holds such an object")


class RedirectedError(OnecError):
    """The address leads elsewhere; credentials are not carried along."""

    says = coded("ZV1106", "the address of the publication redirects elsewhere")
    advice = Message("write the final address into onec.url (https instead of http, most often)")


class NotOdataError(OnecError):
    """Something answers there, but not 1C's OData: a login page, a proxy, another site."""

    says = coded("ZV1107", "the answer is a web page and not OData")
    advice = Message(
        "check onec.url (…/<publication>/odata/standard.odata/), that the publication"
        " has OData switched on, and that no login page or proxy answers in its place"
    )


class UnexpectedAnswerError(OnecError):
    """Well-formed, and yet not what the schema promises."""

    says = coded("ZV1401", "the answer of 1C does not have the shape its schema promises")
    advice = Message("run zvirka check, which reads $metadata again")


# -- who asks --------------------------------------------------------------------------------------


class UnauthorizedError(OnecError):
    """401 without code 20: the user name or the password is wrong, or the user may not log in."""

    says = coded("ZV1201", "1C does not accept the user name or the password")
    advice = Message(
        "check onec.user and the password file; the user needs «Аутентификация"
        " 1С:Предприятия» and, to log in by HTTP, an enabled account"
    )


class AccessDeniedError(OnecError):
    """Code 20: a right is missing, or the set holds a row that the user may not see."""

    says = coded(
        "ZV1202", "1C denies access: a right is missing or access is restricted by row (RLS)"
    )
    advice = Message(
        "give the user a role with «Чтение» on the catalogue (and its kinds, partners"
        " or registers that are mapped) without row restriction; onec.allowed_only ="
        " true reads only the visible rows, and then nothing is ever deleted in the ERP"
    )


class ForbiddenError(OnecError):
    """403 of the web server or of the publication."""

    says = coded("ZV1203", "the web server forbids the request")
    advice = Message(
        "check the access rules of the web server for the publication and the user's rights"
    )


# -- what is asked ---------------------------------------------------------------------------------


class PublicationNotFoundError(OnecError):
    """404 that is not 1C's own: there is no such publication, or OData is off in it."""

    says = coded("ZV1108", "there is no OData publication at this address")
    advice = Message(
        "check the publication's name in onec.url; in the publication (default.vrd)"
        " standardOdata must be enabled"
    )


class NotInCompositionError(OnecError):
    """Code 8: the object exists in the configuration but is not published by OData."""

    says = coded("ZV1301", "the object is not in the composition of the OData interface")
    advice = Message(
        "add it to the composition: an external processing calls"
        " УстановитьСоставСтандартногоИнтерфейсаOData with it (see bsl/README.uk.md)"
    )


class ObjectNotFoundError(OnecError):
    """Code 9: 1C itself says that it has no such object. The only proof of absence there is."""

    says = coded("ZV1302", "1C has no such object")


class NameNotFoundError(OnecError):
    """Code 6 or 10: a name in the request does not exist in this configuration."""

    says = coded("ZV1303", "a name in the request does not exist in this configuration of 1C")
    advice = Message("correct the name in onec.fields; zvirka check proposes near ones")


class QueryRefusedError(OnecError):
    """Codes 0, 14, 21, or a comparison that the platform cannot make."""

    says = coded("ZV1306", "1C refuses the query")
    advice = Message("check onec.scope: it must be an OData filter that the platform supports")


class ReadOnlyPublicationError(OnecError):
    """405 or 501: hosted 1C (1cfresh) and some web servers let only GET pass."""

    says = coded("ZV1603", "the publication serves reading only")
    advice = Message(
        "an exchange plan cannot be followed there: leave onec.exchange_plan empty;"
        " the nightly reconciliation needs reading only"
    )


class RequestTooLongError(OnecError):
    """413 or 414: the web server does not take a request of this length."""

    says = coded("ZV1307", "the web server refuses the request as too long")
    advice = Message("lower onec.max_url (IIS takes 2,048 characters by default)")


class FilterIgnoredError(OnecError):
    """Status 200 with rows that do not satisfy the filter, or without those that do.

    An empty answer proves no absence there.
    """

    says = coded("ZV1308", "1C does not honour $filter")
    advice = Message(
        "raise the compatibility mode of the configuration (8.2.13 ignores filters) or"
        " of the publication; until then nothing can be reconciled safely"
    )


class UnreadableFeedError(OnecError):
    """The package of SelectChanges holds a character that XML cannot hold."""

    says = coded("ZV1604", "the package of changes holds a control character in some object")
    advice = Message(
        "find the object in 1C (a name or an address pasted from elsewhere) and type"
        " the value again; the nightly reconciliation compares it meanwhile"
    )


class ComposedLessError(OnecError):
    """A name that was published when the schema was last read is gone."""

    says = coded("ZV1309", "the published composition of 1C shrank since the last run")
    advice = Message(
        "publish it again (УстановитьСоставСтандартногоИнтерфейсаOData), or take it"
        " out of the mapping; nothing is deleted on the strength of this"
    )


class MappingMismatchError(OnecError):
    """A mapped name is not in the schema."""

    says = coded("ZV1310", "the mapping names what the schema of 1C does not have")
    advice = Message("correct onec.fields; zvirka check proposes near names")


# -- not now ---------------------------------------------------------------------------------------


class NoLicenceError(OnecError):
    """406, or 500/503 that speaks of licences: 1C cannot start one more session."""

    passing = True
    says = coded("ZV1501", "1C cannot start a session: no free licence")
    advice = Message(
        "free a client licence, or run at another time; onec.session = true takes only one"
    )


class MaintenanceLockError(OnecError):
    """Sessions are locked: an update, a backup, or an administrator's decision."""

    passing = True
    says = coded("ZV1502", "the infobase is locked for maintenance")
    advice = Message("wait until the work on the infobase ends; the next run catches up")


class ServerFailureError(OnecError):
    """429, 500, 502, 503, 504 without a better explanation."""

    passing = True
    says = coded("ZV1503", "1C or its web server failed")
    advice = Message(
        "look into the log of the web server and the «Журнал регистрации» of the infobase"
    )


class UnstableOrderError(OnecError):
    """Pages never overlap: the order of the set changes between two requests."""

    passing = True
    says = coded(
        "ZV1405",
        "the pages of the set do not add up: its order changes, or 1C ignores $orderby or $skip",
    )
    advice = Message(
        "run when nobody writes to 1C; if the error stays, the publication cannot be"
        " read page by page"
    )

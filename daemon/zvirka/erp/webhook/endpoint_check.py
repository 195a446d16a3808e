"""``zvirka check`` for the ERP's webhook: whether its address answers, without posting anything."""

from __future__ import annotations

from collections.abc import Iterator

from zvirka.erp.webhook.endpoint import Endpoint, EndpointAnswer, place_of
from zvirka.findings import Finding
from zvirka.message import Message, coded
from zvirka.settings.model import ErpSettings

_NO_ANSWER = frozenset({EndpointAnswer.UNREACHABLE, EndpointAnswer.UNCLEAR})


def check_endpoint(erp: ErpSettings) -> Iterator[Finding]:
    """Yield what a correction by webhook would meet: the address, its certificate, the token.

    Raises:
        SettingsError: the address is not http or https.
    """
    if erp.webhook is None:
        return
    reply = Endpoint(erp.webhook).probe()
    place = place_of(erp.webhook.url)
    if reply.answer in _NO_ANSWER:
        remedy = Message(
            "check erp.webhook.url, and erp.webhook.ca_file for a certificate of your own"
        )
        yield Finding(
            "failure",
            "webhook",
            coded("ZV2401", "{what} [{place}]", what=reply.text, place=place),
            remedy,
        )
    elif reply.unauthorised:
        remedy = Message("check erp.webhook.token_file, or erp.webhook.user and its password_file")
        text = coded(
            "ZV2402", "the webhook does not accept the token or the password [{place}]", place=place
        )
        yield Finding("failure", "webhook", text, remedy)
    elif reply.text.startswith("HTTP 3"):
        text = coded(
            "ZV2403",
            "the webhook's address redirects ({answer}), which is not followed [{place}]",
            answer=reply.text,
            place=place,
        )
        yield Finding("failure", "webhook", text, Message("write the address it redirects to"))
    else:
        yield Finding(
            "ok", "webhook", Message("{place} answers ({answer})", place=place, answer=reply.text)
        )

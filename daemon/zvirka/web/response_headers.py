"""Security headers of every answer: a browser may show the page and nothing else."""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from zvirka.settings.service_tables import WebSettings

POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'"
)
"""No script at all, no frame, nothing from elsewhere."""

LIVE_POLICY = f"{POLICY}; script-src 'self'; connect-src 'self'"
"""For the pages that show a run under way: our own script, and events from this page."""

_POLICY_HEADER = "Content-Security-Policy"
_HEADERS = {
    _POLICY_HEADER: POLICY,
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


class Headers:
    """Adds the headers to every answer, refusals and errors too.

    Args:
        app: the application.
        https: whether browsers come over TLS and shall stay there.
    """

    def __init__(self, app: ASGIApp, https: bool) -> None:
        self._app = app
        self._headers = dict(_HEADERS)
        if https:
            self._headers["Strict-Transport-Security"] = "max-age=31536000"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                policy = headers.get(_POLICY_HEADER)
                for name, value in self._headers.items():
                    headers[name] = value
                if policy == LIVE_POLICY:
                    headers[_POLICY_HEADER] = policy
                # Personal data stays out of every cache but the reader's screen.
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        await self._app(scope, receive, sending)


def is_https(settings: WebSettings) -> bool:
    """Whether browsers come over TLS, by the address the settings say they use."""
    return urlsplit(settings.public_url).scheme == "https"


def hosts(settings: WebSettings) -> list[str]:
    """The names the page answers to; a request for another one was led here by a stranger's DNS."""
    own = {"localhost", "127.0.0.1", "[::1]"}
    listening = settings.listen.rpartition(":")[0]
    public = urlsplit(settings.public_url).hostname
    return sorted({name.lower() for name in (*own, listening, public or "") if name})

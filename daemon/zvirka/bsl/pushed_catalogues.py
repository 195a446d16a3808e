"""Which catalogues of a base its push module tells of besides the first one.

One base loads one extension, so the module that is rendered for a flow serves the other flows of
the base as well: contracts, nomenclature. They have the server, the token and the signature key in
common, and each flow has its own path.
"""

from __future__ import annotations

from urllib.parse import urlsplit

import msgspec

from zvirka.bsl.push_address import address, checked_address, credentials_of, signature_key
from zvirka.mapping import Mapping
from zvirka.settings.model import Settings
from zvirka.settings.profiles import mapping_of


class FurtherCatalogue(msgspec.Struct, frozen=True):
    """A catalogue of another flow, and the path that its messages are posted to."""

    mapping: Mapping
    path: str


def further_catalogues(
    settings: Settings, mapping: Mapping
) -> tuple[list[FurtherCatalogue], list[str]]:
    """The catalogues of other flows of the base, and the flows that the module cannot serve.

    It cannot serve a second flow of the same catalogue, nor one that has another server, token or
    signature key. A register, and a flow that the ERP writes itself, are not asked for.

    Raises:
        SettingsError: the address of a flow is not one 1C can post to.
    """
    found: dict[str, FurtherCatalogue] = {}
    left_out: list[str] = []
    for flow in other_flows(settings):
        name, theirs = flow.name, mapping_of(flow)
        if not theirs.is_pushed or flow.erp.writer == "webhook":
            continue
        path = _path(settings, flow)
        if not path or theirs.catalog in {mapping.catalog, *found}:
            left_out.append(name)
        else:
            found[theirs.catalog] = FurtherCatalogue(theirs, path)
    return list(found.values()), left_out


def other_flows(settings: Settings) -> list[Settings]:
    """The other flows of the base, by name."""
    base = settings.onec.url.rstrip("/")
    return [
        flow
        for name, flow in sorted(settings.flows.items())
        if name != settings.name and flow.onec.url.rstrip("/") == base
    ]


def _path(first: Settings, flow: Settings) -> str:
    """The path of a flow at the server of the first one; empty if it is another server."""
    if not flow.bsl.address:
        url = urlsplit(address(first))
        webhook = first.erp.webhook
        to_erp = webhook is not None and address(first) == webhook.url
        if to_erp or not url.path.endswith(first.receiver.path):
            return ""
        path = url.path.removesuffix(first.receiver.path) + flow.receiver.path
        bsl = first.bsl.model_copy(update={"address": url._replace(path=path).geturl()})
        flow = flow.model_copy(update={"bsl": bsl})
    url = checked_address(address(flow))
    if _server(first) != _server(flow):
        return ""
    return f"{url.path}?{url.query}" if url.query else url.path


def _server(settings: Settings) -> tuple[object, ...]:
    url = urlsplit(address(settings))
    return (
        url.scheme,
        url.hostname,
        url.port,
        credentials_of(settings),
        signature_key(settings),
    )

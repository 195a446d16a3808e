"""Finds the OData publication behind the address a person knows, and reads its schema."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import msgspec

from zvirka.errors import ZvirkaError
from zvirka.mapping import Mapping
from zvirka.onec.failures import OnecError, UnauthorizedError
from zvirka.onec.mapping_fit import KINDS, asked_of
from zvirka.onec.open_source import open_session
from zvirka.onec.schema import Schema, trim
from zvirka.settings.model import ErpSettings, OnecSettings, Settings
from zvirka.settings.profiles import counterparty_profiles, mapping_of

_PATH = "/odata/standard.odata/"
_PATIENCE = timedelta(seconds=20)


class FoundBase(msgspec.Struct, frozen=True):
    """A publication that answers: its settings, its schema, the names of all entity types."""

    onec: OnecSettings
    schema: Schema
    all_names: tuple[str, ...]


def addresses(text: str) -> Iterator[str]:
    """Yield the addresses of the OData interface that a person may mean, the likeliest first."""
    text = text.strip()
    schemes = ("https", "http")
    if "://" in text:
        given, _, text = text.partition("://")
        schemes = ("http", "https") if given == "http" else ("https", "http")
    host, _, path = text.partition("/")
    base = path.partition("odata/standard.odata")[0].strip("/")
    for scheme in schemes:
        yield f"{scheme}://{host}/{base}{_PATH}" if base else f"{scheme}://{host}{_PATH}"


def shipped_mappings(onec: OnecSettings) -> dict[str, Mapping]:
    """Return the mappings of the shipped profiles of counterparties."""
    plain = OnecSettings(url=onec.url)
    erp = ErpSettings(url="sqlite://")
    return {
        name: mapping_of(Settings(onec=plain.model_copy(update={"profile": name}), erp=erp))
        for name in counterparty_profiles()
    }


def find_publication(onec: OnecSettings) -> FoundBase:
    """Try the addresses that ``onec.url`` may mean, until one answers with a schema.

    Raises:
        OnecError: none does; the first one's error, or that of a refused password.
        SettingsError: the address holds credentials.
    """
    first: ZvirkaError | None = None
    mappings = shipped_mappings(onec)
    asked = frozenset({KINDS}).union(*map(asked_of, mappings.values()))
    for url in addresses(onec.url):
        hasty = {"url": url, "retries": 0, "connect_timeout": min(onec.connect_timeout, _PATIENCE)}
        tried = onec.model_copy(update=hasty)
        try:
            with open_session(tried, mappings["accounting"]) as session:
                edmx, all_names = trim(session.get("$metadata", decode=bytes), asked)
        except UnauthorizedError:
            raise
        except OnecError as error:
            first = first or error
            continue
        found = onec.model_copy(update={"url": url})
        return FoundBase(found, Schema(edmx, url), all_names)
    assert first is not None
    raise first

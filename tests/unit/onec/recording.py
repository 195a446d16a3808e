"""Cassettes: what 1C answers, one behaviour a file, recorded against the simulator.

Normal runs only replay. ``ZVIRKA_RECORD=1 pytest tests/unit/onec/test_cassettes.py`` records again
what changed in the conversation; read the diff before you commit it. Credentials never get in.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import vcr
import yaml
from pydantic import SecretStr

from zvirka.mapping import Mapping
from zvirka.onec.catalogue_source import CatalogueSource
from zvirka.onec.open_source import open_session
from zvirka.onec.schema import SchemaCache, trim
from zvirka.onec.source_access import SourceAccess
from zvirka.settings.model import ErpSettings, OnecSettings, Settings
from zvirka.settings.profiles import mapping_of
from zvirka.simulator import Simulator, SimulatorOptions

CASSETTES = Path(__file__).parents[2] / "cassettes" / "onec"
RECORDING = os.environ.get("ZVIRKA_RECORD") == "1"
HOST = "http://1c.example"
_PASSWORD = "пароль"
_KEPT = {"content-type", "set-cookie", "retry-after"}


class _Readable:
    """YAML with Cyrillic as it is: cassettes are read by people."""

    @staticmethod
    def serialize(cassette: dict[str, Any]) -> str:
        text: str = yaml.dump(cassette, allow_unicode=True, sort_keys=False, width=10**6)
        return text

    @staticmethod
    def deserialize(text: str) -> Any:
        return yaml.safe_load(text)


def _request(request: Any) -> Any:
    """The address without the port of the day, decoded so that a person can read it."""
    parts = urlsplit(request.uri)
    request.uri = unquote(request.uri).replace(f"{parts.scheme}://{parts.netloc}", HOST)
    request.headers = {k: v for k, v in request.headers.items() if k in ("IBSession", "Cookie")}
    return request


def _response(response: dict[str, Any]) -> dict[str, Any]:
    headers = response["headers"]
    response["headers"] = {name: headers[name] for name in headers if name.lower() in _KEPT}
    return response


def _same_session(one: Any, other: Any) -> None:
    assert one.headers.get("IBSession") == other.headers.get("IBSession")


def _player() -> vcr.VCR:
    player = vcr.VCR(
        record_mode="all" if RECORDING else "none",
        match_on=["method", "uri", "session"],
        filter_headers=["authorization"],
        before_record_request=_request,
        before_record_response=_response,
        decode_compressed_response=True,
    )
    player.register_serializer("readable", _Readable)
    player.register_matcher("session", _same_session)
    player.serializer = "readable"
    return player


def mapping(profile: str, **changes: Any) -> Mapping:
    """The mapping of a profile that goes with zvirka, over the simulator's names."""
    onec = OnecSettings(url=HOST, profile=profile, **changes)
    return mapping_of(Settings(onec=onec, erp=ErpSettings(url="sqlite://")))


class Played:
    """A publication on a cassette: where it is, and catalogues of it."""

    def __init__(self, url: str, user: str, profile: str, directory: Path) -> None:
        self.url = url
        self.user = user
        self.password = _PASSWORD
        self._profile = profile
        self._directory = directory

    def settings(self, **changes: Any) -> OnecSettings:
        values: dict[str, Any] = {
            "url": self.url,
            "user": self.user,
            "password": SecretStr(self.password),
            "profile": self._profile,
            "retries": 0,
        }
        return OnecSettings(**values | changes)

    def catalogue(self, fields: Mapping | None = None, **changes: Any) -> CatalogueSource:
        """The catalogue; its schema comes from a file beside the cassettes, not from them."""
        onec = self.settings(**changes)
        wanted = fields or mapping(self._profile)
        session = open_session(onec, wanted)
        schemas = SchemaCache(self._directory, session.url, schema_file(self._profile).read_bytes)
        return CatalogueSource(SourceAccess.of(onec, session, schemas), wanted)


def schema_file(profile: str) -> Path:
    """The trimmed $metadata of a profile."""
    return CASSETTES / f"{profile}_metadata.xml"


@contextmanager
def played(
    behaviour: str,
    directory: Path,
    *,
    profile: str = "accounting",
    counterparties: int = 12,
    prepare: Callable[[Simulator], object] = lambda _: None,
) -> Iterator[Played]:
    """Play the cassette of a behaviour, or record it from a simulator that ``prepare`` sets up."""
    cassette = CASSETTES / f"{behaviour}.yaml"
    if RECORDING:
        cassette.unlink(missing_ok=True)
    options = SimulatorOptions(
        profile=profile,  # type: ignore[arg-type]
        counterparties=counterparties,
        seed=11,
        password=_PASSWORD,
        gzip=False,
    )
    with Simulator(options) if RECORDING else nullcontext() as simulator:
        url, user = f"{HOST}/base/odata/standard.odata/", options.user
        if simulator is not None:
            url = simulator.url
            _keep_schema(simulator, profile)
            prepare(simulator)
        with _player().use_cassette(str(cassette)):
            yield Played(url, user, profile, directory)


def _keep_schema(simulator: Simulator, profile: str) -> None:
    from zvirka.onec.mapping_fit import KINDS, asked_of

    onec = OnecSettings(url=simulator.url, user=simulator.user, password=SecretStr(_PASSWORD))
    wanted = mapping(profile)
    with open_session(onec, wanted) as session:
        document = session.get("$metadata", decode=bytes)
    schema_file(profile).write_bytes(trim(document, asked_of(wanted) | {KINDS})[0])

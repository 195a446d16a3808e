"""The simulator: an HTTP server over an infobase, with switches for faults."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import msgspec

from zvirka.errors import UsageError, os_reason
from zvirka.message import Message, coded
from zvirka.simulator.composition import Further
from zvirka.simulator.configurations import ConfigurationKind
from zvirka.simulator.faults import Faults
from zvirka.simulator.ib_sessions import IbSessions
from zvirka.simulator.infobase import Infobase
from zvirka.simulator.publication import Publication
from zvirka.simulator.recording import recorded
from zvirka.simulator.server import Gate, Logged, RequestTraffic, WebServer

BASE_PATH = "/base/odata/standard.odata/"


class SimulatorOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What to simulate.

    ``profile`` is accounting, trade, custom, legacy or kz. ``counterparties`` are invented from
    ``seed``, groups not counted. ``recording`` is a folder with a recorded ``*metadata.xml`` and
    ``*select_changes*.xml`` to serve in their place. ``licences`` limits the open sessions.
    ``contracts`` to ``outbox`` are as in :class:`zvirka.simulator.composition.Further`.
    ``code_width`` pads a written Код with spaces to a fixed length. ``metadata_bytes`` pads
    ``$metadata``. An empty ``password`` is replaced by a random one. ``gzip`` compresses answers
    for those who accept it. ``certificate`` is a PEM file of key and certificate: with one the
    publication is served over HTTPS.
    """

    profile: Literal["accounting", "trade", "custom", "legacy", "kz"] = "accounting"
    counterparties: int = 2000
    seed: int = 1
    host: str = "127.0.0.1"
    port: int = 0
    user: str = "Обмін"
    password: str = ""
    recording: Path | None = None
    licences: int | None = None
    sessions: Literal["manage", "autouse"] = "manage"
    code_width: int = 0
    metadata_bytes: int = 0
    contracts: int | None = None
    several_owners: bool = False
    nomenclature: int | None = None
    prices: bool = False
    barcodes: Literal["none", "reference", "composite"] = "none"
    outbox: bool = False
    gzip: bool = True
    certificate: Path | None = None

    @property
    def further(self) -> Further:
        """What the base has besides counterparties."""
        return Further(**{name: getattr(self, name) for name in Further.__struct_fields__})

    def __repr__(self) -> str:
        """Leave the password out."""
        return f"SimulatorOptions(profile={self.profile!r}, port={self.port})"


class Simulator:
    """A 1C publication in miniature, served on a port from a background thread.

    Use it as a context manager, or :meth:`start` and :meth:`stop`, or :meth:`serve_forever`.
    ``base`` is the infobase to write to, ``faults`` the switches, ``requests`` the log of what
    was asked, ``traffic`` the sums of it.

    Args:
        options: what to simulate.
        base: an infobase to serve in place of the one that ``options`` describe.
        before: called before each request is answered.
    """

    def __init__(
        self,
        options: SimulatorOptions | None = None,
        base: Infobase | None = None,
        before: Callable[[], None] = lambda: None,
    ) -> None:
        options = options or SimulatorOptions()
        self.user = options.user
        self.password = options.password or secrets.token_urlsafe(12)
        self.faults = Faults()
        recorded_metadata = None
        if base is not None:
            self.base = base
        elif options.recording is not None:
            self.base, recorded_metadata = recorded(options.recording)
        else:
            self.base = Infobase.generate(
                ConfigurationKind(options.profile),
                options.counterparties,
                options.seed,
                code_width=options.code_width,
                further=options.further,
            )
        self.publication = Publication(
            self.base,
            self.faults,
            metadata_bytes=options.metadata_bytes,
            recorded_metadata=recorded_metadata,
        )
        self.sessions = IbSessions(options.sessions, options.licences, self.faults)
        self._gate = Gate(
            publication=self.publication,
            sessions=self.sessions,
            faults=self.faults,
            user=self.user,
            password=self.password,
            base_path=BASE_PATH,
            gzip=options.gzip,
            before=before,
        )
        address = (options.host, options.port)
        try:
            self._server = WebServer(address, self._gate, options.certificate)
        except OSError as error:
            listen = f"{options.host}:{options.port}"
            raise UsageError(
                coded(
                    "ZV4201",
                    "cannot listen on {listen}: {why}",
                    listen=repr(listen),
                    why=os_reason(error),
                ),
                place=Message("the simulated 1C"),
                remedy=Message("give a free port, or 0 for any, and an address of this machine"),
            ) from None
        self.port = self._server.server_address[1]
        scheme = "https" if options.certificate else "http"
        self.url = f"{scheme}://{options.host}:{self.port}{BASE_PATH}"
        self.publication.address = self.url
        self._thread: threading.Thread | None = None

    @property
    def requests(self) -> list[Logged]:
        """What was asked so far, in order."""
        return self._gate.requests

    @property
    def traffic(self) -> RequestTraffic:
        """The number of requests and the bytes of answer bodies so far."""
        return self._gate.traffic

    def warm(self) -> None:
        """Work out the orders that first requests would wait for: seconds for a million."""
        self.publication.warm()

    def start(self) -> Simulator:
        """Serve from a background thread."""
        self._thread = threading.Thread(target=self.serve_forever, name="simulator", daemon=True)
        self._thread.start()
        return self

    def serve_forever(self) -> None:
        """Serve from this thread until :meth:`stop`."""
        self._server.serve_forever(poll_interval=0.05)

    def stop(self) -> None:
        """Stop serving and close the port and every open connection."""
        if self._thread is not None:
            self._server.shutdown()
            self._thread.join()
            self._thread = None
        self._server.server_close()

    def __enter__(self) -> Simulator:
        return self.start()

    def __exit__(self, *exc: object) -> None:
        self.stop()

"""A simulated 1C kept in a directory: what it was made with, its password, and its edits."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec

from zvirka.errors import UsageError
from zvirka.message import Message, coded
from zvirka.simulator.composition import Further
from zvirka.simulator.configurations import ConfigurationKind
from zvirka.simulator.edits import EditLog
from zvirka.simulator.infobase import Infobase
from zvirka.simulator.simulator import Simulator, SimulatorOptions

PASSWORD = "onec.password"  # noqa: S105 - the name of a file
_OPTIONS = "simulator.json"
_EDITS = "edits.jsonl"


class KeptOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How the base was invented, and where it is served."""

    profile: Literal["accounting", "trade", "custom", "legacy", "kz"] = "accounting"
    counterparties: int
    seed: int
    port: int
    contracts: int | None = None


def keep(directory: Path, options: KeptOptions, password: str) -> None:
    """Write what is needed to make the same simulated 1C again."""
    (directory / _OPTIONS).write_bytes(msgspec.json.encode(options))
    secret = directory / PASSWORD
    secret.touch(mode=0o600)
    secret.write_text(password)


def edited_base(directory: Path) -> tuple[Infobase, EditLog]:
    """Return the base of a directory as it is now, and the log to edit it by.

    Raises:
        UsageError: the directory keeps no simulated 1C.
    """
    options = _options(directory)
    kind = ConfigurationKind(options.profile)
    further = Further(contracts=options.contracts)
    base = Infobase.generate(kind, options.counterparties, options.seed, further=further)
    log = EditLog(base, directory / _EDITS)
    log.follow()
    return base, log


def kept_simulator(directory: Path) -> Simulator:
    """Return the simulated 1C of a directory; edits made while it serves are seen at once.

    Raises:
        UsageError: the directory keeps none.
    """
    options = _options(directory)
    base, log = edited_base(directory)
    password = (directory / PASSWORD).read_text().strip()
    made = SimulatorOptions(port=options.port, password=password)
    return Simulator(made, base, before=log.follow)


def log_of(directory: Path, base: Infobase) -> EditLog:
    """Return the log of a base that is served already."""
    return EditLog(base, directory / _EDITS)


def _options(directory: Path) -> KeptOptions:
    try:
        return msgspec.json.decode((directory / _OPTIONS).read_bytes(), type=KeptOptions)
    except (OSError, msgspec.DecodeError):
        raise UsageError(
            coded("ZV3512", "the directory keeps no simulated 1C"),
            place=str(directory),
            remedy=Message("make one: zvirka init --demo DIR"),
        ) from None

"""``zvirka check`` for the service: its user, the files it writes, and the sandbox of its units."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from zvirka.cli.service_user import user_name
from zvirka.database_address import database_url
from zvirka.findings import Finding
from zvirka.message import Message, coded
from zvirka.service.installed_units import InstalledUnit, units_of
from zvirka.settings.model import Settings

_HIDDEN = {
    "ProtectHome": (Path("/home"), Path("/root"), Path("/run/user")),
    "PrivateTmp": (Path("/tmp"), Path("/var/tmp")),  # noqa: S108 - named, not used
}
_SHOWN = 3


def service_findings(
    settings: Settings, file: Path | None, root: Path = Path("/")
) -> list[Finding]:
    """Return what would stop a run of the service, although the shell's user could do it.

    Args:
        settings: as the service would load them.
        file: the settings file, by which the units are found.
        root: where the units are installed.
    """
    units = units_of(file, root) if file is not None else []
    written = dict(_written(settings))
    return [
        *_user(settings, units),
        *_paths(settings, written),
        *_sandbox(units, written),
    ]


def _user(settings: Settings, units: list[InstalledUnit]) -> Iterator[Finding]:
    me, state = os.geteuid(), settings.state_dir
    owner = next(place for place in (state, *state.parents) if place.exists()).stat().st_uid
    users = {unit.last("User") for unit in units} - {""}
    if me == 0 and users and "root" not in users:
        user = sorted(users)[0]
        yield Finding(
            "failure",
            "service user",
            coded(
                "ZV4106",
                "{state} belongs to root, and the units run as {user}",
                state=state,
                user=user,
            ),
            Message("chown -R {user} {path}", user=user, path=state),
        )
    elif me not in {0, owner} and state.exists():
        yield Finding(
            "warning",
            "service user",
            coded(
                "ZV4107",
                "checked as {user}; {state} belongs to {owner}",
                user=user_name(me),
                state=state,
                owner=user_name(owner),
            ),
            Message("check as the service: sudo zvirka check"),
        )
    else:
        yield Finding("ok", "service user", Message("checked as {user}", user=user_name(me)))


def _written(settings: Settings) -> Iterator[tuple[str, Path]]:
    """Yield the settings that name what a run writes, with the directories it writes into."""
    yield "state_dir", settings.state_dir
    yield "report.dir", settings.report_directory
    if settings.metrics.textfile is not None:
        yield "metrics.textfile", settings.metrics.textfile.parent
    for key, url in (("journal.url", settings.journal.url), ("erp.url", settings.erp.url)):
        path = _sqlite_file(url)
        if path is not None and not (key == "erp.url" and settings.erp.writer == "webhook"):
            yield key, path.parent


def _sqlite_file(text: str | None) -> Path | None:
    url = database_url(text)
    if (
        url is None
        or url.get_backend_name() != "sqlite"
        or not url.database
        or url.database[0] != "/"
    ):
        return None
    return Path(url.database)


def _paths(settings: Settings, written: dict[str, Path]) -> Iterator[Finding]:
    """Try whether this user can write everywhere, and into everything that is there."""
    before = None
    for key, directory in written.items():
        there = next(place for place in (directory, *directory.parents) if place.exists())
        if not os.access(there, os.W_OK | os.X_OK):
            before = Finding(
                "failure",
                key,
                coded(
                    "ZV4101",
                    "{user} cannot write into {path}",
                    user=user_name(os.geteuid()),
                    path=there,
                ),
                Message(
                    "chown {user} {path}, or name another place in {key}",
                    user=_login(),
                    path=there,
                    key=key,
                ),
            )
            yield before
    foreign = sorted(_foreign(settings.state_dir))
    if foreign:
        before = Finding(
            "failure",
            "state_dir",
            coded(
                "ZV4101",
                "{user} cannot write {paths}",
                user=user_name(os.geteuid()),
                paths=[*foreign[:_SHOWN], *(["…"] if len(foreign) > _SHOWN else [])],
            ),
            Message("chown -R {user} {path}", user=_login(), path=settings.state_dir),
        )
        yield before
    if before is None:
        yield Finding(
            "ok",
            "files",
            Message(
                "{state_dir} and all that is written can be written", state_dir=settings.state_dir
            ),
        )


def _login() -> str:
    return user_name(os.geteuid()).removeprefix("uid ")


def _foreign(state: Path) -> Iterator[Path]:
    """Yield what a run opens for writing in the state directory and this user may not write."""
    try:
        entries = list(state.iterdir())
        entries += [inner for name in ("staging", "metadata") for inner in (state / name).glob("*")]
    except OSError:
        return
    for entry in entries:
        if not os.access(entry, os.W_OK | (os.X_OK if entry.is_dir() else 0)):
            yield entry


def _sandbox(units: list[InstalledUnit], written: dict[str, Path]) -> Iterator[Finding]:
    """Compare what is written with what the units leave open."""
    for key, directory in written.items():
        closed = [unit for unit in units if not _is_open(unit, directory)]
        if not closed:
            continue
        names = ", ".join(unit.name for unit in closed)
        if any(_is_hidden(unit, directory) for unit in closed):
            state = _state_of(closed[0]) or "/var/lib/zvirka"
            remedy = Message(
                "move it below {path}: the units see no homes and no temporary directories",
                path=state,
            )
        else:
            remedy = Message(
                "run `systemctl edit UNIT` for each of them and write:"
                " [Service] ReadWritePaths={path}",
                path=directory,
            )
        text = coded(
            "ZV4105",
            "the sandbox of {names} does not let it write into {path}",
            names=names,
            path=directory,
        )
        yield Finding("failure", key, text, remedy)


def _is_open(unit: InstalledUnit, directory: Path) -> bool:
    if unit.name.startswith(("zvirka-alert", "zvirka-web")):
        return True  # they write no store
    if _is_hidden(unit, directory):
        return False
    if unit.last("ProtectSystem") != "strict":
        return True
    places = [Path(part.lstrip("-+")) for v in unit.all("ReadWritePaths") for part in v.split()]
    state = _state_of(unit)
    return any(directory.is_relative_to(place) for place in [*places, *([state] if state else [])])


def _is_hidden(unit: InstalledUnit, directory: Path) -> bool:
    return any(
        unit.last(key).lower() in {"yes", "true", "1", "on"}
        and any(directory.is_relative_to(place) for place in places)
        for key, places in _HIDDEN.items()
    )


def _state_of(unit: InstalledUnit) -> Path | None:
    name = unit.last("StateDirectory")
    return Path("/var/lib") / name.split(":")[0].split()[0] if name else None

"""Commands run by root act as the user of the service, so that root leaves nothing behind.

The user is the owner of the state directory. Root's only part is to hand over the secrets that
systemd would hand over: the files named by ``LoadCredential=`` in the installed units.
"""

from __future__ import annotations

import atexit
import os
import pwd
import shutil
import tempfile
import tomllib
from collections.abc import Mapping
from pathlib import Path

from loguru import logger

import zvirka
from zvirka.errors import UsageError
from zvirka.message import Message, coded
from zvirka.private_files import create_private_file
from zvirka.service.installed_units import InstalledUnit, credentials_of, units_of
from zvirka.settings.model import Settings
from zvirka.settings.places import SYSTEM_FILE, find_settings

_MEMORY = Path("/dev/shm")  # noqa: S108 - a private directory is made in it
_UMASK = 0o027
"""UMask= of the units: auditors read the reports by the group."""


def become_service_user(
    config: Path | None, environ: Mapping[str, str]
) -> tuple[Path | None, Mapping[str, str]]:
    """Give up root's rights if the state directory belongs to another user.

    Returns:
        The settings file, and the environment with the secrets of the unit.

    Raises:
        SettingsError: ``config`` does not exist.
        UsageError: that user cannot read zvirka itself.
    """
    file = find_settings(config, environ)
    state = state_directory(file, environ)
    if file is None or state is None:
        return file, environ
    units = units_of(file)
    uid, gid = _owner(state, file, units)
    if uid == 0:
        return file, environ
    _require_readable_program(state, uid, gid)
    changed = dict(environ)
    _hand_over_credentials(units, changed, uid, gid)
    _step_down(uid, gid, changed)
    logger.info("acting as the user of the service", user=user_name(uid), because=str(state))
    return file, changed


def state_directory(file: Path | None, environ: Mapping[str, str]) -> Path | None:
    """Return the state directory of a settings file; ``None`` when the file cannot be understood.

    The settings as a whole are loaded only by the service's user.
    """
    text = environ.get("ZVIRKA_STATE_DIR", "")
    if not text and file is not None:
        try:
            text = str(tomllib.loads(file.read_text(encoding="utf-8-sig")).get("state_dir", ""))
        except (OSError, ValueError, RecursionError):
            return None
    state = Path(text).expanduser() if text else Path(Settings.model_fields["state_dir"].default)
    return file.parent / state if file is not None else state


def _owner(state: Path, file: Path, units: list[InstalledUnit]) -> tuple[int, int]:
    """Return user and group of the state directory, made for the unit's user if it is not there."""
    if not state.exists() and (user := _user_of(units)) is not None and file == SYSTEM_FILE:
        state.mkdir(mode=0o750, parents=True)
        os.chown(state, user.pw_uid, user.pw_gid)
    there = next(place for place in (state, *state.parents) if place.exists())
    status = there.stat()
    return status.st_uid, status.st_gid


def _user_of(units: list[InstalledUnit]) -> pwd.struct_passwd | None:
    for name in filter(None, (unit.last("User") for unit in units)):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    return None


def _require_readable_program(state: Path, uid: int, gid: int) -> None:
    """Make sure that the user can read Python and zvirka, whose parts are loaded when needed.

    Raises:
        UsageError: it cannot.
    """
    needed = [Path(zvirka.__file__), Path(os.__file__)]
    os.setegid(gid)
    os.seteuid(uid)
    try:
        hidden = [path for path in needed if not os.access(path, os.R_OK, effective_ids=True)]
    finally:
        os.seteuid(0)
        os.setegid(0)
    if hidden:
        raise UsageError(
            coded(
                "ZV4402",
                "the user {user}, who owns {state}, cannot read the program itself",
                user=user_name(uid),
                state=state,
            ),
            place=str(hidden[0].parent),
            remedy=Message(
                "install zvirka and its Python below /opt or /usr, readable by everybody"
            ),
        )


def _hand_over_credentials(
    units: list[InstalledUnit], environ: dict[str, str], uid: int, gid: int
) -> None:
    given = environ.get("CREDENTIALS_DIRECTORY")
    files = credentials_of(units)
    if given is not None:
        files = {path.name: path for path in Path(given).iterdir()}
    if not files:
        return
    parent = _MEMORY if os.access(_MEMORY, os.W_OK | os.X_OK) else None
    place = Path(tempfile.mkdtemp(prefix="zvirka-credentials-", dir=parent))
    for key, file in files.items():
        copy = place / key
        create_private_file(copy)
        copy.write_bytes(file.read_bytes())
        os.chown(copy, uid, gid)
    os.chown(place, uid, gid)
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    environ["CREDENTIALS_DIRECTORY"] = str(place)


def _step_down(uid: int, gid: int, environ: dict[str, str]) -> None:
    try:
        user = pwd.getpwuid(uid)
    except KeyError:
        os.setgroups([])
        os.setgid(gid)
    else:
        environ["HOME"] = user.pw_dir
        os.initgroups(user.pw_name, user.pw_gid)
        os.setgid(user.pw_gid)
    os.setuid(uid)
    os.umask(_UMASK)


def user_name(uid: int) -> str:
    """Return the login of a user, or its number where it has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"

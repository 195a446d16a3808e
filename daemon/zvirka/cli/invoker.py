"""Who asks, for the journal: the person behind sudo, the login user, or the systemd unit."""

from __future__ import annotations

import os
import pwd
import re
from collections.abc import Mapping
from pathlib import Path

_CGROUP = Path("/proc/self/cgroup")
_UNIT = re.compile(r"/([\w@.\\:-]+\.(?:service|scope))$")


def who(environ: Mapping[str, str], cgroup: Path = _CGROUP) -> str:
    """Return e.g. ``olena (sudo) on pts/3``, ``olena on pts/3``, ``zvirka-resync@000123.service``.

    sudo sets ``SUDO_USER`` itself. Anyone who can change the environment of zvirka's user can
    also change its journal, so this is a record and not a proof.
    """
    unit = _unit(cgroup) if environ.get("INVOCATION_ID") else ""
    terminal = _terminal()
    if unit.endswith(".service") and not terminal:
        return unit
    name = _login()
    sudo = environ.get("SUDO_USER", "")
    if sudo and sudo != "root":
        name = f"{sudo} (sudo)"
    return f"{name} on {terminal}" if terminal else name


def _login() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid {os.getuid()}"


def _terminal() -> str:
    for descriptor in (0, 1, 2):
        try:
            return os.ttyname(descriptor).removeprefix("/dev/")
        except OSError:
            continue
    return ""


def _unit(cgroup: Path) -> str:
    try:
        lines = cgroup.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    return next((found[1] for line in lines if (found := _UNIT.search(line))), "")

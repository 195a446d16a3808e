"""``zvirka systemd install`` and ``uninstall``: units, user, directories, the right paths."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from loguru import logger

from zvirka.atomic_files import replaced
from zvirka.errors import UsageError, os_reason
from zvirka.message import Message, coded
from zvirka.package_files import shipped

PLACES = {
    "*.service": "etc/systemd/system",
    "*.timer": "etc/systemd/system",
    "sysusers.d/*.conf": "etc/sysusers.d",
    "tmpfiles.d/*.conf": "etc/tmpfiles.d",
}
"""Which shipped files go where, below the prefix: an administrator's own, not a package's."""

_COMMANDS = (
    ("systemd-sysusers", "zvirka.conf"),
    ("systemd-tmpfiles", "--create", "zvirka.conf"),
    ("systemctl", "daemon-reload"),
)
_SHIPPED_EXECUTABLE = "/usr/bin/zvirka"
_HIDDEN = (Path("/home"), Path("/root"), Path("/run/user"), Path("/tmp"), Path("/var/tmp"))  # noqa: S108


def install(
    *, prefix: Path = Path("/"), dry_run: bool = False, executable: Path | None = None
) -> list[Path]:
    """Write the files for systemd and return their paths.

    Without a prefix the user and the directories are also made and systemd reloads its units;
    nothing is enabled or started.

    Args:
        prefix: another root, for packages and containers.
        dry_run: return the paths, write nothing.
        executable: the ``zvirka`` that the units start; by default the one beside this Python.

    Raises:
        UsageError: the sandbox would hide the executable from the units, a file cannot be
            written, or systemd refuses what was written.
    """
    program = executable or Path(sys.executable).parent / "zvirka"
    _check_visible(program, strict=prefix == Path("/") and not dry_run)
    written = []
    for pattern, place in PLACES.items():
        for source in sorted(shipped("systemd").glob(pattern)):
            target = prefix / place / source.name
            written.append(target)
            if not dry_run:
                _write(target, source.read_text("utf-8").replace(_SHIPPED_EXECUTABLE, str(program)))
    if prefix == Path("/") and not dry_run:
        _put_into_effect()
    return written


def uninstall(*, prefix: Path = Path("/"), dry_run: bool = False) -> list[Path]:
    """Stop and disable the units and remove what :func:`install` wrote; return the paths.

    The user, the settings and the state directory (the journal) stay.

    Raises:
        UsageError: a file cannot be removed.
    """
    written = [
        prefix / place / source.name
        for pattern, place in PLACES.items()
        for source in sorted(shipped("systemd").glob(pattern))
    ]
    there = [path for path in written if path.exists()]
    if dry_run:
        return there
    live = prefix == Path("/") and shutil.which("systemctl") is not None
    if live and there:
        units = [path.name for path in there if path.suffix in {".service", ".timer"}]
        # A template is stopped by its instances; a unit that is not enabled is no fault.
        names = [name.replace("@.", "@*.") for name in units]
        _tried(["systemctl", "disable", *(name for name in units if "@." not in name)])
        _tried(["systemctl", "stop", *names])
    for path in there:
        try:
            path.unlink()
        except OSError as error:
            raise UsageError(
                coded("ZV4101", "the file cannot be removed: {why}", why=os_reason(error)),
                place=str(path),
                remedy=Message("run it as root"),
            ) from error
    if live:
        _tried(["systemctl", "daemon-reload"])
    return there


def _tried(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        logger.warning("systemctl did not do all of it", command=" ".join(command[:2]))


def _put_into_effect() -> None:
    for command in _COMMANDS:
        if shutil.which(command[0]) is None:
            logger.warning("left to be run once systemd is there", command=" ".join(command))
            continue
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
        if done.returncode:
            raise UsageError(
                coded(
                    "ZV4401",
                    "{command} ended with {returncode}: {stderr}",
                    command=command[0],
                    returncode=done.returncode,
                    stderr=done.stderr.strip()[:300],
                ),
                place=" ".join(command),
                remedy=Message("run it as root; its own log has the details"),
            )


def _check_visible(program: Path, *, strict: bool) -> None:
    """The units see neither homes nor temporary directories (ProtectHome=, PrivateTmp=)."""
    needed = (program, Path(sys.base_prefix))
    hidden = [path for path in needed if any(path.is_relative_to(root) for root in _HIDDEN)]
    if not hidden:
        return
    if strict:
        raise UsageError(
            coded(
                "ZV4402",
                "the units could not start zvirka: their sandbox hides home and temporary"
                " directories",
            ),
            place=str(hidden[0]),
            remedy=Message("install zvirka and its Python below /opt or /usr, e.g. /opt/zvirka"),
        )
    logger.warning("the units' sandbox hides this path", path=str(hidden[0]))


def _write(target: Path, text: str) -> None:
    """Replace one file, so that a unit is never half-written."""
    try:
        with replaced(target, 0o644) as file:
            file.write(text.encode())
    except OSError as error:
        raise UsageError(
            coded("ZV4101", "the file cannot be written: {why}", why=os_reason(error)),
            place=str(target),
            remedy=Message("run it as root, or give another --prefix"),
        ) from error

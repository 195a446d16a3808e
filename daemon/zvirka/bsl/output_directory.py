"""The directory a rendering is written into: only files of earlier renderings are touched.

:data:`MANIFEST` in it lists them. A file that is not listed belongs to somebody else: it is neither
replaced nor deleted.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from zvirka.atomic_files import replaced
from zvirka.errors import ZvirkaError
from zvirka.message import Message, coded

MANIFEST = ".zvirka-bsl"
"""One path a line, relative to the directory, with ``/`` between the parts."""


class OutputFile(msgspec.Struct, frozen=True):
    """A file to be written; a private one is readable by its owner only."""

    name: str
    text: str
    private: bool


def write_all(out: Path, files: Sequence[OutputFile]) -> list[Path]:
    """Write the files into ``out``; return those of an earlier rendering that were deleted.

    The Configurator loads whatever lies in a directory of sources, so what this rendering does not
    have must not stay.

    Raises:
        ZvirkaError: a file of somebody else is in the way (nothing is written then), or a file
            cannot be written.
    """
    names = [file.name for file in files]
    try:
        before = _listed(out)
        _refuse_foreign(out, set(names) - before)
        _write(out / MANIFEST, _lines(before.union(names)), private=False)
        for file in files:
            _write(out / file.name, file.text, private=file.private)
        deleted = [out / name for name in sorted(before.difference(names)) if _delete(out, name)]
        _write(out / MANIFEST, _lines(names), private=False)
    except OSError as error:
        raise ZvirkaError(
            coded("ZV4101", "the module cannot be written"),
            place=str(error.filename or out),
            remedy=Message("choose another directory with --out"),
        ) from error
    return deleted


def _listed(out: Path) -> set[str]:
    try:
        lines = (out / MANIFEST).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return set()
    return {line for line in lines if line}


def _lines(names: Iterable[str]) -> str:
    return "".join(f"{name}\n" for name in sorted(names))


def _refuse_foreign(out: Path, names: Iterable[str]) -> None:
    for name in sorted(names):
        if os.path.lexists(out / name):
            raise ZvirkaError(
                coded("ZV3413", "a file is in the way that zvirka bsl render did not write"),
                place=str(out / name),
                remedy=Message("choose an empty directory with --out, or move the file away"),
            )


def _write(path: Path, text: str, *, private: bool) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with replaced(path, 0o600 if private else 0o644) as file:
        file.write(text.encode())


def _delete(out: Path, name: str) -> bool:
    """Delete a listed file and the directories it leaves empty; whether there was one.

    The list is a file anybody could have edited: a path that leaves ``out`` is not followed.
    """
    path, root = out / name, out.resolve()
    if not path.parent.resolve().is_relative_to(root) or not path.is_file():
        return False
    path.unlink()
    for directory in path.parents:
        if directory == out or any(directory.iterdir()):
            break
        directory.rmdir()
    return True

"""The backup file: a tar of the journal and what belongs to it, described by a manifest.

``manifest.json`` comes last and has the SHA-256 of every other member, so that a file that was
cut short or altered is not restored.
"""

from __future__ import annotations

import hashlib
import shutil
import struct
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO, Literal

import msgspec

from zvirka.errors import NOT_JSON, UsageError
from zvirka.message import Message, coded

FORMAT = 1
MANIFEST = "manifest.json"
JOURNAL = {"sqlite": "journal.db", "postgresql": "journal.jsonl"}


Backend = Literal["sqlite", "postgresql"]


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a backup holds. ``last`` is the last sealed run and its digest."""

    format: int = FORMAT
    version: str
    schema: str
    made_at: datetime
    journal: Backend
    runs: int
    last: tuple[int, str] | None
    files: dict[str, str]


def write_archive(stream: BinaryIO, members: dict[str, Path], manifest: Manifest) -> None:
    """Write the members, and then the manifest with their digests.

    Raises:
        OSError: the file cannot be written.
    """
    digests = {name: _digest(path) for name, path in members.items()}
    complete = msgspec.structs.replace(manifest, files=digests)
    with tarfile.open(fileobj=stream, mode="w:gz") as tar, TemporaryDirectory() as scratch:
        for name, path in members.items():
            tar.add(path, arcname=name, filter=_private)
        text = Path(scratch) / MANIFEST
        text.write_bytes(msgspec.json.format(msgspec.json.encode(complete)))
        tar.add(text, arcname=MANIFEST, filter=_private)


def _private(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.mode, member.uid, member.gid, member.uname, member.gname = 0o600, 0, 0, "", ""
    return member


_DAMAGED = (ArithmeticError, LookupError, struct.error)
"""What :mod:`tarfile` stumbles on in a damaged header, besides what it documents."""


@contextmanager
def opened(stream: BinaryIO, name: str, scratch: Path) -> Iterator[tuple[Manifest, Path]]:
    """Unpack a backup below ``scratch`` and prove that it is whole.

    Raises:
        UsageError: it is no backup, was cut short or altered, or is of a newer version.
    """
    with TemporaryDirectory(prefix=".zvirka-restore-", dir=scratch) as place:
        directory = Path(place)
        try:
            _unpack(stream, directory)
            manifest = msgspec.json.decode((directory / MANIFEST).read_bytes(), type=Manifest)
        except (tarfile.TarError, zlib.error, EOFError, OSError, *_DAMAGED, *NOT_JSON) as error:
            raise UsageError(
                coded("ZV5601", "the file is no backup of zvirka, or it was cut short"),
                place=name,
                remedy=Message("take another file made by `zvirka backup`"),
            ) from error
        if manifest.format > FORMAT:
            raise UsageError(
                coded(
                    "ZV5601",
                    "the backup was made by zvirka {version}, which is newer",
                    version=manifest.version,
                ),
                place=name,
                remedy=Message("restore it with that version or a later one"),
            )
        for member, digest in manifest.files.items():
            file = directory / member
            if not file.is_file() or _digest(file) != digest:
                raise UsageError(
                    coded("ZV5601", "the backup was altered or damaged: {member}", member=member),
                    place=name,
                    remedy=Message("take another file made by `zvirka backup`"),
                )
        yield manifest, directory


def _unpack(stream: BinaryIO, directory: Path) -> None:
    """Unpack the plain files, each by its bare name: a path of the archive is never believed."""
    with tarfile.open(fileobj=stream, mode="r:gz") as tar:
        for member in tar:
            content = tar.extractfile(member) if member.isfile() else None
            if content is not None:
                with (directory / Path(member.name).name).open("xb") as out:
                    shutil.copyfileobj(content, out)


def copied(source: Path, stream: BinaryIO) -> None:
    """Copy a file into a stream."""
    with source.open("rb") as file:
        shutil.copyfileobj(file, stream)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

"""The JSON report inside the HTML and XLSX reports, so that these prove themselves too.

It is compressed (zlib) and in base64, in front of it the language and time zone of the document:
``zvirka uk Europe/Kyiv eNq…``. HTML holds it in an inert ``template``, a workbook in the cells of a
hidden sheet, a cell each :data:`CELL` characters.
"""

from __future__ import annotations

import lzma
import re
import struct
import zipfile
import zlib
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from zvirka.i18n.words import Words

SHEET = "zvirka"
CELL = 30_000
LIMIT = 1 << 30
"""Bytes of JSON; a file that unpacks to more is refused."""
_TEXT = re.compile(rb"zvirka (uk|en) ([\w/+-]+) ([A-Za-z0-9+/]+={0,2})")
_TEMPLATE = re.compile(rb'<template id="zvirka-data">([^<]*)</template>')
_CELL = re.compile(rb"<t[^>]*>([^<]*)</t>")
BAD_WORKBOOK = (
    zipfile.BadZipFile,
    zipfile.LargeZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    OSError,
    ValueError,
    RuntimeError,
)
"""What reading a damaged workbook raises; ``RuntimeError`` of one that claims to be encrypted."""


@dataclass(frozen=True, slots=True)
class Embedded:
    """The JSON report of a document, and the language and zone the document is written in."""

    language: str
    timezone: str
    document: bytes


def packed(pieces: Iterable[bytes], words: Words) -> Iterator[str]:
    """The text to embed of a JSON document, piece by piece, in flat memory."""
    yield f"zvirka {words.language} {words.timezone} "
    compressor, rest = zlib.compressobj(9), b""
    for piece in pieces:
        rest += compressor.compress(piece)
        whole = len(rest) // 3 * 3
        if whole:
            yield b64encode(rest[:whole]).decode()
            rest = rest[whole:]
    yield b64encode(rest + compressor.flush()).decode()


def cells(pieces: Iterable[bytes], words: Words) -> Iterator[str]:
    """:func:`packed` in texts that fit a cell."""
    text = ""
    for piece in packed(pieces, words):
        text += piece
        while len(text) > CELL:
            yield text[:CELL]
            text = text[CELL:]
    yield text


def unpacked(text: bytes) -> Embedded | None:
    """The report of an embedded text; ``None`` when it is not one or damaged."""
    match = _TEXT.fullmatch(text)
    if match is None:
        return None
    unpacker = zlib.decompressobj()
    try:
        document = unpacker.decompress(b64decode(match[3], validate=True), LIMIT)
    except (zlib.error, ValueError):
        return None
    if not unpacker.eof or unpacker.unused_data:
        return None
    return Embedded(match[1].decode(), match[2].decode(), document)


def embedded_in(path: Path) -> Embedded | None:
    """The report embedded in an HTML file or a workbook; ``None`` without one.

    Raises:
        OSError: the file cannot be read.
    """
    content = path.read_bytes()
    if path.suffix.lower() == ".xlsx":
        return unpacked(_in_workbook(content))
    return in_html(content)


def in_html(content: bytes) -> Embedded | None:
    """The report embedded in an HTML document or a line of it."""
    match = _TEMPLATE.search(content)
    return unpacked(match[1]) if match else None


def in_sheet(content: bytes) -> Embedded | None:
    """The report embedded in the XML of a sheet."""
    return unpacked(b"".join(_CELL.findall(content)))


def _in_workbook(content: bytes) -> bytes:
    try:
        with zipfile.ZipFile(BytesIO(content)) as workbook:
            for name in reversed(workbook.namelist()):
                info = workbook.getinfo(name)
                if name.startswith("xl/worksheets/") and info.file_size < LIMIT:
                    text = b"".join(_CELL.findall(workbook.read(name)))
                    if text.startswith(b"zvirka "):
                        return text
    except BAD_WORKBOOK:
        pass
    return b""

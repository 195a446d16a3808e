"""The files that anchor the head of the chain outside the operator's reach.

The head (``….head``, one line of JSON) and the answer of each timestamp authority (``….tsr``, see
:mod:`zvirka.report.timestamps`) are kept beside the report.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from urllib.parse import urlsplit

from zvirka.journal.head import Head
from zvirka.report.files import atomic

SUFFIXES = frozenset({".head", ".tsr"})
_TRIED = 30
"""Heads without a token that are tried again, the newest ones."""


def write_head(directory: Path, head: Head, *, between_runs: bool = False) -> Path:
    """Write a head beside the reports and return the file.

    Args:
        directory: of the reports.
        head: of the chain.
        between_runs: whether receipts have come since the run; the file is then named by the last.

    Raises:
        ZvirkaError: the directory cannot be written.
    """
    receipts = f"-receipt-{head.receipt:08}" if between_runs else ""
    path = directory / f"zvirka-run-{head.run:06}{receipts}.head"
    with atomic(path) as stream:
        stream.write(head.line)
    return path


def append_head(path: Path, head: Head) -> None:
    """Append a head to a file that an auditor owns, where it is not its last line already.

    Raises:
        OSError: the file cannot be written.
    """
    with path.open("ab+") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - len(head.line)))
        if file.read() != head.line:
            file.write(head.line)
            file.flush()
            os.fsync(file.fileno())


def token_path(head: Path, url: str) -> Path:
    """Where the answer of an authority is kept."""
    host = urlsplit(url).hostname or "tsa"
    return head.with_name(f"{head.name}.{host}-{sha256(url.encode()).hexdigest()[:6]}.tsr")


def missing_tokens(directory: Path, urls: Sequence[str]) -> Iterator[tuple[Path, str]]:
    """Heads and the authorities that have not timestamped them yet, newest first."""
    heads = sorted(directory.glob("zvirka-run-*.head"), reverse=True)[:_TRIED]
    for head in heads:
        for url in urls:
            if not token_path(head, url).exists():
                yield head, url

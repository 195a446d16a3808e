"""Runs inside the container in place of zvirka, in its sandbox: tries what must be denied."""

from __future__ import annotations

import contextlib
import json
import mmap
import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path

import argon2
import cryptography.hazmat.primitives.asymmetric.ed25519 as ed25519
import duckdb
import numpy as np


def outcome(attempt: Callable[[], object]) -> str:
    try:
        attempt()
    except (OSError, PermissionError) as error:
        return type(error).__name__
    return "done"


def write(path: str) -> Callable[[], object]:
    def attempt() -> None:
        file = Path(path) / "zvirka-probe"
        file.write_text("here")
        file.unlink()

    return attempt


def executable_memory() -> None:
    mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC).close()


def native_code_works() -> None:
    """DuckDB, NumPy, argon2 by cffi, and OpenSSL under MemoryDenyWriteExecute=."""
    with contextlib.closing(duckdb.connect(str(Path("/var/lib/zvirka/probe.duckdb")))) as database:
        numbers = np.arange(100_000)
        database.register("numbers", {"n": numbers})
        assert database.execute("select sum(n) from numbers").fetchone() == (int(numbers.sum()),)
    argon2.PasswordHasher(time_cost=1, memory_cost=1024).hash("probe")
    ed25519.Ed25519PrivateKey.generate().sign(b"probe")


results = {f"write {path}": outcome(write(path)) for path in sys.argv[1:]}
results |= {
    "write state": outcome(write("/var/lib/zvirka")),
    "executable memory": outcome(executable_memory),
    "packet socket": outcome(lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW)),
    "become root": outcome(lambda: os.setuid(0)),
    "native code": outcome(native_code_works),
}
print(json.dumps(results))

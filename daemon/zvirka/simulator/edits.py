"""A simulated base that can be edited from other processes: its edits are a log of JSON lines.

The invented content is the same for the same options, so the log alone makes the base again.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import msgspec

from zvirka.simulator.infobase import Infobase


class Edit(msgspec.Struct, frozen=True, omit_defaults=True):
    """One write of a person in 1C; a create gets its Ref_Key from the base."""

    action: Literal["create", "update", "delete", "update_contract"]
    ref: str = ""
    values: dict[str, Any] = {}


_EDIT = msgspec.json.Decoder(Edit)


class EditLog:
    """The edits of one base, in a file that grows; other processes may add to it.

    Args:
        base: the base as it was invented.
        file: the log; it need not exist.
    """

    def __init__(self, base: Infobase, file: Path) -> None:
        self._base = base
        self._file = file
        self._read = 0

    def follow(self) -> None:
        """Apply the edits that were added since the last time."""
        with self._base.lock:
            if not self._file.exists() or self._file.stat().st_size <= self._read:
                return
            with self._file.open("rb") as log:
                log.seek(self._read)
                new = log.read()
            whole = new[: new.rfind(b"\n") + 1]
            self._read += len(whole)
            for line in whole.splitlines():
                self._apply(_EDIT.decode(line))

    def create(self, **values: Any) -> str:
        """Write a new counterparty; returns its Ref_Key."""
        return self._write(Edit("create", values=values))

    def update(self, ref: str, **values: Any) -> None:
        """Change fields of a counterparty."""
        self._write(Edit("update", ref, values))

    def delete(self, ref: str) -> None:
        """Delete a counterparty physically."""
        self._write(Edit("delete", ref))

    def update_contract(self, ref: str, **values: Any) -> None:
        """Change properties of a contract."""
        self._write(Edit("update_contract", ref, values))

    def _write(self, edit: Edit) -> str:
        with self._base.lock:
            self.follow()
            line = msgspec.json.encode(edit) + b"\n"
            with self._file.open("ab") as log:
                log.write(line)
            self._read += len(line)
            return self._apply(edit)

    def _apply(self, edit: Edit) -> str:
        match edit.action:
            case "create":
                return self._base.create(edit.ref, **edit.values)
            case "update":
                self._base.update(edit.ref, **edit.values)
            case "delete":
                self._base.delete(edit.ref)
            case "update_contract":
                self._base.contracts.update(edit.ref, **edit.values)
        return edit.ref

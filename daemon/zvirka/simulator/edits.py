"""A simulated base that can be edited from other processes: its edits are a log of JSON lines.

The invented content is the same for the same options, so the log alone makes the base again.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal
from uuid import uuid4

import msgspec

from zvirka.simulator.infobase import Infobase


class Edit(msgspec.Struct, frozen=True, omit_defaults=True):
    """One write of a person in 1C; a create gets its Ref_Key from the base.

    ``contract``: it is a contract, and ``values`` are its own attributes.
    """

    action: Literal["create", "update", "delete"]
    ref: str = ""
    values: dict[str, Any] = {}
    contract: bool = False


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

    def create_contract(self, **attributes: Any) -> str:
        """Write a new contract; returns its Ref_Key."""
        # It is random, and has to be the same whenever the log is read again.
        return self._write(Edit("create", str(uuid4()), attributes, contract=True))

    def update_contract(self, ref: str, **attributes: Any) -> None:
        """Change attributes of a contract."""
        self._write(Edit("update", ref, attributes, contract=True))

    def delete_contract(self, ref: str) -> None:
        """Delete a contract physically."""
        self._write(Edit("delete", ref, contract=True))

    def _write(self, edit: Edit) -> str:
        with self._base.lock:
            self.follow()
            line = msgspec.json.encode(edit) + b"\n"
            with self._file.open("ab") as log:
                log.write(line)
            self._read += len(line)
            return self._apply(edit)

    def _apply(self, edit: Edit) -> str:
        writes = self._base.contracts if edit.contract else self._base
        match edit.action:
            case "create":
                return writes.create(edit.ref, **edit.values)
            case "update":
                writes.update(edit.ref, **edit.values)
            case "delete":
                writes.delete(edit.ref)
        return edit.ref

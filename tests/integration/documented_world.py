"""A small installation for the examples of the documentation: a 1C, a store, signed runs."""

from __future__ import annotations

import io
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.integration.documented import Line, parsed
from tests.integration.service_world import free_port
from tests.unit.cli.lines import run
from zvirka.simulator import Simulator
from zvirka.simulator.kept import KeptOptions, keep, kept_simulator

PASSWORD = "пароль-1С"
COUNTERPARTIES = 60
_SETTINGS = """
state_dir = "state"
[onec]
url = "http://127.0.0.1:{port}/base/odata/standard.odata/"
user = "Обмін"
password_file = "onec.password"
profile = "accounting"
[erp]
url = "sqlite:///erp.db"
[report]
dir = "reports"
signing_key_file = "old.pem"
"""


class Answering(io.StringIO):
    """A person at a terminal, with the answers ready."""

    def isatty(self) -> bool:
        return True


@dataclass
class World:
    """An installation in a directory, and how the lines of a page are fitted to it."""

    directory: Path
    monkeypatch: pytest.MonkeyPatch
    replaced: dict[str, str] = field(default_factory=dict)
    before: dict[str, Callable[[], object]] = field(default_factory=dict)
    codes: dict[str, int] = field(default_factory=dict)
    answers: str = ""
    order: str = "ASC"
    """Which end of the list of clients is spoiled."""

    def fitted(self, line: Line) -> Line:
        """The line with names of this installation in place of those in the page."""
        text = line.text
        for example, ours in self.replaced.items():
            text = re.sub(example, ours.replace("\\", r"\\"), text)
        return parsed(text)

    def type(self, line: Line) -> int:
        """Run a line; its exit code."""
        for prefix, prepare in self.before.items():
            if line.command.startswith(prefix):
                prepare()
        fitted = self.fitted(line)
        with self.monkeypatch.context() as patched:
            for name, value in fitted.environ.items():
                patched.setenv(name, value)
            patched.setattr(sys, "stdin", Answering(self.answers) if self.answers else sys.stdin)
            words = list(fitted.words)
            if Path(words[0]).name == "zvirka":
                return run(*words[1:])
            return subprocess.run(words, check=False, stdin=subprocess.DEVNULL).returncode

    def expected(self, line: Line) -> int:
        """The exit code the line must end with: 0 unless the scene says otherwise."""
        found = [code for prefix, code in self.codes.items() if line.command.startswith(prefix)]
        return found[-1] if found else 0

    # -- what happens before a line ---------------------------------------------------------------

    def spoil(self, count: int = 3) -> None:
        """Let the ERP miss a change of so many clients."""
        with closing(sqlite3.connect(self.directory / "erp.db")) as base, base:
            base.execute(
                "UPDATE clients SET name = 'застаріле' || random() WHERE code IN "
                f"(SELECT code FROM clients ORDER BY code {self.order} LIMIT ?)",
                (count,),
            )

    def corrected(self) -> int:
        """A run that corrected clients; its number."""
        self.spoil()
        assert run("reconcile") in {0, 1}  # 1: some were rejected by the line before
        return self.last_run()

    def held(self) -> int:
        """A run that waits for an answer; its number."""
        self.spoil()
        with self.monkeypatch.context() as patched:
            patched.setenv("ZVIRKA_GUARD__MAX_CHANGES", "1")
            assert run("reconcile") == 3
        return self.last_run()

    def last_run(self) -> int:
        """The number of the newest run."""
        with closing(sqlite3.connect(self.directory / "state/journal.db")) as base:
            return int(base.execute("SELECT max(id) FROM run").fetchone()[0])

    def name_client(self) -> None:
        """Put the code of a client that :meth:`spoil` spoils in place of that of the page."""
        with closing(sqlite3.connect(self.directory / "erp.db")) as base:
            query = f"SELECT code FROM clients ORDER BY code {self.order}"
            self.replaced[r"\b00000012[34]\b"] = str(base.execute(query).fetchone()[0])


@contextmanager
def installation(directory: Path) -> Iterator[Simulator]:
    """Make an installation in a directory after its first load, and serve its 1C."""
    options = KeptOptions(counterparties=COUNTERPARTIES, seed=1, port=free_port())
    keep(directory, options, PASSWORD)
    (directory / "zvirka.toml").write_text(_SETTINGS.format(port=options.port), "utf-8")
    for name in ("old", "new"):
        key = directory / f"{name}.pem"
        subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", key], check=True)
        public = directory / f"{name}.pub.pem"
        subprocess.run(["openssl", "pkey", "-in", key, "-pubout", "-out", public], check=True)
    shutil.copy(directory / "old.pub.pem", directory / "zvirka.pub.pem")
    with kept_simulator(directory) as simulator, pytest.MonkeyPatch.context() as patched:
        patched.chdir(directory)
        patched.setenv("ZVIRKA_GUARD__MAX_CHANGE_SHARE", "1")
        assert run("reconcile") == 0
        patched.undo()
        yield simulator

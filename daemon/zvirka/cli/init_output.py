"""What ``zvirka init`` shows and asks: proposals with their reasons, pairs, the last steps."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from zvirka.cli.invocation import Invocation
from zvirka.errors import ExitCode

if TYPE_CHECKING:
    from zvirka.domain import Counterparty
    from zvirka.init.erp_database import TableChoice
    from zvirka.init.field_homes import SourceProposal
    from zvirka.init.store_proposal import StoreProposal

_TABLES = 5
_EXAMPLES = 2


class InitOutput:
    """The terminal's side of the conversation.

    Args:
        call: the call of the command.
        asking: whether a person is there to answer.
        show_values: show names, phones and the like as they are.
    """

    def __init__(self, call: Invocation, *, asking: bool, show_values: bool) -> None:
        self._call = call
        self.asking = asking
        self._show_values = show_values

    def ask(self, name: str, default: str = "", *, hidden: bool = False) -> str:
        """Return an answer; the default where nobody is there to give one."""
        if not self.asking:
            return default
        prompt = self._call.say(name)
        answer = typer.prompt(prompt, default=default, hide_input=hidden, show_default=not hidden)
        return str(answer).strip()

    def confirm(self, name: str) -> bool:
        """Return whether to go on; yes where nobody is there to say no."""
        return not self.asking or self._call.confirm(name, default=True)

    def say(self, name: str, **values: object) -> None:
        """Print a sentence."""
        self._call.print(self._call.say(name, **values))

    def lines(self, lines: Sequence[str]) -> None:
        """Print lines that are to be copied."""
        for line in lines:
            self._call.print(f"  {self._call.words.told(line)}")

    def source(self, found: SourceProposal) -> None:
        """Show which base was found, and where it keeps each field."""
        call = self._call
        self.say("init_base", title=found.title, profile=found.onec.profile, url=found.onec.url)
        self.say("init_count", count=call.words.number(found.count))
        examples = found.sample[:_EXAMPLES]
        call.print_table(
            [call.say("field"), "1C", call.say("init_score"), call.say("init_example")],
            [
                [
                    call.words.field(home.field),
                    home.home or call.say("none"),
                    f"{home.score:.2f} ({call.words.told(home.reason)})",
                    "  |  ".join(
                        self._value(home.field, p.values.get(home.field)) for p in examples
                    ),
                ]
                for home in found.homes
            ],
        )

    def tables(self, choices: Sequence[TableChoice]) -> None:
        """Show the tables that may hold the clients."""
        call = self._call
        call.print_table(
            [call.say("init_table"), call.say("init_rows"), call.say("init_score")],
            [
                [
                    one.name,
                    call.words.number(one.rows),
                    f"{one.score:.2f} ({call.words.told(one.reason)})",
                ]
                for one in choices[:_TABLES]
            ],
        )

    def store(self, found: StoreProposal) -> None:
        """Show which column holds what, and three clients beside their counterparties."""
        call = self._call
        call.print_table(
            [call.say("field"), call.say("init_column"), call.say("init_score")],
            [
                [
                    call.words.field(one.field),
                    f"{one.table}.{one.column}",
                    f"{one.score:.2f} ({call.words.told(one.reason)})",
                ]
                for one in found.columns
            ],
        )
        for field in found.dropped:
            self.say("init_dropped", field=call.words.field(field))
        self.lines(found.notes)
        for party, row in found.pairs:
            self._pair(found, party, row)

    def _pair(self, found: StoreProposal, party: Counterparty, row: dict[str, Any]) -> None:
        call = self._call
        rows = []
        for one in found.columns:
            if one.column in row and one.table == found.erp["table"]:
                ours = party.ref if one.field == "ref" else party.values.get(one.field)
                theirs = str(row[one.column] or "")
                values = [self._value(one.field, ours), self._value(one.field, theirs)]
                rows.append([call.words.field(one.field), *values])
        call.print()
        call.print_table([call.say("field"), "1C", "ERP"], rows)

    def _value(self, field: str, value: str | None) -> str:
        from zvirka.i18n.visible_text import one_line

        text = one_line(value or "")
        return text if self._show_values or field in {"code", "ref"} else masked(text)

    def conclude(self, file: Path, flow: str = "") -> int:
        """Run check and plan in processes of their own, and say what is left to do."""
        system = os.geteuid() == 0 and str(file).startswith("/etc/")
        whole = ["--config", str(file)]
        if flow:
            whole = ["--config", str(file.parent.parent / "zvirka.toml"), "--flow", flow]
        if self._run("check", whole) not in {ExitCode.IN_SYNC}:
            self.say("init_failed", file=file)
            return ExitCode.FAILED
        planned = self._run("plan", whole)
        if planned not in {ExitCode.IN_SYNC, ExitCode.DIFFERENCES, ExitCode.HELD}:
            return planned
        self.say("init_done")
        last = f"zvirka reconcile {' '.join(whole)}"
        verb = "reload" if flow else "enable --now"
        self.lines([f"systemctl {verb} zvirka.service" if system else last])
        return ExitCode.IN_SYNC

    def _run(self, command: str, whole: list[str]) -> int:
        language = self._call.language
        line = [sys.executable, "-m", "zvirka.cli", command, *whole]
        ended = subprocess.run(  # noqa: S603 - this program
            [*line, "--lang", language], capture_output=True, text=True, check=False
        )
        self._call.print()
        self._call.print(f"$ zvirka {command}")
        self._call.print((ended.stdout + ended.stderr).rstrip())
        return ended.returncode


def masked(text: str) -> str:
    """Return enough of a value to recognise what kind it is: «Т•••а (14)», «+•••7 (13)»."""
    return f"{text[:1]}•••{text[-1:]} ({len(text)})" if text else ""

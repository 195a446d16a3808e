"""``zvirka web hash-password``."""

from __future__ import annotations

import getpass
import sys

import typer

from zvirka.cli.invocation import Invocation
from zvirka.cli.options import CliCommand, examples, new_group
from zvirka.errors import ExitCode, UsageError
from zvirka.message import Message, coded

app = new_group("The page for admins and auditors.")

_SHORTEST_PASSWORD = 10


@app.command(
    "hash-password",
    cls=CliCommand,
    epilog=examples("""
        zvirka web hash-password
        zvirka web hash-password < password.txt
    """),
)
def hash_password(context: typer.Context) -> int:
    """Read a password and print its argon2 hash for [[web.users]].

    On a terminal it asks twice and does not show the password; otherwise it reads the first line of
    standard input.
    """
    from argon2 import PasswordHasher

    call: Invocation = context.obj
    if sys.stdin.isatty():
        password = getpass.getpass(f"{call.say('password')}: ", stream=sys.stderr)
        if getpass.getpass(f"{call.say('password_again')}: ", stream=sys.stderr) != password:
            raise UsageError(
                coded("ZV3504", "the two passwords differ"),
                remedy=Message("type the same password twice"),
            )
    else:
        password = sys.stdin.readline().rstrip("\r\n")
    if len(password) < _SHORTEST_PASSWORD:
        raise UsageError(
            coded("ZV3504", "the password is too short"),
            remedy=Message(
                "choose one of at least {count} characters",
                count=_SHORTEST_PASSWORD,
            ),
        )
    hashed = PasswordHasher().hash(password)
    if call.common.json:
        call.print_json({"password_hash": hashed})
    else:
        call.print(hashed)
    return ExitCode.IN_SYNC

"""``zvirka audit rotate-key``: one signing key hands over to the next."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from zvirka.cli.invocation import Invocation
from zvirka.cli.options import examples
from zvirka.errors import ExitCode

EXAMPLES = examples("""
    zvirka audit rotate-key --old old.pem --new new.pem --out rotation.json
""")


def rotate_key(
    context: typer.Context,
    old: Annotated[
        Path, typer.Option("--old", metavar="FILE", help="The private key used until now.")
    ],
    new: Annotated[Path, typer.Option("--new", metavar="FILE", help="The private key to use.")],
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="The statement to write.")],
) -> int:
    """Write a statement, signed with the old key, that the new one signs from the next run on.

    Then name the new key in report.signing_key_file. Auditors give the statement to
    `zvirka audit verify --rotation FILE` beside the public key they have.
    """
    import msgspec

    from zvirka.journal.keyring import hand_over
    from zvirka.journal.signing import read_signer
    from zvirka.report.files import atomic

    call: Invocation = context.obj
    with call.journal() as journal:
        newest = journal.runs(limit=1)
    last = newest[0].id if newest else 0
    statement = hand_over(read_signer(old), read_signer(new), last, datetime.now(UTC))
    with atomic(out) as stream:
        stream.write(msgspec.json.format(msgspec.json.encode(statement), indent=1) + b"\n")
    if call.common.json:
        call.print_json(msgspec.to_builtins(statement))
    else:
        call.print(call.say("written", path=out))
    return ExitCode.IN_SYNC

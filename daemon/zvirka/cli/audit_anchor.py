"""``zvirka audit anchor``: anchor the head of the chain now, between two runs."""

from __future__ import annotations

import typer

from zvirka.cli.invocation import Invocation
from zvirka.cli.options import examples
from zvirka.errors import ExitCode

EXAMPLES = examples("""
    zvirka audit anchor
    zvirka audit anchor --json
""")


def anchor(context: typer.Context) -> int:
    """Anchor the head of the chain now, as every run does at its end.

    Writes it to report.head_file and has it timestamped by report.tsa. Called from a timer, it
    covers the webhooks received since the last run.
    """
    from zvirka.reconcile.anchoring import anchor as anchor_head

    call: Invocation = context.obj
    with call.journal() as journal:
        head = anchor_head(call.settings, journal, between_runs=True)
    if call.common.json:
        call.print_json({"head": head})
    elif head is None:
        call.print(call.say("no_runs"))
    else:
        call.print(
            call.say("anchored", run=head.run, digest=head.digest, receipt=head.receipt or "—")
        )
    return ExitCode.IN_SYNC

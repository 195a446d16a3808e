"""How a command tells an error: cause, place, remedy and code, secrets masked."""

from __future__ import annotations

import sys

from zvirka.cli.invocation import Invocation
from zvirka.errors import ZvirkaError


def report_error(error: ZvirkaError, call: Invocation) -> int:
    """Write cause, place and remedy to standard error; return the exit code."""
    from zvirka.i18n.visible_text import visible
    from zvirka.redaction import Redactor

    told = call.words.told
    parts = [f"{call.say('error')}: {told(error.cause).rstrip()}"]
    if error.place:
        parts.append(f"{call.say('place')}: {told(error.place)}")
    if error.remedy:
        parts.append(f"{call.say('remedy')}: {told(error.remedy)}")
    if error.code:
        parts.append(call.say("explain", code=error.code))
    sys.stderr.write(visible(Redactor(call.secrets).secrets("\n".join(parts))) + "\n")
    return int(error.exit_code)

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
    hide = Redactor(call.secrets).secrets
    sys.stderr.write(visible(hide("\n".join(parts))) + "\n")
    if call.common.json:
        names = ("cause", "place", "remedy")
        texts = {name: hide(told(getattr(error, name))) for name in names}
        call.print_json({"error": {"code": error.code, **texts}})
    return int(error.exit_code)

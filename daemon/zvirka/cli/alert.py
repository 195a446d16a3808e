"""``zvirka alert``."""

from __future__ import annotations

from typing import Annotated

import typer

from zvirka.cli.invocation import Invocation
from zvirka.cli.options import CliCommand, examples, new_group
from zvirka.errors import ExitCode, SettingsError, ZvirkaError
from zvirka.message import Message, coded
from zvirka.now import utc_now

app = new_group()


@app.command(
    cls=CliCommand,
    epilog=examples("zvirka alert zvirka-reconcile.service"),
)
def alert(
    context: typer.Context,
    unit: Annotated[str, typer.Argument(metavar="UNIT", help="The unit that failed.")],
) -> int:
    """Send an alert that a systemd unit failed, with the cause; for OnFailure=.

    It is also sent when the settings cannot be used, as long as [alerts] can.
    """
    from zvirka.service.timer_followup import tell_of_unit

    call: Invocation = context.obj
    why = ""
    try:
        settings = call.settings
    except SettingsError as error:
        at_hand = call.settings_at_hand
        if at_hand is None:
            raise
        settings, why = at_hand, str(error)
    addresses = len(settings.alerts.urls)
    if addresses and tell_of_unit(settings, unit, utc_now(), why):
        raise ZvirkaError(
            coded("ZV4202", "the alert could not be delivered to every address"),
            place="alerts.urls",
            remedy=Message("the daemon tries again by itself; the log names the kind of failure"),
        )
    if call.common.json:
        call.print_json({"unit": unit, "addresses": addresses})
    else:
        call.print(call.say("alert_sent" if addresses else "alert_nobody"))
    return ExitCode.IN_SYNC

"""``zvirka serve``, ``daemon``, ``alert``, ``systemd``, ``bsl``, ``web``: running it for good."""

from __future__ import annotations

import getpass
import sys
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

import typer

from zvirka.cli.declaration import command, new_group
from zvirka.cli.invocation import Invocation
from zvirka.errors import ExitCode, UsageError, ZvirkaError
from zvirka.settings.loading import load_settings

_SHORTEST_PASSWORD = 10


def register(app: typer.Typer) -> None:
    """Add the commands of this family."""
    command(
        app,
        "serve",
        examples="""
            zvirka serve --config /etc/zvirka/zvirka.toml
            zvirka serve --only web
        """,
    )(serve)
    command(app, "daemon", examples="zvirka daemon --config /etc/zvirka/zvirka.toml")(daemon)
    command(app, "alert", examples="zvirka alert zvirka-reconcile.service")(alert)
    units = new_group("The units for systemd.")
    command(
        units,
        "install",
        examples="""
            zvirka systemd install --dry-run
            sudo zvirka systemd install
        """,
    )(install)
    app.add_typer(units, name="systemd")
    bsl = new_group("The push module for 1C.")
    command(bsl, "render", examples="zvirka bsl render --out ./for-1c")(render)
    app.add_typer(bsl, name="bsl")
    web = new_group("The page for admins and auditors.")
    command(
        web,
        "hash-password",
        examples="""
            zvirka web hash-password
            zvirka web hash-password < password.txt
        """,
    )(hash_password)
    app.add_typer(web, name="web")


def serve(
    call: Invocation,
    only: Annotated[
        Literal["receiver", "web"] | None,
        typer.Option("--only", help="One of the two, where each is a service of its own."),
    ] = None,
) -> int:
    """Receive webhooks of 1C, and serve the page where [web] enables it, until SIGTERM."""
    from zvirka.receiver.run_receiver import serve as serve_receiver
    from zvirka.service.systemd_notify import Notifier
    from zvirka.web.run_page import page, serve_page

    settings, notifier = call.settings, Notifier(call.environ)
    if only == "web":
        serve_page(settings, call.mapping, on_ready=lambda: notifier.ready(settings.web.listen))
        return ExitCode.IN_SYNC
    with (
        page(settings, call.mapping) if settings.web.enabled and not only else nullcontext() as app
    ):
        serve_receiver(
            settings,
            call.mapping,
            web_app=app,
            on_ready=lambda: notifier.ready(settings.receiver.listen),
        )
    return ExitCode.IN_SYNC


def daemon(call: Invocation) -> int:
    """Run the nightly reconciliations of [schedule] for good; systemd's service.

    SIGHUP reads the settings anew; SIGTERM ends the run under way at the next safe place.
    """
    from zvirka.service.daemon import run_daemon

    first = call.loaded
    return run_daemon(lambda: load_settings(first.path, call.environ), environ=call.environ)


def alert(
    call: Invocation,
    unit: Annotated[str, typer.Argument(metavar="UNIT", help="The unit that failed.")],
) -> int:
    """Tell the addresses of [alerts] that a systemd unit failed; for OnFailure=."""
    from zvirka.service.timer_followup import tell_of_unit

    if not call.settings.alerts.urls:
        call.print(call.say("alert_nobody"))
        return ExitCode.IN_SYNC
    if tell_of_unit(call.settings, unit, datetime.now(UTC)):
        raise ZvirkaError(
            "the alert was not taken by every address",
            place="alerts.urls",
            remedy="the daemon tries again by itself; the log says which kind of failure it was",
        )
    call.print(call.say("alert_sent"))
    return ExitCode.IN_SYNC


def install(
    call: Invocation,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show, write nothing.")] = False,
    prefix: Annotated[
        Path,
        typer.Option("--prefix", metavar="DIR", help="Another root, for packages and containers."),
    ] = Path("/"),
) -> int:
    """Put units, timer, users and directories where systemd looks for them."""
    from zvirka.service.systemd_install import install as install_units

    paths = install_units(prefix=prefix, dry_run=dry_run)
    if call.common.json:
        call.print_json(paths)
    else:
        for path in paths:
            call.print(call.say("would_write" if dry_run else "written", path=path))
    return ExitCode.IN_SYNC


def render(
    call: Invocation,
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="The directory to write into.")
    ] = Path("zvirka-bsl"),
) -> int:
    """Write the push module of 1C for this configuration, so that push and pull agree."""
    from zvirka.bsl.render import render as render_modules

    paths = render_modules(call.settings, call.mapping, out)
    if call.common.json:
        call.print_json(paths)
    else:
        for path in paths:
            call.print(call.say("written", path=path))
    return ExitCode.IN_SYNC


def hash_password(call: Invocation) -> int:
    """Read a password and print its argon2 hash for [[web.users]].

    From a terminal it is asked for twice and not shown; else the first line of standard input is
    taken.
    """
    from argon2 import PasswordHasher

    if sys.stdin.isatty():
        password = getpass.getpass(f"{call.say('password')}: ", stream=sys.stderr)
        if getpass.getpass(f"{call.say('password_again')}: ", stream=sys.stderr) != password:
            raise UsageError("the two passwords differ", remedy="type the same one twice")
    else:
        password = sys.stdin.readline().rstrip("\r\n")
    if len(password) < _SHORTEST_PASSWORD:
        raise UsageError(
            "the password is too short",
            remedy=f"choose one of at least {_SHORTEST_PASSWORD} characters",
        )
    hashed = PasswordHasher().hash(password)
    if call.common.json:
        call.print_json({"password_hash": hashed})
    else:
        call.print(hashed)
    return ExitCode.IN_SYNC

"""The command line: ``zvirka``. Commands stand in a file per family and hold no logic.

Exit codes are a contract (:class:`zvirka.errors.ExitCode`): 0 in sync or all corrected and
verified, 1 differences remain, 2 the run failed, 3 held for approval, 64 usage or configuration;
130 when interrupted by Ctrl+C. Results go to standard output, logs and progress to standard error.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from loguru import logger
from typer import Abort, TyperException

from zvirka.cli.app import build
from zvirka.cli.declaration import Line
from zvirka.cli.run_output import INTERRUPTED
from zvirka.cli.texts import Messages, language_of
from zvirka.errors import ExitCode, ZvirkaError
from zvirka.logs import configure_logs
from zvirka.redaction import Redactor
from zvirka.settings.model import LogSettings
from zvirka.settings.secrets import secret_values


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit code; every failure becomes a sentence."""
    # Before the settings are known a library's warning must not come out unredacted either.
    configure_logs(LogSettings(level="WARNING"), stream=sys.stderr, environ=os.environ)
    line = Line()
    try:
        code = build().main(
            args=list(sys.argv[1:] if arguments is None else arguments),
            prog_name="zvirka",
            standalone_mode=False,
            obj=line,
        )
    except TyperException as error:
        return _usage(error, line)
    except ZvirkaError as error:
        return _refusal(error, line)
    except (KeyboardInterrupt, Abort):
        code = INTERRUPTED
    except BrokenPipeError:
        # Whoever read the results has gone; Python must not complain about it at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return int(ExitCode.FAILED)
    except Exception as error:
        logger.opt(exception=error).critical("unexpected error")
        sys.stderr.write(f"{_messages(line).say('unexpected', kind=type(error).__name__)}\n")
        return int(ExitCode.FAILED)
    if code == INTERRUPTED:
        # Also what the library makes of Ctrl+C itself.
        sys.stderr.write(f"{_messages(line).say('interrupted')}\n")
    return int(code or 0)


def _usage(error: TyperException, line: Line) -> int:
    context = getattr(error, "ctx", None)
    if type(error).__name__ == "NoArgsIsHelpError":
        # A group without a command: its help is the message.
        sys.stderr.write(f"{error.format_message()}\n")
        return int(ExitCode.USAGE)
    messages = _messages(line)
    command = context.command_path if context is not None else "zvirka"
    sys.stderr.write(f"{messages.say('error')}: {error.format_message()}\n")
    sys.stderr.write(f"{messages.say('try_help', command=command)}\n")
    return int(ExitCode.USAGE)


def _refusal(error: ZvirkaError, line: Line) -> int:
    messages = _messages(line)
    loaded = line.call.__dict__.get("loaded") if line.call is not None else None
    redactor = Redactor(secret_values(loaded.settings) if loaded is not None else ())
    parts = [f"{messages.say('error')}: {error.cause.rstrip()}"]
    if error.place:
        parts.append(f"{messages.say('place')}: {error.place}")
    if error.remedy:
        parts.append(f"{messages.say('remedy')}: {error.remedy}")
    sys.stderr.write(redactor.secrets("\n".join(parts)) + "\n")
    return int(error.exit_code)


def _messages(line: Line) -> Messages:
    if line.call is not None:
        return line.call.messages
    return Messages(language_of(line.common.lang, os.environ, None))

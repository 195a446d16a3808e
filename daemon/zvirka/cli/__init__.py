"""The command line ``zvirka``: a file per command or family of commands, without logic of its own.

Results go to standard output, logs and progress to standard error. Exit codes are a contract
(:class:`zvirka.errors.ExitCode`): 0 in sync, or all corrected and verified; 1 differences remain;
2 the run failed; 3 held for approval; 64 usage or configuration. As in shells, 130 means
interrupted by Ctrl+C, and 141 that the reader of the output went away (``zvirka show 1 | head``).
"""

from __future__ import annotations

import os
import select
import sys
from collections.abc import Sequence
from io import TextIOWrapper

import typer
from typer import Abort, TyperException
from typer.main import get_command

from zvirka.cli.app import app
from zvirka.cli.completion import COMPLETE, complete
from zvirka.cli.error_output import report_error
from zvirka.cli.invocation import Common, Invocation, writing_output
from zvirka.cli.signals import INTERRUPTED, OUTPUT_CLOSED
from zvirka.cli.texts import asked_language
from zvirka.cli.usage_errors import usage_error
from zvirka.errors import ExitCode, OutputError, ZvirkaError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit code; every failure is reported as a sentence."""
    _open_closed_streams()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            # A terminal or pipe of another encoding gets \uXXXX, which JSON understands as well.
            stream.reconfigure(errors="backslashreplace")
    given = list(sys.argv[1:] if arguments is None else arguments)
    call = Invocation(os.environ, Common(lang=asked_language(given), json="--json" in given))
    try:
        code = _run(call, given)
        with writing_output():
            sys.stdout.flush()
    except TyperException as error:
        if type(error).__name__ == "NoArgsIsHelpError":
            # A group without a command: its help is the message.
            sys.stderr.write(f"{error.format_message()}\n")
            return int(ExitCode.USAGE)
        return report_error(usage_error(error, call.messages.text), call)
    except ZvirkaError as error:
        if isinstance(error, OutputError):
            _drop_output()
        return report_error(error, call)
    except (KeyboardInterrupt, Abort):
        sys.stderr.write(f"{call.say('interrupted')}\n")
        return INTERRUPTED
    except Exception as error:
        if isinstance(error, BrokenPipeError) and _reader_is_gone():
            _drop_output()
            return OUTPUT_CLOSED
        return _report_unexpected(error, call)
    if code == INTERRUPTED:
        sys.stderr.write(f"{call.say('interrupted')}\n")
    return code


def _run(call: Invocation, arguments: list[str]) -> int:
    # Not Typer's own main(): it turns a closed pipe into exit code 1, which means differences.
    command = get_command(app)
    asked = os.environ.get(COMPLETE)
    if asked:
        return complete(command, call, asked)
    try:
        with command.make_context("zvirka", arguments, obj=call) as context:
            return int(command.invoke(context) or ExitCode.IN_SYNC)
    except typer.Exit as ended:
        return ended.exit_code


def _open_closed_streams() -> None:
    """Put /dev/null where the caller closed a stream: else a database would get its number."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), mode))


def _drop_output() -> None:
    # Otherwise Python flushes once more at exit and complains.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _reader_is_gone() -> bool:
    """Whether standard output is a pipe without a reader (and not some socket that broke)."""
    poll = select.poll()
    poll.register(sys.stdout.fileno(), 0)
    return any(event & select.POLLERR for _, event in poll.poll(0))


def _report_unexpected(error: Exception, call: Invocation) -> int:
    from loguru import logger

    # The error may come from reading the command line, before any command configured the log.
    call.configure_logs()
    logger.opt(exception=error).critical("unexpected error")
    sys.stderr.write(f"{call.say('unexpected', kind=type(error).__name__)}\n")
    return int(ExitCode.FAILED)

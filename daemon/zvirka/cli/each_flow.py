"""A command for several flows: one after another, each with its heading; the worst code counts."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from io import StringIO
from typing import Any

from zvirka.cli.invocation import Invocation
from zvirka.cli.signals import INTERRUPTED
from zvirka.errors import ExitCode, ZvirkaError

_SEVERITY = (
    ExitCode.IN_SYNC,
    ExitCode.DIFFERENCES,
    ExitCode.HELD,
    ExitCode.FAILED,
    ExitCode.USAGE,
    INTERRUPTED,
)


def worst(codes: Iterable[int]) -> int:
    """The exit code of several: a failure counts before a hold, a hold before differences."""
    known = {code: rank for rank, code in enumerate(_SEVERITY)}
    return max(codes, key=lambda code: known.get(code, len(known)), default=ExitCode.IN_SYNC)


def for_each_flow(call: Invocation, names: Iterable[str], run: Callable[[Invocation], int]) -> int:
    """Run a command for each flow, those that others refer to first.

    A flow that fails does not keep the others from their turn. Flows that wait for rows of others
    run once more at the end. With ``--json`` the result is one object, by flow.
    """
    codes: dict[str, int] = {}
    contents: dict[str, Any] = {}
    waiting: list[str] = []
    for name in _in_order(call, names):
        of_flow = call.for_flow(name)
        codes[name] = _one(call, of_flow, name, run, contents)
        if codes[name] == INTERRUPTED:
            break
        if of_flow.waits_for_others:
            waiting.append(name)
    else:
        for name in waiting:
            codes[name] = _one(call, call.for_flow(name), name, run, contents)
    if call.common.json:
        call.print_json(contents)
    return worst(codes.values())


def _in_order(call: Invocation, names: Iterable[str]) -> list[str]:
    from zvirka.settings.flow_order import by_references
    from zvirka.settings.loading import load_flows

    flows = load_flows(call.common.config, call.environ).loaded
    return by_references(names, {name: loaded.settings for name, loaded in flows.items()})


def _one(
    call: Invocation,
    of_flow: Invocation,
    name: str,
    run: Callable[[Invocation], int],
    contents: dict[str, Any],
) -> int:
    from zvirka.cli.error_output import report_error

    if call.common.json:
        of_flow.out = StringIO()
    else:
        call.print(f"── {name}")
        call.out.flush()
    try:
        code = run(of_flow)
    except ZvirkaError as error:
        code = report_error(error, of_flow)
    if isinstance(of_flow.out, StringIO):
        text = of_flow.out.getvalue()
        contents[name] = json.loads(text) if text.strip() else None
    return code

"""A simulated 1C of a million counterparties: ``python -m tests.benchmarks.million``.

Prints one JSON line ``{"url": …, "user": …}`` when it serves, then serves until SIGTERM, SIGINT, or
the end of standard input when ``--until-eof`` is given. The password comes from the environment
variable ZVIRKA_SIMULATOR_PASSWORD; a random one is printed.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import threading

from tests.benchmarks.million.catalogue import lazy_infobase
from zvirka.cli.simulate import PASSWORD_VARIABLE
from zvirka.simulator import Simulator, SimulatorOptions
from zvirka.simulator.configurations import ConfigurationKind


def main() -> None:
    """Serve as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--counterparties", type=int, default=1_000_000)
    parser.add_argument("--until-eof", action="store_true")
    parser.add_argument("--warm", action="store_true", help="sort before serving")
    given = parser.parse_args()
    password = os.environ.get(PASSWORD_VARIABLE, "")
    base = lazy_infobase(ConfigurationKind.ACCOUNTING, given.counterparties, seed=1)
    simulator = Simulator(SimulatorOptions(password=password), base)
    if given.warm:
        simulator.warm()
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    with simulator:
        line = {"url": simulator.url, "user": simulator.user}
        if not password:
            line["password"] = simulator.password
        sys.stdout.write(json.dumps(line, ensure_ascii=False) + "\n")
        sys.stdout.flush()
        if given.until_eof:
            threading.Thread(target=_wait_for_eof, args=(ended,), daemon=True).start()
        ended.wait()


def _wait_for_eof(ended: threading.Event) -> None:
    while sys.stdin.read(4096):
        pass
    ended.set()


if __name__ == "__main__":
    main()

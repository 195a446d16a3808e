"""The simulator in a process of its own: ``python -m zvirka.simulator --counterparties 1000000``.

Prints one JSON line ``{"url": …, "user": …, "password": …}`` when it serves, then serves until
SIGTERM, SIGINT, or the end of standard input when ``--until-eof`` is given. A password comes from
the environment variable ZVIRKA_SIMULATOR_PASSWORD and is printed only when it was invented here.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import threading
from pathlib import Path

from zvirka.simulator.simulator import Simulator, SimulatorOptions

PASSWORD = "ZVIRKA_SIMULATOR_PASSWORD"  # noqa: S105 - the name of a variable


def main() -> None:
    """Serve as the command line says."""
    parser = argparse.ArgumentParser(prog="python -m zvirka.simulator", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument(
        "--profile", choices=["accounting", "trade", "custom", "legacy"], default="accounting"
    )
    parser.add_argument("--counterparties", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--user", default="Обмін")
    parser.add_argument("--recording", type=Path)
    parser.add_argument("--metadata-bytes", type=int, default=0)
    parser.add_argument("--no-gzip", action="store_true")
    parser.add_argument("--until-eof", action="store_true")
    parser.add_argument("--warm", action="store_true", help="sort before serving")
    given = parser.parse_args()
    password = os.environ.get(PASSWORD, "")
    simulator = Simulator(
        SimulatorOptions(
            host=given.host,
            port=given.port,
            profile=given.profile,
            counterparties=given.counterparties,
            seed=given.seed,
            user=given.user,
            password=password,
            recording=given.recording,
            metadata_bytes=given.metadata_bytes,
            gzip=not given.no_gzip,
        )
    )
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

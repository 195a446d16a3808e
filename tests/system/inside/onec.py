"""Runs inside the container: a simulated 1C whose faults are set by files.

``/run/onec/faults.json`` holds attributes of the simulator's Faults and is read again when it
changes; ``--drip`` serves, instead of 1C, an answer that never ends: a byte a second.
"""

from __future__ import annotations

import argparse
import json
import os
import socketserver
import sys
import threading
import time
from pathlib import Path

from zvirka.simulator import Simulator, SimulatorOptions

FAULTS = Path("/run/onec/faults.json")
NONE = {"latency": 0.0, "stall": 0.0, "maintenance": False}


class Drip(socketserver.StreamRequestHandler):
    """Answers anything with a body that comes byte by byte, for ever."""

    def handle(self) -> None:
        while self.rfile.readline().strip():
            pass
        head = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 1000000\r\n\r\n"
        self.wfile.write(head)
        while True:
            self.wfile.write(b" ")
            time.sleep(1)


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--drip", action="store_true")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--counterparties", type=int, default=300)
    given = parser.parse_args()
    if given.drip:
        Server(("127.0.0.1", given.port), Drip).serve_forever()
    options = SimulatorOptions(
        port=given.port,
        counterparties=given.counterparties,
        password=os.environ["ZVIRKA_SIMULATOR_PASSWORD"],
        user="zvirka",
    )
    with Simulator(options) as simulator:
        sys.stdout.write(simulator.url + "\n")
        sys.stdout.flush()
        threading.Thread(target=follow, args=(simulator,), daemon=True).start()
        threading.Event().wait()


def follow(simulator: Simulator) -> None:
    known = ""
    while True:
        text = FAULTS.read_text() if FAULTS.exists() else "{}"
        if text != known:
            known = text
            for name, value in (NONE | json.loads(text)).items():
                setattr(simulator.faults, name, value)
        time.sleep(0.05)


if __name__ == "__main__":
    main()

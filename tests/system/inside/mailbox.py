"""Runs inside the container: takes alerts by HTTP and appends them to ``/run/mailbox``."""

from __future__ import annotations

from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path


class Mailbox(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        with Path("/run/mailbox").open("ab") as file:
            file.write(body + b"\n")
        self.send_response(200)
        self.end_headers()


if __name__ == "__main__":
    HTTPServer(("127.0.0.1", 18025), Mailbox).serve_forever()

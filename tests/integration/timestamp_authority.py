"""A timestamp authority made with ``openssl ts``, served by HTTP on this machine."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

_CONFIG = """
[tsa]
default_tsa = this
[this]
serial = {folder}/serial
signer_cert = {folder}/tsa.crt
certs = {folder}/root.crt
signer_key = {folder}/tsa.key
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256, sha384, sha512
ordering = yes
tsa_name = yes
ess_cert_id_chain = no
"""


@dataclass
class Authority:
    """Its address, its root certificate, and whether it answers."""

    url: str
    root: bytes
    down: bool = False
    answered: int = 0


@contextmanager
def authority(folder: Path) -> Iterator[Authority]:
    """An authority of one's own, with keys made in the folder."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed: no timestamp authority")
    folder.mkdir(parents=True)
    (folder / "serial").write_text("01\n")
    (folder / "ts.conf").write_text(_CONFIG.format(folder=folder))
    (folder / "ext").write_text(
        "extendedKeyUsage=critical,timeStamping\nkeyUsage=digitalSignature\n"
    )
    run = ["openssl", "req", "-newkey", "rsa:2048", "-nodes"]
    _call(folder, *run, "-x509", "-keyout", "root.key", "-out", "root.crt", "-days", "3650",
          "-subj", "/CN=Test root", "-addext", "keyUsage=critical,keyCertSign")  # fmt: skip
    _call(folder, *run, "-keyout", "tsa.key", "-out", "tsa.csr", "-subj", "/CN=Test TSA")
    _call(folder, "openssl", "x509", "-req", "-in", "tsa.csr", "-CA", "root.crt",
          "-CAkey", "root.key", "-CAcreateserial", "-out", "tsa.crt", "-days", "3650",
          "-extfile", "ext")  # fmt: skip
    made = Authority("", (folder / "root.crt").read_bytes())

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            query = self.rfile.read(int(self.headers["Content-Length"]))
            if made.down:
                self.send_error(503)
                return
            (folder / "query.tsq").write_bytes(query)
            _call(folder, "openssl", "ts", "-reply", "-config", "ts.conf", "-queryfile",
                  "query.tsq", "-out", "reply.tsr")  # fmt: skip
            answer = (folder / "reply.tsr").read_bytes()
            made.answered += 1
            self.send_response(200)
            self.send_header("Content-Type", "application/timestamp-reply")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    made.url = f"http://127.0.0.1:{server.server_port}/tsa"
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _call(folder: Path, *line: str) -> None:
    subprocess.run(line, cwd=folder, check=True, capture_output=True)

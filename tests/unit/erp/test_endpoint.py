"""What an answer of the ERP's webhook is worth, and that TLS is verified."""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import ClassVar

import certifi
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from zvirka.erp.webhook.endpoint import Endpoint, EndpointAnswer, judge
from zvirka.errors import SettingsError
from zvirka.settings.model import WebhookSettings


@pytest.mark.parametrize(
    ("status", "body", "answer"),
    [
        (200, b'{"success": true}', EndpointAnswer.ACCEPTED),
        (201, b"", EndpointAnswer.ACCEPTED),
        (204, b"", EndpointAnswer.ACCEPTED),
        (200, b"OK", EndpointAnswer.ACCEPTED),
        (200, b"[]", EndpointAnswer.ACCEPTED),
        (200, b" \r\n<!DOCTYPE html>", EndpointAnswer.REFUSED),
        (200, b"\xef\xbb\xbf<html>", EndpointAnswer.REFUSED),
        (200, b'{"success": false}', EndpointAnswer.REFUSED),
        (200, b'{"ok": false}', EndpointAnswer.REFUSED),
        (200, b'\xef\xbb\xbf{"ok": false}', EndpointAnswer.REFUSED),
        (200, '{"text": "прийнято"}'.encode("cp1251"), EndpointAnswer.ACCEPTED),
        (200, b'{"a":' * 10_000, EndpointAnswer.ACCEPTED),
        (301, b"", EndpointAnswer.REFUSED),
        (400, b"", EndpointAnswer.REFUSED),
        (404, b"", EndpointAnswer.REFUSED),
        (408, b"", EndpointAnswer.UNCLEAR),
        (429, b"", EndpointAnswer.LATER),
        (500, b"", EndpointAnswer.BROKEN),
        (502, b"", EndpointAnswer.UNCLEAR),
        (503, b"", EndpointAnswer.BROKEN),
        (504, b"", EndpointAnswer.UNCLEAR),
    ],
)
def test_an_answer_is_judged_by_status_and_kind_of_body(
    status: int, body: bytes, answer: EndpointAnswer
) -> None:
    assert judge(status, {}, body).answer is answer


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7),
        ("86400", 60),
        ("", 5),
        ("Wed, 25 Nov 2026 10:00:00 GMT", 5),
        ("-3", 5),
        ("\u00b2", 5),
    ],
)
def test_a_pause_is_as_long_as_asked_within_reason(header: str, seconds: float) -> None:
    assert judge(429, {"Retry-After": header}, b"").pause == seconds


@pytest.mark.parametrize("status", [401, 407])
def test_refused_credentials_are_told_apart(status: int) -> None:
    assert judge(status, {}, b"").unauthorised


def test_only_http_addresses_are_taken() -> None:
    with pytest.raises(SettingsError, match="http"):
        Endpoint(WebhookSettings(url="ftp://erp.example.ua/x"))


class Quiet(BaseHTTPRequestHandler):
    authorization: ClassVar[str | None] = None

    def do_POST(self) -> None:
        Quiet.authorization = self.headers["Authorization"]
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@pytest.fixture
def https(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A server with a certificate of its own, and that certificate."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime.now(UTC) - timedelta(days=1))
        .not_valid_after(datetime.now(UTC) + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    ca = tmp_path / "ca.pem"
    ca.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    both = tmp_path / "both.pem"
    both.write_bytes(
        ca.read_bytes()
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(both)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Quiet)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield f"https://127.0.0.1:{server.server_address[1]}/x", ca
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_certificate_that_is_not_trusted_stops_the_message(
    https: tuple[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, ca = https
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", certifi.where())
    strange = Endpoint(WebhookSettings(url=url))
    reply = strange.post({"action": "create"})
    assert reply.answer is EndpointAnswer.UNREACHABLE
    assert "certificate" in reply.text
    known = Endpoint(WebhookSettings(url=url, ca_file=ca))
    assert known.post({"action": "create"}).answer is EndpointAnswer.ACCEPTED


class Dripping(Quiet):
    """Sends its answer a byte at a time and never ends it."""

    def do_POST(self) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
        with suppress(OSError):
            while True:
                self.wfile.write(b"x")
                time.sleep(0.05)


@pytest.fixture
def dripping() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Dripping)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/x"
    server.shutdown()
    server.server_close()
    thread.join()


def test_an_answer_that_never_ends_is_given_up(dripping: str) -> None:
    began = time.monotonic()
    reply = Endpoint(WebhookSettings(url=dripping, timeout=timedelta(seconds=1))).post({})
    assert time.monotonic() - began < 5
    assert (reply.answer, reply.text) == (EndpointAnswer.UNCLEAR, "no answer within 1 s")


def test_neither_proxies_nor_netrc_of_the_environment_are_used(
    https: tuple[str, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    url, ca = https
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login stranger password secret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:1")
    direct = Endpoint(WebhookSettings(url=url, ca_file=ca))
    assert direct.post({}).answer is EndpointAnswer.ACCEPTED
    assert Quiet.authorization is None
    asked = Endpoint(WebhookSettings(url=url, ca_file=ca, proxy="environment"))
    assert asked.post({}).answer is not EndpointAnswer.ACCEPTED

"""A session over TLS: what is verified, and how a connection that fails is told."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from tests.unit.onec.scripted import Reply, served, session
from zvirka.onec import failures


def test_a_certificate_is_verified_unless_its_authority_is_named(tmp_path: Path) -> None:
    certificate = self_signed(tmp_path)
    with served(Reply(b"secure"), certificate=certificate) as script:
        with pytest.raises(failures.TlsRefusedError) as caught:
            session(script.url).get("a", decode=bytes)
        assert not caught.value.passing
        assert script.asked == []
        named = session(script.url, verify=str(certificate))
        assert named.get("a", decode=bytes) == b"secure"


@pytest.mark.parametrize(
    ("certificate", "code"),
    [
        ({}, "ZV1111"),
        ({"days": -1, "trusted": True}, "ZV1112"),
        ({"name": "192.0.2.1", "trusted": True}, "ZV1113"),
    ],
    ids=["self-signed", "expired", "wrong name"],
)
def test_what_is_wrong_with_a_certificate_is_told_apart(
    tmp_path: Path, certificate: dict[str, Any], code: str
) -> None:
    trusted = certificate.pop("trusted", False)
    file = self_signed(tmp_path, **certificate)
    with served(certificate=file) as script:
        talk = session(script.url, verify=str(file)) if trusted else session(script.url)
        with pytest.raises(failures.TlsRefusedError) as caught:
            talk.get("a", decode=bytes)
    assert caught.value.code == code


def test_https_to_a_plain_port_an_unknown_host_and_a_closed_port_are_told_apart() -> None:
    with served() as script:
        plain = script.url
    codes = {}
    for url in (plain, "http://no-such-host.invalid/base/"):
        with pytest.raises(failures.OnecError) as caught:
            session(url).get("a", decode=bytes)
        codes[url] = caught.value.code
    assert list(codes.values()) == ["ZV1103", "ZV1102"]
    with served() as script, pytest.raises(failures.PlainPortError) as caught:
        session(script.url.replace("http://", "https://")).get("a", decode=bytes)
    assert caught.value.code == "ZV1104"


def self_signed(directory: Path, *, name: str = "127.0.0.1", days: int = 1) -> Path:
    """A certificate of an address with its key, in one file; it ends in so many days."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    address = x509.SubjectAlternativeName([x509.IPAddress(IPv4Address(name))])
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=2))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(address, critical=False)
        .sign(key, hashes.SHA256())
    )
    file = directory / "certificate.pem"
    file.write_bytes(
        made.public_bytes(Encoding.PEM)
        + key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    return file

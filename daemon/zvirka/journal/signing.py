"""Signatures of sealed runs: Ed25519, verifiable with the public key alone."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from zvirka.errors import SettingsError, os_reason
from zvirka.message import Message, coded

if TYPE_CHECKING:  # 11 MB that a run without a key does without
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (
        Ed25519PrivateKey,
        Ed25519PublicKey,
    )


class Signer:
    """Signs digests with the configured key. Its repr holds no secret."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key

    @property
    def public(self) -> Ed25519PublicKey:
        """The public half of the key."""
        return self._key.public_key()

    def sign(self, digest: str) -> str:
        """The signature over a digest, in hexadecimal."""
        return self._key.sign(digest.encode()).hex()


def read_signer(path: Path) -> Signer:
    """The signer of an Ed25519 private key in PEM without a passphrase.

    Raises:
        SettingsError: the file cannot be read, or holds something else.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except OSError as error:
        raise SettingsError(
            coded("ZV4102", "the signing key cannot be read ({why})", why=os_reason(error)),
            place=f"report.signing_key_file: {path}",
            remedy=Message("let zvirka's user read it, or unset the key"),
        ) from None
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise SettingsError(
            coded(
                "ZV3404",
                "the signing key is not an Ed25519 private key in PEM without a passphrase",
            ),
            place=f"report.signing_key_file: {path}",
            remedy=Message("make one with: openssl genpkey -algorithm ed25519 -out FILE"),
        )
    return Signer(key)


def key_id(key: Ed25519PublicKey) -> str:
    """The short name of a public key: the beginning of the SHA-256 of its 32 bytes."""
    return sha256(key.public_bytes_raw()).hexdigest()[:16]

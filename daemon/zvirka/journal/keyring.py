"""The public keys an auditor trusts, and the statements by which one key hands over to the next."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from zvirka.errors import NOT_JSON, UsageError
from zvirka.journal.column_types import encoded
from zvirka.journal.signing import Signer, key_id
from zvirka.message import Message, coded

_PEM = re.compile(rb"-----BEGIN [^-]+-----.+?-----END [^-]+-----", re.DOTALL)


class Rotation(msgspec.Struct, frozen=True, kw_only=True):
    """A statement: runs after ``after_run`` are signed with the new key. Signed with the old one.

    Keys are their 32 bytes in hexadecimal, ``signature`` is over the other members as canonical
    JSON (:func:`zvirka.journal.column_types.encoded`).
    """

    statement: Literal["zvirka key rotation 1"] = "zvirka key rotation 1"
    old: str
    new: str
    after_run: int
    at: str
    signature: str = ""

    def content(self) -> bytes:
        """What the signature covers."""
        members = msgspec.structs.asdict(self)
        del members["signature"]
        return encoded(members)


def hand_over(old: Signer, new: Signer, after_run: int, now: datetime) -> Rotation:
    """The statement that the new key follows the old one after a run."""
    made = Rotation(
        old=old.public.public_bytes_raw().hex(),
        new=new.public.public_bytes_raw().hex(),
        after_run=after_run,
        at=now.isoformat(timespec="seconds"),
    )
    return msgspec.structs.replace(made, signature=old.sign(made.content().decode()))


@dataclass(slots=True)
class _Trusted:
    key: Ed25519PublicKey
    first: int = 0
    last: int | None = None

    def signed(self, content: bytes, signature: str) -> bool:
        try:
            self.key.verify(bytes.fromhex(signature), content)
        except (InvalidSignature, ValueError):
            return False
        return True


class Keyring:
    """Trusted keys: those given, and those they hand over to.

    Args:
        keys: the keys given (:func:`public_keys`).
        rotations: statements, in any order. After one, the old key signs no further run.

    Raises:
        UsageError: a statement is not signed with a trusted key.
    """

    def __init__(
        self, keys: Iterable[Ed25519PublicKey], rotations: Iterable[Rotation] = ()
    ) -> None:
        self._trusted = {key_id(key): _Trusted(key) for key in keys}
        left = sorted(rotations, key=lambda one: one.after_run)
        while left:
            known = {one.key.public_bytes_raw().hex(): one for one in self._trusted.values()}
            follows = next((one for one in left if one.old in known), None)
            if follows is None or not known[follows.old].signed(
                follows.content(), follows.signature
            ):
                raise UsageError(
                    coded("ZV3514", "a key rotation statement is not signed with a trusted key"),
                    remedy=Message(
                        "give the public key that was in use before the rotation with --key"
                    ),
                )
            left.remove(follows)
            known[follows.old].last = follows.after_run
            new = Ed25519PublicKey.from_public_bytes(bytes.fromhex(follows.new))
            self._trusted[key_id(new)] = _Trusted(new, follows.after_run + 1)

    def signer_of(self, run: int, digest: str, signature: str) -> str | None:
        """The id of the key that signed the digest of a run; ``None`` when it is none of these."""
        for name, one in self._trusted.items():
            in_time = one.first <= run and (one.last is None or run <= one.last)
            if in_time and one.signed(digest.encode(), signature):
                return name
        return None


def public_keys(pem: bytes) -> list[Ed25519PublicKey]:
    """The keys of a PEM text, as ``openssl pkey -pubout`` writes them; it may hold several.

    Raises:
        UsageError: it holds none, or one that is not an Ed25519 public key.
    """
    found = []
    for block in _PEM.findall(pem) or [pem]:
        try:
            key = load_pem_public_key(block)
        except ValueError:
            key = None
        if not isinstance(key, Ed25519PublicKey):
            raise UsageError(
                coded("ZV3404", "the public key is not an Ed25519 key in PEM"),
                remedy=Message("write it with: openssl pkey -in PRIVATE -pubout"),
            )
        found.append(key)
    return found


def read_rotation(content: bytes) -> Rotation:
    """A statement from its file.

    Raises:
        UsageError: it is not one.
    """
    try:
        made = msgspec.json.decode(content, type=Rotation)
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(made.new))
    except (ValueError, *NOT_JSON) as error:
        raise UsageError(
            coded(
                "ZV3514", "this is not a key rotation statement ({kind})", kind=type(error).__name__
            ),
            remedy=Message("give the file that zvirka audit rotate-key wrote"),
        ) from None
    return made


def key_ring(pems: Iterable[bytes], statements: Iterable[bytes] = ()) -> Keyring:
    """The keyring of PEM texts and statement files as they are on disk."""
    keys = [key for pem in pems for key in public_keys(pem)]
    return Keyring(keys, map(read_rotation, statements))

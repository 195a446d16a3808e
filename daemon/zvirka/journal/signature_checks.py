"""Checks the signatures of sealed runs against public keys."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
from sqlalchemy import select

from zvirka.journal.journal import Journal
from zvirka.journal.keyring import Keyring
from zvirka.journal.row_checks import ChainProblem
from zvirka.journal.tables import RUN
from zvirka.message import Message


class SignatureCounts(msgspec.Struct):
    """How many sealed runs are signed by which key, and how many are not."""

    signed: dict[str, int]
    unsigned: int = 0


def verify_signatures(
    journal: Journal, keys: Keyring, counted: SignatureCounts | None = None
) -> Iterator[ChainProblem]:
    """Yield every sealed run without a valid signature, from the first signed one on.

    A signature proves a digest; :func:`zvirka.journal.chain.verify_chain` checks that the digest is
    that of the run.

    Args:
        journal: the journal.
        keys: the public keys.
        counted: counts what was found, when given.

    Raises:
        JournalError: the journal cannot be read.
    """
    counts = counted or SignatureCounts({})
    with journal.reading() as connection:
        signed = False
        query = select(RUN.c.id, RUN.c.digest, RUN.c.signature).where(RUN.c.seal.is_not(None))
        for run, digest, signature in connection.execute(query.order_by(RUN.c.seal)).all():
            key = keys.signer_of(run, digest, signature) if signature else None
            if key:
                counts.signed[key] = counts.signed.get(key, 0) + 1
            else:
                counts.unsigned += 1
            if signature and not key:
                yield ChainProblem(
                    run, Message("run {run}: the signature is not one of this key", run=str(run))
                )
            elif not signature and signed:
                yield ChainProblem(
                    run, Message("run {run}: not signed, though runs before it are", run=str(run))
                )
            signed = signed or bool(signature)
        if not signed:
            yield ChainProblem(0, Message("no run is signed"))

"""Decoders of outside bytes against mutated samples, for a fixed time; what it found is kept.

``ZVIRKA_FUZZ_SECONDS`` is the time of each target (2 in `make test`, longer in `make test-all`).
A failure writes its bytes into ``cases/TARGET/``, which are replayed first ever after.
"""

from __future__ import annotations

import hashlib
import os
import random
import time
from contextlib import suppress
from pathlib import Path

import pytest

from tests.fuzz.mutate import mutated
from tests.fuzz.targets import TARGETS, Target

CASES = Path(__file__).parent / "cases"
SECONDS = float(os.environ.get("ZVIRKA_FUZZ_SECONDS", "1"))
SLOWEST_SECONDS = 5.0
KEPT = sorted(path for path in CASES.glob("*/*") if path.is_file())


def attempt(target: Target, body: bytes) -> None:
    """Decode the bytes; fails on an error nobody documented, and on one that takes too long."""
    began = time.monotonic()
    with suppress(target.allowed):
        target.run(body)
    assert time.monotonic() - began < SLOWEST_SECONDS


@pytest.mark.parametrize("name", TARGETS)
def test_a_sample_is_decoded(name: str) -> None:
    for sample in TARGETS[name].samples:
        TARGETS[name].run(sample)


@pytest.mark.parametrize("path", KEPT, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_what_was_found_stays_mended(path: Path) -> None:
    attempt(TARGETS[path.parent.name], path.read_bytes())


@pytest.mark.parametrize("name", TARGETS)
def test_no_bytes_from_outside_raise_what_nobody_expects(name: str) -> None:
    target, seed = TARGETS[name], random.randrange(2**32)
    rng = random.Random(seed)
    print(f"seed {seed}")
    until, tried = time.monotonic() + SECONDS, 0
    while time.monotonic() < until or tried < 20:
        body = mutated(rng.choice(target.samples), rng)
        tried += 1
        try:
            attempt(target, body)
        except BaseException:
            kept = CASES / name / hashlib.sha256(body).hexdigest()[:16]
            kept.parent.mkdir(parents=True, exist_ok=True)
            kept.write_bytes(body)
            raise

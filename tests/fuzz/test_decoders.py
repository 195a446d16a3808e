"""Decoders of outside bytes against mutated samples, for a fixed time; what it found is kept.

`make test` tries all targets for ten seconds together, `make fuzz SECONDS=60` each for a minute.
A failure writes its bytes into ``cases/TARGET/``; from then on every build replays them, and
mutates them as it does the samples. It also prints a seed: ``ZVIRKA_FUZZ_SEED`` repeats the search,
for bytes that stayed on a build server.
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
BRIEF_SECONDS = 10 / len(TARGETS)
LONG_SECONDS = float(os.environ.get("ZVIRKA_FUZZ_SECONDS", "60"))
SLOWEST_SECONDS = 5.0
KEPT = sorted(path for path in CASES.glob("*/*") if path.is_file())


def attempt(target: Target, body: bytes) -> None:
    """Decode the bytes; fails on an undocumented error, and on decoding that takes too long."""
    began = time.process_time()  # not of the clock: the machine may be busy with other things
    with suppress(*target.allowed):
        target.run(body)
    assert time.process_time() - began < SLOWEST_SECONDS


@pytest.mark.parametrize("name", TARGETS)
def test_a_sample_is_decoded(name: str) -> None:
    for sample in TARGETS[name].samples:
        TARGETS[name].run(sample)


@pytest.mark.parametrize("path", KEPT, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_what_was_found_stays_mended(path: Path) -> None:
    attempt(TARGETS[path.parent.name], path.read_bytes())


def search(name: str, seconds: float) -> None:
    """Decode mutated samples for so long; what fails is kept."""
    target = TARGETS[name]
    samples = [*target.samples, *(path.read_bytes() for path in KEPT if path.parent.name == name)]
    seed = int(os.environ.get("ZVIRKA_FUZZ_SEED") or random.randrange(2**32))
    rng = random.Random(seed)
    until, tried = time.monotonic() + seconds, 0
    while time.monotonic() < until or tried < 20:
        body = mutated(rng.choice(samples), rng)
        tried += 1
        try:
            attempt(target, body)
        except BaseException as error:
            kept = CASES / name / hashlib.sha256(body).hexdigest()[:16]
            kept.parent.mkdir(parents=True, exist_ok=True)
            kept.write_bytes(body)
            error.add_note(f"kept as {kept}; again: ZVIRKA_FUZZ_SEED={seed}, input {tried}")
            raise
    print(f"{name}: {tried} inputs, seed {seed}")


@pytest.mark.long
@pytest.mark.parametrize("name", TARGETS)
def test_no_bytes_from_outside_raise_what_nobody_expects(name: str) -> None:
    search(name, BRIEF_SECONDS)


@pytest.mark.slow
@pytest.mark.timeout(LONG_SECONDS + 120)
@pytest.mark.parametrize("name", TARGETS)
def test_a_long_search_finds_nothing_either(name: str) -> None:
    search(name, LONG_SECONDS)

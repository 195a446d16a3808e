"""Mutations of a sample: of bytes, of tokens, of structure."""

from __future__ import annotations

import random
import re

_ODD = (
    b"\x00", b"\xff", b"\xef\xbb\xbf", b"\xed\xa0\x80", b"\x1b[31m", b"\xe2\x80\xae", b'"', b"'",
    b"<", b"&#0;", b"&x;", b"]]>", b"{", b"}", b"[", b"null", b"true", b"-0", b"1e999",
    b"9" * 400, b"\\ud800", b"\\u0000", b"\n", b"\t", b"=", b"#", b"0001-01-01T00:00:00",
    b'"""', b"inf", b"nan", b"1_0", b"..", b"[[", b"]]",
)  # fmt: skip
_TOKEN = re.compile(rb"[\w.-]+|\s+|[^\w\s]")


def mutated(sample: bytes, rng: random.Random) -> bytes:
    """The sample after one to four random changes."""
    for _ in range(rng.randint(1, 4)):
        sample = _changed(sample, rng)
    return sample[:200_000]


def _changed(sample: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(sample) + 1)
    other = rng.randrange(len(sample) + 1)
    low, high = min(at, other), max(at, other)
    match rng.randrange(8):
        case 0:
            return sample[:at]
        case 1:
            return sample[:at] + rng.choice(_ODD) + sample[at:]
        case 2:
            return sample[:low] + sample[high:]
        case 3:
            return sample[:high] + sample[low:high] * rng.randint(1, 3) + sample[high:]
        case 4:
            return sample[:at] + bytes([rng.randrange(256)]) + sample[at + 1 :]
        case 5:
            depth = rng.choice((10, 1000, 20_000))
            return sample[:at] + rng.choice((b"[", b"{", b"<a>", b'{"a":')) * depth + sample[at:]
        case _:
            return _token_changed(sample, rng)


def _token_changed(sample: bytes, rng: random.Random) -> bytes:
    tokens = _TOKEN.findall(sample)
    if not tokens:
        return rng.choice(_ODD)
    at = rng.randrange(len(tokens))
    tokens[at] = rng.choice((b"", rng.choice(_ODD), rng.choice(tokens)))
    return b"".join(tokens)

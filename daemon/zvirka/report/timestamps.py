"""Tokens of timestamp authorities (RFC 3161) over the heads of the chain.

An authority signs the head and the time, as ``openssl ts`` reads it. One that does not answer is
asked again after the next run.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from hashlib import sha512
from pathlib import Path

import requests
from rfc3161_client import (
    HashAlgorithm,
    TimestampRequestBuilder,
    TimeStampResponse,
    decode_timestamp_response,
)

from zvirka.deadline_session import DeadlineSession
from zvirka.errors import ZvirkaError
from zvirka.report.anchors import missing_tokens, token_path
from zvirka.report.files import atomic

SHA512 = "2.16.840.1.101.3.4.2.3"
_CERTIFICATES = 0xA0  # [0] IMPLICIT in SignedData
_SECONDS = 20.0
_BYTES = 1 << 16


def timestamp(directory: Path, urls: Sequence[str]) -> dict[str, str]:
    """Ask the authorities for the tokens that are missing.

    Returns:
        Why not, by address, for each authority that failed; it is not asked further this time.
    """
    failed: dict[str, str] = {}
    for head, url in missing_tokens(directory, urls):
        if url in failed:
            continue
        try:
            answer = _ask(url, head.read_bytes())
            with atomic(token_path(head, url)) as stream:
                stream.write(answer)
        except requests.RequestException as error:
            failed[url] = type(error).__name__
        except (ValueError, OSError, ZvirkaError) as error:
            failed[url] = str(error)
    return failed


def _ask(url: str, content: bytes) -> bytes:
    """The answer of an authority, checked to be about this content.

    Raises:
        requests.RequestException: it cannot be reached.
        ValueError: it refused, or its answer is about something else.
    """
    request = (
        TimestampRequestBuilder()
        .data(content)
        .hash_algorithm(HashAlgorithm.SHA512)
        .cert_request(cert_request=True)
        .build()
    )
    headers = {"Content-Type": "application/timestamp-query"}
    answer = b""
    with (
        DeadlineSession() as http,
        http.deadline(_SECONDS),
        http.post(
            url,
            data=request.as_bytes(),
            headers=headers,
            timeout=_SECONDS / 2,
            stream=True,
            allow_redirects=False,
        ) as response,
    ):
        if response.status_code != requests.codes.ok:
            raise ValueError(f"it answered {response.status_code}")
        for piece in response.iter_content(8192):
            answer += piece
            if len(answer) > _BYTES:
                raise ValueError("its answer is too long")
    token = decoded(answer)
    if token.status != 0:
        raise ValueError(f"it refused (status {token.status})")
    if token.tst_info.nonce != request.nonce or not is_about(token, content):
        raise ValueError("its answer is about something else")
    return answer


def decoded(answer: bytes) -> TimeStampResponse:
    """The answer of an authority.

    Many authorities, OpenSSL's among them, write the certificates in another order than DER asks
    for; nothing signed depends on it, so they are sorted first.

    Raises:
        ValueError: it is not one.
    """
    try:
        return decode_timestamp_response(_certificates_sorted(answer))
    except IndexError:
        raise ValueError("the answer is cut off") from None


def _certificates_sorted(der: bytes) -> bytes:
    """Return the TimeStampResp with its certificates in DER order; its length does not change."""
    status, end = _content(der, 0)
    after_status = _content(der, status)[1]
    if after_status >= end:
        return der  # a refusal has no token
    token, _ = _content(der, after_status)
    signed_data, end = _content(der, _content(der, _content(der, token)[1])[0])
    at = signed_data
    while at < end:
        begin, after = _content(der, at)
        if der[at] == _CERTIFICATES:
            return der[:begin] + b"".join(sorted(_elements(der, begin, after))) + der[after:]
        at = after
    return der


def _elements(der: bytes, at: int, end: int) -> Iterator[bytes]:
    while at < end:
        after = _content(der, at)[1]
        yield der[at:after]
        at = after


def _content(der: bytes, at: int) -> tuple[int, int]:
    """Where the content of the DER element at an offset begins and ends."""
    length, begin = der[at + 1], at + 2
    if length >= 0x80:
        begin += length - 0x80
        length = int.from_bytes(der[at + 2 : begin], "big")
    return begin, begin + length


def is_about(token: TimeStampResponse, content: bytes) -> bool:
    """Whether a token timestamps this content."""
    imprint = token.tst_info.message_imprint
    return (
        imprint.hash_algorithm.dotted_string == SHA512
        and imprint.message == sha512(content).digest()
    )

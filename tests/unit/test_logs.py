"""What the logs say, in which shape, and above all what they never say."""

from __future__ import annotations

import io
import json
import logging
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from loguru import logger

from zvirka import logs
from zvirka.logs import configure_logs, is_journal
from zvirka.message import Message
from zvirka.redaction import MASK, Redactor
from zvirka.settings.service_tables import LogSettings

SECRET = "s3cret/пароль"


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    logger.remove()
    logger.configure(extra={})
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(False)


def configured(shape: str = "human", level: str = "INFO", **extra: object) -> io.StringIO:
    stream = io.StringIO()
    settings = LogSettings.model_validate({"level": level, "format": shape})
    configure_logs(settings, stream=stream, environ={}, secrets=[SECRET], extra=extra)
    return stream


def test_human_line_has_time_level_message_and_fields() -> None:
    stream = configured(command="reconcile")
    with logger.contextualize(run=12, phase="pull"):
        logger.info("page pulled", rows=1000, code="000000123")
    line = stream.getvalue()
    assert (
        "INFO     page pulled  command=reconcile run=12 phase=pull rows=1000 code=000000123" in line
    )
    assert line[:4].isdigit()


def test_people_read_the_message_in_their_language_and_programs_in_english() -> None:
    cause = Message("the key {name}", name="clients.code")
    for shape, said in (("human", "запуск починається"), ("json", '"message":"run begins"')):
        stream = io.StringIO()
        settings = LogSettings.model_validate({"format": shape})
        configure_logs(settings, stream=stream, environ={}, language="uk")
        logger.info("run begins", cause=cause)
        assert said in stream.getvalue()
        assert ("ключ clients.code" in stream.getvalue()) == (shape == "human")


def test_level_cuts_off_what_is_below() -> None:
    stream = configured(level="WARNING")
    logger.info("quiet")
    logger.warning("loud")
    assert "loud" in stream.getvalue()
    assert "quiet" not in stream.getvalue()


def test_json_is_one_object_a_line_with_fields_apart() -> None:
    stream = configured("json")
    with logger.contextualize(run=12):
        logger.warning("held: deletes past the limit", deletes=7, name='a "quoted"\nname')
    try:
        _ = 1 / 0
    except ZeroDivisionError:
        logger.exception("unexpected")
    first, second = (json.loads(line) for line in stream.getvalue().splitlines())
    assert first["level"] == "WARNING"
    assert first["message"] == "held: deletes past the limit"
    assert first["fields"] == {"run": 12, "deletes": 7, "name": 'a "quoted"\nname'}
    assert "exception" not in first
    assert second["exception"].endswith("ZeroDivisionError: division by zero")


@pytest.mark.parametrize("shape", ["human", "json", "systemd"])
def test_secrets_are_masked_wherever_they_occur(
    shape: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(logs, "JOURNAL_SOCKET", tmp_path / "none")
    stream = configured(shape)
    password = SECRET  # a local value that diagnose=True would print
    logger.info(f"opened with {SECRET}", url=f"https://u:{SECRET}@h/", nested={"deep": [SECRET]})
    logger.info("encoded", url="https://h/?p=s3cret%2F%D0%BF%D0%B0%D1%80%D0%BE%D0%BB%D1%8C")
    try:
        raise ValueError(f"refused: {password}")
    except ValueError:
        logger.exception("unexpected")
    logging.getLogger("urllib3").warning("retrying with %s", SECRET)
    text = stream.getvalue()
    assert "s3cret" not in text
    assert "пароль" not in text
    assert text.count(MASK) >= 6
    assert "ValueError: refused" in text


def test_personal_data_is_masked_in_messages_fields_and_exceptions() -> None:
    stream = configured()
    try:
        raise ValueError("Key (tax_code)=(32855961) already exists: office@example.com.ua")
    except ValueError:
        logger.exception("row refused", detail="067 123-45-67, +380 (44) 123 45 67", ref="32855961")
    text = stream.getvalue()
    for personal in ("(32855961)", "office@", "067", "123 45 67"):
        assert personal not in text
    assert "ref=32855961" in text


def test_what_identifies_and_what_counts_stays_readable() -> None:
    redactor = Redactor([])
    for text in (
        "0f9e375d-6e83-11e5-96ed-002590712345 12345678-6e83-11e5-96ed-002590712345",
        "postgresql://erp@db.example.com/erp",
        "2026-11-25T02:30:00+02:00 took 12.5 s, 1764086400.25",
        "000000123 КА-00000123",
    ):
        assert redactor.text(text) == text
    assert redactor.fields({"bytes": 12345678, "key": "1234567890"}) == {
        "bytes": 12345678,
        "key": "1234567890",
    }


@given(
    secret=st.text(min_size=4, max_size=30), before=st.text(max_size=9), after=st.text(max_size=9)
)
def test_no_text_brings_a_known_secret_out(secret: str, before: str, after: str) -> None:
    if secret in MASK or set(secret) <= set("*"):
        return
    found = Redactor([secret]).secrets(before + secret + after)
    assert secret not in found.replace(MASK, "\x00")


def test_credentials_are_masked_even_when_nobody_knew_them() -> None:
    found = Redactor([]).text("Authorization: Basic 0JDQtNC80ZbQvTp4 and http://u:hidden@h/")
    assert "0JDQtNC80ZbQvTp4" not in found
    assert "hidden" not in found


def test_warnings_of_libraries_arrive_and_their_chatter_does_not() -> None:
    stream = configured(level="DEBUG")
    library = logging.getLogger("urllib3.connectionpool")
    library.debug("GET /odata")
    library.warning("retry after %s", "timeout")
    logging.getLogger("uvicorn.access").info("GET /")
    assert "retry after timeout  library=urllib3.connectionpool" in stream.getvalue()
    assert "GET" not in stream.getvalue()


def test_braces_in_data_are_only_data() -> None:
    stream = configured()
    logging.getLogger("x").warning("{not} a {field}")
    logger.warning("said", detail="{neither}")
    assert "{not} a {field}" in stream.getvalue()
    assert "detail={neither}" in stream.getvalue()


def test_line_break_in_data_cannot_forge_an_entry() -> None:
    stream = configured()
    logger.info("said", detail="x\n2026-11-25 02:30:00 INFO     all is well")
    assert len(stream.getvalue().splitlines()) == 1


@pytest.mark.parametrize("hidden", ["\x1b", "\x9b", "\u202e", "\u2028"])
def test_hidden_characters_in_data_do_not_reach_the_terminal(hidden: str) -> None:
    stream = configured()
    logger.info("said", detail=f"x{hidden}y")
    assert hidden not in stream.getvalue()
    assert "x" in stream.getvalue().partition("detail=")[2]


def test_without_a_journal_socket_every_line_carries_its_level(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(logs, "JOURNAL_SOCKET", tmp_path / "none")
    stream = configured("systemd", level="DEBUG")
    logger.debug("a")
    logger.info("b")
    logger.warning("c")
    try:
        raise ValueError("two\nlines")
    except ValueError:
        logger.exception("d")
    lines = stream.getvalue().splitlines()
    assert lines[:3] == ["<7>a", "<6>b", "<4>c"]
    assert all(line.startswith("<3>") for line in lines[3:])
    assert lines[-1] == "<3>lines"


def test_journal_socket_gets_fields_to_select_by(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journal:
        journal.bind(str(path))
        journal.settimeout(5)
        monkeypatch.setattr(logs, "JOURNAL_SOCKET", path)
        stream = configured("systemd")
        with logger.contextualize(run=12, phase="pull"):
            logger.warning("partial\nsnapshot")
        fields = _parsed(journal.recv(65536))
    assert fields["MESSAGE"] == "partial\nsnapshot  run=12 phase=pull"
    assert fields["PRIORITY"] == "4"
    assert fields["ZVIRKA_RUN"] == "12"
    assert fields["ZVIRKA_PHASE"] == "pull"
    assert stream.getvalue() == ""


def _parsed(datagram: bytes) -> dict[str, str]:
    fields = {}
    while datagram:
        name, _, rest = datagram.partition(b"\n")
        length = int.from_bytes(rest[:8], "little")
        fields[name.decode()] = rest[8 : 8 + length].decode()
        assert rest[8 + length : 9 + length] == b"\n"
        datagram = rest[9 + length :]
    return fields


def test_journal_is_recognised_by_the_stream_it_gave(tmp_path: Path) -> None:
    with (tmp_path / "x").open("w") as stream:
        status = os.fstat(stream.fileno())
        ours = {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"}
        assert is_journal(stream, ours)
        assert not is_journal(stream, {"JOURNAL_STREAM": "1:1"})
        assert not is_journal(stream, {})
    assert not is_journal(io.StringIO(), ours)


def test_last_line_before_the_end_of_the_process_is_not_lost() -> None:
    program = (
        "import os, sys; from loguru import logger; from zvirka.logs import configure_logs\n"
        "from zvirka.settings.service_tables import LogSettings\n"
        "configure_logs(LogSettings(), stream=sys.stderr, environ={})\n"
        "logger.info('last words'); os.kill(os.getpid(), 9)\n"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert ended.returncode == -9
    assert "last words" in ended.stderr

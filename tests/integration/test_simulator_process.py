"""The simulator of a million counterparties, as a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest
import requests
from requests.auth import HTTPBasicAuth

from zvirka.cli.simulate import PASSWORD_VARIABLE as PASSWORD


@pytest.mark.slow
def test_it_prints_its_address_serves_a_million_and_ends_on_sigterm() -> None:
    environment = {**os.environ, PASSWORD: "пароль"}
    command = [sys.executable, "-m", "tests.benchmarks.million"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as process:
        assert process.stdout is not None
        served = json.loads(process.stdout.readline())
        assert "password" not in served
        auth = HTTPBasicAuth(served["user"].encode(), "пароль".encode())
        url = f"{served['url']}Catalog_Контрагенты"
        count = requests.get(f"{url}/$count", auth=auth, timeout=30).text
        assert int(count) == 1_000_300
        where = "$filter=Code%20ge%20'00-999999'&$orderby=Code&$top=2&$select=Code&$format=json"
        page = requests.get(f"{url}?{where}", auth=auth, timeout=30).json()
        assert [row["Code"] for row in page["value"]] == ["00-999999", "01-000000"]
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=10) == 0


def test_an_invented_password_is_printed_and_the_end_of_input_ends_it() -> None:
    environment = {name: value for name, value in os.environ.items() if name != PASSWORD}
    command = [sys.executable, "-m", "tests.benchmarks.million", "--counterparties=2000"]
    command += ["--until-eof", "--warm"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        served = json.loads(process.stdout.readline())
        auth = (served["user"].encode(), served["password"].encode())
        assert requests.get(served["url"] + "$metadata", auth=auth, timeout=30).status_code == 200
        process.stdin.close()
        assert process.wait(timeout=10) == 0

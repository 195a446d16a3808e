"""Addresses of databases: what is one database, and what others may read on the way."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import make_url

from zvirka.database_address import database_identity, hosts_of, may_be_read_on_the_way

SAME = [
    ("postgresql://a:1@db/erp", "postgresql+psycopg://b@DB:5432/erp?sslmode=require"),
    ("postgresql:///erp?host=/run/postgresql", "postgresql://u@/erp?host=/run/postgresql"),
    ("postgresql:///erp?host=db&port=5433", "postgresql://db:5433/erp"),
    ("mysql+pymysql://db/erp", "mariadb+pymysql://db:3306/erp?ssl_ca=x"),
    ("sqlite:////tmp/a/../erp.db", "sqlite+pysqlite:////tmp/erp.db"),
]
DIFFERENT = [
    ("postgresql://db/erp", "postgresql://db/other"),
    ("postgresql://db/erp", "postgresql://db:5433/erp"),
    ("postgresql:///erp?host=one", "postgresql:///erp?host=two"),
    ("postgresql://db/erp", "mariadb://db/erp"),
    ("sqlite:////tmp/erp.db", "sqlite:////tmp/other.db"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_two_spellings_of_one_database(one: str, other: str) -> None:
    assert database_identity(make_url(one)) == database_identity(make_url(other))


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_two_databases(one: str, other: str) -> None:
    assert database_identity(make_url(one)) != database_identity(make_url(other))


def test_a_relative_file_is_that_of_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    here = database_identity(make_url("sqlite:///erp.db"))
    assert here == database_identity(make_url(f"sqlite:///{tmp_path}/erp.db"))


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://db.example.com/erp",
        "postgresql+psycopg://10.0.0.7/erp?sslmode=prefer",
        "postgresql:///erp?host=db:5432&host=localhost",
        "postgresql:///erp?host=localhost,db",
        "mariadb+pymysql://db/erp",
        "mysql://db/erp?ssl_cert=/c.pem&ssl_key=/k.pem",
        "mysql+pymysql://db/erp?ssl_ca=/ca.pem&ssl_disabled=true",
    ],
)
def test_a_way_that_others_may_read(url: str) -> None:
    assert may_be_read_on_the_way(make_url(url))
    assert hosts_of(make_url(url))


@pytest.mark.parametrize(
    "url",
    [
        "sqlite:////tmp/erp.db",
        "postgresql:///erp",
        "postgresql://localhost/erp",
        "postgresql://127.0.0.1:5433/erp",
        "postgresql://[::1]:5433/erp",
        "postgresql:///erp?host=/run/postgresql",
        "postgresql:///erp?host=localhost:5432&host=[::1]:5433",
        "postgresql://db/erp?sslmode=require",
        "postgresql://db/erp?sslmode=verify-full&sslrootcert=/ca.pem",
        "mariadb+pymysql:///erp?unix_socket=/run/mysqld/mysqld.sock",
        "mariadb://127.0.0.1/erp",
        "mariadb+pymysql://db/erp?ssl_ca=/ca.pem",
        "mysql://db/erp?ssl_verify_cert=true",
    ],
)
def test_a_way_that_is_local_or_encrypted(url: str) -> None:
    assert not may_be_read_on_the_way(make_url(url))

"""Runs inside the container: fills the ERP's PostgreSQL with a table of clients.

``erp.py URL COUNTERPARTIES STALE``: a client for each counterparty of the simulated 1C, the first
STALE of them with an old name, and some that 1C does not know.
"""

from __future__ import annotations

import sys

from sqlalchemy import create_engine, text

from zvirka.simulator import Infobase
from zvirka.simulator.configurations import ConfigurationKind

OWN = 5
TABLE = """
CREATE TABLE clients (
    id serial PRIMARY KEY, code_1c varchar(20) UNIQUE, title varchar(150) NOT NULL,
    edrpou varchar(12), phone varchar(40), email varchar(100), address text,
    segment integer NOT NULL, is_active boolean NOT NULL DEFAULT true,
    created_at timestamp NOT NULL DEFAULT now(), updated_at timestamp)
"""
INSERT = """
INSERT INTO clients (code_1c, title, edrpou, phone, email, address, segment)
VALUES (:code, :name, :tax_id, :phone, :email, :address, 1)
"""


def main(url: str, counterparties: int, stale: int) -> None:
    base = Infobase.generate(ConfigurationKind.ACCOUNTING, counterparties, seed=1)
    rows = [dict(base.get(ref).values) for ref in base.refs()]
    for number, row in enumerate(rows[:stale]):
        row["name"] = f"Стара назва {number}"
    nothing = dict.fromkeys(("code", "tax_id", "phone", "email", "address"))
    rows += [nothing | {"name": f"Власний клієнт {number}"} for number in range(OWN)]
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text(TABLE))
        connection.execute(text(INSERT), rows)
    engine.dispose()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))

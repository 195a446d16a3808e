"""A plain reader of the simulator: what a person with requests and a browser would do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote, urlencode

import requests
from requests.auth import HTTPBasicAuth

from zvirka.simulator import Simulator, SimulatorOptions

CATALOGUE = "Catalog_Контрагенты"
LINES = "Catalog_Контрагенты_КонтактнаяИнформация"
JSON = "application/json;odata=nometadata"


class Client:
    """Reads one simulator over HTTP; ``options`` are query options without their dollar."""

    def __init__(self, sim: Simulator) -> None:
        self.sim = sim
        self.session = requests.Session()
        self.session.auth = HTTPBasicAuth(sim.user.encode(), sim.password.encode())

    def url(self, path: str, options: dict[str, Any]) -> str:
        named = {k if k == "allowedOnly" else f"${k}": str(v) for k, v in options.items()}
        return f"{self.sim.url}{path}?{urlencode(named, quote_via=quote)}"

    def get(
        self, path: str, headers: dict[str, str] | None = None, **options: Any
    ) -> requests.Response:
        options.setdefault("format", JSON)
        return self.session.get(self.url(path, options), headers=headers, timeout=20)

    def rows(self, path: str = CATALOGUE, **options: Any) -> list[dict[str, Any]]:
        answer = self.get(path, **options)
        assert answer.status_code == 200, answer.text
        return list(answer.json()["value"])

    def count(self, path: str = CATALOGUE, **options: Any) -> int:
        options["format"] = "json"
        return int(self.get(f"{path}/$count", **options).text)

    def refused(self, path: str = CATALOGUE, **options: Any) -> tuple[int, str, str]:
        """Status, internal code and message of a refusal."""
        answer = self.get(path, **options)
        error = answer.json()["odata.error"]
        return answer.status_code, error["code"], error["message"]["value"]

    def post(self, operation: str, **params: Any) -> requests.Response:
        url = f"{self.sim.url}{operation}?{urlencode(params, quote_via=quote)}"
        return self.session.post(url, timeout=20)


@contextmanager
def simulated(**options: Any) -> Iterator[tuple[Simulator, Client]]:
    """A simulator of few counterparties and a client of it."""
    options.setdefault("counterparties", 60)
    with Simulator(SimulatorOptions(**options)) as sim:
        client = Client(sim)
        try:
            yield sim, client
        finally:
            client.session.close()


def refs(rows: list[dict[str, str]]) -> list[str]:
    """The Ref_Keys of rows."""
    return [row["Ref_Key"] for row in rows]

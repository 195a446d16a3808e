"""What the units of the service say: their secrets, and where their sandbox lets them write."""

from __future__ import annotations

from pathlib import Path

import pytest

from zvirka.cli.service_check import service_findings
from zvirka.findings import Finding
from zvirka.package_files import shipped
from zvirka.service.installed_units import credentials_of, units_of
from zvirka.settings.model import Settings

FILE = Path("/etc/zvirka/zvirka.toml")


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """The root of a machine with the shipped units."""
    units = tmp_path / "etc/systemd/system"
    units.mkdir(parents=True)
    for unit in shipped("systemd").glob("*.service"):
        (units / unit.name).write_text(unit.read_text("utf-8"), "utf-8")
    return tmp_path


def sandbox(machine: Path, **settings: object) -> list[Finding]:
    tables = {
        "onec": {"url": "http://1c.invalid"},
        "erp": {"url": "sqlite:////var/lib/zvirka/e.db"},
    }
    found = service_findings(Settings.model_validate(tables | settings), FILE, machine)
    return [one for one in found if "sandbox" in one.text]


def test_what_lies_in_the_state_directory_is_open(machine: Path) -> None:
    assert sandbox(machine) == []


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        ({"erp": {"url": "sqlite:////srv/erp/erp.db", "table": "clients"}}, "erp.url"),
        ({"report": {"dir": "/srv/reports"}}, "report.dir"),
        ({"metrics": {"textfile": "/srv/metrics/zvirka.prom"}}, "metrics.textfile"),
        ({"journal": {"url": "sqlite:////srv/journal.db"}}, "journal.url"),
    ],
)
def test_a_place_outside_needs_a_drop_in_and_works_with_it(
    machine: Path, settings: dict[str, object], key: str
) -> None:
    [told] = sandbox(machine, **settings)
    assert (told.level, told.subject) == ("failure", key)
    assert "zvirka.service" in told.text
    assert "zvirka-alert" not in told.text
    line = told.remedy.partition("[Service] ")[2]
    for unit in (machine / "etc/systemd/system").glob("*.service"):
        dropin = unit.with_name(f"{unit.name}.d") / "override.conf"
        dropin.parent.mkdir()
        dropin.write_text(f"[Service]\n{line}\n")
    assert sandbox(machine, **settings) == []


def test_a_store_in_a_home_has_to_move(machine: Path) -> None:
    [told] = sandbox(machine, erp={"url": "sqlite:////home/olena/erp.db"})
    assert told.remedy.startswith("move it below /var/lib/zvirka")


def test_a_store_written_by_webhook_needs_no_place(machine: Path) -> None:
    erp = {"url": "sqlite:////srv/erp.db", "table": "c", "writer": "webhook"}
    assert sandbox(machine, erp={**erp, "webhook": {"url": "https://erp.invalid"}}) == []


def test_units_of_another_configuration_count_for_nothing(machine: Path) -> None:
    assert units_of(Path("/etc/zvirka/other.toml"), machine) == []


def test_credentials_are_found_where_systemd_looks(machine: Path) -> None:
    assert credentials_of(units_of(FILE, machine), machine) == {}
    store = machine / "etc/credstore"
    store.mkdir()
    (store / "zvirka.onec.password").write_text("a")
    (machine / "etc/zvirka").mkdir()
    (machine / "etc/zvirka/erp.password").write_text("b")
    dropin = machine / "etc/systemd/system/zvirka.service.d/secrets.conf"
    dropin.parent.mkdir()
    dropin.write_text(
        "[Service]\nLoadCredential=\nLoadCredential=onec.password:zvirka.onec.password\n"
        "LoadCredential=erp.password:/etc/zvirka/erp.password\n"
    )
    assert credentials_of(
        [u for u in units_of(FILE, machine) if u.name == "zvirka.service"], machine
    ) == {
        "onec.password": store / "zvirka.onec.password",
        "erp.password": machine / "etc/zvirka/erp.password",
    }

"""`zvirka init` against every profile and every shape of store: check passes without an edit."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import make_url

from tests.integration.store_shapes import Shape, production
from tests.unit.cli.lines import run
from zvirka.domain import Action, Correction
from zvirka.simulator import Simulator, SimulatorOptions

PASSWORD = "пароль-1С"
RECORDINGS = Path(__file__).parents[1] / "fixtures" / "onec"


@contextmanager
def base(profile: str) -> Iterator[Simulator]:
    options = SimulatorOptions(profile=profile, counterparties=60, password=PASSWORD)  # type: ignore[arg-type]
    with Simulator(options) as simulator:
        yield simulator


def init(directory: Path, simulator: Simulator, *more: str, erp: str | None = None) -> int:
    (directory / "secret").write_text(PASSWORD + "\n")
    address = simulator.url.removesuffix("odata/standard.odata/").rstrip("/")
    line = ["init", "--yes", "--lang", "en", "--onec-url", address]
    line += ["--onec-user", simulator.user, "--onec-password-file", str(directory / "secret")]
    return run(*line, "--erp-url", erp or "", *more)


def written(directory: Path) -> dict[str, Any]:
    return tomllib.loads((directory / "zvirka.toml").read_text("utf-8"))


@pytest.mark.long
@pytest.mark.parametrize("profile", ["accounting", "trade", "custom", "legacy"])
def test_each_profile_is_found_and_check_passes(
    settled: Path, profile: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (settled / "zvirka.toml").unlink()
    with base(profile) as simulator:
        code = init(settled, simulator)
        shown = capsys.readouterr().out
    assert code == 0, shown
    assert written(settled)["onec"]["profile"] == profile
    assert written(settled)["onec"]["url"] == simulator.url
    assert "All is well." in shown
    assert PASSWORD not in shown
    assert PASSWORD not in (settled / "zvirka.toml").read_text("utf-8")
    assert (settled / "onec.password").stat().st_mode & 0o777 == 0o600


@pytest.mark.long
def test_the_recorded_live_base_is_understood_and_check_passes(
    settled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A Russian trade base: no Код, and no КодПоЕДРПОУ."""
    (settled / "zvirka.toml").unlink()
    options = SimulatorOptions(profile="trade", recording=RECORDINGS, password=PASSWORD)
    with Simulator(options) as simulator:
        code = init(settled, simulator)
    shown = capsys.readouterr().out
    assert code == 0, shown
    onec = written(settled)["onec"]
    assert (onec["profile"], onec["fields"]["tax_id"]) == ("trade", {"attribute": "ИНН"})


def filled(shape: Shape, simulator: Simulator) -> None:
    """The counterparties of 1C as clients, two of them stale, and a row entered by hand."""
    corrections = []
    refs = [ref for ref in simulator.base.refs() if not simulator.base.get(ref).group]
    for number, ref in enumerate(refs, start=1):
        values = dict(simulator.base.get(ref).values)
        if number in {3, 4}:
            values["name"] = f"Застаріла назва {number}"
        # A trade configuration has no Код: clients of such a base are known by Ref_Key.
        key = ref if shape.mapping.key_is_ref or "code" not in values else values["code"]
        after = {name: values.get(name) for name in shape.mapping.names}
        create = Action.CREATE
        corrections.append(Correction(id=number, action=create, key=str(key), ref=ref, after=after))
    shape.apply(*corrections)
    shape.insert_unowned()


@pytest.mark.long
@pytest.mark.backends("sqlite", "postgresql", "mariadb")
@pytest.mark.parametrize("rows", ["empty", "filled"])
def test_a_table_of_each_shape_is_understood_and_check_passes(
    shape: Shape, rows: str, settled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (settled / "zvirka.toml").unlink()
    if shape.name == "production":
        shape.sql("ALTER TABLE clients DROP COLUMN full_name")
    with base("accounting") as simulator:
        if rows == "filled":
            filled(shape, simulator)
        code = init(settled, simulator, "--show-values", erp=shape.erp.url)
        shown = capsys.readouterr().out
    assert code == 0, shown
    erp = written(settled)["erp"]
    assert (erp["table"], erp["key"]) == (shape.table, shape.erp.key)
    if rows == "filled" and shape.name == "production":
        assert erp["children"]["contact"]["columns"]["phone"] == "primary_phone"
        assert erp["columns"]["tax_id"] == "tax_code"
    if rows == "filled" and shape.name == "hard":
        assert erp["owned"] == "kind = 1"
        assert erp["on_create"]["kind"] == 1


def understood(settled: Path, simulator: Simulator, shape: Shape) -> dict[str, Any]:
    """What init wrote, with which check passes without an edit."""
    (settled / "zvirka.toml").unlink()
    assert init(settled, simulator, "--no-check", erp=shape.erp.url) == 0
    assert run("check") == 0
    return written(settled)


@pytest.mark.long
@pytest.mark.backends("sqlite", "postgresql", "mariadb")
@pytest.mark.shapes("production", "hard")
@pytest.mark.parametrize("profile", ["trade", "custom", "legacy"])
def test_each_profile_fits_a_table_of_each_shape(shape: Shape, profile: str, settled: Path) -> None:
    with base(profile) as simulator:
        filled(shape, simulator)
        found = understood(settled, simulator, shape)
    assert found["onec"]["profile"] == profile
    assert found["erp"]["table"] == shape.table


@pytest.mark.long
@pytest.mark.backends("sqlite", "postgresql", "mariadb")
@pytest.mark.shapes("production", "hard")
def test_the_recorded_live_base_fits_a_table_of_each_shape(shape: Shape, settled: Path) -> None:
    options = SimulatorOptions(profile="trade", recording=RECORDINGS, password=PASSWORD)
    with Simulator(options) as simulator:
        found = understood(settled, simulator, shape)
    assert found["onec"]["fields"]["tax_id"] == {"attribute": "ИНН"}
    assert found["erp"]["table"] == shape.table


@pytest.mark.long
def test_settings_are_repaired_after_a_change_and_keep_their_comments(
    settled: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (settled / "zvirka.toml").unlink()
    shape = production("sqlite", tmp_path)
    with base("accounting") as simulator:
        filled(shape, simulator)
        assert init(settled, simulator, erp=shape.erp.url) == 0
        file = settled / "zvirka.toml"
        own = "# our own words\n[guard]\nmax_deletes = 7  # agreed with accounting\n"
        file.write_text(file.read_text("utf-8") + own, "utf-8")
        shape.sql("ALTER TABLE clients RENAME COLUMN tax_code TO edrpou")
        shape.sql("ALTER TABLE clients ADD COLUMN region INT NOT NULL DEFAULT 3")
        assert run("check") == 2
        capsys.readouterr()
        code = run("init", "--from", "zvirka.toml", "--yes", "--lang", "en")
        shown = capsys.readouterr().out
    assert code == 0, shown
    assert "Changed settings: 1" in shown
    assert own in file.read_text("utf-8")
    assert written(settled)["erp"]["columns"]["tax_id"] == "edrpou"


def test_nothing_is_replaced_unasked(settled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (settled / "zvirka.toml").read_text("utf-8")
    assert run("init", "--yes", "--lang", "en", "--onec-url", "http://127.0.0.1:9") == 64
    assert "--from" in capsys.readouterr().err
    assert (settled / "zvirka.toml").read_text("utf-8") == before


@pytest.mark.long
def test_the_rights_of_a_user_of_its_own_are_enough(
    settled: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (settled / "zvirka.toml").unlink()
    shape = production("postgresql", tmp_path)
    url = make_url(shape.erp.url)
    user = f"own_{url.database}"[:30]
    shape.sql(f"CREATE ROLE {user} LOGIN PASSWORD 'p'")
    shape.sql(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {user}")
    own = url.set(username=user, password="p").render_as_string(hide_password=False)
    with base("accounting") as simulator:
        filled(shape, simulator)
        assert init(settled, simulator, erp=own) == 2
        shown = capsys.readouterr().out
        statements = [line.strip() for line in shown.splitlines() if line.startswith("  GRANT ")]
        assert len(statements) == 4
        for statement in statements:
            shape.sql(statement)
        assert run("check") == 0
    assert "p@" not in (settled / "zvirka.toml").read_text("utf-8")

"""Root on an installation of another user: it acts as that user, with the secrets of the unit."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

import zvirka
from tests.unit.cli.lines import PASSWORD
from zvirka.simulator import Simulator, SimulatorOptions

USER = 54321
"""A user of no name: nothing else belongs to it."""

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


def program() -> dict[str, str] | None:
    """The environment in which a Python runs zvirka for every user; ``None`` without one.

    The Python of the tests may be in root's home.
    """
    path = os.pathsep.join([str(Path(zvirka.__file__).parents[1]), sysconfig.get_path("purelib")])
    environ = {"PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
    for python in (sys.executable, f"/usr/bin/python3.{sys.version_info.minor}"):
        line = [python, "-c", "import colorsys, duckdb, zvirka.cli"]
        with suppress(OSError, subprocess.CalledProcessError):
            subprocess.run(line, env=environ, user=USER, group=USER, check=True)
            return {**environ, "python": python}
    return None


PROGRAM = program() if os.geteuid() == 0 else None

SETTINGS = """
state_dir = "state"

[onec]
url = "{url}"
user = "Адмін"
retries = 0

[erp]
url = "sqlite:///{directory}/state/erp.db"

[guard]
max_change_share = 1.0
"""


@pytest.fixture(scope="module")
def onec() -> Iterator[Simulator]:
    with Simulator(SimulatorOptions(counterparties=20, password=PASSWORD)) as simulator:
        yield simulator


@pytest.fixture
def installed(onec: Simulator) -> Iterator[Path]:
    """An installation of the user, settings included; pytest's own directories are root's alone."""
    directory = Path(tempfile.mkdtemp(prefix="zvirka-installed-"))
    directory.chmod(0o755)
    text = SETTINGS.format(url=onec.url, directory=directory).replace("Адмін", onec.user)
    (directory / "zvirka.toml").write_text(text, encoding="utf-8")
    (directory / "state").mkdir(mode=0o750)
    os.chown(directory / "state", USER, USER)
    yield directory
    shutil.rmtree(directory)


def run(
    directory: Path, *arguments: str, password: str | None = PASSWORD, uid: int = 0, **more: str
) -> subprocess.CompletedProcess[str]:
    if PROGRAM is None:
        pytest.skip("no Python here can be read by every user")
    environ = {**PROGRAM, "PATH": os.environ["PATH"], **more}
    if password is not None:
        environ["ZVIRKA_ONEC__PASSWORD"] = password
    return subprocess.run(
        [PROGRAM["python"], "-m", "zvirka.cli", *arguments, "--lang", "en"],
        cwd=directory,
        env=environ,
        user=uid,
        group=uid,
        extra_groups=[],
        capture_output=True,
        text=True,
        check=False,
    )


def owners(directory: Path) -> set[int]:
    return {path.stat().st_uid for path in (directory / "state").rglob("*")}


def contents(directory: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(directory)): path.read_bytes() if path.is_file() else b""
        for path in directory.rglob("*")
    }


@pytest.mark.long
@pytest.mark.parametrize(
    "line", [["plan"], ["reconcile"], ["resync", "--all", "--reason", "root was here"]]
)
def test_what_root_leaves_belongs_to_the_user_of_the_service(
    line: list[str], installed: Path
) -> None:
    ended = run(installed, *line, "-v")
    assert ended.returncode in {0, 1}, ended.stderr
    assert f"uid {USER}" in ended.stderr
    assert owners(installed) == {USER}
    said = json.loads(run(installed, "runs", "--json").stdout)["runs"]
    assert said[0]["who"].startswith("root")


@pytest.mark.long
def test_the_night_works_after_everything_root_did(installed: Path) -> None:
    for line in (["check"], ["plan"], ["reconcile"], ["runs"], ["audit", "verify"]):
        ended = run(installed, *line)
        assert ended.returncode in {0, 1}, (line, ended.stdout, ended.stderr)
    night = run(installed, "reconcile", uid=USER)
    assert night.returncode == 0, night.stderr
    assert owners(installed) == {USER}


@pytest.mark.long
def test_a_check_writes_nothing(installed: Path) -> None:
    before = contents(installed)
    ended = run(installed, "check")
    assert ended.returncode == 0, ended.stdout
    assert contents(installed) == before
    assert run(installed, "reconcile").returncode == 0
    before = contents(installed)
    assert run(installed, "check").returncode == 0
    assert contents(installed) == before


@pytest.mark.long
def test_what_root_left_earlier_is_found_and_the_remedy_mends_it(installed: Path) -> None:
    """The state of an installation on which an older zvirka was run as root."""
    lock = installed / "state" / "run.lock"
    lock.touch(mode=0o600)
    (installed / "state" / "staging").mkdir(mode=0o700)
    ended = run(installed, "check", "--json")
    found = json.loads(ended.stdout)["findings"]
    [told] = [one for one in found if one["level"] == "failure"]
    assert ended.returncode == 2
    assert str(lock) in told["text"]
    subprocess.run(told["remedy"].split(), check=True)
    assert run(installed, "check").returncode == 0


@pytest.mark.long
def test_a_secret_file_that_only_root_can_read_is_found(installed: Path) -> None:
    """The service could not read it at night."""
    secret = installed / "onec.password"
    secret.write_text(PASSWORD)
    secret.chmod(0o600)
    settings = installed / "zvirka.toml"
    text = settings.read_text("utf-8").replace("[erp]", 'password_file = "onec.password"\n[erp]')
    settings.write_text(text, "utf-8")
    ended = run(installed, "check", password=None)
    assert ended.returncode == 64
    assert f"cannot read {secret}: permission denied" in ended.stderr
    os.chown(secret, USER, USER)
    assert run(installed, "check", password=None).returncode == 0


def test_the_secrets_of_the_unit_are_handed_over_and_not_left_behind(installed: Path) -> None:
    given = installed / "credentials"
    given.mkdir(mode=0o700)
    (given / "onec.password").write_text(PASSWORD)
    (given / "onec.password").chmod(0o400)
    before = set(Path("/dev/shm").glob("zvirka-credentials-*"))
    ended = run(installed, "check", password=None, CREDENTIALS_DIRECTORY=str(given))
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert set(Path("/dev/shm").glob("zvirka-credentials-*")) == before


@pytest.mark.long
def test_a_working_directory_that_only_root_may_enter(installed: Path) -> None:
    home = installed / "root"
    home.mkdir(mode=0o700)
    shutil.copy(installed / "zvirka.toml", home)
    text = (home / "zvirka.toml").read_text("utf-8").replace('"state"', f'"{installed}/state"')
    (home / "zvirka.toml").write_text(text, "utf-8")
    ended = run(home, "plan")
    assert ended.returncode == 64
    assert "zvirka.toml" in ended.stderr
    assert "permission denied" in ended.stderr
    ended = run(home, "plan", "--config", str(installed / "zvirka.toml"))
    assert ended.returncode == 1, ended.stderr


@pytest.mark.long
def test_init_by_root_writes_what_the_service_can_read_and_checks_as_the_service(
    onec: Simulator, installed: Path
) -> None:
    file = installed / "zvirka.toml"
    file.unlink()
    line = ["init", "--yes", "--onec-url", onec.url, "--onec-user", onec.user, "--erp-url", ""]
    ended = run(installed, *line, "--out", str(file), "--state-dir", str(installed / "state"))
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert f"checked as uid {USER}" in ended.stdout
    status, secret = file.stat(), (installed / "onec.password").stat()
    assert (status.st_uid, status.st_gid, status.st_mode & 0o777) == (0, USER, 0o640)
    assert (secret.st_uid, secret.st_mode & 0o777) == (USER, 0o600)
    assert owners(installed) == {USER}
    assert run(installed, "reconcile", uid=USER, password=None).returncode in {0, 1, 3}


@pytest.mark.long
def test_root_backs_up_into_a_place_of_its_own_and_restores_from_it(installed: Path) -> None:
    place = installed / "backups"
    place.mkdir(mode=0o700)
    assert run(installed, "reconcile").returncode == 0
    file = place / "one.zvirka"
    ended = run(installed, "backup", str(file))
    assert ended.returncode == 0, ended.stderr
    assert file.stat().st_uid == 0
    ended = run(installed, "restore", str(file), "--replace")
    assert ended.returncode == 0, ended.stderr
    assert owners(installed) == {USER}


@pytest.mark.long
def test_root_without_a_foreign_state_directory_stays_root(installed: Path) -> None:
    os.chown(installed / "state", 0, 0)
    ended = run(installed, "plan", "-v")
    assert ended.returncode == 1, ended.stderr
    assert owners(installed) == {0}

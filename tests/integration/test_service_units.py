"""The units: sound in systemd's own eyes, closed, and installed with the right paths."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from zvirka.errors import UsageError
from zvirka.package_files import shipped
from zvirka.service.systemd_install import install, uninstall
from zvirka.settings.flow_values import credential_key
from zvirka.settings.secrets import resolve_secrets

UNITS = shipped("systemd")
SERVICES = sorted(path.name for path in UNITS.glob("*.service"))
TIMERS = sorted(path.name for path in UNITS.glob("*.timer"))
EXPOSURE = 1.2

needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="there is no systemd-analyze here"
)


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The units as they are installed, starting the zvirka of this environment."""
    program = Path(sys.executable).parent / "zvirka"
    install(prefix=tmp_path, executable=program)
    return tmp_path / "etc/systemd/system"


def test_every_unit_the_service_promises_is_there() -> None:
    assert SERVICES == [
        "zvirka-alert@.service",
        "zvirka-feed.service",
        "zvirka-receiver.service",
        "zvirka-reconcile.service",
        "zvirka-reconcile@.service",
        "zvirka-resync@.service",
        "zvirka-web.service",
        "zvirka-worker.service",
        "zvirka.service",
    ]
    assert TIMERS == ["zvirka-feed.timer", "zvirka-reconcile.timer", "zvirka-reconcile@.timer"]
    for timer in TIMERS:
        assert timer.replace(".timer", ".service") in SERVICES


@needs_systemd
def test_systemd_finds_nothing_to_complain_about(installed: Path) -> None:
    names = [str(installed / name.replace("@.", "@000000123.")) for name in [*SERVICES, *TIMERS]]
    for name in SERVICES:
        if "@" in name:
            (installed / name.replace("@.", "@000000123.")).symlink_to(name)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", *names],
        capture_output=True,
        text=True,
        check=False,
        env={"SYSTEMD_UNIT_PATH": f"{installed}:", "PATH": "/usr/bin:/bin"},
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@needs_systemd
@pytest.mark.parametrize("name", SERVICES)
def test_a_unit_is_hardly_exposed(name: str, installed: Path) -> None:
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", str(installed / name)],
        capture_output=True,
        text=True,
        check=True,
    )
    found = re.search(r"Overall exposure level for .*: ([\d.]+)", done.stdout)
    assert found is not None, done.stdout
    assert float(found[1]) <= EXPOSURE


def block(name: str, title: str) -> list[str]:
    """The settings of one part of a unit, from its heading to the next blank line."""
    text = (UNITS / name).read_text("utf-8")
    part = text[text.index(title) :].split("\n\n")[0]
    return [line for line in part.splitlines() if line and not line.startswith("#")]


@pytest.mark.parametrize("name", SERVICES)
def test_the_sandbox_is_the_same_in_every_unit(name: str) -> None:
    sandbox = block(name, "# --- sandbox")
    assert sandbox == block("zvirka.service", "# --- sandbox")
    assert "NoNewPrivileges=yes" in sandbox
    assert "ProtectSystem=strict" in sandbox


@pytest.mark.parametrize("name", SERVICES)
def test_credentials_are_named_as_the_settings_look_for_them_and_none_is_required(
    name: str, tmp_path: Path
) -> None:
    named = [
        line.removeprefix("LoadCredential=").split(":")
        for line in (UNITS / name).read_text("utf-8").splitlines()
        if line.startswith("LoadCredential=")
    ]
    assert named
    for key, source in named:
        (tmp_path / key).write_text("0123456789")
        # An absolute path would be required; a name is looked for in the credential stores.
        assert source == f"zvirka.{key}"
    of_flow = partial(credential_key, flow="%i", further="@" in name, shared={})
    key_of = of_flow if "reconcile@" in name else str
    found = resolve_secrets({}, {}, {"CREDENTIALS_DIRECTORY": str(tmp_path)}, key_of)
    assert [one for one in found.warnings if "no secret has that name" in one.text] == []


def credentials(name: str) -> set[str]:
    text = (UNITS / name).read_text("utf-8")
    return set(re.findall(r"^LoadCredential=([^:]+):", text, re.MULTILINE))


def test_the_unit_that_the_network_reaches_has_only_its_own_secrets() -> None:
    assert credentials("zvirka-receiver.service") == {
        "erp.password",
        "journal.password",
        "receiver.signature_key",
        "receiver.tokens",
    }
    assert credentials("zvirka-alert@.service") == {"journal.password", "alerts.urls"}
    run = credentials("zvirka.service")
    assert "receiver.tokens" not in run
    assert credentials("zvirka-web.service") - run == {"web.secret"}
    for name in (
        "zvirka-reconcile.service",
        "zvirka-feed.service",
        "zvirka-resync@.service",
        "zvirka-worker.service",
    ):
        assert credentials(name) == run
    of_flow = {key.removeprefix("flows.%i.") for key in credentials("zvirka-reconcile@.service")}
    assert of_flow == run


@pytest.mark.parametrize("name", SERVICES)
def test_a_unit_has_limits_and_an_end(name: str) -> None:
    text = (UNITS / name).read_text("utf-8")
    for limit in ("MemoryMax", "TasksMax", "LimitNOFILE"):
        assert re.search(rf"^{limit}=\d+[MG]?$", text, re.MULTILINE), limit
    if "Type=oneshot" in text:
        assert re.search(r"^TimeoutStartSec=\d+(min|h)$", text, re.MULTILINE)


def test_the_timer_of_the_feed_comes_every_quarter_of_an_hour() -> None:
    text = (UNITS / "zvirka-feed.timer").read_text("utf-8")
    assert "\nOnCalendar=*:0/15\n" in text
    assert "ExecStart=/usr/bin/zvirka feed " in (UNITS / "zvirka-feed.service").read_text("utf-8")


def test_no_unit_holds_a_secret_or_an_argument_that_could_be_one() -> None:
    for path in UNITS.glob("*.service"):
        starts = [line for line in path.read_text().splitlines() if line.startswith("Exec")]
        assert starts
        assert not any("password" in line or "token" in line for line in starts)
        assert "Environment=" not in path.read_text()


def test_installing_writes_each_file_to_its_place_with_the_right_program(tmp_path: Path) -> None:
    written = install(prefix=tmp_path, executable=Path("/opt/zvirka/bin/zvirka"))
    assert sorted(str(path.relative_to(tmp_path)) for path in written) == sorted(
        [f"etc/systemd/system/{name}" for name in [*SERVICES, *TIMERS]]
        + ["etc/sysusers.d/zvirka.conf", "etc/tmpfiles.d/zvirka.conf"]
    )
    unit = (tmp_path / "etc/systemd/system/zvirka.service").read_text()
    assert "ExecStart=/opt/zvirka/bin/zvirka daemon" in unit
    assert "/usr/bin/zvirka" not in unit
    assert all(path.stat().st_mode & 0o777 == 0o644 for path in written)
    again = install(prefix=tmp_path, executable=Path("/opt/zvirka/bin/zvirka"))
    assert again == written


def test_a_dry_run_says_the_same_and_writes_nothing(tmp_path: Path) -> None:
    program = Path("/opt/zvirka/bin/zvirka")
    shown = install(prefix=tmp_path, dry_run=True, executable=program)
    assert list(tmp_path.iterdir()) == []
    assert shown == install(prefix=tmp_path, executable=program)


def test_a_zvirka_that_the_sandbox_would_hide_is_refused() -> None:
    with pytest.raises(UsageError) as refused:
        install(executable=Path("/home/olena/.venv/bin/zvirka"))
    assert "/home/olena" in refused.value.place


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "etc").write_text("a file in the way")
    with pytest.raises(UsageError) as refused:
        install(prefix=tmp_path, executable=Path("/opt/zvirka/bin/zvirka"))
    assert "etc/systemd/system" in refused.value.place


def test_uninstall_removes_what_install_wrote_and_nothing_else(tmp_path: Path) -> None:
    program = Path(sys.executable).parent / "zvirka"
    written = install(prefix=tmp_path, executable=program)
    own = tmp_path / "etc/systemd/system/zvirka.service.d/override.conf"
    own.parent.mkdir()
    own.write_text("[Service]")
    assert uninstall(prefix=tmp_path, dry_run=True) == written
    assert all(path.exists() for path in written)
    assert uninstall(prefix=tmp_path) == written
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [own]
    assert uninstall(prefix=tmp_path) == []

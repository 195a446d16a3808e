"""A minimal Debian with a real systemd as its first process, in a container of its own.

The root is made once by debootstrap and kept in the user's cache; each session boots it under
systemd-nspawn with an overlay that is thrown away, and with no network but its own loopback.
zvirka is installed in it as a user would: from the wheel built of this checkout, its dependencies
being those of the environment that runs the tests, read-only.
"""

from __future__ import annotations

import os
import shutil
import signal
import site
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

SUITE = "bookworm"
PACKAGES = ("systemd", "systemd-sysv", "dbus", "python3", "tzdata", "faketime", "procps")
TOOLS = ("debootstrap", "systemd-nspawn", "nsenter")
CHECKOUT = Path(__file__).resolve().parents[2]
INSIDE = CHECKOUT / "tests/system/inside"
PYTHON = f"python{sys.version_info.major}.{sys.version_info.minor}"
_ROOT_VERSION = 1
T = TypeVar("T")
# What runs inside by nsenter has the host's capabilities: it must not reach the host's clock.
_DROPPED = "-sys_time,-sys_boot,-sys_module,-sys_rawio,-sys_admin,-net_admin,-wake_alarm"


class CannotBootError(Exception):
    """There is no way to boot a systemd here; the text says why."""


def missing() -> str:
    """Why the machine cannot be booted here at all; empty when it may be tried."""
    if sys.platform != "linux":
        return "systemd runs on Linux only"
    if os.geteuid() != 0:
        return "booting a container takes root"
    absent = [tool for tool in TOOLS if shutil.which(tool) is None]
    return f"not installed: {', '.join(absent)}" if absent else ""


def cached_root() -> Path:
    """The pristine root; made on first use, which takes a minute and a Debian mirror."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "zvirka"
    root = cache / f"{SUITE}-{_ROOT_VERSION}"
    if root.is_dir():
        return root
    cache.mkdir(parents=True, exist_ok=True)
    unfinished = cache / f".{root.name}-{os.getpid()}"
    try:
        _call(
            "debootstrap",
            "--variant=minbase",
            f"--include={','.join(PACKAGES)}",
            SUITE,
            str(unfinished),
            timeout=900,
        )
    except RuntimeError as error:
        raise CannotBootError(str(error)) from error
    else:
        unfinished.rename(root)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return root


def install_tree(folder: Path) -> Path:
    """Lay zvirka out as it is bound to /opt/zvirka: interpreter, wheel, command."""
    wheels = folder / "wheels"
    _call(
        sys.executable,
        *("-m", "pip", "wheel", "--quiet", "--no-deps", "--disable-pip-version-check"),
        *("--wheel-dir", str(wheels), str(CHECKOUT)),
        timeout=300,
    )
    tree = folder / "zvirka"
    packages = tree / "lib" / PYTHON / "site-packages"
    packages.mkdir(parents=True)
    with zipfile.ZipFile(next(wheels.glob("zvirka-*.whl"))) as wheel:
        wheel.extractall(packages)
    (packages / "dependencies.pth").write_text("/opt/dependencies\n")
    home = "/usr/bin" if PYTHON == "python3.11" else "/opt/python/bin"
    (tree / "pyvenv.cfg").write_text(f"home = {home}\ninclude-system-site-packages = false\n")
    (tree / "bin").mkdir()
    (tree / "bin/python").symlink_to(f"{home}/{PYTHON}")
    command = tree / "bin/zvirka"
    command.write_text(
        "#!/opt/zvirka/bin/python\nimport sys\nfrom zvirka.cli import main\nsys.exit(main())\n"
    )
    command.chmod(0o755)
    return tree


def installed(folder: Path) -> dict[Path, str]:
    """Return what to bind for a machine in which zvirka is installed from its wheel."""
    binds = {
        install_tree(folder): "/opt/zvirka",
        Path(site.getsitepackages()[0]): "/opt/dependencies",
        INSIDE: "/opt/inside",
    }
    if PYTHON != "python3.11":
        binds[Path(sys.base_prefix)] = "/opt/python"
    return binds


class Machine:
    """A booted container.

    Args:
        folder: scratch space of the session.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._name = f"zvirka-test-{os.getpid()}"
        self._process: subprocess.Popen[bytes] | None = None
        self._leader = 0
        self._cursor = ""

    def boot(self, binds: Mapping[Path, str]) -> None:
        """Boot it and wait until systemd says that all units are up.

        Args:
            binds: directories of this machine, and where they are seen inside, read-only.

        Raises:
            CannotBootError: it did not come up; with what nspawn said.
        """
        options = [
            f"--directory={cached_root()}",
            f"--machine={self._name}",
            *("--boot", "--volatile=overlay", "--private-network", "--register=no"),
            *("--console=pipe", "--link-journal=no", "--kill-signal=SIGRTMIN+3", "--quiet"),
            *(f"--bind-ro={source}:{target}" for source, target in binds.items()),
        ]
        if not Path("/run/systemd/system").is_dir():
            options.append("--keep-unit")  # there is no systemd around it to make a scope
        log = (self._folder / "console.log").open("wb")
        self._process = subprocess.Popen(  # the console is a pipe that nobody reads from
            ["systemd-nspawn", *options], stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
        try:
            self._leader = wait_for(self._find_leader, 60, "a first process")
            wait_for(self._is_up, 120, "the end of the boot")
        except TimeoutError as error:
            said = (self._folder / "console.log").read_text(errors="replace")[-3000:]
            self.power_off()
            raise CannotBootError(f"{error}\n{said}") from error

    def power_off(self) -> None:
        """Stop the container and everything in it."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(60)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def run(self, *command: str, check: bool = True, stdin: str = "") -> str:
        """Run a command inside as root; returns its standard output, stripped.

        Without the capabilities that would reach through to the host.
        """
        done = subprocess.run(
            [
                *("nsenter", f"--target={self._leader}", "--all", "--"),
                *("setpriv", f"--bounding-set={_DROPPED}", f"--inh-caps={_DROPPED}", "--"),
                *("env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8", "HOME=/root"),
                *command,
            ],
            capture_output=True,
            text=True,
            input=stdin,
            check=False,
            timeout=120,
        )
        if check and done.returncode:
            raise AssertionError(
                f"{' '.join(command)} ended with {done.returncode}\n{done.stdout}\n{done.stderr}"
            )
        return done.stdout.strip()

    def write(self, path: str, text: str, mode: str = "0644") -> None:
        """Write a file inside."""
        self.run("install", "-D", "-m", mode, "/dev/stdin", path, stdin=text)

    def show(self, unit: str, name: str) -> str:
        """One property of a unit."""
        return self.run("systemctl", "show", "--value", f"--property={name}", unit)

    def log(self, unit: str) -> str:
        """What the journal has of a unit since :meth:`forget_log`."""
        after = [f"--after-cursor={self._cursor}"] if self._cursor else []
        return self.run("journalctl", "--no-pager", "--output=cat", f"--unit={unit}", *after)

    def forget_log(self) -> None:
        """Let :meth:`log` begin here."""
        said = self.run("journalctl", "--no-pager", "--lines=1", "--show-cursor", "--output=cat")
        self._cursor = said.rpartition("-- cursor: ")[2]

    def wait_for(self, met: Callable[[], object], seconds: float, what: str) -> None:
        """Wait until something is so, and say what is not otherwise."""
        wait_for(met, seconds, what)

    def _find_leader(self) -> int:
        assert self._process is not None
        if self._process.poll() is not None:
            raise TimeoutError("systemd-nspawn ended at once")
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        for child in children.read_text().split():
            if Path(f"/proc/{child}/comm").read_text().strip() == "systemd":
                return int(child)
        return 0

    def _is_up(self) -> bool:
        state = self.run("systemctl", "is-system-running", check=False)
        return state in ("running", "degraded")


def wait_for(met: Callable[[], T], seconds: float, what: str) -> T:
    """Ask again and again until the answer is true; the answer."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if answer := met():
            return answer
        time.sleep(0.2)
    raise TimeoutError(f"waited {seconds:.0f} s for {what}")


def _call(*command: str, timeout: float) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=timeout)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}:\n{(done.stdout + done.stderr)[-3000:]}")

"""Builds zvirka_VERSION_ARCH.deb with dpkg-deb: everything inside, nothing fetched when installed.

The package holds a virtual environment at /opt/zvirka with what requirements.lock pins, checked by
its hashes, for the Python this script runs on (its minor version becomes a dependency of the
package); the units, user, directories, example settings, man pages and completion.

Usage: build_deb.py [DIRECTORY], by default dist/
"""

from __future__ import annotations

import compileall
import gzip
import os
import shutil
import subprocess
import sys
from pathlib import Path
from py_compile import PycInvalidationMode

from project import CHECKOUT, version

from zvirka.service.systemd_install import PLACES

MINOR = f"{sys.version_info.major}.{sys.version_info.minor}"
COMMAND = """#!/opt/zvirka/bin/python -P
import sys
from zvirka.cli import main
sys.exit(main())
"""


def main(directory: Path) -> Path:
    """Build the package into a directory and return its path."""
    work = CHECKOUT / "build/deb"
    shutil.rmtree(work, ignore_errors=True)
    root = work / "root"
    _environment(root / "opt/zvirka", _wheel(work))
    _system_files(root)
    _pages(root, work)
    _control(root)
    directory.mkdir(parents=True, exist_ok=True)
    package = directory / f"zvirka_{version()}_{_architecture()}.deb"
    compression = os.environ.get("ZVIRKA_DEB_COMPRESSION", "xz")
    _call("dpkg-deb", "--root-owner-group", f"-Z{compression}", "--build", str(root), str(package))
    return package


def _wheel(work: Path) -> Path:
    _call("uv", "build", "--quiet", "--wheel", "--out-dir", str(work), str(CHECKOUT))
    return next(work.glob("zvirka-*.whl"))


def _environment(tree: Path, wheel: Path) -> None:
    """Lay out a virtual environment of the machine's Python, as it is at /opt/zvirka."""
    packages = tree / f"lib/python{MINOR}/site-packages"
    install = ("uv", "pip", "install", "--quiet", "--no-deps", "--target", str(packages))
    install = (*install, "--python-version", MINOR, "--link-mode", "copy", "--no-config")
    _call(*install, "--require-hashes", "-r", str(CHECKOUT / "requirements.lock"))
    _call(*install, str(wheel))
    for needless in ("bin", "share", ".lock"):
        path = packages / needless
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    (tree / "pyvenv.cfg").write_text("home = /usr/bin\ninclude-system-site-packages = false\n")
    _write(tree / "bin/zvirka", COMMAND, 0o755)
    (tree / "bin/python").symlink_to(f"/usr/bin/python{MINOR}")
    compileall.compile_dir(
        packages,
        quiet=2,
        stripdir=str(packages),
        prependdir=str(Path("/opt/zvirka") / packages.relative_to(tree)),
        # dpkg sets the times of files: bytecode is not compared with them.
        invalidation_mode=PycInvalidationMode.UNCHECKED_HASH,
    )


def _system_files(root: Path) -> None:
    for pattern, place in PLACES.items():
        for source in sorted((CHECKOUT / "systemd").glob(pattern)):
            # Below /usr: /etc is the administrator's.
            _copy(source, root / place.replace("etc/", "usr/lib/") / source.name)
    (root / "usr/bin").mkdir(parents=True)
    (root / "usr/bin/zvirka").symlink_to("/opt/zvirka/bin/zvirka")
    example = "zvirka.example.toml"
    _copy(CHECKOUT / "config" / example, root / "etc/zvirka" / example)


def _pages(root: Path, work: Path) -> None:
    _call(sys.executable, str(CHECKOUT / "packaging/manpages.py"), str(work / "pages"))
    for section in (1, 5):
        for page in (work / f"pages/man{section}").iterdir():
            _copy(page, root / f"usr/share/man/man{section}" / page.name)
    _copy(work / "pages/zvirka.bash", root / "usr/share/bash-completion/completions/zvirka")
    documents = root / "usr/share/doc/zvirka"
    _copy(CHECKOUT / "LICENSE", documents / "copyright")
    changes = (CHECKOUT / "CHANGELOG.md").read_bytes()
    (documents / "changelog.gz").write_bytes(gzip.compress(changes, mtime=0))


def _control(root: Path) -> None:
    size = sum(f.lstat().st_size for f in root.rglob("*") if not f.is_dir()) // 1024
    fields = (CHECKOUT / "packaging/debian/control").read_text("utf-8")
    text = fields.format(
        version=version(), architecture=_architecture(), size=size, python=f"python{MINOR}"
    )
    _write(root / "DEBIAN/control", text, 0o644)
    _write(root / "DEBIAN/conffiles", "/etc/zvirka/zvirka.example.toml\n", 0o644)
    for script in ("postinst", "prerm", "postrm"):
        text = (CHECKOUT / "packaging/debian" / script).read_text("utf-8")
        _write(root / "DEBIAN" / script, text, 0o755)


def _architecture() -> str:
    return _call("dpkg", "--print-architecture").strip()


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    target.chmod(0o644)


def _write(path: Path, text: str, mode: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    path.chmod(mode)


def _call(program: str, *arguments: str) -> str:
    beside = (
        Path(sys.executable).parent / program
    )  # of this environment, also when it is not active
    command = [str(beside) if beside.exists() else program, *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    except FileNotFoundError:
        sys.exit(f"{program} is not installed; the package is built on Debian or Ubuntu")
    if done.returncode:
        sys.exit(f"{' '.join(command)}:\n{done.stdout}{done.stderr}")
    return done.stdout


if __name__ == "__main__":
    os.umask(0o022)
    print(main(Path(sys.argv[1]) if len(sys.argv) > 1 else CHECKOUT / "dist"))  # noqa: T201

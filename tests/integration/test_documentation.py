"""Every example in the documentation works: shell lines are run, settings are loaded.

Each page is a scene: its lines run in order in one small installation, with the names of the page
(RUN, 000000123, /backup, db.example.com) replaced by those of the installation. A line that takes
root, systemd or a network is named in ELSEWHERE with the test that runs it.
"""

from __future__ import annotations

import re
import shutil
import tomllib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from sqlalchemy import make_url

from tests.integration.documented import DOCS, ROOT, Line, blocks, pages, shell_lines
from tests.integration.documented_world import PASSWORD, World, installation
from tests.integration.misbehaving_erp import MisbehavingErp
from tests.integration.store_shapes import Shape, production
from tests.integration.test_init import filled
from tests.integration.timestamp_authority import authority
from tests.unit.cli.lines import run, settled
from zvirka.settings.loading import load_settings
from zvirka.simulator import Simulator, SimulatorOptions

__all__ = ["settled"]

pytestmark = pytest.mark.timeout(300)

ELSEWHERE = {
    r"apt install '?\./zvirka_": "takes apt and root: tests/system/test_deb.py",
    r"systemctl ": "takes systemd and root: tests/system/test_whole_night.py",
    r"pipx install ": "takes pipx: tests/system/test_whole_night.py installs the wheel",
    r"python3 -m venv /opt/zvirka": "takes root: tests/system/test_whole_night.py",
    r"/opt/zvirka/bin/pip install ": "takes a network: tests/system installs the same wheels",
    r"\S*zvirka systemd (un)?install$": "takes systemd and root: tests/system",
    r"make ": "takes a network; tests/integration/test_make.py makes the environment",
    r"\.venv/bin/pip install pre-commit": "takes a network",
    r"\.venv/bin/pytest ": "the files it names exist: checked below",
    r"zvirka demo": "takes seconds: tests/integration/test_demo_directory.py",
    r"zvirka simulate( |$)": "serves until Ctrl+C: tests/integration/test_simulator_process.py",
    r"zvirka (serve|daemon)": "serves until Ctrl+C: tests/integration/test_service_daemon.py",
    r"zvirka (worker|fleet status)": "takes workers: tests/integration/test_fleet_*.py",
    r"zvirka web hash-password": "asks on a terminal: tests/unit/web",
    r"zvirka alert ": "tells of a unit of systemd: tests/system/test_booted.py",
}
Scene = Callable[[World, Simulator, ExitStack], None]


def elsewhere(line: Line) -> str:
    """Why a line is not run here; empty when it is."""
    for pattern, reason in ELSEWHERE.items():
        if re.match(pattern, line.command):
            return reason
    return ""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Simulator]]:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed: no keys to sign with")
    directory = tmp_path_factory.mktemp("documented")
    with installation(directory) as simulator:
        yield directory, simulator


@pytest.fixture
def world(
    made: tuple[Path, Simulator], settled: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[World, Simulator]:
    """A copy of the installation, in which a page may do what it wants."""
    original, simulator = made
    directory = settled / "installation"
    shutil.copytree(original, directory)
    monkeypatch.chdir(directory)
    (directory / "backup").mkdir()
    world = World(directory, monkeypatch)
    world.replaced[r"/backup\b"] = str(directory / "backup")
    world.name_client()
    return world, simulator


# -- scenes ---------------------------------------------------------------------------------------


def approve(world: World, simulator: Simulator, stack: ExitStack) -> None:
    def new() -> None:
        world.replaced[r"\bRUN\b"] = str(world.held())

    for prefix in ("zvirka runs --held", "zvirka reject RUN --reason", "zvirka reject RUN --code"):
        world.before[prefix] = new
    world.codes["zvirka reject"] = 1


def undo(world: World, simulator: Simulator, stack: ExitStack) -> None:
    world.replaced[r"\bRUN\b"] = str(world.corrected())
    world.before["zvirka undo RUN --code"] = lambda: again(world, r"\bRUN\b")


def again(world: World, number: str) -> None:
    """Correct what was undone: the next example undoes one client of it."""
    assert run("resync", "--all", "--reason", "the undo was a mistake") in {0, 1}
    world.replaced[number] = str(world.last_run())


def prove(world: World, simulator: Simulator, stack: ExitStack) -> None:
    number = world.corrected()
    world.replaced[r"zvirka-run-000042\.html"] = f"reports/zvirka-run-{number:06}.html"


def auditor(world: World, simulator: Simulator, stack: ExitStack) -> None:
    tsa = stack.enter_context(authority(world.directory / "tsa"))
    (world.directory / "tsa.pem").write_bytes(tsa.root)
    toml = (world.directory / "zvirka.toml").read_text("utf-8")
    toml = toml.replace("[report]", f'[report]\ntsa = ["{tsa.url}"]')
    (world.directory / "zvirka.toml").write_text(toml, "utf-8")
    prove(world, simulator, stack)
    (head,) = (world.directory / "reports").glob("*.head")
    number, digest = world.last_run(), head_digest(head)
    world.replaced |= {r"\bFOLDER\b": "reports", r"42:DIGEST": f"{number}:{digest}"}


def head_digest(head: Path) -> str:
    """The digest in a file that anchors the chain's head."""
    digests: set[str] = set(re.findall(r"\b[0-9a-f]{64}\b", head.read_text("utf-8"))) or {""}
    (found,) = digests
    return found


def back_up(world: World, simulator: Simulator, stack: ExitStack) -> None:
    assert run("backup", "backup/before-upgrade.zvirka") == 0


def move(world: World, simulator: Simulator, stack: ExitStack) -> None:
    world.before["zvirka restore"] = lambda: shutil.rmtree(world.directory / "state")
    world.codes["zvirka plan"] = 0


def upgrade(world: World, simulator: Simulator, stack: ExitStack) -> None:
    """Nothing to prepare: an installation with runs."""


def on_a_new_machine(world: World, simulator: Simulator) -> None:
    """No settings yet; those that init writes are the system's."""
    system = world.directory / "etc"
    system.mkdir()
    (world.directory / "zvirka.toml").unlink()
    world.monkeypatch.setenv("ZVIRKA_CONFIG", str(system / "zvirka.toml"))
    world.monkeypatch.setenv("ZVIRKA_ONEC__PASSWORD", PASSWORD)
    world.replaced[r"/etc/zvirka\b"] = str(system)
    world.codes["zvirka plan"] = 1
    address = simulator.url.removesuffix("odata/standard.odata/")
    world.answers = f"{address}\n{simulator.user}\n"


def connect_bas(world: World, simulator: Simulator, stack: ExitStack) -> None:
    on_a_new_machine(world, simulator)
    world.answers += "\ny\n"  # no ERP: the embedded store; write it

    world.before["zvirka feed"] = lambda: exchange_plan(world.directory / "etc/zvirka.toml")


def exchange_plan(file: Path) -> None:
    """Name the exchange plan of the simulator in the settings."""
    node = '[onec]\nexchange_plan = "Звірка"\nexchange_node = "ZV"\n'
    file.write_text(file.read_text("utf-8").replace("[onec]\n", node), "utf-8")


def sql_database(backend: str) -> Scene:
    def scene(world: World, simulator: Simulator, stack: ExitStack) -> None:
        shape = production(backend, world.directory)
        filled(shape, simulator)
        on_a_new_machine(world, simulator)
        world.answers += "clients\ny\n"
        address = r"(postgresql|mariadb\+pymysql)://zvirka@db\.example\.com/erp"
        world.replaced[address] = f"'{user_of_its_own(shape)}'"
        world.monkeypatch.setenv("ZVIRKA_ERP__PASSWORD", "p")

        world.replaced["init --from"] = "init --no-check --from"
        world.before["zvirka init --from"] = lambda: setattr(world, "answers", "y\n")

    return scene


def user_of_its_own(shape: Shape) -> str:
    """A user of the database who may read and write; the address with its name."""
    url = make_url(shape.erp.url)
    user = f"own_{url.database}"[:30]
    if shape.backend == "mariadb":
        shape.sql(f"CREATE USER {user}@'%%' IDENTIFIED BY 'p'")
        shape.sql(f"GRANT ALL ON {url.database}.* TO {user}@'%%'")
    else:
        shape.sql(f"CREATE ROLE {user} LOGIN PASSWORD 'p'")
        shape.sql(f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {user}")
        shape.sql(f"GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO {user}")
    return url.set(username=user, password=None).render_as_string(hide_password=False)


def webhook(world: World, simulator: Simulator, stack: ExitStack) -> None:
    """The settings of the page, with the addresses of a table and an endpoint that are there."""
    erp = stack.enter_context(MisbehavingErp(f"sqlite:///{world.directory / 'erp.db'}"))
    (block,) = blocks(DOCS / "howto/webhook.md", "toml")
    block = block.replace("postgresql+psycopg://zvirka_read@db.example.com/erp", "sqlite:///erp.db")
    block = block.replace("https://erp.example.com/api/webhook/1c/clients", erp.url)
    block = block.replace("/etc/zvirka/", "")
    (world.directory / "erp.webhook.token").write_text("token")
    file = world.directory / "zvirka.toml"
    before = file.read_text("utf-8")
    file.write_text(before.replace('[erp]\nurl = "sqlite:///erp.db"\n', block), "utf-8")


def install(world: World, simulator: Simulator, stack: ExitStack) -> None:
    on_a_new_machine(world, simulator)
    world.answers += "\ny\n"
    world.replaced["zvirka init"] = "zvirka init --no-check"
    world.replaced |= {"/etc/credstore": str(world.directory), "/opt/zvirka/bin/": ""}


def tutorial(world: World, simulator: Simulator, stack: ExitStack) -> None:
    empty = world.directory / "empty"
    empty.mkdir()
    world.monkeypatch.chdir(empty)
    options = SimulatorOptions(counterparties=300, password="secret")
    ours = stack.enter_context(Simulator(options))
    world.replaced = {"18080": str(ours.port)}
    world.codes = {"zvirka reconcile": 3}
    world.before["zvirka audit history"] = lambda: world.codes.clear()
    world.before["zvirka approve"] = lambda: world.codes.clear()


def commands(world: World, simulator: Simulator, stack: ExitStack) -> None:
    """The examples of every --help: each finds what it needs."""
    auditor(world, simulator, stack)
    exchange_plan(world.directory / "zvirka.toml")
    (world.directory / "fresh").mkdir()
    number, ref = world.last_run(), next(iter(simulator.base.refs()))
    world.replaced |= {
        r"^zvirka init$": "zvirka init --no-check --out fresh/one.toml",
        r"^zvirka init --yes": "zvirka init --yes --no-check --out fresh/two.toml",
        r"^zvirka init --from": "zvirka init --no-check --from",
        r"^zvirka init --flow": "zvirka init --no-check --config zvirka.toml --flow",
        r"--onec-url \S+": f"--onec-url {simulator.url}",
        r"--onec-user \S+": f"--onec-user {simulator.user}",
        r"--erp-url \S+": f"--erp-url sqlite:///{world.directory}/erp.db",
        "Адмін": simulator.user,
        r"\b42\b": str(number),
        r"\b32855961\b": str(simulator.base.get(ref).values["tax_id"]),
        r"0f9e375d-6e83-11e5-96ed-0025907c0298": ref,
        r"--from 120\b": f"--from {number}",
        r"/etc/zvirka\b": str(world.directory),
        r"/mnt/audit/zvirka\b": "reports",
        r"zvirka-20261129-023000\.": "before-upgrade.",
        r"/tmp/reports\b": str(world.directory / "elsewhere"),
    }
    world.monkeypatch.setenv("ZVIRKA_ONEC__PASSWORD", PASSWORD)
    conversation = f"{simulator.url}\n{simulator.user}\n\ny\n"

    def held() -> None:
        world.replaced[r"\b42\b"] = str(world.held())

    def others() -> None:
        """Some clients are rejected for good by now: undo others."""
        world.order = "DESC"
        world.name_client()
        world.replaced[r"\b42\b"] = str(world.corrected())

    world.before |= {
        "zvirka init": lambda: setattr(world, "answers", conversation),
        "zvirka init --from": lambda: setattr(world, "answers", "\ny\n"),
        "zvirka check": lambda: setattr(world, "answers", ""),
        "zvirka approve": held,
        "zvirka reject": held,
        "zvirka undo 42 --reason": others,
        "zvirka undo 42 --code": lambda: again(world, r"\b42\b"),
        "zvirka restore": lambda: shutil.rmtree(world.directory / "state"),
    }
    world.codes["zvirka reject"] = 1


def flows(world: World, simulator: Simulator, stack: ExitStack) -> None:
    """A second flow of the same base, whose first load waits for a person."""
    file = world.directory / "flows/branch.toml"
    file.parent.mkdir()
    file.write_text(
        f'[onec]\nurl = "{simulator.url}"\nuser = "{simulator.user}"\n'
        'password_file = "../onec.password"\n[erp]\nurl = "sqlite:///branch.db"\n',
        "utf-8",
    )
    world.codes["zvirka plan"] = 1

    def held() -> None:
        assert run("reconcile", "--flow", "branch") == 3
        world.replaced[r"approve 3\b"] = "approve 2"  # the plan was run 1

    world.before["zvirka approve"] = held


def plain(world: World, simulator: Simulator, stack: ExitStack) -> None:
    """Nothing to prepare."""


SCENES: dict[str, Scene] = {
    "docs/howto/approve.md": approve,
    "docs/howto/undo.md": undo,
    "docs/howto/prove.md": prove,
    "docs/auditor.md": auditor,
    "docs/howto/back-up.md": back_up,
    "docs/howto/move.md": move,
    "docs/howto/upgrade.md": upgrade,
    "docs/howto/connect-bas.md": connect_bas,
    "docs/howto/postgresql.md": sql_database("postgresql"),
    "docs/howto/mariadb.md": sql_database("mariadb"),
    "docs/howto/webhook.md": webhook,
    "docs/howto/flows.md": flows,
    "docs/howto/fleet.md": plain,
    "docs/howto/install.md": install,
    "docs/howto/troubleshoot.md": plain,
    "docs/tutorial.md": tutorial,
    "docs/reference/commands.md": commands,
    "README.md": plain,
    "CONTRIBUTING.md": plain,
}


def names(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.long
@pytest.mark.parametrize("page", [page for page in pages() if shell_lines(page)], ids=names)
def test_every_line_of_a_page_works(
    page: Path, world: tuple[World, Simulator], capfd: pytest.CaptureFixture[str]
) -> None:
    assert names(page) in SCENES, "a new page with examples needs a scene"
    here, simulator = world
    with ExitStack() as stack:
        SCENES[names(page)](here, simulator, stack)
        for line in shell_lines(page):
            if elsewhere(line):
                continue
            capfd.readouterr()
            code = here.type(line)
            said = "\n".join(capfd.readouterr())
            assert code == here.expected(line), f"{line.text}\n{said}"


@pytest.mark.parametrize("page", [page for page in pages() if shell_lines(page)], ids=names)
def test_the_ukrainian_page_has_the_same_examples(page: Path) -> None:
    other = page.with_name(page.name.replace(".md", ".uk.md"))
    if not other.exists():
        assert page.parent.name == "reference" or page.parent == ROOT
        return
    assert [without_words(line) for line in shell_lines(page)] == [
        without_words(line) for line in shell_lines(other)
    ]
    assert blocks(page, "toml") == blocks(other, "toml")


def without_words(line: Line) -> str:
    """A line without the reason and the names, which are in the reader's language."""
    return re.sub(r'"[^"]*"|\bFOLDER\b|\bDIGEST\b|ТЕКА|ДАЙДЖЕСТ', "…", line.text)


def test_what_is_not_run_here_names_things_that_are_there() -> None:
    units = {file.name for file in (ROOT / "systemd").glob("zvirka*")}
    used = set()
    for page in pages():
        for line in shell_lines(page):
            if not (reason := elsewhere(line)):
                continue
            used.add(reason)
            words = line.words
            if words[0] == "systemctl":
                assert set(words[1:]) <= units | {"enable", "disable", "stop", "start", "--now"}
            for file in re.findall(r"\S+\.(?:py|lock)\b", line.command):
                assert (ROOT / file).is_file(), line.text
            if words[0] == "make":
                assert f"\n{words[1]}:" in (ROOT / "Makefile").read_text("utf-8")
    assert used == set(ELSEWHERE.values()), "a reason without a line"


# -- settings -------------------------------------------------------------------------------------

TABLES = [
    pytest.param(page, number, id=f"{names(page)}-{number}")
    for page in [*pages(), ROOT / "bsl/README.uk.md"]
    if page.name != "settings.md"  # made of zvirka.example.toml: unit/settings/test_shipped_files
    for number in range(len(blocks(page, "toml")))
]
LEAST = {
    "onec": {"url": "https://1c.example.com/base", "user": "u", "password": "p"},
    "erp": {"url": "sqlite:///erp.db"},
}


@pytest.mark.parametrize(("page", "number"), TABLES)
def test_every_example_of_settings_is_loaded(page: Path, number: int, tmp_path: Path) -> None:
    values = tomllib.loads(blocks(page, "toml")[number])
    assert values
    file = tmp_path / "zvirka.toml"
    text = re.sub(r'_file = "[^"]*/', '_file = "', blocks(page, "toml")[number])
    for secret in re.findall(r'^\w+_file = "([^"]+)"', text, re.MULTILINE):
        (tmp_path / secret).write_text("secret")
        (tmp_path / secret).chmod(0o600)
    environ = {
        f"ZVIRKA_{table.upper()}__{key.upper()}": value
        for table, least in LEAST.items()
        for key, value in least.items()
        if key not in values.get(table, {}) and f"{key}_file" not in values.get(table, {})
    }
    # Beside the first block, whole files of flows.
    if page.name.startswith("flows.") and number and "onec" in values:
        file.write_text(blocks(page, "toml")[0], "utf-8")
        (tmp_path / "flows").mkdir()
        (tmp_path / "flows/other.toml").write_text(text, "utf-8")
        assert load_settings(file, {}, "other").settings.name == "other"
        return
    file.write_text(text, "utf-8")
    load_settings(file, environ)

"""Ukrainian output has no English sentence, and English output no Ukrainian one.

Every command with its help, failures of many kinds, every form of a report and every page are
rendered in both languages over one demo; what the sentences themselves say is not compared.
"""

from __future__ import annotations

import io
import os
import signal
import sqlite3
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import apprise.utils.pgp  # noqa: F401 - now: its first import warns of a module of Python
import pytest

from tests.foreign_words import cyrillic_in, latin_in
from tests.unit.cli.test_help import ALL
from zvirka.cli import main
from zvirka.i18n import LANGUAGES, Language
from zvirka.i18n.register import explanations
from zvirka.simulator import Record, Simulator
from zvirka.simulator.kept import kept_simulator

QUICKLY = ["uk", pytest.param("en", marks=pytest.mark.slow)]
"""Users read Ukrainian; the other way round is for `make test-slow`."""
WORDS_OF_BOTH = frozenset({"Код", "акт звірки"})
"""Names of 1C and of Ukrainian law that English texts use as well."""


@dataclass
class Demo:
    """A directory in which every command can be called, and what its data are called."""

    directory: Path
    simulator: Simulator

    def records(self) -> list[Record]:
        """1C's counterparties, groups left out."""
        base = self.simulator.base
        found = [base.get(ref) for ref in base.refs()]
        return [one for one in found if not one.group]

    def names(self) -> set[str]:
        """The values of 1C and of the ERP, which are data in every language."""
        values = {value for one in self.records() for value in one.values.values() if value}
        values.add(self.simulator.user)
        with closing(sqlite3.connect("erp.db")) as erp:
            values |= {name for (name,) in erp.execute("SELECT name FROM clients")}
        return values

    def edit_erp(self, code: str, **values: str) -> None:
        """Edit a client past zvirka."""
        with closing(sqlite3.connect("erp.db")) as erp, erp:
            for column, value in values.items():
                erp.execute(f"UPDATE clients SET {column} = ? WHERE code = ?", (value, code))

    def run_that(self, status: str) -> int:
        """The last run with that status."""
        with closing(sqlite3.connect("state/journal.db")) as journal:
            query = "SELECT max(id) FROM run WHERE status = ?"
            return int(journal.execute(query, (status,)).fetchone()[0])


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    directory = tmp_path_factory.mktemp("language") / "demo"
    with pytest.MonkeyPatch.context() as patch:
        for name in ("ZVIRKA_CONFIG", "ZVIRKA_LANG", "LC_ALL", "LC_MESSAGES", "JOURNAL_STREAM"):
            patch.delenv(name, raising=False)
        told(["demo", "--counterparties", "50", "--keep", str(directory), "--lang", "uk"])
        patch.chdir(directory)
        for name in ("old.pem", "new.pem"):
            subprocess.run(
                ["openssl", "genpkey", "-algorithm", "ed25519", "-out", name], check=True
            )
        with kept_simulator(directory) as simulator:
            yield Demo(directory, simulator)


def told(line: list[str], stdin: str = "", **environ: str) -> tuple[int, str]:
    """The exit code of a command line, and all that it writes."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environ.items():
            patch.setenv(name, value)
        patch.setattr("sys.stdin", io.StringIO(stdin))
        shown = io.StringIO()
        with redirect_stdout(shown), redirect_stderr(shown):
            code = main(line)
    return code, shown.getvalue()


def foreign(language: str, text: str, names: set[str]) -> list[str]:
    if language == "uk":
        return latin_in(text, names)
    return [one for one in cyrillic_in(text, names) if one not in WORDS_OF_BOTH]


def assert_one_language(found: dict[str, list[str]]) -> None:
    """Nothing foreign was found; else every place with its words."""
    wrong = [f"{place}: {words}" for place, words in found.items() if words]
    assert not wrong, "\n".join(wrong)


@pytest.mark.long
@pytest.mark.parametrize("language", LANGUAGES)
def test_help_is_in_one_language(language: str) -> None:
    found = {}
    for name in ("", *sorted({one.rpartition(" ")[0] for one in ALL}), *ALL):
        code, shown = told([*name.split(), "--help", "--lang", language])
        assert code == 0
        # An example may hold a name.
        found[name] = foreign(language, shown, {"Адмін", "ТОВ Нове", "ТОВ Перейменоване"})
    assert_one_language(found)


@pytest.mark.parametrize("language", LANGUAGES)
def test_explanations_are_in_one_language(language: Language) -> None:
    texts = {one.code: f"{one.family}. {one.title}. {one.text}" for one in explanations(language)}
    assert len(texts) > 100
    texts["list"] = told(["explain", "--lang", language])[1]
    texts["one"] = told(["explain", "ZV1203", "--lang", language])[1]
    found = {code: foreign(language, text, set()) for code, text in texts.items()}
    assert_one_language(found)


@pytest.mark.long
@pytest.mark.parametrize("language", QUICKLY)
def test_every_command_speaks_one_language(demo: Demo, language: str) -> None:
    found: dict[str, list[str]] = {}
    called = set()
    for code, line, environ in story(demo, language):
        ending = soon_asked_to_end() if line.startswith("simulate ") else nullcontext()
        with ending:
            ended, shown = told([*line.split(), "--lang", language], "long password\n", **environ)
        assert ended == code, f"{line}\n{shown}"
        called.add(next(name for name in ALL if f"{line} ".startswith(f"{name} ")))
        found[line] = foreign(language, shown, demo.names())
    assert set(ALL) - called == set()
    assert_one_language(found)


Step = tuple[int, str, dict[str, str]]
TIGHT = {"ZVIRKA_GUARD__MAX_CHANGES": "0"}


def story(demo: Demo, language: str) -> Iterator[Step]:
    """Every command once and more, with the exit code it should have."""
    first = 5 if language == "uk" else 15
    one, two, three, four = sorted(r.values["code"] or "" for r in demo.records())[first:][:4]
    yield from steps("simulated list --limit 3", "check", "config show", "config check", "upgrade")
    yield from steps("explain", "explain ZV1203")
    yield from steps(
        f"simulated edit {one} --name Інакше --lose-webhook",
        f"simulated edit {two} --phone +380441234567 --lose-webhook",
        "simulated create --name Нове --lose-webhook",
        f"simulated delete {three} --lose-webhook",
    )
    demo.edit_erp(two, phone="+380440000000")
    demo.edit_erp(four, name="Змінене")
    yield 1, "plan", {}
    yield 3, "reconcile", TIGHT
    held = demo.run_that("held")
    yield from steps("runs --held", f"show {held}")
    yield 1, f"reject {held} --code {four} --reason 4711", TIGHT
    yield 3, "reconcile", TIGHT
    yield 1, f"approve {demo.run_that('held')} --reason 4711", {}
    done = demo.run_that("finished")
    yield from steps(f"show {done} --all", f"undo {done} --code {one} --reason 4711")
    yield 1, "reconcile", {}
    yield from steps(
        f"resync --code {one} --reason 4711",
        f"suppress --code {one} --reason 4711 --until 31.12.2099",
        "suppress --list",
        f"resync --code {one} --reason 4711",
        "flows",
    )
    yield 64, "fleet status", {}
    yield 64, "worker", {}
    yield from steps(
        "runs",
        f"report {done} --format html --format md --out out",
        f"audit history --code {one}",
        f"audit history --name {'Інакше' if language == 'en' else 'Змінене'}",
        "audit verify",
        "audit anchor",
        f"audit verify out/zvirka-run-{done:06}.html",
        f"audit export --from 01.01.2020 --to 31.12.2099 --out {language}.xlsx",
        f"audit rotate-key --old old.pem --new new.pem --out {language}.json",
        f"backup {language}.zvirka",
        f"restore {language}.zvirka --replace",
        "prune --older-than 0d --reason 4711 --yes",
        "audit verify",
        f"show {done}",
        "bsl render --out for-1c",
        "systemd install --dry-run --prefix root",
        "systemd uninstall --dry-run --prefix root",
        "alert zvirka.service",
        "init --yes --profile accounting --erp-url= --out other.toml --force --no-check"
        f" --onec-url {demo.simulator.url} --onec-user {demo.simulator.user}"
        " --onec-password-file onec.password",
        "web hash-password",
        "simulate --counterparties 3",
        f"demo --counterparties 50 --keep again-{language}",
    )
    yield 64, "feed", {}
    yield 64, "serve", {"ZVIRKA_WEB__ENABLED": "true"}
    yield 64, "daemon", {"ZVIRKA_LOG__LEVEL": "loud"}


def steps(*lines: str) -> Iterator[Step]:
    return ((0, line, {}) for line in lines)


@contextmanager
def soon_asked_to_end() -> Iterator[None]:
    """SIGTERM comes again and again until the block is left."""
    over = threading.Event()

    def ask() -> None:
        while not over.wait(0.5):
            os.kill(os.getpid(), signal.SIGTERM)

    before = signal.signal(signal.SIGTERM, lambda *_: None)
    asking = threading.Thread(target=ask)
    asking.start()
    try:
        yield
    finally:
        over.set()
        asking.join()
        signal.signal(signal.SIGTERM, before)


FAILURES: list[tuple[str, dict[str, str]]] = [
    *(
        (line, {})
        for line in (
            "plann",
            "plan --no-such-option",
            "plan now",
            "show",
            "show nought",
            "show 0",
            "show 999",
            "runs --limit",
            "report 999",
            "report 1 --format doc",
            "resync --code 1",
            "resync --reason x",
            "resync --reason x --all --code 1",
            "resync --reason x --code none",
            "resync --reason x --ref none",
            "approve 1 --reason x",
            "approve 999 --reason x",
            "reject 1 --reason x",
            "undo 999 --reason x",
            "audit history",
            "audit history --code 1 --name x",
            "audit verify none.html",
            "audit verify zvirka.toml",
            "audit verify --from 999",
            "audit verify --key none.pem",
            "audit verify --key zvirka.toml",
            "audit verify --rotation none.json",
            "audit verify --anchors none",
            "audit verify --tsa-cert none.pem",
            "audit verify --expect 1",
            "audit verify --expect 1:00",
            "audit verify --report none.html",
            "audit rotate-key --old none.pem --new new.pem --out x.json",
            "audit export --from 2026-10-01 --to 2026-09-01",
            "audit export --from tomorrow --to 2026-09-01",
            "prune --older-than old --reason x",
            "prune --older-than 0d --reason x",
            "explain ZV0000",
            "backup zvirka.toml",
            "restore none.zvirka",
            "restore zvirka.toml",
            "init --yes",
            "init --yes --out x.toml --onec-url http://127.0.0.1:9/base",
            "simulated edit none --name x",
            "simulated edit 1",
            "simulated list --dir none",
            "simulate --from none",
            "simulate --recording none",
            "demo --counterparties 1",
            "web hash-password",
            "upgrade --config none.toml",
            "config check --config none.toml",
            "config check --config broken.toml",
            "config check --config wrong.toml",
            "feed",
        )
    ),
    *(
        (line, {f"ZVIRKA_{name}": value})
        for line in ("config check",)
        for name, value in (
            ("ONEC__TOTAL_TIMEOUT", "soon"),
            ("ONEC__URL", "ftp://example.com"),
            ("ONEC__PROFILE", "none"),
            ("ONEC__PROXY", "socks"),
            ("ONECC__URL", "x"),
            ("GUARD__MAX_CHANGE_SHARE", "2"),
            ("REPORT__FORMATS", '["doc"]'),
            ("SCHEDULE__TIMEZONE", "Mars"),
            ("SCHEDULE__AT", "soon"),
        )
    ),
    *(
        (line, {f"ZVIRKA_{name}": value})
        for line, name, value in (
            ("check", "ONEC__PASSWORD", "wrong"),
            ("check", "ONEC__PROFILE", "trade"),
            ("check", "ERP__TABLE", "none"),
            ("check", "JOURNAL__URL", "sqlite:///zvirka.toml"),
            ("plan", "ONEC__PASSWORD", "wrong"),
            ("plan", "ONEC__URL", "http://127.0.0.1:9/base"),
            ("plan", "ONEC__URL", "http://nowhere.invalid/base"),
            ("plan", "ERP__URL", "sqlite:///zvirka.toml/erp.db"),
            ("plan", "ERP__URL", "sqlite:///zvirka.toml"),
            ("plan", "ERP__URL", "mongodb://x"),
            ("plan", "ERP__TABLE", "none"),
            ("runs", "JOURNAL__URL", "sqlite:///zvirka.toml/journal.db"),
            ("runs", "JOURNAL__URL", "sqlite:///zvirka.toml"),
            ("runs", "JOURNAL__URL", "postgresql://nobody@127.0.0.1:9/journal"),
            ("runs", "STATE_DIR", "zvirka.toml/state"),
            ("plan", "REPORT__SIGNING_KEY_FILE", "none.pem"),
        )
    ),
    ("serve", {"ZVIRKA_WEB__ENABLED": "true", "ZVIRKA_WEB__SECRET": "s" * 40}),
    ("serve", {"ZVIRKA_RECEIVER__LISTEN": "256.0.0.1:1"}),
    ("alert x.service", {"ZVIRKA_ALERTS__URLS": '["json://127.0.0.1:9/"]'}),
]


@pytest.mark.long
@pytest.mark.parametrize("language", QUICKLY)
def test_every_failure_speaks_one_language(demo: Demo, language: str) -> None:
    Path("broken.toml").write_text("[onec\n", "utf-8")
    Path("wrong.toml").write_text('[onec]\nurll = "x"\nuser = 7\n[erp]\n[nonsense]\n', "utf-8")
    found: dict[str, list[str]] = {}
    for line, environ in FAILURES:
        given = {"ZVIRKA_ONEC__RETRIES": "0"} | environ
        code, shown = told([*line.split(), "--lang", language], "short\n", **given)
        asked = f"{line} {environ or ''}".strip()
        if code not in {1, 2, 64}:
            found[f"{asked} → {code}"] = [shown]
        assert "Traceback" not in shown, f"{asked}\n{shown}"
        found[asked] = foreign(language, shown, demo.names())
    assert_one_language(found)

"""`audit verify` checks signatures with the configured key when no other one is given."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.cli.lines import run
from tests.unit.journal.world import key_pair, night, settings
from zvirka.journal.journal import open_journal


def test_signatures_are_checked_with_the_configured_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Forged runs that somebody else signed, or nobody, passed for whole."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ZVIRKA_CONFIG", raising=False)
    ours, _ = key_pair(tmp_path)
    strange, _ = key_pair(tmp_path)
    journal = open_journal(settings(tmp_path, report={"signing_key_file": strange}))
    night(journal)
    journal.close()

    def verified_with(key: Path) -> int:
        (tmp_path / "zvirka.toml").write_text(
            f'state_dir = "."\n[onec]\nurl = "https://1c.example/base"\n'
            f'[erp]\nurl = "sqlite:///erp.db"\n[report]\nsigning_key_file = "{key}"\n'
        )
        return run("audit", "verify", "--lang", "en")

    assert verified_with(ours) == 1
    assert "run 1" in capsys.readouterr().out
    assert verified_with(strange) == 0

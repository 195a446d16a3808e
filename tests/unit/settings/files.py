"""Small settings files for the tests."""

from __future__ import annotations

from pathlib import Path

SMALLEST = """
[onec]
url = "https://1c.example.com/base"

[erp]
url = "sqlite:////var/lib/zvirka/erp.db"
"""


def written(directory: Path, text: str = SMALLEST) -> Path:
    file = directory / "zvirka.toml"
    file.write_text(text, encoding="utf-8")
    return file

"""What pyproject.toml says of the project; the installed metadata may be of an earlier version."""

from __future__ import annotations

import tomllib
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]


def version() -> str:
    """Return the version of the checkout."""
    settings = tomllib.loads((CHECKOUT / "pyproject.toml").read_text("utf-8"))
    return str(settings["project"]["version"])

"""An address of the store that a driver does not take is a mistake in the settings."""

from __future__ import annotations

from pathlib import Path

import pytest

from zvirka.erp.sql.engines import store_engine
from zvirka.errors import SettingsError
from zvirka.settings.model import ErpSettings

WRONG = {
    "no host": "postgresql://x@[::1/db",
    "a port that is no number": "postgresql://x@h:port/db",
    "a driver nobody has": "postgresql+nodriver://x@h/db",
    "an option of no driver": "mariadb://x@127.0.0.1:1/db?nonsense=1",
    "a time-out that is no number": "sqlite:///{file}?timeout=soon",
}


@pytest.mark.parametrize("url", WRONG.values(), ids=WRONG)
def test_an_address_that_cannot_be_used_is_told(url: str, tmp_path: Path) -> None:
    file = tmp_path / "erp.db"
    file.touch()
    with pytest.raises(SettingsError) as caught:
        store_engine(ErpSettings(url=url.format(file=file))).connect()
    assert caught.value.place == "erp.url"

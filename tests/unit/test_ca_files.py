"""Files of certificates that hold none are told with the setting that names them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from zvirka.erp.webhook.endpoint import Endpoint
from zvirka.errors import SettingsError
from zvirka.mapping import Attribute, Field, Mapping
from zvirka.onec.open_source import open_feed
from zvirka.settings.model import OnecSettings, WebhookSettings

MAPPING = Mapping(catalog="Контрагенты", fields=(Field("code", Attribute("Code")),))


def of_1c(file: Path) -> None:
    onec = OnecSettings(
        url="https://1c/base", ca_file=file, exchange_plan="Звірка", exchange_node="ZV"
    )
    with open_feed(onec, MAPPING):
        pass


def of_the_webhook(file: Path) -> None:
    Endpoint(WebhookSettings(url="https://erp/hook", ca_file=file))


@pytest.mark.parametrize(
    ("opened", "key"), [(of_1c, "onec.ca_file"), (of_the_webhook, "erp.webhook.ca_file")]
)
@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "it does not exist"),
        (b"", "is empty"),
        (b"\x30\x82\x03\x01", "no certificate in PEM"),
        (b"-----BEGIN CERTIFICATE-----\nxxx\n-----END CERTIFICATE-----\n", "PEM"),
        (b"hello", "no certificate in PEM"),
    ],
    ids=["missing", "empty", "DER", "damaged", "text"],
)
def test_a_file_without_a_certificate_is_told_with_its_setting(
    opened: Callable[[Path], None], key: str, content: bytes | None, reason: str, tmp_path: Path
) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(SettingsError, match=reason) as caught:
        opened(file)
    assert caught.value.place == f"{key} = {file}"
    assert caught.value.remedy

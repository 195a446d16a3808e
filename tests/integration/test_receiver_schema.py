"""schemathesis against the receiver's own OpenAPI: no server error, no undocumented answer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode

from tests.integration.receiver_world import MAPPING, MAPPING_BY_REF, PATH, World, receiver

pytestmark = pytest.mark.long

TOKEN = "token-of-the-test"


@pytest.fixture(scope="module", params=["by code", "by ref"])
def world(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    directory: Path = tmp_path_factory.mktemp("schema")
    mapping = MAPPING if request.param == "by code" else MAPPING_BY_REF
    with receiver(directory, mapping, receiver={"tokens": [TOKEN]}) as opened:
        yield opened


@pytest.fixture(scope="module")
def api(world: World) -> Any:
    return schemathesis.openapi.from_url(str(world.client.base_url.join("/openapi.json")))


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: str(mode.value))
def test_every_answer_is_documented_and_none_is_a_server_error(
    api: Any, mode: GenerationMode
) -> None:
    asked: set[str] = set()
    for found in api.get_all_operations():
        operation = found.ok()
        if mode is GenerationMode.NEGATIVE and operation.method == "get":
            continue  # it takes nothing that could be wrong

        @given(case=operation.as_strategy(generation_mode=mode))
        @settings(
            max_examples=15,
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=list(HealthCheck),
        )
        def ask(case: Any) -> None:
            asked.add(f"{case.method} {case.path}")
            case.call_and_validate(headers={"Authorization": f"Bearer {TOKEN}"})

        ask()
    assert f"POST {PATH}" in asked

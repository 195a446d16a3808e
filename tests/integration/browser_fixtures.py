"""Fixtures of the browser tests: one browser for a module, a window for each test."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.browser import chromium


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as running:
        yield running


@pytest.fixture
def page(browser: Any, request: pytest.FixtureRequest) -> Iterator[Any]:
    """A new window; what it complains of and whom it asks is kept."""
    context = browser.new_context(**getattr(request, "param", {}))
    yield watched(context)
    context.close()


def watched(context: Any) -> Any:
    """A page of a context that keeps its complaints and the addresses it asks."""
    made = context.new_page()
    made.complaints = []
    made.asked = []
    made.on("console", lambda message: made.complaints.append(message.text))
    made.on("pageerror", lambda error: made.complaints.append(str(error)))
    made.on("dialog", lambda dialog: made.complaints.append("dialog") or dialog.dismiss())
    made.on("request", lambda sent: made.asked.append(sent.url))
    return made

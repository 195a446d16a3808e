"""The page served for real, and a browser's hand on it."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn

from tests.unit.web.page_client import PASSWORD


@contextmanager
def serving(app: Any) -> Iterator[str]:
    """Serve an application on a free port of this machine, and give its address."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        config = uvicorn.Config(app, log_config=None, access_log=False, lifespan="on")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        deadline = time.monotonic() + 20
        while not server.started:
            assert thread.is_alive() and time.monotonic() < deadline, "the page did not start"
            time.sleep(0.02)
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(30)


def sign_in(page: Any, site: str, name: str, password: str = PASSWORD) -> None:
    """Sign in as a person does: by typing."""
    page.goto(f"{site}/sign-in")
    page.fill("#name", name)
    page.fill("#password", password)
    follow(page, page.locator("button.main"))


def follow(page: Any, control: Any) -> None:
    """Click on what leads to another page, and wait until that page is there whole.

    A click alone returns when the answer begins: what is counted then may not have come yet.
    """
    with page.expect_navigation():
        control.click()


def press_enter(page: Any) -> None:
    """Send the form that is being filled in, and wait for the page it leads to."""
    with page.expect_navigation():
        page.keyboard.press("Enter")

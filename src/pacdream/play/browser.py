"""A real browser with the page in it: to measure how fast it is, and for pictures of it."""

import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


def find_chromium() -> str | None:
    """Where this machine has a Chromium, none if it has none."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@contextmanager
def serving(*arguments: str) -> Iterator[str]:
    """The address of ``play.py``, started with these arguments in a process of its own, in the repository's root.

    Raises:
        ValueError: it has ended; what it says of that is on the screen.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen([sys.executable, "play.py", f"port={port}", *arguments])
    try:
        while not _answers(port):
            if server.poll() is not None:
                raise ValueError("the page cannot be served")
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}/"
    finally:
        server.terminate()
        server.wait()


def _answers(port: int) -> bool:
    with socket.socket() as there:
        return there.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def showing(address: str, width: int, height: int) -> Iterator[Any]:
    """The page in a window of this size, as Playwright's ``Page``, when it has shown its first picture.

    Raises:
        ValueError: there is no Chromium.
    """
    from playwright.sync_api import sync_playwright

    if (chromium := find_chromium()) is None:
        raise ValueError("there is no Chromium on this machine: apt install chromium")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        try:
            page = browser.new_page(viewport={"width": width, "height": height})
            page.goto(address)
            page.wait_for_function("document.body.dataset.step !== undefined", polling=20)
            yield page
        finally:
            browser.close()

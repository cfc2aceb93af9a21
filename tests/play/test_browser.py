"""The page in a real browser: Chromium, where there is one."""

import socket
import threading
import time
from collections.abc import Iterator

import pytest

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytest.importorskip("uvicorn")

import uvicorn
from playwright.sync_api import sync_playwright

from pacdream.play.browser import find_chromium
from pacdream.play.library import Library, Limits
from pacdream.play.server import LOOPBACK, Server
from tests.play.test_session import models, session  # noqa: F401 - a fixture

CHROMIUM = find_chromium()
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
RUNNING = "document.body.dataset.step > {}"


class Served:
    """The server in a thread, which can be stopped and started again at the same port."""

    def __init__(self, models) -> None:  # noqa: F811
        self._models = models
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.address = f"http://127.0.0.1:{self.port}/"
        self.start()

    def start(self) -> None:
        limits = Limits(fps=30.0, games=2, messages_per_second=60, silence=30.0, recorded_steps=500)
        library = Library(["one", "two"], lambda name, seed: session(self._models, intro=70), lambda *_: "recorded")
        server = Server(library, limits, LOOPBACK, None)
        settings = uvicorn.Config(server.app(), port=self.port, log_level="error", timeout_graceful_shutdown=1)
        self._server = uvicorn.Server(settings)
        self._thread = threading.Thread(target=self._server.run, daemon=True)
        self._thread.start()
        while not self._server.started:
            time.sleep(0.02)

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join()


@pytest.fixture(scope="module")
def served(models) -> Iterator[Served]:  # noqa: F811
    server = Served(models)
    yield server
    server.stop()


@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    with sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def context(browser) -> Iterator[object]:
    context = browser.new_context()
    context.set_default_timeout(15_000)
    yield context
    context.close()


def opened(context, served: Served, step: int = 0):
    """A tab whose dream runs."""
    page = context.new_page()
    page.goto(served.address)
    waits_for(page, RUNNING.format(step))
    return page


def waits_for(page, condition: str) -> None:
    # Not once per animation frame, which a hidden page never gets.
    page.wait_for_function(condition, polling=50)


def step_of(page) -> int:
    return int(page.evaluate("document.body.dataset.step"))


def colours(page, canvas: str) -> int:
    """Different colours in a canvas."""
    return page.evaluate(
        """(id) => {
          const canvas = document.getElementById(id), area = [0, 0, canvas.width, canvas.height];
          return new Set(new Uint32Array(canvas.getContext("2d").getImageData(...area).data.buffer)).size;
        }""",
        canvas,
    )


def test_dream_and_game_are_drawn(context, served: Served) -> None:
    page = opened(context, served, 2)
    assert colours(page, "game") >= 4  # walls, dots, player, ghosts
    assert page.locator("#dream").evaluate(
        """(canvas) => {
          const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
          return pixels.every((byte, i) => i % 4 < 3 || byte);
        }"""
    )  # transparent where nothing was drawn
    assert page.inner_text("#wrong").endswith("of 35")


def test_a_held_key_is_done_until_it_is_let_go(context, served: Served) -> None:
    page = opened(context, served)
    page.keyboard.down("ArrowLeft")
    waits_for(page, "document.getElementById('action').textContent === 'LEFT'")
    page.keyboard.down("KeyW")  # the last one pressed wins
    waits_for(page, "document.getElementById('action').textContent === 'UP'")
    page.keyboard.up("KeyW")
    waits_for(page, "document.getElementById('action').textContent === 'LEFT'")
    page.keyboard.up("ArrowLeft")
    waits_for(page, "document.getElementById('action').textContent === 'NOOP'")
    assert page.inner_text("#latency").endswith(" ms")


def test_space_pauses_and_a_single_step_is_one(context, served: Served) -> None:
    page = opened(context, served)
    page.keyboard.press("Space")
    waits_for(page, "document.getElementById('status').textContent.startsWith('paused')")
    page.wait_for_timeout(300)  # what was under way
    before = step_of(page)
    page.wait_for_timeout(300)
    assert step_of(page) == before
    page.keyboard.press("Period")
    waits_for(page, f"document.body.dataset.step == {before + 1}")
    page.keyboard.press("Space")
    waits_for(page, RUNNING.format(before + 5))


def test_a_page_that_is_left_pauses_and_holds_no_key(context, served: Served) -> None:
    page = opened(context, served)
    page.keyboard.down("ArrowLeft")
    waits_for(page, "document.getElementById('action').textContent === 'LEFT'")
    page.evaluate("window.dispatchEvent(new Event('blur'))")
    waits_for(page, "document.getElementById('status').textContent.startsWith('paused')")
    page.keyboard.press("Space")
    waits_for(page, "document.getElementById('action').textContent === 'NOOP'")


def test_the_dream_begins_anew_where_the_game_stands(context, served: Served) -> None:
    page = opened(context, served)
    waits_for(page, "document.getElementById('left').textContent.startsWith('after')")  # it is untrained
    page.keyboard.press("Space")
    page.wait_for_timeout(300)
    page.keyboard.press("KeyR")
    waits_for(page, "document.getElementById('left').textContent === 'not yet'")


def test_a_reload_begins_another_game(context, served: Served) -> None:
    page = opened(context, served, 20)
    page.reload()
    waits_for(page, RUNNING.format(0))
    assert step_of(page) < 20


def test_two_tabs_play_two_games_and_a_third_waits(context, served: Served) -> None:
    first = opened(context, served)
    second = opened(context, served)
    second.keyboard.down("ArrowRight")
    waits_for(second, "document.getElementById('action').textContent === 'RIGHT'")
    assert first.inner_text("#action") == "NOOP"
    third = context.new_page()
    third.goto(served.address)
    waits_for(third, "document.getElementById('status').textContent.includes('2 games are being played')")


def test_it_plays_on_when_the_server_is_back(context, served: Served) -> None:
    page = opened(context, served)
    served.stop()
    waits_for(page, "document.getElementById('status').textContent.includes('trying again')")
    served.start()
    waits_for(page, "document.getElementById('status').textContent.includes('steer')")
    page.evaluate("delete document.body.dataset.step")
    waits_for(page, RUNNING.format(0))


def test_it_fits_a_telephone_and_the_pad_steers(browser, served: Served) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True)
    page = opened(context, served)
    assert page.evaluate("document.documentElement.scrollWidth <= 390")
    box = page.locator("#dream").bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 390
    page.locator("#pad [data-action=DOWN]").dispatch_event("pointerdown", {"pointerId": 1})
    waits_for(page, "document.getElementById('action').textContent === 'DOWN'")
    context.close()


def test_nothing_is_loaded_from_elsewhere_and_no_error_is_logged(context, served: Served) -> None:
    page = context.new_page()
    asked, wrong = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.goto(served.address)
    waits_for(page, RUNNING.format(2))
    assert all(url.startswith((served.address, "data:")) for url in asked)
    assert not wrong

"""The page in a real browser: how soon it shows something, how steadily it plays, how long a key takes."""

import importlib.util
import logging
import statistics
import time

from omegaconf import DictConfig

from pacdream.play.browser import find_chromium, serving, showing

log = logging.getLogger(__name__)
_KEYS = ("ArrowLeft", "ArrowUp", "ArrowRight", "ArrowDown")


def bench_page(config: DictConfig) -> dict[str, float]:
    """Play the bundled dream in Chromium with keys held in turn; nothing is measured where there is none."""
    if find_chromium() is None or importlib.util.find_spec("playwright") is None:
        log.info("page/… not measured: it needs a Chromium and playwright")
        return {}
    with serving() as address:
        begin = time.perf_counter()
        with showing(address, width=1000, height=900) as page:
            shown = time.perf_counter() - begin
            page.wait_for_function("document.body.dataset.step > 5", polling=20)
            first, begin = _step(page), time.perf_counter()
            presses = 0
            while (passed := time.perf_counter() - begin) < config.page.seconds:
                key = _KEYS[presses % len(_KEYS)]
                page.keyboard.down(key)
                page.wait_for_timeout(config.page.hold)
                page.keyboard.up(key)
                page.wait_for_timeout(config.page.hold)
                presses += 1
            steps = _step(page) - first
            taken = page.evaluate("performance.getEntriesByName('key to picture').map((entry) => entry.duration)")
            fps = page.evaluate("Number(document.body.dataset.fps)")
    return {
        "page/first_picture_seconds": shown,
        "page/steps_per_second": steps / passed,
        "page/skipped_share": max(0.0, 1 - steps / (passed * fps)),
        "page/key_to_picture_ms": statistics.median(taken),
    }


def _step(page: object) -> int:
    return int(page.evaluate("document.body.dataset.step"))  # type: ignore[attr-defined]

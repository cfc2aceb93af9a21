"""Make the documentation's picture of the page: ``python -m pacdream.command.screenshot docs/play.png``."""

import sys
from pathlib import Path

from pacdream.play.browser import serving, showing


def screenshot(path: Path) -> None:
    """Play a while with the left key held, then take a picture of the page."""
    with serving() as address, showing(address, width=1000, height=860) as page:
        page.keyboard.down("ArrowLeft")
        page.wait_for_function("document.body.dataset.step > 20", polling=20)
        page.screenshot(path=path)


if __name__ == "__main__":
    if len(sys.argv) != 2 or not Path(sys.argv[1]).parent.is_dir():
        sys.exit("screenshot: give the file to write: python -m pacdream.command.screenshot docs/play.png")
    try:
        screenshot(Path(sys.argv[1]))
    except ValueError as error:
        sys.exit(f"screenshot: {error}")

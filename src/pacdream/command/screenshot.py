"""Make the pictures of the page that the documentation shows: ``python -m pacdream.command.screenshot docs``."""

import sys
from pathlib import Path

from pacdream.play.browser import serving, showing

_SHOTS = {"play.png": (1000, 860), "play_phone.png": (390, 844)}


def screenshot(folder: Path) -> None:
    """Play a while with the left key held, and write ``play.png`` and, of a telephone's width, ``play_phone.png``."""
    with serving() as address:
        for name, (width, height) in _SHOTS.items():
            with showing(address, width, height) as page:
                page.keyboard.down("ArrowLeft")
                page.wait_for_function("document.body.dataset.step > 45", polling=20)
                page.screenshot(path=folder / name)


if __name__ == "__main__":
    if len(sys.argv) != 2 or not Path(sys.argv[1]).is_dir():
        sys.exit("screenshot: give the folder to write into: python -m pacdream.command.screenshot docs")
    try:
        screenshot(Path(sys.argv[1]))
    except ValueError as error:
        sys.exit(f"screenshot: {error}")

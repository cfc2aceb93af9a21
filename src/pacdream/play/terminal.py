"""The dream in a terminal: two pixels to a character, in their own colours."""

import os
import select
import shutil
import sys
import termios
import time
import tty
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from pacdream.play.session import Picture, Session

_KEYS = {
    "\x1b[A": "UP", "\x1b[B": "DOWN", "\x1b[C": "RIGHT", "\x1b[D": "LEFT",
    "w": "UP", "s": "DOWN", "d": "RIGHT", "a": "LEFT",
}  # fmt: skip
_CLEAR, _HOME, _RESET = "\x1b[2J", "\x1b[H", "\x1b[0m"
HELP = "arrows or WASD steer until another key, x lets go, space pauses, r dreams on from the game, n new game, q ends"


def half_blocks(picture: NDArray[np.uint8], rgb: NDArray[np.uint8], columns: int, lines: int) -> list[str]:
    """Text that shows palette indices (H, W) in at most so many columns and lines.

    >>> picture, rgb = np.zeros((210, 160), np.uint8), np.zeros((256, 3), np.uint8)
    >>> shown = half_blocks(picture, rgb, columns=80, lines=60)
    >>> len(shown), shown[0].count("▀")
    (52, 80)
    >>> len(half_blocks(picture, rgb, columns=80, lines=22))
    21
    """
    every = max(1, -(-picture.shape[1] // max(1, columns)), -(-picture.shape[0] // (2 * max(1, lines))))
    small = rgb[picture[::every, ::every]]
    small = small[: len(small) // 2 * 2]
    return [_line(top, bottom) for top, bottom in zip(small[::2], small[1::2], strict=True)]


def _line(top: NDArray[np.uint8], bottom: NDArray[np.uint8]) -> str:
    """Two rows (W, 3) as one line; a colour is only said where it changes."""
    text, last = "", None
    for upper, lower in zip(top.tolist(), bottom.tolist(), strict=True):
        if (upper, lower) != last:
            text += "\x1b[38;2;{};{};{};48;2;{};{};{}m".format(*upper, *lower)
            last = (upper, lower)
        text += "▀"
    return text + _RESET


def play_in_terminal(session: Session, rgb: NDArray[np.uint8], fps: float) -> None:
    """Play until ``q`` or Ctrl-C.

    Raises:
        ValueError: this is no terminal.
    """
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise ValueError("tty=true needs a terminal: start it in one, or play in a browser without it")
    held, paused, due = "NOOP", False, time.monotonic()
    picture = session.picture()
    with _raw():
        while True:
            for key in _pressed():
                if key in ("q", "\x03"):
                    return
                if key == " ":
                    paused = not paused
                elif key == "r":
                    picture = session.swap()
                elif key == "n":
                    picture = session.reset(session.seed + 1)
                elif key == "x":
                    held = "NOOP"
                elif _KEYS.get(key) in session.action_names:
                    held = _KEYS[key]
            if not paused:
                picture = session.step(session.action_names.index(held))
            sys.stdout.write(_HOME + _screen(picture, rgb, held, paused))
            sys.stdout.flush()
            due = max(due + 1 / fps, time.monotonic())
            time.sleep(max(0.0, due - time.monotonic()))


def _screen(picture: Picture, rgb: NDArray[np.uint8], held: str, paused: bool) -> str:
    """Dream and game; below them what is known."""
    columns, rows = shutil.get_terminal_size()
    size = ((columns - 2) // 2, rows - 2)
    dream, game = (half_blocks(shown, rgb, *size) for shown in (picture.dream, picture.game))
    lines = [f"{left}  {right}" for left, right in zip(dream, game, strict=True)]
    wrong = int((picture.codes != picture.real_codes).sum())
    departure = f"left reality after {picture.left_after}" if picture.left_after else "still in reality"
    told = (
        f"step {picture.step}  {held}{' (paused)' if paused else ''}  {picture.points:.0f} points expected, "
        f"{picture.real_points:.0f} in the game  {wrong} wrong codes, {departure}"
    )
    return "\r\n".join([*lines, told[:columns] + "\x1b[K", HELP[:columns] + "\x1b[K"])


def _pressed() -> Iterator[str]:
    """Keys that have been pressed since the last time."""
    while select.select([sys.stdin], [], [], 0)[0]:
        data = os.read(sys.stdin.fileno(), 64).decode(errors="ignore").replace("\x1bO", "\x1b[")
        if not data:
            yield "q"  # the terminal is gone
            return
        while data:
            length = 3 if data.startswith("\x1b[") else 1
            yield data[:length]
            data = data[length:]


@contextmanager
def _raw() -> Iterator[None]:
    """Keys at once and unseen, the cursor hidden; as before at the end."""
    before = termios.tcgetattr(sys.stdin)
    try:
        tty.setraw(sys.stdin)
        sys.stdout.write(_CLEAR + "\x1b[?25l")
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)
        sys.stdout.write("\x1b[?25h" + _RESET + "\r\n")

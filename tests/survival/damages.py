"""Random damages to files, and what is expected of whoever reads them."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import numpy as np
import pytest

HEADER = 1500
"""Every second damage hits these first bytes, where the structure is."""

Damage = Callable[[bytes, np.random.Generator], tuple[bytes, int]]


def somewhere(raw: bytes, rng: np.random.Generator) -> int:
    """Number of a byte."""
    return int(rng.integers(len(raw) if rng.random() < 0.5 else min(len(raw), HEADER)))


def flip(raw: bytes, rng: np.random.Generator) -> tuple[bytes, int]:
    """One bit is another."""
    place = somewhere(raw, rng)
    return replaced(raw, place, bytes([raw[place] ^ 1 << int(rng.integers(8))])), place


def cut(raw: bytes, rng: np.random.Generator) -> tuple[bytes, int]:
    """The end is missing."""
    place = somewhere(raw, rng)
    return raw[:place], place


def overwrite(raw: bytes, rng: np.random.Generator) -> tuple[bytes, int]:
    """A few bytes are noise."""
    return overwritten(raw, rng, rng.bytes)


def erase(raw: bytes, rng: np.random.Generator) -> tuple[bytes, int]:
    """A few bytes are zero."""
    return overwritten(raw, rng, bytes)


def repeat(raw: bytes, rng: np.random.Generator) -> tuple[bytes, int]:
    """A few bytes are those of another place, so that text stays text."""
    source = somewhere(raw, rng)
    return overwritten(raw, rng, lambda count: raw[source : source + count].ljust(count, b"1"))


def append(raw: bytes, rng: np.random.Generator) -> tuple[bytes, int]:
    """Something follows."""
    return raw + rng.bytes(int(rng.integers(1, 65))), len(raw)


def overwritten(raw: bytes, rng: np.random.Generator, draw: Callable[[int], bytes]) -> tuple[bytes, int]:
    while True:
        place = somewhere(raw, rng)
        damaged = replaced(raw, place, draw(min(int(rng.integers(1, 65)), len(raw) - place)))
        if damaged != raw:
            return damaged, place


def replaced(raw: bytes, place: int, by: bytes) -> bytes:
    return raw[:place] + by + raw[place + len(by) :]


DAMAGES = (flip, cut, overwrite, erase, repeat, append)
any_damage = pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)


class Hanging(BaseException):
    """Nothing catches this."""


@contextmanager
def at_most(seconds: int) -> Iterator[None]:
    """Fail instead of hanging."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise Hanging

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def outcome(path: Path, read: Callable[[], object]) -> tuple[str | None, object]:
    """The line that refuses a damaged file, which names it, or else what is read."""
    try:
        with at_most(20):
            return None, read()
    except ValueError as error:
        line = str(error)
        assert "\n" not in line
        assert str(path) in line
        assert len(line) < 1000
        return line, None


def refusal(path: Path, read: Callable[[], object]) -> str | None:
    """The line alone."""
    line, _ = outcome(path, read)
    return line

"""What goes over the wire: pictures as bytes to the page, what the player does as short JSON to the server."""

import json
import struct
from dataclasses import dataclass
from typing import Any

import numpy as np

from pacdream.play.session import Picture

HEADER = struct.Struct("<4sIIIHBBfffff")
"""Magic, step, acknowledged input, steps after which the dream left reality, action, paused (1) and recording (2), game
over, points, real points, probability of a lost life, milliseconds that the step took, milliseconds it came late; then
codes (h*w uint16), real codes (h*w uint16), entropy (h*w uint8), dream and game (H*W uint8 palette indices each)."""
MAGIC = b"PAC1"
LONGEST = 4096  # the name of a world model is a path
"""Bytes of a message from the page."""


@dataclass(frozen=True)
class Tick:
    """A picture and what is told with it."""

    picture: Picture
    acknowledged: int
    """Number of the last input that it follows."""
    action: int
    paused: bool
    recording: bool
    over: bool
    milliseconds: float
    late: float

    def encode(self) -> bytes:
        """As bytes, see ``HEADER``."""
        p = self.picture
        head = HEADER.pack(
            MAGIC, p.step, self.acknowledged, p.left_after, self.action, self.paused + 2 * self.recording, self.over,
            p.points, p.real_points, p.lost, self.milliseconds, self.late,
        )  # fmt: skip
        arrays = (p.codes.astype("<u2"), p.real_codes.astype("<u2"), p.entropy, p.dream, p.game)
        return head + b"".join(np.ascontiguousarray(array).tobytes() for array in arrays)


@dataclass(frozen=True)
class Input:
    """What the player holds down now."""

    number: int
    """Counts up with every message of the page."""
    action: str
    """One of the game's names."""


@dataclass(frozen=True)
class Command:
    """What the player wants once."""

    name: str
    value: Any


COMMANDS: dict[str, type] = {
    "pause": bool,
    "step": type(None),
    "reset": int,
    "swap": type(None),
    "speed": float,
    "temperature": float,
    "model": str,
    "record": bool,
}
"""And the type of the value of each."""


def parse(message: str, action_names: tuple[str, ...]) -> Input | Command:
    """Read a message of the page: ``{"input": 7, "action": "LEFT"}`` or ``{"command": "reset", "value": 3}``.

    Raises:
        ValueError: it is none; says why in words that may be sent back.
    """
    if len(message) > LONGEST:
        raise ValueError(f"a message of {len(message)} characters is longer than {LONGEST}")
    try:
        content = json.loads(message)
    except (ValueError, RecursionError) as error:
        raise ValueError("a message is not JSON") from error
    if not isinstance(content, dict):
        raise ValueError("a message is no JSON object")
    if content.keys() == {"input", "action"}:
        number, action = content["input"], content["action"]
        if type(number) is not int or not 0 <= number < 2**32:
            raise ValueError("input is no number from 0 on")
        if action not in action_names:
            raise ValueError("the game has no such action")
        return Input(number, action)
    name, value = content.get("command"), content.get("value")
    if not isinstance(name, str) or name not in COMMANDS or not content.keys() <= {"command", "value"}:
        raise ValueError("a message is neither an input nor a known command")
    wanted = COMMANDS[name]
    if type(value) is not wanted and not (wanted is float and type(value) is int):
        raise ValueError(f"the value of {name} must be a {wanted.__name__}")
    return Command(name, value)

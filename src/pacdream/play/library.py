"""What can be played, within which limits, and what a page must know of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pacdream.game.palette import ntsc_palette
from pacdream.play.recorder import Recorder
from pacdream.play.session import Models, Session


@dataclass(frozen=True)
class Limits:
    """What one server bears."""

    fps: float
    """Steps a second at speed 1."""
    games: int
    """Tabs at once."""
    messages_per_second: int
    """Of one tab."""
    silence: float
    """Seconds without a message after which a tab holds nothing any more; the page sends one every second."""
    recorded_steps: int
    """Longest recording."""


@dataclass(frozen=True)
class Library:
    """The world models that can be played, and where recordings go."""

    names: Sequence[str]
    """The first is played unless another is asked for."""
    begin: Callable[[str, int], Session]
    """Begins a game with a model of this name and a seed."""
    keep: Callable[[Recorder, Session], str]
    """Writes a recording and says where."""


def facts_of(models: Models, action_names: Sequence[str], fps: float, temperature: float) -> dict[str, Any]:
    """What a page must know of the world that it shows."""
    tokenizer = models.tokenizer
    return {
        "actions": action_names,
        "grid": tokenizer.grid_shape,
        "codebook": tokenizer.codebook_size,
        "frame": tokenizer.frame_shape,
        "palette": ntsc_palette().tobytes().hex(),
        "fps": fps,
        "judged": models.outcome is not None,
        "temperature": temperature,
    }

import numpy as np
import pytest
import torch

from pacdream.evaluation.turns import AFTER, BEFORE, QUIET, TurnScore, _turns, turned
from pacdream.game.game import Game

GAME = Game(rows=172, turned_colour=150)


def shown(*steps: int, length: int = 60) -> np.ndarray:
    """Whether each frame shows the hunted ones: from one of these steps on, to the next."""
    flips = np.zeros(length, int)
    flips[list(steps)] = 1
    return flips.cumsum() % 2 == 1


@pytest.mark.parametrize(
    ("steps", "found"),
    [
        ((), []),
        ((20, 40), [20]),
        ((20, 30, 33, 50), [20]),  # they blink towards the end: no new turn
        ((5, 15, 15 + QUIET + 1, 50), [5, 15 + QUIET + 1]),
        ((1, 20), []),  # too early to be dreamt
        ((60 - AFTER, 59), []),  # too late
        ((20, 22), []),  # gone when it is looked at
    ],
)
def test_turns_are_the_first_frames_after_a_quiet_time(steps: tuple[int, ...], found: list[int]) -> None:
    assert _turns(shown(*steps)).tolist() == found
    assert all(step >= BEFORE for step in found)


def test_a_few_pixels_or_pixels_below_the_playfield_are_no_turn() -> None:
    frames = np.zeros((3, 210, 160), np.uint8)
    frames[0, 50, :20], frames[1, 50, :7], frames[2, 180, :20] = 150, 150, 150
    assert turned(frames, GAME).tolist() == [True, False, False]


def test_shares_are_of_real_turns_and_of_the_others() -> None:
    score = TurnScore(2)
    score.update(np.array([True, False, True, True]), True, torch.tensor([0, 0, 1, 1]))
    score.update(np.array([False, False, True]), False, torch.tensor([0, 0, 1]))
    assert {k: float(v) for k, v in score.compute().items()} == pytest.approx({"turn": 0.75, "false_turn": 1 / 3})

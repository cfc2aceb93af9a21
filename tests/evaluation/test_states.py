from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pacdream.data.episode_store import Manifest, read_episodes
from pacdream.data.latent_data_module import LatentDataModule
from pacdream.evaluation.one_step import measure_one_step
from pacdream.evaluation.states import AROUND_DEATH, rare_states
from pacdream.game.game import Game
from pacdream.game.ms_pacman import MS_PACMAN
from pacdream.metric.episode_metric import draw_episodes
from pacdream.types import Episode
from tests.rollout.scripted import ScriptedWorldModel, stand_still
from tests.runs import several_held_out

STEPS = 40
MAZE, DOTS_EATEN, FRUIT_X = 0, 119, 11  # addresses
FRIGHTENED, MIN_PIXELS, ROWS = 150, 8, 172


def episode() -> Episode:
    """Nothing ever happens: three lives, a black screen, an empty memory."""
    frames, ram = np.zeros((STEPS + 1, 210, 160), np.uint8), np.zeros((STEPS + 1, 128), np.uint8)
    actions, rewards, never = np.zeros(STEPS, np.uint8), np.zeros(STEPS, np.float32), np.zeros(STEPS, np.bool_)
    return Episode(frames, actions, rewards, never, never, np.full(STEPS + 1, 3, np.uint8), ram)


def when(episode: Episode, state: str) -> list[int]:
    """Numbers of the frames that are in a state."""
    return np.flatnonzero(rare_states(episode, MS_PACMAN)[state]).tolist()


def with_memory(address: int, frame: int, value: int) -> Episode:
    """A byte of the memory that changes at a frame."""
    changed = episode()
    changed.ram[frame:, address] = value
    return changed


def test_every_state_speaks_of_every_frame(episodes: Path, manifest: Manifest) -> None:
    for real in read_episodes(episodes, manifest):
        states = rare_states(real, MS_PACMAN)
        assert states["all"].all()
        assert {(mask.shape, mask.dtype.name) for mask in states.values()} == {((len(real.frames),), "bool")}


def test_states_of_another_game_do_not_read_its_memory() -> None:
    assert set(rare_states(episode(), Game())) == {"all", "death"}


def test_nothing_but_the_start_of_the_first_level_is_in_an_episode_where_nothing_happens() -> None:
    present = {name for name, mask in rare_states(episode(), MS_PACMAN).items() if mask.any()}
    assert present == {"all", "start of level", "maze 1"}


def test_a_move_against_the_one_before_is_a_reversal_but_not_in_a_tunnel() -> None:
    there_and_back = episode()
    there_and_back.ram[:, MS_PACMAN.player.ram_x] = 80 + np.minimum(abs(np.arange(STEPS + 1) - 10), 20) * 3
    assert when(there_and_back, "reversal") == [11, 12]
    through = episode()
    through.ram[:, MS_PACMAN.player.ram_x] = (100 + 4 * np.arange(STEPS + 1)) % 160
    assert when(through, "reversal") == []
    one_move = with_memory(MS_PACMAN.player.ram_y, 5, 3)
    assert when(one_move, "reversal") == []


@pytest.mark.parametrize("dead", [1, 5, 20, STEPS])
def test_a_death_is_in_the_steps_before_and_after_the_first_frame_with_fewer_lives(dead: int) -> None:
    lives = np.where(np.arange(STEPS + 1) < dead, 3, 2).astype(np.uint8)
    around = [frame for frame in range(STEPS + 1) if abs(frame - dead) <= AROUND_DEATH]
    assert when(replace(episode(), lives=lives), "death") == around


def test_a_life_won_is_no_death() -> None:
    lives = np.where(np.arange(STEPS + 1) < 20, 3, 4).astype(np.uint8)
    assert when(replace(episode(), lives=lives), "death") == []


@pytest.mark.parametrize(
    ("row", "pixels", "seen"), [(0, MIN_PIXELS, True), (0, MIN_PIXELS - 1, False), (ROWS, 99, False)]
)
def test_ghosts_are_frightened_while_the_maze_shows_their_colour(row: int, pixels: int, seen: bool) -> None:
    blue = episode()
    blue.frames[12:15, row, :pixels] = FRIGHTENED
    assert when(blue, "frightened ghosts") == ([12, 13, 14] if seen else [])


def test_a_fruit_is_there_while_it_has_a_position() -> None:
    assert when(with_memory(FRUIT_X, 30, 77), "fruit") == list(range(30, STEPS + 1))


def test_a_level_starts_until_the_first_dot_is_eaten() -> None:
    assert when(with_memory(DOTS_EATEN, 10, 1), "start of level") == list(range(10))


@pytest.mark.parametrize(("value", "maze"), [(1, 2), (2, 3), (3, 4), (5, 2)])
def test_every_frame_is_in_one_of_four_mazes(value: int, maze: int) -> None:
    moved = with_memory(MAZE, 25, value)
    assert when(moved, "maze 1") == list(range(25))
    assert when(moved, f"maze {maze}") == list(range(25, STEPS + 1))


@pytest.mark.parametrize("frame", [4, 70, 81])
def test_each_prediction_counts_for_the_states_of_the_frame_that_it_predicts(
    frame: int, latents: LatentDataModule, manifest: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, warmup, draws = several_held_out(latents), 3, draw_episodes(3, 2, seed=0)
    monkeypatch.setattr(LatentDataModule, "game", Game(states={"now": lambda e: np.arange(len(e.frames)) == frame}))
    done = measure_one_step(ScriptedWorldModel(stand_still), data, manifest, draws, warmup, 1)
    now, accuracy = done.state_names.index("now"), done.figures["state/accuracy"]
    copied = [data.episode(number)[0] for number in data.split.val]
    expected = np.mean([float((codes[frame] == codes[frame - 1]).float().mean()) for codes in copied])
    assert accuracy.n[now] == len(copied)
    assert float(accuracy.value[now]) == pytest.approx(expected)


def test_real_episodes_have_the_states_that_their_memory_tells(episodes: Path, manifest: Manifest) -> None:
    deaths = 0
    for real in read_episodes(episodes, manifest):
        dead = np.flatnonzero(np.diff(real.lives.astype(int)) < 0) + 1
        assert set(dead) <= set(when(real, "death"))
        deaths += len(dead)
        assert when(real, "start of level") == np.flatnonzero(real.ram[:, DOTS_EATEN] == 0).tolist()
        assert sum(len(when(real, f"maze {maze}")) for maze in (1, 2, 3, 4)) == len(real.frames)
    assert deaths == 2

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from pacdream.data.episode_store import Manifest, read_episode
from pacdream.evaluation.game_space import DecodedRollouts, measure_game
from pacdream.evaluation.real_futures import RecordedFrames
from pacdream.game.game import Game
from pacdream.game.ms_pacman import LEVELS, MS_PACMAN
from pacdream.metric.dots import DotScore, EatenScore, dot_counts, dot_sites, maze_colours
from pacdream.metric.episode_metric import draw_episodes

SIZE = HEIGHT, WIDTH = 2, 4
FLOOR, WALLS, SPRITE = 144, 74, 42
DOTS = [(20, 30), (20, 40), (60, 8), (100, 120)]
Frames = NDArray[np.uint8]


def maze(dots: list[tuple[int, int]], *, height: int = HEIGHT, width: int = WIDTH) -> Frames:
    """A playfield (172, 160) with walls around and dots whose upper left corners are (y, x)."""
    frame = np.full((172, 160), FLOOR, np.uint8)
    frame[:4], frame[168:172], frame[:, :4], frame[:, -4:] = WALLS, WALLS, WALLS, WALLS
    for y, x in dots:
        frame[y : y + height, x : x + width] = WALLS
    return frame


def counts(picture: Frames, original: Frames) -> list[float]:
    """Dots missing and dots too many in one picture of a maze that began with ``DOTS``."""
    begin = maze(DOTS)
    return dot_counts(picture[None], original[None], dot_sites(begin, SIZE), SIZE, maze_colours(begin))[0, 1:].tolist()


def test_floor_is_the_most_frequent_colour_and_walls_the_next() -> None:
    assert maze_colours(maze(DOTS)) == (FLOOR, WALLS)


@pytest.mark.parametrize("dots", [[], DOTS[:1], DOTS])
def test_every_dot_is_found_where_it_is(dots: list[tuple[int, int]]) -> None:
    assert dot_sites(maze(dots), SIZE).tolist() == [list(dot) for dot in dots]


@pytest.mark.parametrize(("height", "width"), [(1, 4), (2, 3), (3, 4), (2, 5), (7, 4)])
def test_a_patch_of_another_size_is_no_dot(height: int, width: int) -> None:
    assert not len(dot_sites(maze(DOTS, height=height, width=width), SIZE))


@pytest.mark.parametrize("corner", [(20, 4), (4, 60)])
def test_what_touches_a_wall_is_no_dot(corner: tuple[int, int]) -> None:
    assert not len(dot_sites(maze([corner]), SIZE))


@pytest.mark.parametrize(
    ("picture", "original", "missing", "extra"),
    [(DOTS, DOTS, 0, 0), (DOTS[1:], DOTS, 1, 0), (DOTS, DOTS[2:], 0, 2), (DOTS[1:], DOTS[:3], 1, 1), ([], [], 0, 0)],
)
def test_dots_are_missing_or_too_many(
    picture: list[tuple[int, int]], original: list[tuple[int, int]], missing: int, extra: int
) -> None:
    assert counts(maze(picture), maze(original)) == [missing, extra]


@pytest.mark.parametrize("covered", ["picture", "original"])
def test_a_dot_under_a_sprite_is_not_judged(covered: str) -> None:
    frames = {"picture": maze(DOTS[1:]), "original": maze(DOTS)}
    y, x = DOTS[0]
    frames[covered][y : y + HEIGHT, x : x + WIDTH] = SPRITE
    assert counts(**frames) == [0, 0]


@pytest.mark.parametrize(("pixels", "missing"), [(4, 0), (5, 1)])
def test_more_than_half_a_dot_must_be_gone(pixels: int, missing: int) -> None:
    picture, (y, x) = maze(DOTS), DOTS[0]
    patch = np.where(np.arange(HEIGHT * WIDTH) < pixels, FLOOR, SPRITE).reshape(HEIGHT, WIDTH)
    picture[y : y + HEIGHT, x : x + WIDTH] = patch
    assert counts(picture, maze(DOTS)) == [missing, 0]


def test_figures_are_dots_per_frame_of_each_horizon() -> None:
    score = DotScore(2, 2, SIZE)
    present = np.stack([maze(DOTS), maze(DOTS[:3])])
    pictures = np.stack([np.stack([maze(DOTS), maze(DOTS[1:])]), np.stack([maze([]), maze(DOTS[:3])])])
    originals = np.stack([np.stack([maze(DOTS), maze(DOTS)]), np.stack([maze(DOTS[:3]), maze([])])])
    score.update(pictures, originals, present, torch.tensor([1, 0]))
    figures = score.compute()
    assert figures["dots_too_many_eaten"].tolist() == [1.5, 0.5]
    assert figures["dots_too_few_eaten"].tolist() == [0, 1.5]
    assert score.sums[1].tolist() == [[1, 0, 0], [1, 1, 0]]


@pytest.mark.parametrize("kept", [DOTS[1:], []])
def test_sites_are_those_of_the_present_frame(kept: list[tuple[int, int]]) -> None:
    """Dots that are eaten in all of the real future, but were there when it began, must go in a rollout too."""
    recorded = RecordedFrames(np.stack([maze(DOTS), *[maze(kept)] * 3])[None], np.zeros((1, 4, 128), np.uint8))
    nothing_eaten = np.stack([maze(DOTS)] * 3)[None]
    decoded = DecodedRollouts(recorded.frames[:, 1:], recorded.frames[:, 1:], nothing_eaten, nothing_eaten[:, 0])
    game, draws = Game(dot_size=SIZE), draw_episodes(1, 2, seed=0)
    figures = measure_game(decoded, recorded, torch.tensor([0]), np.zeros((256, 3), np.uint8), draws, game)
    eaten = len(DOTS) - len(kept)
    assert figures["game/dream/dots_too_few_eaten"].value.tolist() == [eaten] * 3
    assert figures["game/tokenizer/dots_too_few_eaten"].value.tolist() == [0] * 3


def test_in_the_real_game_dots_go_as_they_are_eaten(episodes: Path, manifest: Manifest) -> None:
    episode = read_episode(episodes, manifest.episodes[4], manifest.num_actions)
    frames = MS_PACMAN.playfield(episode.frames)
    sites, colours = dot_sites(frames[0], SIZE), maze_colours(frames[0])
    unchanged = np.broadcast_to(frames[:1], frames.shape)
    _, missing, extra = dot_counts(unchanged, frames, sites, SIZE, colours).T.numpy()
    assert len(sites) > 140
    assert not missing.any()
    assert extra.max() > 9
    assert np.isin(episode.ram[:, LEVELS.dots_eaten] - extra, [0, 1, 2, 3]).all()


def eaten_figures(dreamt: list[int], real: list[int]) -> dict[str, float]:
    """Of dreams that have eaten so many of ``DOTS``, beside futures that have eaten so many."""
    score = EatenScore(len(real), 1, SIZE)
    pictures, originals = (np.stack([maze(DOTS[n:])[None] for n in counts]) for counts in (dreamt, real))
    score.update(pictures, originals, np.stack([maze(DOTS)] * len(real)), torch.arange(len(real)))
    return {name: float(value) for name, value in score.compute().items()}


def test_a_dream_that_eats_as_the_game_does_is_right_and_correlated() -> None:
    assert eaten_figures([0, 2, 4, 1], [0, 2, 4, 1]) == {
        "dots_eaten_within_one": 1.0,
        "dots_eaten_correlation": pytest.approx(1.0),
    }


def test_dots_eaten_are_those_of_a_naive_count() -> None:
    dreamt, real = [0, 1, 4, 2, 0], [0, 3, 4, 1, 2]
    figures = eaten_figures(dreamt, real)
    assert figures["dots_eaten_within_one"] == pytest.approx(3 / 5)
    assert figures["dots_eaten_correlation"] == pytest.approx(np.corrcoef(dreamt, real)[0, 1])


def test_a_dream_that_never_eats_knows_nothing_of_what_is_eaten() -> None:
    assert eaten_figures([0, 0, 0], [0, 1, 2])["dots_eaten_correlation"] == 0


def test_where_nothing_differs_in_the_game_there_is_no_correlation() -> None:
    assert np.isnan(eaten_figures([0, 1], [1, 1])["dots_eaten_correlation"])

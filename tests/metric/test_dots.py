from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from pacdream.data.episode_store import Manifest, read_episode
from pacdream.game.ms_pacman import DOTS_EATEN
from pacdream.metric.dots import HEIGHT, WIDTH, DotScore, dot_counts, dot_sites, maze_colours
from pacdream.metric.sprites import MAZE_ROWS

FLOOR, WALLS, SPRITE = 144, 74, 42
DOTS = [(20, 30), (20, 40), (60, 8), (100, 120)]
Frames = NDArray[np.uint8]


def maze(dots: list[tuple[int, int]], *, height: int = HEIGHT, width: int = WIDTH) -> Frames:
    """A frame (210, 160) with walls around and dots whose upper left corners are (y, x)."""
    frame = np.full((210, 160), FLOOR, np.uint8)
    frame[:4], frame[168:172], frame[:, :4], frame[:, -4:] = WALLS, WALLS, WALLS, WALLS
    for y, x in dots:
        frame[y : y + height, x : x + width] = WALLS
    return frame


def counts(picture: Frames, original: Frames) -> list[float]:
    """Dots missing and dots too many in one picture of a maze that began with ``DOTS``."""
    begin = maze(DOTS)
    return dot_counts(picture[None], original[None], dot_sites(begin), maze_colours(begin))[0, 1:].tolist()


def test_floor_is_the_most_frequent_colour_and_walls_the_next() -> None:
    assert maze_colours(maze(DOTS)) == (FLOOR, WALLS)


def test_colours_below_the_maze_do_not_matter() -> None:
    frame = maze(DOTS)
    frame[MAZE_ROWS:] = SPRITE
    assert maze_colours(frame) == (FLOOR, WALLS)


@pytest.mark.parametrize("dots", [[], DOTS[:1], DOTS])
def test_every_dot_is_found_where_it_is(dots: list[tuple[int, int]]) -> None:
    assert dot_sites(maze(dots)).tolist() == [list(dot) for dot in dots]


@pytest.mark.parametrize(("height", "width"), [(1, 4), (2, 3), (3, 4), (2, 5), (7, 4)])
def test_a_patch_of_another_size_is_no_dot(height: int, width: int) -> None:
    assert not len(dot_sites(maze(DOTS, height=height, width=width)))


@pytest.mark.parametrize("corner", [(20, 4), (4, 60), (MAZE_ROWS + 10, 60)])
def test_what_touches_a_wall_or_is_below_the_maze_is_no_dot(corner: tuple[int, int]) -> None:
    assert not len(dot_sites(maze([corner])))


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
    score = DotScore(2, 2)
    present = np.stack([maze(DOTS), maze(DOTS[:3])])
    pictures = np.stack([np.stack([maze(DOTS), maze(DOTS[1:])]), np.stack([maze([]), maze(DOTS[:3])])])
    originals = np.stack([np.stack([maze(DOTS), maze(DOTS)]), np.stack([maze(DOTS[:3]), maze([])])])
    score.update(pictures, originals, present, torch.tensor([1, 0]))
    figures = score.compute()
    assert figures["dots_too_many_eaten"].tolist() == [1.5, 0.5]
    assert figures["dots_too_few_eaten"].tolist() == [0, 1.5]
    assert score.sums[1].tolist() == [[1, 0, 0], [1, 1, 0]]


def test_in_the_real_game_dots_go_as_they_are_eaten(episodes: Path, manifest: Manifest) -> None:
    episode = read_episode(episodes, manifest.episodes[4], manifest.num_actions)
    sites, colours = dot_sites(episode.frames[0]), maze_colours(episode.frames[0])
    unchanged = np.broadcast_to(episode.frames[:1], episode.frames.shape)
    _, missing, extra = dot_counts(unchanged, episode.frames, sites, colours).T.numpy()
    assert len(sites) > 140
    assert not missing.any()
    assert extra.max() > 9
    assert np.isin(episode.ram[:, DOTS_EATEN] - extra, [0, 1, 2, 3]).all()

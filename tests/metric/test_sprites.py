from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from pacdream.data.episode_store import Manifest, read_episode
from pacdream.game.ms_pacman import MS_PACMAN, SPRITES, Sprite, sprite_positions
from pacdream.metric.sprites import BIN, MAZE_ROWS, MIN_PIXELS, NUM_BINS, SpriteScore, locate, quantile

COLOUR = MS_PACMAN.palette_index
ORIGIN = (60, 80)
Frames = NDArray[np.uint8]


def picture(*middles: tuple[int, int], size: int = 9) -> Frames:
    """A frame (210, 160) with squares of the sprite's colour around (x, y)."""
    frame = np.zeros((210, 160), np.uint8)
    for x, y in middles:
        frame[y - size // 2 : y + size // 2 + 1, x - size // 2 : x + size // 2 + 1] = COLOUR
    return frame


def memory(x: float, y: float) -> NDArray[np.uint8]:
    """A console (128,) that has Ms. Pac-Man within half a pixel of (x, y)."""
    ram = np.zeros(128, np.uint8)
    offset = sprite_positions(ram, MS_PACMAN)
    ram[[MS_PACMAN.ram_x, MS_PACMAN.ram_y]] = np.ceil(np.array([x, y]) - offset)
    return ram


def measured(frames: list[Frames], originals: list[Frames]) -> dict[str, float]:
    """Figures of frames that should show the sprite at ``ORIGIN``, each in an episode of its own."""
    score, count = SpriteScore(len(frames), 1), len(frames)
    ram = np.stack([memory(*ORIGIN)] * count)
    score.update(np.stack(frames)[:, None], np.stack(originals)[:, None], ram[:, None], MS_PACMAN, torch.arange(count))
    return {name: float(value) for name, value in score.compute().items()}


@pytest.mark.parametrize("middle", [(10, 20), (80, 100), (150, 160)])
def test_a_sprite_is_where_the_middle_of_its_colour_is(middle: tuple[int, int]) -> None:
    found = locate(np.stack([picture(), picture(middle)]), COLOUR)
    assert found.seen.tolist() == [False, True]
    assert found.position[1].tolist() == list(middle)
    assert not found.doubled.any()


def test_other_colours_are_not_the_sprite() -> None:
    assert not locate(picture(ORIGIN)[None], COLOUR + 1).seen.any()


@pytest.mark.parametrize(("pixels", "seen"), [(MIN_PIXELS - 1, False), (MIN_PIXELS, True)])
def test_a_few_pixels_are_no_sprite(pixels: int, seen: bool) -> None:
    frame = picture()
    frame[50, 40 : 40 + pixels] = COLOUR
    assert locate(frame[None], COLOUR).seen.tolist() == [seen]


@pytest.mark.parametrize(("row", "seen"), [(MAZE_ROWS - 5, True), (MAZE_ROWS + 4, False)])
def test_lives_below_the_maze_are_no_sprite(row: int, seen: bool) -> None:
    assert locate(picture((40, row))[None], COLOUR).seen.tolist() == [seen]


@pytest.mark.parametrize(("apart", "doubled"), [(8, False), (60, True)])
@pytest.mark.parametrize("axis", [0, 1])
def test_a_colour_in_two_places_is_doubled(apart: int, axis: int, doubled: bool) -> None:
    other = [*ORIGIN]
    other[axis] += apart
    assert locate(picture(ORIGIN, (other[0], other[1]))[None], COLOUR).doubled.tolist() == [doubled]


@pytest.mark.parametrize(("shift", "distance"), [((0, 0), 0), ((0, -20), 20), ((30, 40), 50), ((-33, -56), 65)])
def test_distances_are_from_the_memorys_position(shift: tuple[int, int], distance: float) -> None:
    there = picture((ORIGIN[0] + shift[0], ORIGIN[1] + shift[1]))
    assert measured([there], [there])["median"] == pytest.approx(distance, abs=0.5 + BIN)


def test_half_the_sprites_are_nearer_than_the_median_and_nine_of_ten_than_p90() -> None:
    frames = [picture((ORIGIN[0], ORIGIN[1] + shift)) for shift in range(0, 40, 4)]
    figures = measured(frames, [picture(ORIGIN)] * 10)
    assert figures["median"] == pytest.approx(16, abs=2 * BIN)
    assert figures["p90"] == pytest.approx(32, abs=2 * BIN)


def test_lost_and_doubled_are_shares_of_the_frames_that_should_show_the_sprite() -> None:
    shown, none, two = picture(ORIGIN), picture(), picture(ORIGIN, (ORIGIN[0], ORIGIN[1] + 60))
    figures = measured([none, two, two, shown, two, none], [shown, shown, shown, shown, none, none])
    assert (figures["lost"], figures["doubled"]) == (0.25, 0.5)


def test_frames_that_should_not_show_the_sprite_do_not_count() -> None:
    figures = measured([picture(ORIGIN)], [picture()])
    assert np.isnan(list(figures.values())).all()


def test_a_lost_sprite_has_no_distance() -> None:
    figures = measured([picture()], [picture(ORIGIN)])
    assert figures["lost"] == 1
    assert np.isnan([figures["median"], figures["p90"]]).all()


def test_horizons_are_kept_apart() -> None:
    near, far = picture(ORIGIN), picture((ORIGIN[0], ORIGIN[1] + 30))
    score, originals = SpriteScore(1, 3), np.stack([near, near, picture()])[None]
    ram = np.stack([memory(*ORIGIN)] * 3)[None]
    score.update(np.stack([near, far, near])[None], originals, ram, MS_PACMAN, torch.tensor([0]))
    median = score.compute()["median"]
    assert median[:2].tolist() == pytest.approx([0, 30], abs=2 * BIN)
    assert median[2].isnan()


@pytest.mark.parametrize("sprite", SPRITES, ids=lambda sprite: sprite.name)
def test_real_frames_agree_with_the_memory(episodes: Path, manifest: Manifest, sprite: Sprite) -> None:
    episode = read_episode(episodes, manifest.episodes[1], manifest.num_actions)
    score = SpriteScore(1, len(episode.frames))
    score.update(episode.frames[None], episode.frames[None], episode.ram[None], sprite, torch.tensor([0]))
    figures = score.figures(score.sums.sum((0, 1)))
    assert figures["lost"].n > 40
    assert figures["lost"].value == 0
    assert figures["median"].value < 3
    assert figures["p90"].value < 6


@pytest.mark.parametrize("q", [0.1, 0.5, 0.9, 1.0])
def test_a_quantile_is_that_of_the_distances_to_half_a_pixel(q: float) -> None:
    distances = np.random.default_rng(0).exponential(10, (3, 101))
    counts = np.stack([np.bincount((row / BIN).astype(int), minlength=NUM_BINS) for row in distances])
    expected = np.quantile(distances, q, axis=1, method="inverted_cdf")
    np.testing.assert_allclose(quantile(torch.from_numpy(counts), q), expected, atol=BIN / 2)


def test_there_is_no_quantile_of_nothing() -> None:
    assert quantile(torch.zeros(2, NUM_BINS), 0.5).isnan().all()


def test_a_sprite_beyond_the_last_bin_is_counted_in_it() -> None:
    ram, far = memory(*ORIGIN), picture((5, 5))
    ram[[MS_PACMAN.ram_x, MS_PACMAN.ram_y]] = 255
    score = SpriteScore(1, 1)
    score.update(far[None, None], far[None, None], ram[None, None], MS_PACMAN, torch.tensor([0]))
    assert score.sums[0, 0, -1] == 1

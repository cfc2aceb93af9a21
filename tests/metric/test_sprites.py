from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from pacdream.data.episode_store import Manifest, read_episode
from pacdream.game.game import Sprite
from pacdream.game.ms_pacman import MS_PACMAN
from pacdream.metric.episode_metric import draw_episodes
from pacdream.metric.sprites import BIN, FARTHEST, MIN_PIXELS, NUM_BINS, SpriteScore, locate, position_skill, quantile

COLOUR = 42
ORIGIN = (60, 80)
Frames = NDArray[np.uint8]


def picture(*middles: tuple[int, int], size: int = 9) -> Frames:
    """A frame (210, 160) with squares of the sprite's colour around (x, y)."""
    frame = np.zeros((210, 160), np.uint8)
    for x, y in middles:
        frame[y - size // 2 : y + size // 2 + 1, x - size // 2 : x + size // 2 + 1] = COLOUR
    return frame


def measured(frames: list[Frames], originals: list[Frames]) -> dict[str, float]:
    """Figures of frames that should show the sprite at ``ORIGIN``, each in an episode of its own."""
    score, count = SpriteScore(len(frames), 1), len(frames)
    truth = np.tile(np.array(ORIGIN, np.float32), (count, 1, 1))
    found, shown = (locate(np.stack(pictures)[:, None], COLOUR) for pictures in (frames, originals))
    score.update(found, shown, truth, torch.arange(count))
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


@pytest.mark.parametrize(("apart", "doubled"), [(8, False), (60, True)])
@pytest.mark.parametrize("axis", [0, 1])
def test_a_colour_in_two_places_is_doubled(apart: int, axis: int, doubled: bool) -> None:
    other = [*ORIGIN]
    other[axis] += apart
    assert locate(picture(ORIGIN, (other[0], other[1]))[None], COLOUR).doubled.tolist() == [doubled]


@pytest.mark.parametrize(("shift", "distance"), [((0, 0), 0), ((0, -20), 20), ((30, 40), 50), ((-33, -56), 65)])
def test_distances_are_from_the_true_position(shift: tuple[int, int], distance: float) -> None:
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


def test_a_lost_sprite_is_as_far_as_can_be() -> None:
    assert measured([picture()], [picture(ORIGIN)]) == {"lost": 1, "doubled": 0, "median": FARTHEST, "p90": FARTHEST}


def test_nothing_is_gained_by_erasing_what_is_uncertain() -> None:
    shown = picture(ORIGIN)
    placed = [picture((ORIGIN[0], ORIGIN[1] + shift)) for shift in range(0, 44, 4)]
    honest = measured(placed, [shown] * len(placed))
    for erased in range(1, len(placed)):  # the worst first
        erasing = measured([*placed[:-erased], *[picture()] * erased], [shown] * len(placed))
        assert erasing["median"] >= honest["median"]
        assert erasing["p90"] >= honest["p90"]
        assert erasing["lost"] == pytest.approx(erased / len(placed))


def test_distances_speak_of_all_frames_that_should_show_the_sprite() -> None:
    score, truth = SpriteScore(1, 1), np.full((3, 1, 2), 60, np.float32)
    frames, originals = ([picture(ORIGIN), picture(), picture()], [picture(ORIGIN)] * 3)
    found, shown = (locate(np.stack(pictures)[:, None], COLOUR) for pictures in (frames, originals))
    score.update(found, shown, truth, torch.zeros(3, dtype=torch.int64))
    figures = score.figures(score.sums[0, 0])
    assert {name: float(figure.n) for name, figure in figures.items()} == dict.fromkeys(figures, 3)


def test_horizons_are_kept_apart() -> None:
    near, far = picture(ORIGIN), picture((ORIGIN[0], ORIGIN[1] + 30))
    score, shown = SpriteScore(1, 3), locate(np.stack([near, near, picture()])[None], COLOUR)
    truth = np.tile(np.array(ORIGIN, np.float32), (1, 3, 1))
    score.update(locate(np.stack([near, far, near])[None], COLOUR), shown, truth, torch.tensor([0]))
    median = score.compute()["median"]
    assert median[:2].tolist() == pytest.approx([0, 30], abs=2 * BIN)
    assert median[2].isnan()


@pytest.mark.parametrize("sprite", MS_PACMAN.sprites, ids=lambda sprite: sprite.name)
def test_real_frames_agree_with_the_memory(episodes: Path, manifest: Manifest, sprite: Sprite) -> None:
    episode = read_episode(episodes, manifest.episodes[1], manifest.num_actions)
    score = SpriteScore(1, len(episode.frames))
    seen = locate(MS_PACMAN.playfield(episode.frames)[None], sprite.palette_index)
    score.update(seen, seen, sprite.positions(episode.ram[None]), torch.tensor([0]))
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
    score, far = SpriteScore(1, 1), locate(picture((5, 5))[None, None], COLOUR)
    score.update(far, far, np.full((1, 1, 2), 250, np.float32), torch.tensor([0]))
    assert score.sums[0, 0, -1] == 1
    assert score.compute()["median"] == FARTHEST


def scored(*errors: int | None) -> SpriteScore:
    """One frame for each error: the sprite so many pixels off, or lost."""
    score = SpriteScore(len(errors), 1)
    truth = np.tile(np.array(ORIGIN, np.float32), (len(errors), 1, 1))
    frames = [picture() if error is None else picture((ORIGIN[0] + error, ORIGIN[1])) for error in errors]
    found, shown = (
        locate(np.stack(pictures)[:, None], COLOUR) for pictures in (frames, [picture(ORIGIN)] * len(errors))
    )
    score.update(found, shown, truth, torch.arange(len(errors)))
    return score


def skill_of(dream: list[SpriteScore], tokenizer: list[SpriteScore], copied: list[SpriteScore]) -> float:
    draws = draw_episodes(3, 20, seed=0)
    rows = ([score.with_intervals(draws)["median"] for score in scores] for scores in (dream, tokenizer, copied))
    figure = position_skill(*rows)
    assert figure.samples.shape == (20, 1)
    return float(figure.value[0])


@pytest.mark.parametrize(
    ("dream", "skill"), [((0, 0, 0), 1.0), ((20, 20, 20), 0.0), ((10, 10, 10), 0.5), ((40, 40, 40), -1.0)]
)
def test_position_skill_lies_between_copying_and_the_tokenizer(dream: tuple[int, ...], skill: float) -> None:
    found = skill_of([scored(*dream)], [scored(0, 0, 0)], [scored(20, 20, 20)])
    assert found == pytest.approx(skill, abs=0.03)


def test_position_skill_is_of_the_mean_over_sprites() -> None:
    good, bad, copied = scored(0, 0, 0), scored(20, 20, 20), scored(20, 20, 20)
    assert skill_of([good, bad], [good, good], [copied, copied]) == pytest.approx(0.5, abs=0.03)


def test_position_skill_has_no_interval_where_a_sprite_was_seen_in_one_episode_only() -> None:
    often, once = scored(0, 0, 0), scored(20, 20, 20)
    once.sums[1:] = 0
    draws = draw_episodes(3, 20, seed=0)
    dream = [score.with_intervals(draws)["median"] for score in (often, once)]
    tokenizer, copied = ([scored(error, error, error).with_intervals(draws)["median"]] * 2 for error in (0, 40))
    found = position_skill(dream, tokenizer, copied)
    assert 0 < float(found.value[0]) < 1
    assert found.low.isnan().all()


def test_nothing_is_gained_by_losing_sprites() -> None:
    assert skill_of([scored(None, None, 0)], [scored(0, 0, 0)], [scored(20, 20, 20)]) < -5


def test_without_room_between_copying_and_the_tokenizer_there_is_no_skill() -> None:
    still = scored(0, 0, 0)
    assert np.isnan(skill_of([still], [still], [still]))

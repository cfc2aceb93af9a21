from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from pacdream.rollout.video import Film, write_strip, write_video

STEPS, BANNER = 6, 14
WHITE = 255


def film_of(**colours: int) -> Film:
    """Plain pictures: the colour of each, black if it is not given; nothing is wrong."""
    pictures = {
        name: np.full((STEPS, 210, 160, 3), colours.get(name, 0), np.uint8)
        for name in ("real", "reconstructed", "dreamt")
    }
    return Film(**pictures, wrong=np.zeros((STEPS, 7, 5), np.bool_), actions=["NOOP"] * STEPS)


@pytest.fixture
def film() -> Film:
    """Black pictures with one wrong code at step 2, row 6, column 1."""
    black = film_of()
    black.wrong[2, 6, 1] = True
    return black


def test_a_panel_shows_game_reconstruction_dream_and_difference() -> None:
    film = film_of(real=10, reconstructed=20, dreamt=30)
    pictures = np.split(film.panel(0)[BANNER:], 4, axis=1)
    assert [int(picture.min()) for picture in pictures] == [10, 20, 30, 128 + 15]


def test_where_nothing_differs_the_difference_is_a_dimmed_reconstruction() -> None:
    assert (film_of(reconstructed=50, dreamt=50).difference(0) == 10).all()


def test_the_banner_tells_step_and_action_apart() -> None:
    film = film_of()
    film.actions[1] = "UPRIGHT"
    banners = [film.panel(t)[:BANNER] for t in range(3)]
    assert all(banner.max() > WHITE // 2 for banner in banners)
    assert not np.array_equal(banners[0], banners[1])
    assert not np.array_equal(banners[0], banners[2])


def test_a_dream_without_wrong_codes_has_no_outline(film: Film) -> None:
    assert film.outlined(0).max() == 0


def test_the_cell_of_a_wrong_code_is_outlined(film: Film) -> None:
    rows, columns = np.nonzero(film.outlined(2).max(-1) == WHITE)
    assert (rows.min(), rows.max() + 1) == (6 * 30, 7 * 30)
    assert (columns.min(), columns.max() + 1) == (32, 64)


def test_the_inside_of_a_wrong_cell_stays_visible(film: Film) -> None:
    assert film.outlined(2)[6 * 30 + 1 : 7 * 30 - 1, 33:63].max() == 0


def test_a_strip_shows_real_codes_above_the_dream_from_left_to_right(film: Film, tmp_path: Path) -> None:
    write_strip(tmp_path / "strip.png", film, steps=4)
    strip = np.asarray(Image.open(tmp_path / "strip.png"))
    assert strip.shape == (2 * 210, 4 * 160, 3)
    third = strip[:, 2 * 160 : 3 * 160]
    assert np.array_equal(third, np.concatenate([film.reconstructed[2], film.outlined(2)]))


def test_a_strip_of_a_short_dream_shows_all_of_it(film: Film, tmp_path: Path) -> None:
    write_strip(tmp_path / "strip.png", film, steps=99)
    assert Image.open(tmp_path / "strip.png").size == (STEPS * 160, 2 * 210)


def test_a_video_has_every_step_twice_as_large(film: Film, tmp_path: Path) -> None:
    write_video(tmp_path / "dream.mp4", film, fps=6)
    with av.open(str(tmp_path / "dream.mp4")) as container:
        shown = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
        assert container.streams.video[0].average_rate == 6
    assert [picture.shape for picture in shown] == [(2 * (210 + BANNER), 8 * 160, 3)] * STEPS
    below = [bool(picture[2 * BANNER + 8 :].max() > WHITE // 2) for picture in shown]
    assert below == [False, False, True, False, False, False]

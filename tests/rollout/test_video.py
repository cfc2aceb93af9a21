from pathlib import Path

import av
import numpy as np
import pytest
import torch
from PIL import Image

from pacdream.rollout.video import DreamFrames, write_strip, write_video
from pacdream.tokenizer.base import Tokenizer

STEPS = 6
WHITE = 255


@pytest.fixture
def frames() -> DreamFrames:
    """Black pictures with one wrong code at step 2, row 6, column 1."""
    black = np.zeros((STEPS, 210, 160, 3), np.uint8)
    wrong = np.zeros((STEPS, 7, 5), np.bool_)
    wrong[2, 6, 1] = True
    return DreamFrames(black, black, wrong)


def test_decoded_frames_are_the_tokenizers_in_rgb(tokenizer: Tokenizer) -> None:
    real, imagined = torch.randint(16, (2, 3, 7, 5))
    frames = DreamFrames.decode(tokenizer, real, imagined)
    palette = np.array([list(bytes.fromhex(colour)) for colour in tokenizer.recipe["palette"]])
    assert np.array_equal(frames.real, palette[tokenizer.decode(real)])
    assert np.array_equal(frames.imagined, palette[tokenizer.decode(imagined)])
    assert np.array_equal(frames.wrong, (real != imagined).numpy())


def test_a_panel_shows_the_real_frame_above_the_imagined_one() -> None:
    real, imagined = np.full((1, 210, 160, 3), 10, np.uint8), np.full((1, 210, 160, 3), 20, np.uint8)
    panel = DreamFrames(real, imagined, np.zeros((1, 7, 5), np.bool_)).panel(0)
    assert np.array_equal(panel, np.concatenate([real[0], imagined[0]]))


def test_a_panel_without_wrong_codes_has_no_outline(frames: DreamFrames) -> None:
    assert frames.panel(0).max() == 0


def test_the_cell_of_a_wrong_code_is_outlined_in_the_imagined_frame(frames: DreamFrames) -> None:
    rows, columns = np.nonzero(frames.panel(2).max(-1) == WHITE)
    assert (rows.min(), rows.max() + 1) == (210 + 6 * 30, 210 + 7 * 30)
    assert (columns.min(), columns.max() + 1) == (32, 64)


def test_the_inside_of_a_wrong_cell_stays_visible(frames: DreamFrames) -> None:
    assert frames.panel(2)[210 + 6 * 30 + 1 : 210 + 7 * 30 - 1, 33:63].max() == 0


def test_a_strip_shows_its_steps_from_left_to_right(frames: DreamFrames, tmp_path: Path) -> None:
    write_strip(tmp_path / "strip.png", frames, steps=4)
    strip = np.asarray(Image.open(tmp_path / "strip.png"))
    assert strip.shape == (2 * 210, 4 * 160, 3)
    assert np.array_equal(strip[:, 2 * 160 : 3 * 160], frames.panel(2))


def test_a_strip_of_a_short_dream_shows_all_of_it(frames: DreamFrames, tmp_path: Path) -> None:
    write_strip(tmp_path / "strip.png", frames, steps=99)
    assert Image.open(tmp_path / "strip.png").size == (STEPS * 160, 2 * 210)


def test_a_video_has_every_step_twice_as_large(frames: DreamFrames, tmp_path: Path) -> None:
    write_video(tmp_path / "dream.mp4", frames, fps=6)
    with av.open(str(tmp_path / "dream.mp4")) as container:
        shown = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
        assert container.streams.video[0].average_rate == 6
    assert [picture.shape for picture in shown] == [(4 * 210, 2 * 160, 3)] * STEPS
    assert [bool(picture.max() > WHITE // 2) for picture in shown] == [False, False, True, False, False, False]

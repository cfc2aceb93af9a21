import math
from itertools import product

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from pacdream.metric.pixels import PixelScore, pixel_counts

BATCH, HORIZON, HEIGHT, WIDTH = 3, 2, 5, 4
EPISODE = torch.tensor([0, 1, 0])
Frames = NDArray[np.uint8]


@pytest.fixture
def rgb() -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(256, size=(256, 3), dtype=np.uint8)


def random_frames() -> tuple[Frames, Frames]:
    """Predicted and target frames (3, 2, 5, 4) of three colours."""
    predicted, target = np.random.default_rng(1).integers(3, size=(2, BATCH, HORIZON, HEIGHT, WIDTH), dtype=np.uint8)
    return predicted, target


def measured(predicted: Frames, target: Frames, rgb: NDArray[np.uint8]) -> dict[str, list[float]]:
    score = PixelScore(2, HORIZON)
    score.update(predicted, target, rgb, EPISODE)
    return {name: values.tolist() for name, values in score.compute().items()}


def test_counts_equal_a_naive_loop(rgb: NDArray[np.uint8]) -> None:
    predicted, target = random_frames()
    counts = pixel_counts(predicted, target, rgb)
    for b, t in product(range(BATCH), range(HORIZON)):
        pairs = list(zip(predicted[b, t].flat, target[b, t].flat, strict=True))
        squares = [(int(x) - int(y)) ** 2 for p, q in pairs for x, y in zip(rgb[p], rgb[q], strict=True)]
        assert counts[b, t] == pytest.approx([len(pairs), sum(p == q for p, q in pairs), np.mean(squares)])


def test_figures_of_each_horizon_are_those_of_its_frames(rgb: NDArray[np.uint8]) -> None:
    predicted, target = random_frames()
    figures = measured(predicted, target, rgb)
    for t in range(HORIZON):
        error = (rgb[predicted[:, t]].astype(float) - rgb[target[:, t]].astype(float)) ** 2
        assert figures["pixel_accuracy"][t] == pytest.approx((predicted[:, t] == target[:, t]).mean())
        assert figures["psnr"][t] == pytest.approx(10 * math.log10(255**2 / error.mean()))


def test_equal_pictures_have_100_decibel(rgb: NDArray[np.uint8]) -> None:
    _, target = random_frames()
    figures = measured(target, target, rgb)
    assert figures["pixel_accuracy"] == [1, 1]
    assert figures["psnr"] == pytest.approx([100, 100])


def test_black_for_white_has_no_decibel() -> None:
    _, target = random_frames()
    black_and_white = np.array([[0] * 3, [255] * 3], np.uint8).repeat(128, 0)
    assert measured(target * 0, target * 0 + 255, black_and_white)["psnr"] == pytest.approx([0, 0])


def test_another_index_of_the_same_colour_is_a_wrong_pixel_but_no_colour_error() -> None:
    _, target = random_frames()
    figures = measured(target + 1, target, np.full((256, 3), 77, np.uint8))
    assert figures["pixel_accuracy"] == [0, 0]
    assert figures["psnr"] == pytest.approx([100, 100])

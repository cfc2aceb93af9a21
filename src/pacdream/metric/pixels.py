"""How much of the picture is right once codes are decoded."""

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pacdream.metric.episode_metric import EpisodeMetric, Estimate, ratio

Frames = NDArray[np.uint8]


def pixel_counts(predicted: Frames, target: Frames, rgb: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Per frame (..., 3): pixels, right pixels, mean squared colour error; frames (..., H, W), colours (256, 3).

    >>> black, white = np.zeros((1, 2, 2), np.uint8), np.full((1, 2, 2), 255, np.uint8)
    >>> grey = np.arange(256, dtype=np.uint8).repeat(3).reshape(256, 3)
    >>> pixel_counts(black, white, grey).tolist()
    [[4.0, 0.0, 65025.0]]
    """
    wrong = predicted != target
    error = np.zeros(wrong.shape)
    difference = rgb[predicted[wrong]].astype(np.float64) - rgb[target[wrong]]
    error[wrong] = (difference**2).mean(-1)
    pixels = np.full(wrong.shape[:-2], wrong.shape[-2] * wrong.shape[-1])
    return np.stack([pixels, pixels - wrong.sum((-2, -1)), error.mean((-2, -1))], -1)


class PixelScore(EpisodeMetric):
    """Pixel accuracy and PSNR for each of ``shape``, e.g. horizons."""

    def __init__(self, num_episodes: int, *shape: int) -> None:
        super().__init__(num_episodes, (*shape, 4))

    def update(self, predicted: Frames, target: Frames, rgb: NDArray[np.uint8], episode: Tensor) -> None:
        """Add frames (B, *shape, H, W)."""
        # One window at a time: the errors of all would take several times the memory of the frames.
        counts = np.stack([pixel_counts(*frames, rgb) for frames in zip(predicted, target, strict=True)])
        frames = np.ones_like(counts[..., :1])
        self.add(torch.from_numpy(np.concatenate([frames, counts], -1)), episode)

    def figures(self, sums: Tensor) -> dict[str, Estimate]:
        """PSNR in decibel, of the mean squared error over frames."""
        frames, pixels, right, error = sums.unbind(-1)
        psnr = 10 * torch.log10(255**2 / ratio(error, frames).value.clamp(min=_EPSILON))
        return {"pixel_accuracy": ratio(right, pixels), "psnr": Estimate(psnr, frames)}


_EPSILON = 255**2 / math.pow(10, 10)
"""Mean squared error of 100 dB: pictures that are equal."""

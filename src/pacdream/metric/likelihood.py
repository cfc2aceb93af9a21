"""How much probability a world model gives to what happens, and whether its confidence can be believed."""

import math

import torch
from torch import Tensor

from pacdream.metric.episode_metric import EpisodeMetric, Estimate, ratio

BINS = 15


def bits_per_frame(log_likelihood: Tensor) -> Tensor:
    """Negative log-likelihood in bits of whole grids, (...), from that of each code in nats, (..., h, w).

    >>> bits_per_frame(torch.full((7, 5), 1 / 256).log())  # 256 equally likely codes: 8 bits at 35 positions
    tensor(280.)
    """
    return -log_likelihood.flatten(-2).sum(-1) / math.log(2)


def calibration_counts(logits: Tensor, target: Tensor) -> Tensor:
    """Counts (B, BINS, 3) by confidence of the most likely code: codes, their confidence, those right.

    Source: Guo et al., "On calibration of modern neural networks", 2017. Logits (B, h, w, K), codes (B, h, w).
    """
    confidence, predicted = logits.float().softmax(-1).max(-1)
    bins = (confidence * BINS).long().clamp(max=BINS - 1)
    member = torch.nn.functional.one_hot(bins.flatten(1), BINS).float()  # (B, P, BINS)
    values = torch.stack([torch.ones_like(confidence), confidence, (predicted == target).float()], -1).flatten(1, 2)
    return torch.einsum("bpn,bpv->bnv", member, values)


class LikelihoodScore(EpisodeMetric):
    """Bits per frame for each of ``shape``, e.g. horizons."""

    def __init__(self, num_episodes: int, *shape: int) -> None:
        super().__init__(num_episodes, (*shape, 2))

    def update(self, bits: Tensor, episode: Tensor) -> None:
        """Add bits (B, *shape), see ``bits_per_frame``."""
        self.add(torch.stack([torch.ones_like(bits), bits], -1), episode)

    def figures(self, sums: Tensor) -> dict[str, Estimate]:
        """Mean bits."""
        return {"bits_per_frame": ratio(sums[..., 1], sums[..., 0])}


class CalibrationScore(EpisodeMetric):
    """Expected calibration error, and the reliability diagram behind it."""

    def __init__(self, num_episodes: int) -> None:
        super().__init__(num_episodes, (BINS, 3))

    def update(self, logits: Tensor, target: Tensor, episode: Tensor) -> None:
        """Add logits (B, h, w, K) and codes (B, h, w)."""
        self.add(calibration_counts(logits, target), episode)

    def figures(self, sums: Tensor) -> dict[str, Estimate]:
        """``ece`` (...), and by bin (..., BINS) how sure the model was and how often it was right."""
        count, confidence, right = sums.unbind(-1)
        total = count.sum(-1)
        return {
            "ece": ratio((confidence - right).abs().sum(-1), total),
            "confidence": ratio(confidence, count),
            "right": ratio(right, count),
        }

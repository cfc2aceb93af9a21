"""Codes that look alike begin alike."""

import torch
from torch import Tensor


@torch.no_grad()
def place_along(weight: Tensor, features: Tensor, scale: float) -> None:
    """Fill the first K rows of ``weight`` (K or more, D) with what tells codes apart most, in standard deviations.

    Args:
        weight: of an embedding of codes, or of a head that predicts them.
        features: (K, F) vectors that are alike where codes look alike.
        scale: that one standard deviation gets.
    """
    features = features - features.mean(0)
    axis = torch.linalg.svd(features, full_matrices=False).Vh[: weight.shape[1]]
    seen = features @ axis.T
    weight[: len(features)].zero_()[:, : len(axis)] = scale * seen / seen.std()

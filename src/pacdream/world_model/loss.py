"""What a world model is trained to minimise."""

from einops import rearrange
from torch import Tensor
from torch.nn import functional as F  # noqa: N812


def next_codes_loss(logits: Tensor, target: Tensor) -> Tensor:
    """Mean cross-entropy in nats per code: ``logits`` (B, T, h, w, K) against ``target`` (B, T, h, w) int64.

    >>> import torch
    >>> next_codes_loss(torch.zeros(1, 1, 7, 5, 256), torch.zeros(1, 1, 7, 5, dtype=torch.int64))  # log 256
    tensor(5.5452)
    """
    return F.cross_entropy(rearrange(logits, "B T h w K -> (B T h w) K"), target.flatten())

"""What a world model is trained to minimise."""

from einops import rearrange
from torch import Tensor
from torch.nn import functional as F  # noqa: N812


def next_codes_loss(logits: Tensor, target: Tensor, weights: Tensor | None = None) -> Tensor:
    """Mean cross-entropy in nats per code: ``logits`` (B, T, h, w, K) against ``target`` (B, T, h, w) int64.

    With ``weights`` (B, T, h, w) it is the weighted mean.

    >>> import torch
    >>> next_codes_loss(torch.zeros(1, 1, 7, 5, 256), torch.zeros(1, 1, 7, 5, dtype=torch.int64))  # log 256
    tensor(5.5452)
    """
    reduction = "mean" if weights is None else "none"
    loss = F.cross_entropy(rearrange(logits, "B T h w K -> (B T h w) K"), target.flatten(), reduction=reduction)
    return loss if weights is None else (loss * weights.flatten()).sum() / weights.sum()


def action_influence(logits: Tensor, others: Tensor) -> Tensor:
    """How much of a prediction depends on the action: 0 to 1, (...), of logits (..., K) for two actions.

    The distance in total variation: the probability that the other action would have led to another code.

    >>> import torch
    >>> one, other = torch.tensor([[9.0, 0.0], [0.0, 0.0]]), torch.tensor([[0.0, 9.0], [0.0, 0.0]])
    >>> action_influence(one, other).round(decimals=3)
    tensor([1., 0.])
    """
    return (logits.softmax(-1) - others.softmax(-1)).abs().sum(-1) / 2

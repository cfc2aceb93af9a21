"""How good a reconstruction is, and how much of the codebook carries it."""

import torch
from torch import Tensor
from torchmetrics import Metric


def class_iou(confusion: Tensor) -> Tensor:
    """Intersection over union of each class, (C,), from a confusion matrix (C, C); NaN where a class never occurs.

    >>> class_iou(torch.tensor([[3, 1], [0, 4]]))  # rows: what is there, columns: what is drawn
    tensor([0.7500, 0.8000])
    """
    intersection = confusion.diag().float()
    union = confusion.sum(0) + confusion.sum(1) - confusion.diag()
    return torch.where(union > 0, intersection / union.clamp(min=1), torch.nan)


def perplexity(counts: Tensor) -> Tensor:
    """Effective number of codes in use: the exponential of the entropy of ``counts`` (K,).

    >>> perplexity(torch.tensor([5.0, 5.0, 0.0, 0.0]))
    tensor(2.)
    """
    p = counts / counts.sum().clamp(min=1)
    return torch.exp(-torch.xlogy(p, p).sum())


class CodebookUse(Metric):
    """Perplexity and share of codes used at all, over everything it has seen."""

    counts: Tensor

    def __init__(self, codebook_size: int) -> None:
        super().__init__()
        self.add_state("counts", torch.zeros(codebook_size, dtype=torch.int64), "sum")

    def update(self, codes: Tensor) -> None:
        """Count ``codes`` of any shape."""
        self.counts += torch.bincount(codes.reshape(-1), minlength=len(self.counts))

    def compute(self) -> dict[str, Tensor]:
        """``perplexity`` in [1, K] and ``usage`` in [0, 1]."""
        return {"perplexity": perplexity(self.counts), "usage": (self.counts > 0).float().mean()}

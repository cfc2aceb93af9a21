"""How much better than copying a prediction is: pure functions, and a torchmetrics class over them."""

from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric


def count_correct(predicted: Tensor, present: Tensor, target: Tensor) -> Tensor:
    """Counts (5,) int64 over code grids of equal shape: all, right, copied right, changed, changed and right.

    ``present`` is the grid before the step, ``target`` the grid after it; a code has changed where they differ.

    >>> present, target, predicted = torch.tensor([[[1, 2, 3]], [[1, 5, 6]], [[1, 5, 3]]])
    >>> count_correct(predicted, present, target)  # 2 of 3 are right, 1 of the 2 that change
    tensor([3, 2, 1, 2, 1])
    """
    right, changed = predicted == target, present != target
    counted = (torch.ones_like(right), right, ~changed, changed, changed & right)
    return torch.stack([part.sum() for part in counted])


def skill(accuracy: Tensor, copy_accuracy: Tensor, ceiling: float = 1.0) -> Tensor:
    """``(accuracy - copy) / (ceiling - copy)``: 0 copies, 1 reaches the ceiling, below 0 is worse than copying.

    >>> skill(torch.tensor(0.9), torch.tensor(0.8))  # half of what copying gets wrong is right
    tensor(0.5000)
    """
    return (accuracy - copy_accuracy) / (ceiling - copy_accuracy).clamp(min=1e-9)


class NextCodesMetric(Metric):
    """Accuracy, copy accuracy, changed-code accuracy and skill over everything it has seen."""

    counts: Tensor

    def __init__(self, **kwargs: Any) -> None:
        """``kwargs`` go to ``torchmetrics.Metric``."""
        super().__init__(**kwargs)
        self.add_state("counts", torch.zeros(5, dtype=torch.int64), "sum")

    def update(self, predicted: Tensor, present: Tensor, target: Tensor) -> None:
        """Add code grids; see ``count_correct``."""
        self.counts += count_correct(predicted, present, target)

    def compute(self) -> dict[str, Tensor]:
        """Shares in [0, 1]; NaN for changed codes if none changed."""
        total, right, copied, changed, changed_right = self.counts.float()
        accuracy, copy_accuracy = right / total, copied / total
        return {
            "accuracy": accuracy,
            "copy_accuracy": copy_accuracy,
            "changed_accuracy": changed_right / changed,
            "skill": skill(accuracy, copy_accuracy),
        }

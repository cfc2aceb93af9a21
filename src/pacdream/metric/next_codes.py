"""How much better than copying a world model predicts the next grid, over everything it has seen."""

from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric

from pacdream.metric.code_score import code_counts, code_figures, skill


class NextCodesMetric(Metric):
    """Accuracy, changed-code accuracy, what copying scores, and skill."""

    counts: Tensor
    copied: Tensor

    def __init__(self, **kwargs: Any) -> None:
        """``kwargs`` go to ``torchmetrics.Metric``."""
        super().__init__(**kwargs)
        self.add_state("counts", torch.zeros(5, dtype=torch.int64), "sum")
        self.add_state("copied", torch.zeros((), dtype=torch.int64), "sum")

    def update(self, predicted: Tensor, present: Tensor, target: Tensor, copied: Tensor) -> None:
        """Add code grids (..., h, w); ``copied`` is what copy* predicts, for the others see ``code_counts``."""
        self.counts += code_counts(predicted, present, target).flatten(0, -2).sum(0)
        self.copied += (copied == target).sum()

    def compute(self) -> dict[str, Tensor]:
        """Shares in [0, 1]; NaN for changed codes if none changed. The ceiling of skill is a perfect prediction."""
        total, _, changed, _, _ = self.counts.unbind()
        figures = code_figures(self.counts.float())
        accuracy, copy_star = figures["accuracy"].value, self.copied.float() / total
        return {
            "accuracy": accuracy,
            "copy_accuracy": 1 - changed / total,
            "copy_star_accuracy": copy_star,
            "changed_accuracy": figures["changed_recall"].value,
            "skill": skill(accuracy, copy_star),
        }

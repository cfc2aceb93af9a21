"""How right predicted codes are: plainly, among codes that change, and against what copying scores."""

import torch
from torch import Tensor

from pacdream.metric.episode_metric import EpisodeMetric, Estimate, ratio

AREA_HORIZON = 15
HALF = 0.5


def code_counts(predicted: Tensor, present: Tensor, target: Tensor) -> Tensor:
    """Counts (..., 5) over the positions of grids (..., h, w): all, right, changed, changed and right, claimed.

    A code has changed where ``target`` differs from ``present``; a change is claimed where ``predicted`` does.

    >>> present, target, predicted = torch.tensor([[[1, 2, 3]], [[1, 5, 6]], [[1, 5, 3]]])
    >>> code_counts(predicted, present, target)
    tensor([3, 2, 2, 1, 1])
    """
    right, changed = predicted == target, target != present
    counted = (torch.ones_like(right), right, changed, changed & right, predicted != present)
    return torch.stack([part.flatten(-2).sum(-1) for part in counted], -1)


def code_figures(counts: Tensor) -> dict[str, Estimate]:
    """Accuracy and changed-code precision, recall and F1 from counts (..., 5).

    A change that is claimed and right is a true positive, a claimed and wrong one a false positive, a missed or wrongly
    predicted one a false negative.

    >>> figures = code_figures(torch.tensor([35.0, 25.0, 12.0, 3.0, 4.0]))
    >>> [round(float(figures[f"changed_{name}"].value), 3) for name in ("precision", "recall", "f1")]
    [0.75, 0.25, 0.375]
    """
    total, right, changed, hits, claimed = counts.unbind(-1)
    return {
        "accuracy": ratio(right, total),
        "unchanged_accuracy": ratio(right - hits, total - changed),
        "changed_recall": ratio(hits, changed),
        "changed_precision": ratio(hits, claimed),
        "changed_f1": Estimate(ratio(2 * hits, changed + claimed).value, changed),
    }


def skill(accuracy: Tensor, copy_star: Tensor, ceiling: Tensor | float = 1.0) -> Tensor:
    """``(accuracy - copy*) / (ceiling - copy*)``: 0 copies, 1 reaches the ceiling, below 0 is worse than copying.

    NaN where the ceiling does not exceed copy*.

    >>> skill(torch.tensor(0.9), torch.tensor(0.8))  # half of what copying gets wrong is right
    tensor(0.5000)
    """
    room = ceiling - copy_star
    return torch.where(room > 0, (accuracy - copy_star) / room.clamp(min=1e-12), torch.nan)


class CodeScore(EpisodeMetric):
    """``code_figures`` for each of ``shape``, e.g. horizons."""

    def __init__(self, num_episodes: int, *shape: int) -> None:
        super().__init__(num_episodes, (*shape, 5))

    def update(self, predicted: Tensor, present: Tensor, target: Tensor, episode: Tensor) -> None:
        """Add grids (B, *shape, h, w) of the episodes (B,)."""
        self.add(code_counts(predicted, present, target), episode)

    def figures(self, sums: Tensor) -> dict[str, Estimate]:
        """See ``code_figures``."""
        return code_figures(sums)


class PositionScore(EpisodeMetric):
    """Accuracy of every position of the grid, of a prediction and of copying, and recall of its changes."""

    def __init__(self, num_episodes: int, grid_shape: tuple[int, int]) -> None:
        super().__init__(num_episodes, (*grid_shape, 5))

    def update(self, predicted: Tensor, present: Tensor, target: Tensor, episode: Tensor) -> None:
        """Add grids (B, h, w)."""
        cells = (grid[..., None, None] for grid in (predicted, present, target))
        self.add(code_counts(*cells), episode)

    def figures(self, sums: Tensor) -> dict[str, Estimate]:
        """Figures (..., h, w)."""
        figures = code_figures(sums)
        return {
            "accuracy": figures["accuracy"],
            "copy": ratio(sums[..., 0] - sums[..., 2], sums[..., 0]),
            "changed_recall": figures["changed_recall"],
        }


class SkillScore(EpisodeMetric):
    """Skill by horizon: 0 is what the best copier scores, 1 what the emulator itself can reach; see ``skill``."""

    def __init__(self, num_episodes: int, horizon: int) -> None:
        super().__init__(num_episodes, (horizon, 4))

    def update(self, predicted: Tensor, copied: Tensor, certain: Tensor, target: Tensor, episode: Tensor) -> None:
        """Add grids (B, T, h, w): the prediction, that of copy*, and what happened.

        ``certain`` (B, T, h, w) bool says where another real continuation agrees with what happened.
        """
        rows = [*(grid == target for grid in (target, predicted, copied)), certain.expand_as(target)]
        self.add(torch.stack([row.flatten(-2).sum(-1) for row in rows], -1), episode)

    def figures(self, sums: Tensor) -> dict[str, Estimate]:
        """Figures (..., T), and two over all horizons (...)."""
        total = sums[..., 0]
        accuracy, copy_star, ceiling = (ratio(row, total).value for row in sums[..., 1:].unbind(-1))
        by_horizon = skill(accuracy, copy_star, ceiling)
        unknown = by_horizon.isnan()
        later = (~unknown).flip(-1).cumsum(-1).flip(-1) > 0  # this horizon or a later one is known
        above = ((by_horizon >= HALF) | (unknown & later)).double()  # a horizon without skill decides nothing
        steps = torch.where(unknown.all(-1), torch.nan, above.cumprod(-1).sum(-1))
        return {
            "ceiling": Estimate(ceiling, total),
            "skill": Estimate(by_horizon, total),
            "skill_area": Estimate(by_horizon[..., :AREA_HORIZON].nanmean(-1), total[..., :AREA_HORIZON].sum(-1)),
            "steps_until_half_skill": Estimate(steps, total.sum(-1)),
        }

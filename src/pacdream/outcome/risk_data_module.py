"""Moments of recorded play, the actions that followed, and whether they ended with the player caught."""

import logging
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from pacdream.core.device import best_device
from pacdream.core.limits import Positive
from pacdream.data.batches import GatheredDataset, evenly, gathered_loader, place
from pacdream.data.latent_data_module import LatentDataModule
from pacdream.outcome.targets import targets_of

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RiskBatch:
    """B moments; what was done next is taken for a plan."""

    codes: Tensor
    """(B, before + 1, h, w) int64, up to the present."""
    actions: Tensor
    """(B, before) int64 between them."""
    plans: Tensor
    """(B, T) int64."""
    later: Tensor
    """(B, T, h, w) int64, what was seen after each step."""
    caught: Tensor
    """(B, T) bool: by the end of each step."""
    points: Tensor
    """(B, T) float, of each step."""

    def to(self, device: torch.device) -> "RiskBatch":
        """The same batch on a device."""
        return RiskBatch(*(getattr(self, part.name).to(device) for part in fields(self)))


class RiskDataModule(LatentDataModule):
    """Every recorded moment with the actions that followed.

    A game counts a life as lost long after a ghost has caught the player: who loses one within so many steps after a
    step of the plan has been caught by its end.
    """

    def __init__(
        self,
        before: Positive,
        horizon: Positive,
        lost_within: Positive,
        min_count: Positive,
        max_val_plans: Positive,
        **latents: Any,
    ) -> None:
        """Configure; nothing is read yet.

        Args:
            before: grids before the present one.
            horizon: steps of a plan, T.
            lost_within: steps within which a life is lost of a player who has been caught.
            min_count: numbers of points that occur less often in training count as the nearest that does not.
            max_val_plans: held-out plans that validation looks at, evenly spread.
            latents: see ``LatentDataModule``.

        Raises:
            ValueError: repeated windows are wanted.
        """
        super().__init__(**latents)
        self.refuse_repeats("plans are taken as they occur")
        self.before, self.horizon, self.lost_within = before, horizon, lost_within
        self.min_count, self.max_val_plans = min_count, max_val_plans

    def facts(self) -> dict[str, Any]:
        """What a network must know of data and tokenizer, in plain numbers; encodes what is not cached."""
        facts = super().facts()
        self.device = best_device()
        cache = self._open()
        split = self._split_of(cache)
        caught = targets_of(cache, self._counted_within()).lost
        frames = cache.window_starts(split.train or split.val, 1).long()
        points, counts = cache.rewards[frames].float().unique(return_counts=True)
        often = counts >= min(self.min_count, int(counts.max()))
        return {
            **facts,
            "before": self.before,
            "caught_rates": caught[frames].float().mean(0).tolist(),
            "points": points[often].tolist(),
            "base_rates": (counts[often] / counts[often].sum()).tolist(),
        }

    def setup(self, stage: str) -> None:
        """Open the cache, and look up what happened after each moment."""
        super().setup(stage)
        self.caught = targets_of(self.cache, self._counted_within()).lost.to(self.device)
        """(N, T) of all frames."""
        self.rewards = self.cache.rewards.float().to(self.device)
        room = self.before + self.horizon
        train, val = (
            self.cache.window_starts(episodes, room).long() + self.before
            for episodes in (self.split.train, self.split.val)
        )
        if stage == "fit" and not len(train):
            raise ValueError(f"no episode is longer than the {room} steps of data.before and data.horizon")
        self.train_steps, self.val_steps = evenly(train, self.limit), evenly(val, self.max_val_plans)
        log.info("%d plans to learn from and %d to validate with", len(self.train_steps), len(self.val_steps))

    def train_dataloader(self) -> DataLoader[RiskBatch]:  # type: ignore[override]
        """Shuffled plans."""
        return self.resumed(self._loader(self.train_steps, shuffle=True))

    def val_dataloader(self) -> DataLoader[RiskBatch]:  # type: ignore[override]
        """Held-out plans."""
        return self._loader(self.val_steps, shuffle=False)

    def _loader(self, steps: Tensor, shuffle: bool) -> DataLoader[RiskBatch]:
        dataset = GatheredDataset(len(steps), lambda i: self.batch(steps[i]))
        return gathered_loader(dataset, self.batch_size, shuffle, self.seed, *place(self.trainer))

    def batch(self, steps: Tensor) -> RiskBatch:
        """The plans that begin in these frames (B,)."""
        present = steps.to(self.device)[:, None]
        around = present + torch.arange(-self.before, self.horizon + 1, device=self.device)
        codes, actions = self.codes[around].long(), self.actions[around].long()
        seen = self.before + 1
        return RiskBatch(
            codes[:, :seen],
            actions[:, : seen - 1],
            actions[:, seen - 1 : -1],
            codes[:, seen:],
            self.caught[present[:, 0]],
            self.rewards[around[:, seen - 1 : -1]],
        )

    def _counted_within(self) -> list[int]:
        """Steps from the present within which a life is lost of who has been caught by the end of each step."""
        return [self.lost_within + step for step in range(self.horizon)]

"""Steps, real and imagined, with what they earned; rare outcomes more often than they occur."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from pacdream.core.limits import Natural, Positive
from pacdream.data.batches import GatheredDataset, evenly, gathered_loader, place
from pacdream.data.latent_data_module import LatentDataModule
from pacdream.outcome.batch import OutcomeBatch
from pacdream.outcome.dreams import Dreams
from pacdream.outcome.targets import Targets, class_of_points, targets_of

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Drawn:
    """What corrects for drawing M steps more often than they occur; see ``OutcomeBatch``."""

    weight: Tensor
    """(M,)."""
    points_weight: Tensor
    """(M,)."""
    points_shift: Tensor
    """(V,)."""

    def at(self, index: Tensor) -> "Drawn":
        """Of these steps."""
        return Drawn(self.weight[index], self.points_weight[index], self.points_shift)


class OutcomeDataModule(LatentDataModule):
    """Windows of grids around the steps of recorded episodes, and of a world model's dreams of the same actions."""

    def __init__(
        self,
        before: Natural,
        after: Natural,
        oversampling: float,
        max_val_steps: Positive,
        dreams: Dreams | None = None,
        lost_within: Sequence[int] = (1, 2, 3, 4),
        min_count: Positive = 1,
        points: Sequence[float] | None = None,
        **latents: Any,
    ) -> None:
        """Configure; nothing is read yet.

        Args:
            before: grids before the one that a step begins with.
            after: grids after the one that it leads to.
            oversampling: a step is drawn by the frequency of its points, times that of how soon a life is lost, both to
                the power of minus this: 0 draws all alike, 1 each number of points as often as any other.
            max_val_steps: held-out steps that validation looks at, evenly spread, of the game and of dreams each.
            dreams: imagined steps to learn from as well; none to learn from the game only.
            lost_within: numbers of steps within each of which the loss of a life is told, ascending; older runs have
                those four.
            min_count: numbers of points that occur less often in training count as the nearest that does not.
            points: numbers of points that are told apart, ascending, such as those of the weights that training begins
                with; none for those that occur often enough.
            latents: see ``LatentDataModule``.

        Raises:
            ValueError: the oversampling is not between 0 and 1, the numbers of steps do not ascend from 1, those of
                points do not ascend, or repeated windows are wanted as well.
        """
        super().__init__(**latents)
        if not 0 <= oversampling <= 1:
            raise ValueError(f"data.oversampling={oversampling} must lie in [0, 1]")
        if list(lost_within) != sorted({1, *lost_within}) or lost_within[0] < 1:
            raise ValueError(f"data.lost_within={list(lost_within)} must begin with 1 and ascend")
        self.refuse_repeats("data.oversampling shows an outcome network the rare steps")
        self.before, self.after, self.dreams = before, after, dreams
        self.oversampling, self.max_val_steps = oversampling, max_val_steps
        if points is not None and (len(points) < 2 or list(points) != sorted(set(points))):
            raise ValueError(f"data.points={list(points)} must ascend, and be two at least")
        self.lost_within, self.min_count = list(lost_within), min_count
        self.points = None if points is None else [float(value) for value in points]

    def facts(self) -> dict[str, Any]:
        """What a network must know of data and tokenizer, in plain numbers; encodes what is not cached."""
        facts = super().facts()
        cache = self._open()
        split = self._split_of(cache)
        train = targets_of(cache, self.lost_within).at(cache.window_starts(split.train or split.val, 1).long())
        values = self._values(train.points)
        counts = class_of_points(train.points, values).bincount(minlength=len(values))
        return {
            **facts,
            "before": self.before,
            "after": self.after,
            "points": values.tolist(),
            "base_rates": (counts / counts.sum()).tolist(),
            "lost_within": self.lost_within,
            "lost_rates": train.lost.float().mean(0).tolist(),
            "over_rate": float(train.over.float().mean()),
        }

    def _values(self, points: Tensor) -> Tensor:
        """Numbers of points (V,) that are told apart, among those (M,) that steps earned."""
        if self.points is not None:
            return torch.tensor(self.points)
        values, counts = points.unique(return_counts=True)
        return values[counts >= min(self.min_count, int(counts.max()))]

    def identities(self) -> dict[str, str]:
        """Hashes of what the codes are made from, and of the world model that dreams."""
        dreamt = {"world_model": self.dreams.identity} if self.dreams else {}
        return {**super().identities(), **dreamt}

    def setup(self, stage: str) -> None:
        """Open the cache; to train, dream, lay real and imagined grids one after the other, and draw the steps."""
        super().setup(stage)
        if stage != "fit":
            return
        self.targets, self.first_imagined = targets_of(self.cache, self.lost_within), len(self.codes)
        train, val = self._steps(self.split.train), self._steps(self.split.val)
        dreamt = val[:0]
        if self.dreams is not None:
            train = torch.cat([train, self._dream(self.dreams, self.split.train, self.dreams.count)])
            dreamt = self._dream(self.dreams, self.split.val, self.dreams.val_count)
        self.train_steps, self.drawn = self._draw(evenly(train, self.limit))
        self.val_steps = (evenly(val, self.max_val_steps), evenly(dreamt, self.max_val_steps))
        log.info(
            "%d steps to learn from, drawn from %d of which %d are imagined; %d and %d to validate with",
            len(self.train_steps), len(train), int((train >= self.first_imagined).sum()), *map(len, self.val_steps),
        )  # fmt: skip

    def train_dataloader(self) -> DataLoader[OutcomeBatch]:  # type: ignore[override]
        """Shuffled steps."""
        return self.resumed(self._loader(self.train_steps, self.drawn, shuffle=True))

    def val_dataloader(self) -> list[DataLoader[OutcomeBatch]]:  # type: ignore[override]
        """Held-out steps of the game, then of dreams, as often as they occur."""
        return [self._loader(steps, None, shuffle=False) for steps in self.val_steps if len(steps)]

    def _loader(self, steps: Tensor, drawn: Drawn | None, shuffle: bool) -> DataLoader[OutcomeBatch]:
        dataset = GatheredDataset(len(steps), lambda i: self.batch(steps[i], drawn and drawn.at(i)))
        size = self.batch_size if shuffle else self.val_batch_size
        return gathered_loader(dataset, size, shuffle, self.seed, *place(self.trainer))

    def batch(self, steps: Tensor, drawn: Drawn | None = None) -> OutcomeBatch:
        """The steps that begin with these frames (B,), all of the game or not; as often as they occur, or drawn."""
        device = self.codes.device
        around = steps[:, None] + torch.arange(-self.before, 2 + self.after)
        targets = self.targets.at(steps)
        return OutcomeBatch(
            self.codes[around.to(device)].long(),
            self.actions[steps.to(device)].long(),
            targets.points.to(device),
            targets.lost.to(device),
            targets.over.to(device),
            torch.ones(len(steps), device=device) if drawn is None else drawn.weight.to(device),
            torch.ones(len(steps), device=device) if drawn is None else drawn.points_weight.to(device),
            torch.zeros((), device=device) if drawn is None else drawn.points_shift.to(device),
            imagined=bool((steps >= self.first_imagined).all()),
        )

    def _steps(self, episodes: tuple[int, ...]) -> Tensor:
        """Frames (M,) int64 with which a step of these episodes begins that has all its grids."""
        return self.cache.window_starts(episodes, self.before + 1 + self.after).long() + self.before

    def _dream(self, dreams: Dreams, episodes: tuple[int, ...], count: int) -> Tensor:
        """Append dreams to the frames, and return those (M,) with which an imagined step begins."""
        first = len(self.codes)
        codes, frames = dreams.of(self, episodes, count, self.before + 1)
        self.codes = torch.cat([self.codes, codes.flatten(0, 1).to(self.codes.dtype)])
        flat = frames.flatten()
        self.actions = torch.cat([self.actions, self.actions[flat.to(self.actions.device)]])
        self.targets = Targets.joined(self.targets, self.targets.at(flat))
        begin = torch.arange(self.before, codes.shape[1] - 1 - self.after)
        return (first + torch.arange(len(codes))[:, None] * codes.shape[1] + begin).flatten()

    def _draw(self, steps: Tensor) -> tuple[Tensor, Drawn]:
        """As many steps (M,), drawn with replacement by the rarity of their outcome, and what corrects for that."""
        real = self.cache.window_starts(self.split.train, 1).long()
        targets, values = self.targets.at(steps), self._values(self.targets.points[real])  # those of ``facts``
        points, lost = class_of_points(targets.points, values), targets.lost.sum(1)  # the sooner, the more
        of_points, of_lost = self._rarity(points, len(values)), self._rarity(lost, len(self.lost_within) + 1)
        rarity = of_points[points] * of_lost[lost]
        generator = torch.Generator().manual_seed(self.seed)
        # Not torch.multinomial, which refuses more than 2^24 steps.
        reached = torch.rand(len(steps), generator=generator, dtype=torch.double) * rarity.sum()
        drawn = torch.searchsorted(rarity.cumsum(0), reached).clamp(max=len(steps) - 1)
        unlost = 1 / of_lost[lost[drawn]]
        weights = (rarity.mean() / rarity[drawn]).float(), (unlost / unlost.mean()).float()
        return steps[drawn], Drawn(*weights, of_points.log().float())

    def _rarity(self, outcomes: Tensor, count: int) -> Tensor:
        """How much more often than it occurs each of ``count`` outcomes is drawn, (count,), of outcomes (M,)."""
        frequency = outcomes.bincount(minlength=count).clamp(min=1).double() / len(outcomes)
        return frequency**-self.oversampling

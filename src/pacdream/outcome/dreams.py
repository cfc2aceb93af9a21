"""Dreams of recorded actions: what was really earned is known for them too."""

import logging

import torch
from rich.progress import track
from torch import Tensor

from pacdream.core.checkpoints import weights_sha256
from pacdream.core.limits import Positive
from pacdream.data.batches import evenly
from pacdream.data.latent_data_module import LatentDataModule
from pacdream.rollout.frozen import load_world_model
from pacdream.rollout.imagine import imagine
from pacdream.rollout.precision import autocast
from pacdream.rollout.sampler import Sampler

log = logging.getLogger(__name__)


class Dreams:
    """Imagines recorded actions from evenly spread moments of the training or of the held-out episodes."""

    def __init__(
        self,
        checkpoint: str,
        sampler: Sampler,
        count: Positive,
        val_count: Positive,
        horizon: Positive,
        context: Positive,
        batch_size: Positive,
        precision: str = "32-true",
    ) -> None:
        """Configure.

        Args:
            checkpoint: of a world model behind the tokenizer of the data; see ``load_world_model``.
            sampler: makes codes of its logits.
            count: dreams of the training episodes.
            val_count: dreams of the held-out ones.
            horizon: imagined steps, T.
            context: real grids before them.
            batch_size: dreams at once.
            precision: of the dreams, see ``rollout.precision``.

        Raises:
            ValueError: the precision is unknown.
        """
        autocast(torch.device("cpu"), precision)
        self.world_model, self.origin = load_world_model(checkpoint)
        self.checkpoint, self.sampler = checkpoint, sampler
        self.count, self.val_count, self.horizon = count, val_count, horizon
        self.context, self.batch_size, self.precision = context, batch_size, precision

    def of(self, data: LatentDataModule, episodes: tuple[int, ...], count: int, seen: int) -> tuple[Tensor, Tensor]:
        """Dreams that begin at ``count`` frames of these episodes.

        Args:
            data: set up.
            episodes: their numbers.
            count: dreams, or as many as there are moments.
            seen: real grids to keep before the imagined ones.

        Returns:
            Grids (D, seen + T, h, w) and the frames (D, seen + T) whose place they take.

        Raises:
            ValueError: the world model is of another tokenizer or game, or no episode is long enough.
        """
        self.check_fit(data)
        before = max(self.context, seen)
        starts = evenly(data.cache.window_starts(episodes, before - 1 + self.horizon), count).long()
        if not len(starts):
            raise ValueError(f"no episode is longer than {before - 1 + self.horizon} steps: choose a shorter horizon")
        frames = starts[:, None] + torch.arange(before + self.horizon)
        device = data.codes.device
        dreamt: list[Tensor] = []
        for part in track(frames.split(self.batch_size), "dreaming"):
            codes, actions = data.codes[part[:, :before].to(device)], data.actions[part[:, :-1].to(device)]
            recorded = codes[:, -self.context :].long(), actions[:, before - self.context :].long()
            dreamt.append(self.imagine(*recorded, first=sum(len(some) for some in dreamt)))
        real = data.codes[frames[:, before - seen : before].to(device)].long()
        log.info("%d dreams of %d steps", len(frames), self.horizon)
        return torch.cat([real, torch.cat(dreamt)], 1), frames[:, before - seen :]

    def imagine(self, context: Tensor, actions: Tensor, first: int) -> Tensor:
        """Grids (B, T, h, w) that follow real ones (B, C, h, w) with actions (B, C - 1 + T).

        ``first`` is the number of the first of these dreams, which decides with the sampler's seed what each draws.
        """
        model, rows = self.world_model.to(context.device), range(first, first + len(context))
        with autocast(context.device, self.precision):
            return imagine(model, context, actions, self.sampler, rows=rows).codes

    @property
    def identity(self) -> str:
        """Hash of the world model."""
        return weights_sha256(self.world_model)

    def check_fit(self, data: LatentDataModule) -> None:
        """Refuse a world model of other codes than those of ``data``, or one that knows the held-out episodes.

        Raises:
            ValueError: says what differs.
        """
        model, tokenizer = self.world_model, data.tokenizer
        what = f"data.dreams.checkpoint={self.checkpoint}"
        if (tuple(model.grid_shape), model.codebook_size) != (tuple(tokenizer.grid_shape), tokenizer.codebook_size):
            raise ValueError(
                f"{what} has a grid of {tuple(model.grid_shape)} with {model.codebook_size} codes, the tokenizer one "
                f"of {tuple(tokenizer.grid_shape)} with {tokenizer.codebook_size}: choose a world model that was "
                "trained behind this tokenizer, or none (data.dreams=null)"
            )
        here = data.identities()["tokenizer"]
        if (trained := self.origin.identities.get("tokenizer", here)) != here:
            raise ValueError(
                f"{what} was trained behind another tokenizer ({trained[:12]}…) than the one here ({here[:12]}…)"
            )
        if seen := self.origin.seen(data.origin.val):
            raise ValueError(
                f"{what} was trained on {seen} of the episodes that are held out here: its dreams of them would be too "
                "good; choose the data.val_fraction and data.split_seed that it was trained with"
            )

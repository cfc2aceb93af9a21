"""Dreams of recorded actions: what was really earned is known for them too."""

import logging

import torch
from rich.progress import track
from torch import Tensor

from pacdream.core.limits import Positive
from pacdream.data.batches import evenly
from pacdream.data.latent_data_module import LatentDataModule
from pacdream.rollout.imagine import imagine
from pacdream.rollout.sampler import Sampler
from pacdream.world_model.base import WorldModel

log = logging.getLogger(__name__)


class Dreams:
    """Imagines recorded actions from evenly spread moments of the training or of the held-out episodes."""

    def __init__(
        self,
        world_model: WorldModel,
        sampler: Sampler,
        count: Positive,
        val_count: Positive,
        horizon: Positive,
        context: Positive,
        batch_size: Positive,
    ) -> None:
        """Configure.

        Args:
            world_model: behind the tokenizer of the data.
            sampler: makes codes of its logits.
            count: dreams of the training episodes.
            val_count: dreams of the held-out ones.
            horizon: imagined steps, T.
            context: real grids before them.
            batch_size: dreams at once.
        """
        self.world_model, self.sampler = world_model, sampler
        self.count, self.val_count, self.horizon = count, val_count, horizon
        self.context, self.batch_size = context, batch_size

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
        model, before = self.world_model, max(self.context, seen)
        for what, of_model, of_data in (
            ("grid", model.grid_shape, data.tokenizer.grid_shape),
            ("codebook", model.codebook_size, data.tokenizer.codebook_size),
        ):
            if of_model != of_data:
                raise ValueError(
                    f"dreams: the world model has a {what} of {of_model}, the tokenizer one of {of_data}: choose a "
                    "world model that was trained behind this tokenizer (data.dreams.world_model.checkpoint=<file>)"
                )
        starts = evenly(data.cache.window_starts(episodes, before - 1 + self.horizon), count).long()
        if not len(starts):
            raise ValueError(f"no episode is longer than {before - 1 + self.horizon} steps: choose a shorter horizon")
        device = data.codes.device
        model = model.to(device)
        frames = starts[:, None] + torch.arange(before + self.horizon)
        dreamt = []
        for part in track(frames.split(self.batch_size), "dreaming"):
            codes, actions = (
                data.codes[part[:, :before].to(device)].long(),
                data.actions[part[:, :-1].to(device)].long(),
            )
            dreamt.append(imagine(model, codes[:, -self.context :], actions[:, before - self.context :], self.sampler))
        real = data.codes[frames[:, before - seen : before].to(device)].long()
        log.info("%d dreams of %d steps", len(frames), self.horizon)
        return torch.cat([real, torch.cat([d.codes for d in dreamt])], 1), frames[:, before - seen :]

"""Spans of recorded play with the points earned in them."""

import logging
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from pacdream.core.limits import Natural, Positive
from pacdream.data.batches import GatheredDataset, evenly, gathered_loader, place
from pacdream.data.latent_data_module import LatentDataModule
from pacdream.types import Batch

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class SpanBatch(Batch):
    """B spans, the grids around their ends and what they really earned."""

    codes: Tensor
    """(B, G, h, w) int64."""
    spans: Tensor
    """(B,) int64, steps."""
    points: Tensor
    """(B,) float."""


class SpanDataModule(LatentDataModule):
    """A span of random length from each recorded step that has room for the longest."""

    def __init__(
        self, before: Natural, after: Natural, max_span: Positive, max_val_spans: Positive, **latents: Any
    ) -> None:
        """Configure; nothing is read yet.

        Args:
            before: grids before the first moment of a span.
            after: grids after the second.
            max_span: longest span, in steps.
            max_val_spans: held-out spans that validation looks at, evenly spread.
            latents: see ``LatentDataModule``.

        Raises:
            ValueError: repeated windows are wanted.
        """
        super().__init__(**latents)
        self.refuse_repeats("spans are drawn as they occur")
        self.before, self.after, self.max_span, self.max_val_spans = before, after, max_span, max_val_spans

    def facts(self) -> dict[str, Any]:
        """What a network must know of data and tokenizer, in plain numbers; encodes what is not cached."""
        facts = super().facts()
        del facts["num_actions"]
        rewards = self._open().rewards
        unit = float(rewards[rewards > 0].min()) if (rewards > 0).any() else 1.0
        return {**facts, "unit": unit, "before": self.before, "after": self.after, "max_span": self.max_span}

    def setup(self, stage: str) -> None:
        """Open the cache, and draw the length of each span."""
        super().setup(stage)
        self.earned = torch.cat([torch.zeros(1, dtype=torch.double), self.cache.rewards.double().cumsum(0)])
        """Points earned before each frame, of all episodes on end."""
        room = self.before + self.max_span + self.after
        self.spans = torch.randint(
            1, self.max_span + 1, (len(self.codes),), generator=torch.Generator().manual_seed(self.seed)
        )
        train, val = (
            self.cache.window_starts(episodes, room).long() + self.before
            for episodes in (self.split.train, self.split.val)
        )
        if stage == "fit" and not len(train):
            raise ValueError(f"no episode is longer than the {room} steps of data.max_span={self.max_span} need")
        self.train_steps, self.val_steps = evenly(train, self.limit), evenly(val, self.max_val_spans)
        log.info("%d spans to learn from and %d to validate with", len(self.train_steps), len(self.val_steps))

    def train_dataloader(self) -> DataLoader[SpanBatch]:  # type: ignore[override]
        """Shuffled spans."""
        return self.resumed(self._loader(self.train_steps, shuffle=True))

    def val_dataloader(self) -> DataLoader[SpanBatch]:  # type: ignore[override]
        """Held-out spans."""
        return self._loader(self.val_steps, shuffle=False)

    def _loader(self, steps: Tensor, shuffle: bool) -> DataLoader[SpanBatch]:
        dataset = GatheredDataset(len(steps), lambda i: self.batch(steps[i]))
        size = self.batch_size if shuffle else self.val_batch_size
        return gathered_loader(dataset, size, shuffle, self.seed, *place(self.trainer))

    def batch(self, steps: Tensor) -> SpanBatch:
        """The spans that begin with these frames (B,)."""
        device, spans = self.codes.device, self.spans[steps]
        begin = steps[:, None] + torch.arange(-self.before, 1)
        end = (steps + spans)[:, None] + torch.arange(1 + self.after)
        return SpanBatch(
            self.codes[torch.cat([begin, end], 1).to(device)].long(),
            spans.to(device),
            (self.earned[steps + spans] - self.earned[steps]).float().to(device),
        )

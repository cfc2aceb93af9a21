"""Frames of games that are being played, read into codes as they come."""

import torch
from torch import Tensor

from pacdream.tokenizer.base import Tokenizer


class FrameReader:
    """Keeps the frames before, which a tokenizer of pairs needs; the first of a game stands for those before it."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        """``tokenizer``: frozen."""
        self.tokenizer = tokenizer
        self.last: Tensor | None = None
        """(B, H, W) uint8, the frames that were read last; none before the first."""

    @torch.inference_mode()
    def read(self, frames: Tensor) -> Tensor:
        """Codes (B, h, w) int64 of the next frames (B, H, W) uint8."""
        frames = frames.to(self.tokenizer.palette_indices.device)
        past, self.last = (frames if self.last is None else self.last), frames
        return self.tokenizer.encode(torch.stack([past, frames][-self.tokenizer.num_frames :], 1))

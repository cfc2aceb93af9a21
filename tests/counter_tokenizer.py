"""A tokenizer without weights that writes what it reads into the codes."""

import torch
from torch import Tensor

from pacdream.tokenizer.base import Tokenizer
from pacdream.types import TokenizerOutput


class CounterTokenizer(Tokenizer):
    """Grid (2, 2) for the frames of ``CounterEnv``: previous step, step, previous last action + 1, last action + 1."""

    def __init__(self) -> None:
        super().__init__()
        self.grid_shape, self.codebook_size, self.num_frames, self.frame_shape = (2, 2), 64, 2, (64, 64)
        self.recipe = {"_target_": "tests.CounterTokenizer"}
        self.register_buffer("palette_indices", torch.arange(0, 256, 2, dtype=torch.uint8))
        self.register_buffer("class_of_index", (torch.arange(256) // 2).to(torch.uint8))

    def encode(self, frames: Tensor) -> Tensor:
        top, bottom = frames[:, :, 0, 0].long() // 2, frames[:, :, -1, 0].long() // 2
        return torch.stack([top, bottom], 1)

    def forward(self, frames: Tensor) -> TokenizerOutput:
        raise NotImplementedError

    def code_features(self) -> Tensor:
        raise NotImplementedError

    def decode_logits(self, codes: Tensor) -> Tensor:
        raise NotImplementedError

    def fold(self, frames: Tensor, padding: int) -> Tensor:
        raise NotImplementedError

    def unfold(self, folded: Tensor) -> Tensor:
        raise NotImplementedError

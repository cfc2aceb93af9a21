"""Made-up data for the baseline, of the shape that the real ones have."""

from typing import Any

import numpy as np
import torch
from omegaconf import DictConfig
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from pacdream.core.instantiate import build
from pacdream.data.batches import GatheredDataset, gathered_loader
from pacdream.types import LatentBatch


def world_model_facts(config: DictConfig) -> dict[str, Any]:
    """What a world model must know of tokenizer and game, in plain numbers."""
    tokenizer, env = build(config.tokenizer), build(config.env)
    return {
        "grid_shape": list(tokenizer.grid_shape),
        "codebook_size": tokenizer.codebook_size,
        "num_actions": env.num_actions,
    }


class Windows(Dataset[tuple[Tensor, Tensor]]):
    """Random triplets, as they lie in a latent cache: codes and actions of a byte each, if there are so few."""

    def __init__(self, steps: int, facts: dict[str, Any], device: torch.device) -> None:
        """``steps`` windows of two grids, for a world model with these ``facts``."""
        self.codes = _draw(facts["codebook_size"], (steps + 1, *facts["grid_shape"]), device)
        self.actions = _draw(facts["num_actions"], (steps,), device)

    def gather(self, index: Tensor) -> LatentBatch:
        """The windows (B,) that begin at these steps."""
        index = index.to(self.codes.device)
        codes = torch.stack([self.codes[index], self.codes[index + 1]], 1)
        return LatentBatch(codes.long(), self.actions[index][:, None].long())

    def loader(self, batch_size: int) -> DataLoader[LatentBatch]:
        """What the data modules serve batches with."""
        return gathered_loader(GatheredDataset(len(self), self.gather), batch_size, shuffle=True, seed=0)

    def __len__(self) -> int:
        """Number of windows."""
        return len(self.actions)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        """One window, for the naive way."""
        return self.codes[index : index + 2].long(), self.actions[index : index + 1].long()


def _draw(count: int, shape: tuple[int, ...], device: torch.device) -> Tensor:
    """Numbers below ``count`` in the smallest type that holds them."""
    drawn = np.random.default_rng(0).integers(count, size=shape, dtype=np.min_scalar_type(count - 1))
    return torch.from_numpy(drawn).to(device)

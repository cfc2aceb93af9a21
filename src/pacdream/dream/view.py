"""How a dream is seen: as codes or as frames, and as a picture."""

from typing import Any, Literal

import gymnasium as gym
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pacdream.tokenizer.base import Tokenizer

Observation = Literal["codes", "frame"]


class View:
    """Observations and pictures of code grids."""

    def __init__(self, tokenizer: Tokenizer, rgb: NDArray[np.uint8], observation: Observation) -> None:
        """``rgb`` (256, 3) of palette indices.

        Raises:
            ValueError: an unknown kind of observation.
        """
        if observation not in ("codes", "frame"):
            raise ValueError(f"obs={observation!r} is unknown: choose codes or frame")
        self._tokenizer, self._rgb, self.observation = tokenizer, rgb, observation

    def space(self) -> gym.Space[Any]:
        """Of one dream: flat codes in row-major order, or frames (H, W, 3)."""
        height, width = self._tokenizer.grid_shape
        if self.observation == "codes":
            return gym.spaces.MultiDiscrete([self._tokenizer.codebook_size] * (height * width))
        return gym.spaces.Box(0, 255, (*self._tokenizer.frame_shape, 3), np.uint8)

    def observe(self, codes: Tensor) -> NDArray[Any]:
        """Observations (B, ...) of grids (B, h, w), nobody else's memory."""
        if self.observation == "codes":
            return codes.flatten(1).cpu().numpy().copy()
        return self.pictures(codes)

    @torch.inference_mode()
    def pictures(self, codes: Tensor) -> NDArray[np.uint8]:
        """RGB (B, H, W, 3) of grids (B, h, w)."""
        parts = codes.to(self._tokenizer.palette_indices.device).split(16)
        return np.concatenate([self._rgb[self._tokenizer.decode(part).cpu().numpy()] for part in parts])

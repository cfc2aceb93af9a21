"""What the rest of the project asks of a tokenizer."""

from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Tensor, nn

from pacdream.tokenizer.crop import Crop
from pacdream.types import TokenizerOutput


class Tokenizer(nn.Module, ABC):
    """Turns frames into a grid of discrete codes and back.

    Frames are palette indices (uint8). The facts about the data that a tokenizer was built for travel with it.
    """

    grid_shape: tuple[int, int]
    """(h, w): rows and columns of the code grid of an upright frame."""
    codebook_size: int
    """K: codes lie in [0, K)."""
    num_frames: int
    """F: frames that are read into one grid, the last being the one that is reconstructed."""
    frame_shape: tuple[int, int]
    """(H, W) in pixels."""
    recipe: dict[str, Any]
    """Plain numbers and strings that rebuild this module; set by ``pacdream.core.checkpoints``."""
    palette_indices: Tensor
    """(C,) uint8 buffer: the palette index of each class, ascending."""
    class_counts: Tensor
    """(C,) int64 buffer: pixels of each class in all recorded frames."""
    class_weights: Tensor
    """(C,) float buffer: weight of each class in the loss. Sprites are one pixel in a hundred and would vanish."""
    decode_bias: Tensor
    """(C,) float buffer: added to the logits before a frame is decoded."""
    class_of_index: Tensor
    """(256,) uint8 buffer: the class of each palette index; an index never seen has that of the nearest colour."""

    @abstractmethod
    def forward(self, frames: Tensor, crop: Crop | None = None) -> TokenizerOutput:
        """Training pass on ``frames`` (B, F, H, W) uint8, or on a crop of each."""

    def draw_crop(self, frames: Tensor, size: tuple[int, int]) -> Crop:
        """A crop of ``size`` cells of each of ``frames`` (B, F, H, W), where there is most to learn.

        Raises:
            ValueError: this tokenizer learns from whole frames only.
        """
        raise ValueError(f"module.crop={list(size)}: a {type(self).__name__} learns from whole frames only")

    @abstractmethod
    def encode(self, frames: Tensor) -> Tensor:
        """Codes (B, h, w) int64 of ``frames`` (B, F, H, W) uint8."""

    @abstractmethod
    def decode_logits(self, codes: Tensor) -> Tensor:
        """Logits (B, C, H, W) of each palette class for ``codes`` (B, h, w)."""

    @abstractmethod
    def code_features(self) -> Tensor:
        """What each code stands for: (K, D) vectors, alike where codes look alike."""

    @abstractmethod
    def fold(self, frames: Tensor, padding: int, crop: Crop | None = None) -> Tensor:
        """Palette classes of ``frames`` (B, F, H, W) in the order of the training logits' pixels, (B, F, P, ...) uint8.

        Pixels outside the frame get the class ``padding``.
        """

    @abstractmethod
    def unfold(self, folded: Tensor) -> Tensor:
        """(B, ..., H, W) of (B, ..., P, h', w'): the inverse of ``fold``'s order, without the padding."""

    def decode(self, codes: Tensor) -> Tensor:
        """Frame (B, H, W) uint8 of palette indices for ``codes`` (B, h, w)."""
        return self.palette_indices[self.most_likely(self.decode_logits(codes))]

    def most_likely(self, logits: Tensor) -> Tensor:
        """Class (B, ...) of training logits (B, C, ...), with the loss's preference for rare classes partly undone.

        A weighted loss makes logits that see a sprite wherever one is not unlikely (Menon et al., "Long-tail learning
        via logit adjustment", 2021).
        """
        # Not argmax, which takes three times as long on a CPU over an axis that is not the last.
        return (logits + self.decode_bias.view(-1, *[1] * (logits.ndim - 2))).max(1).indices

    def _register_palette(self, palette: list[str], colour_counts: dict[str, int]) -> None:
        """Set the palette buffers from 256 hexadecimal colours and the pixel counts of those that occur."""
        counts = sorted((int(index), count) for index, count in colour_counts.items())
        rgb = torch.tensor([list(bytes.fromhex(colour)) for colour in palette], dtype=torch.float32)
        indices = torch.tensor([index for index, _ in counts])
        self.register_buffer("palette_indices", indices.to(torch.uint8))
        self.register_buffer("class_counts", torch.tensor([count for _, count in counts]))
        self.register_buffer("class_of_index", torch.cdist(rgb, rgb[indices]).argmin(1).to(torch.uint8))

    def _register_weights(self, power: float, min_frequency: float, decode_shift: float) -> None:
        """Set the loss weights of the classes, of mean 1 over pixels, and what decoding takes back of them."""
        frequency = self.class_counts / self.class_counts.sum()
        weights = frequency.clamp(min=min_frequency) ** -power
        # Not stored: they follow from the recipe.
        self.register_buffer("class_weights", weights / (weights * frequency).sum(), persistent=False)
        self.register_buffer("decode_bias", -decode_shift * self.class_weights.log(), persistent=False)

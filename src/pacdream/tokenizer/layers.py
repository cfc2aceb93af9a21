"""What the VQ-VAE is made of."""

from itertools import pairwise

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from pacdream.tokenizer.crop import Crop


class Encoder(nn.Module):
    """Folded palette classes (B, F, P, h', w') to features (B, D, h, w)."""

    pixel_features: Tensor

    def __init__(
        self,
        num_classes: int,
        pixel_dim: int,
        num_frames: int,
        patch_size: int,
        widths: list[int],
        num_blocks: list[int],
        grid: tuple[int, int],
        local: bool,
    ) -> None:
        super().__init__()
        # Drawn once and never trained: the gradient of a lookup of every pixel costs more than it brings.
        self.register_buffer("pixel_features", torch.randn(num_classes, pixel_dim))
        self.patch = nn.Linear(num_frames * patch_size**2 * pixel_dim, widths[0])
        self.position = nn.Parameter(0.02 * torch.randn(widths[0], *grid))
        self.rows = grid[0] // 2 ** (len(widths) - 1)
        kernel = 1 if local else 3
        levels: list[nn.Module] = [residual_blocks(widths[0], num_blocks[0], kernel, local)]
        for narrow, wide, blocks in zip(widths, widths[1:], num_blocks[1:], strict=False):
            levels += [_norm(narrow, local), nn.ReLU(), nn.Conv2d(narrow, wide, 2, stride=2)]
            levels += [residual_blocks(wide, blocks, kernel, local)]
        self.levels = nn.Sequential(*levels)

    def forward(self, classes: Tensor, crop: Crop | None) -> Tensor:
        """Look up the features of all pixels of a patch and convolve down."""
        # Folded as small integers and looked up last: the features are written once, in the order they are read.
        pixels = F.embedding(rearrange(classes, "B F P h w -> B h w (F P)").int(), self.pixel_features)
        patches = self.patch(rearrange(pixels, "B h w P E -> B h w (P E)"))
        position = self.position if crop is None else crop.of(self.position, self.position.shape[1] // self.rows)
        return self.levels(rearrange(patches, "B h w D -> B D h w") + position)


class Decoder(nn.Module):
    """Features (B, D, h, w) to folded class logits (B, C, P, h', w').

    Learned positions are added at every scale: they draw the maze, so that the codes need not.
    """

    def __init__(
        self,
        num_classes: int,
        patch_size: int,
        widths: list[int],
        num_blocks: list[int],
        grids: list[tuple[int, int]],
        local: bool,
    ) -> None:
        super().__init__()
        self.positions = nn.ParameterList(
            0.02 * torch.randn(width, *grid) for width, grid in zip(widths, grids, strict=True)
        )
        self.blocks = nn.ModuleList(
            residual_blocks(width, blocks, 3, local) for width, blocks in zip(widths, num_blocks, strict=True)
        )
        self.up = nn.ModuleList(nn.ConvTranspose2d(wide, narrow, 2, stride=2) for narrow, wide in pairwise(widths))
        self.head = nn.Conv2d(widths[0], num_classes * patch_size**2, 1)
        self.num_classes = num_classes

    def forward(self, features: Tensor, crop: Crop | None) -> Tensor:
        """Convolve up, level by level."""
        x = _channels_last(features)
        for level in reversed(range(len(self.blocks))):
            position, scale = self.positions[level], 2 ** (len(self.blocks) - 1 - level)
            x = self.blocks[level](x + (position if crop is None else crop.of(position, scale)))
            if level:
                x = self.up[level - 1](x)
        return rearrange(self.head(x), "B (C P) h w -> B C P h w", C=self.num_classes)


class ResidualBlock(nn.Module):
    """Two convolutions around a skip connection."""

    def __init__(self, width: int, kernel: int, local: bool) -> None:
        """``local``: normalise each position by itself, so that nothing is known of the others."""
        super().__init__()
        self.layers = nn.Sequential(
            _norm(width, local),
            nn.ReLU(),
            nn.Conv2d(width, width, kernel, padding=kernel // 2),
            _norm(width, local),
            nn.ReLU(),
            nn.Conv2d(width, width, kernel, padding=kernel // 2),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, D, H, W) to the same shape."""
        return x + self.layers(x)


class GridTransformer(nn.Module):
    """Learned positions and self-attention over all cells of the grid: (B, h*w, D) to the same shape."""

    def __init__(self, dim: int, grid_shape: tuple[int, int], num_layers: int, num_heads: int) -> None:
        super().__init__()
        self.position = nn.Parameter(0.02 * torch.randn(grid_shape[0] * grid_shape[1], dim))
        self.rows = grid_shape[0]
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(
                dim, num_heads, 4 * dim, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
            )
            for _ in range(num_layers)
        )

    def forward(self, grid: Tensor, crop: Crop | None) -> Tensor:
        """Let every cell see every other, of the whole grid or of a crop."""
        if crop is None:
            grid = grid + self.position
        else:
            position = rearrange(self.position, "(h w) D -> D h w", h=self.rows)
            grid = grid + rearrange(crop.of(position, 1), "B D h w -> B (h w) D")
        for layer in self.layers:
            grid = layer(grid)
        return grid


class PositionNorm(nn.LayerNorm):
    """Layer normalisation over the channels of each position of (B, D, H, W)."""

    def forward(self, x: Tensor) -> Tensor:
        """The same shape."""
        return super().forward(x.movedim(1, -1)).movedim(-1, 1)


def residual_blocks(width: int, num_blocks: int, kernel: int, local: bool) -> nn.Sequential:
    """``num_blocks`` residual blocks in a row."""
    return nn.Sequential(*(ResidualBlock(width, kernel, local) for _ in range(num_blocks)))


def _norm(width: int, local: bool) -> nn.Module:
    return PositionNorm(width) if local else nn.GroupNorm(8, width)


def _channels_last(x: Tensor) -> Tensor:
    """Same values, laid out for the convolutions that are fast on CPUs and tensor cores."""
    return x.contiguous(memory_format=torch.channels_last)

"""VQ-VAE: a pair of frames becomes a grid of codes, the codes alone become a frame.

Source: van den Oord et al., "Neural Discrete Representation Learning", 2017, with learned positions on both sides
of the quantizer, so that one code may mean different things at different places: 35 codes would hold
too little otherwise.
"""

from collections.abc import Callable
from itertools import pairwise

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from pacdream.tokenizer.base import Tokenizer
from pacdream.tokenizer.quantizer import Quantizer
from pacdream.types import TokenizerOutput


class VQVAE(Tokenizer):
    """Convolutional encoder and decoder around attention over the code grid and a vector quantizer.

    Pixels are palette classes, given random features and folded into patches; each further width halves the grid.
    """

    def __init__(
        self,
        frame_shape: tuple[int, int],
        palette: list[str],
        colour_counts: dict[str, int],
        num_frames: int,
        patch_size: int,
        widths: list[int],
        encoder_blocks: list[int],
        decoder_blocks: list[int],
        num_attention_layers: int,
        num_heads: int,
        pixel_dim: int,
        class_weight_power: float,
        min_class_frequency: float,
        decode_shift: float,
        quantizer: Callable[..., Quantizer],
    ) -> None:
        """Build the network.

        Args:
            frame_shape: (H, W) pixels; padded with empty rows and columns to a multiple of the total stride.
            palette: 256 RGB colours in hexadecimal.
            colour_counts: pixels of each palette index in the training data; only these indices are told apart.
            num_frames: frames read into one grid, 1 or 2.
            patch_size: pixels folded into channels before the first convolution.
            widths: channels of each level; the last is that of the code grid.
            encoder_blocks: residual blocks of each level of the encoder.
            decoder_blocks: residual blocks of each level of the decoder.
            num_attention_layers: transformer layers over the grid on each side of the quantizer.
            num_heads: attention heads.
            pixel_dim: fixed random features of a pixel's class.
            class_weight_power: a class weighs its frequency to the power of minus this in the loss.
            min_class_frequency: frequencies below count as this.
            decode_shift: share of the log weights taken off the logits again when a frame is decoded.
            quantizer: called with ``dim``; see ``pacdream.tokenizer.quantizer``.
        """
        super().__init__()
        if not len(widths) == len(encoder_blocks) == len(decoder_blocks):
            raise ValueError(
                f"tokenizer.widths={widths}, encoder_blocks={encoder_blocks} and decoder_blocks={decoder_blocks} "
                "must have one entry per level"
            )
        if num_frames not in (1, 2):
            raise ValueError(f"tokenizer.num_frames={num_frames} must be 1 or 2")
        stride = patch_size * 2 ** (len(widths) - 1)
        height, width = frame_shape
        self.frame_shape = (height, width)
        self.num_frames = num_frames
        self.grid_shape = (-(-height // stride), -(-width // stride))
        self.quantizer: Quantizer = quantizer(dim=widths[-1])
        self.codebook_size = self.quantizer.codebook_size
        self._register_palette(palette, colour_counts)
        self._register_weights(class_weight_power, min_class_frequency, decode_shift)
        num_classes = len(self.palette_indices)
        grids = [_scale(self.grid_shape, 2**i) for i in reversed(range(len(widths)))]
        self.encoder = Encoder(num_classes, pixel_dim, num_frames, patch_size, widths, encoder_blocks, grids[0])
        self.before = GridTransformer(widths[-1], self.grid_shape, num_attention_layers, num_heads)
        self.after = GridTransformer(widths[-1], self.grid_shape, num_attention_layers, num_heads)
        self.decoder = Decoder(num_classes, patch_size, widths, decoder_blocks, grids)
        self.patch_size = patch_size
        self._padding = _padding(self.frame_shape, _scale(self.grid_shape, stride))

    def forward(self, frames: Tensor) -> TokenizerOutput:
        """Reconstruct the last of ``frames`` (B, F, H, W) uint8 from its codes."""
        quantized, codes, loss = self.quantizer(self._features(frames))
        return TokenizerOutput(
            logits=self.decoder(self._to_image(self.after(quantized))),
            codes=self._to_grid(codes),
            commitment_loss=loss,
        )

    def encode(self, frames: Tensor) -> Tensor:
        """Codes (B, h, w) int64 of ``frames`` (B, F, H, W) uint8."""
        _, codes, _ = self.quantizer(self._features(frames))
        return self._to_grid(codes)

    def decode_logits(self, codes: Tensor) -> Tensor:
        """Logits (B, C, H, W) for ``codes`` (B, h, w)."""
        quantized = self.quantizer.lookup(rearrange(codes, "B h w -> B (h w)"))
        folded = self.decoder(self._to_image(self.after(quantized)))
        padded = rearrange(folded, "B C (p q) h w -> B C (h p) (w q)", p=self.patch_size)
        top, _, left, _ = self._padding
        height, width = self.frame_shape
        return padded[:, :, top : top + height, left : left + width]

    def fold(self, frames: Tensor, padding: int) -> Tensor:
        """Palette classes (B, F, p*q, h', w') uint8 of ``frames`` (B, F, H, W), padded and cut into patches."""
        top, bottom, left, right = self._padding
        classes = F.pad(self.class_of_index[frames.int()], (left, right, top, bottom), value=padding)
        p = self.patch_size
        return rearrange(classes, "B F (h p) (w q) -> B F (p q) h w", p=p, q=p)

    def _features(self, frames: Tensor) -> Tensor:
        """Grid features before the quantizer, (B, h*w, D)."""
        expected = (self.num_frames, *self.frame_shape)
        if tuple(frames.shape[1:]) != expected:
            raise ValueError(
                f"frames (B, F, H, W) of shape {tuple(frames.shape)} do not fit this tokenizer, which reads {expected}"
            )
        features = self.encoder(self.fold(frames, padding=0))
        return self.before(rearrange(features, "B D h w -> B (h w) D"))

    def _to_grid(self, codes: Tensor) -> Tensor:
        return rearrange(codes.long(), "B (h w) -> B h w", h=self.grid_shape[0])

    def _to_image(self, grid: Tensor) -> Tensor:
        return rearrange(grid, "B (h w) D -> B D h w", h=self.grid_shape[0])


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
    ) -> None:
        super().__init__()
        # Drawn once and never trained: the gradient of a lookup of every pixel costs more than it brings.
        self.register_buffer("pixel_features", torch.randn(num_classes, pixel_dim))
        self.patch = nn.Linear(num_frames * patch_size**2 * pixel_dim, widths[0])
        self.position = nn.Parameter(0.02 * torch.randn(widths[0], *grid))
        levels: list[nn.Module] = [residual_blocks(widths[0], num_blocks[0])]
        for narrow, wide, blocks in zip(widths, widths[1:], num_blocks[1:], strict=False):
            levels += [nn.GroupNorm(8, narrow), nn.ReLU(), nn.Conv2d(narrow, wide, 2, stride=2)]
            levels += [residual_blocks(wide, blocks)]
        self.levels = nn.Sequential(*levels)

    def forward(self, classes: Tensor) -> Tensor:
        """Look up the features of all pixels of a patch and convolve down."""
        # Folded as small integers and looked up last: the features are written once, in the order they are read.
        pixels = F.embedding(rearrange(classes, "B F P h w -> B h w (F P)").int(), self.pixel_features)
        patches = self.patch(rearrange(pixels, "B h w P E -> B h w (P E)"))
        return self.levels(rearrange(patches, "B h w D -> B D h w") + self.position)


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
    ) -> None:
        super().__init__()
        self.positions = nn.ParameterList(
            0.02 * torch.randn(width, *grid) for width, grid in zip(widths, grids, strict=True)
        )
        self.blocks = nn.ModuleList(map(residual_blocks, widths, num_blocks))
        self.up = nn.ModuleList(nn.ConvTranspose2d(wide, narrow, 2, stride=2) for narrow, wide in pairwise(widths))
        self.head = nn.Conv2d(widths[0], num_classes * patch_size**2, 1)
        self.num_classes = num_classes

    def forward(self, features: Tensor) -> Tensor:
        """Convolve up, level by level."""
        x = _channels_last(features)
        for level in reversed(range(len(self.blocks))):
            x = self.blocks[level](x + self.positions[level])
            if level:
                x = self.up[level - 1](x)
        return rearrange(self.head(x), "B (C P) h w -> B C P h w", C=self.num_classes)


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions around a skip connection."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.GroupNorm(8, width),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1),
            nn.GroupNorm(8, width),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, D, H, W) to the same shape."""
        return x + self.layers(x)


class GridTransformer(nn.Module):
    """Learned positions and self-attention over all cells of the grid: (B, h*w, D) to the same shape."""

    def __init__(self, dim: int, grid_shape: tuple[int, int], num_layers: int, num_heads: int) -> None:
        super().__init__()
        self.position = nn.Parameter(0.02 * torch.randn(grid_shape[0] * grid_shape[1], dim))
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(
                dim, num_heads, 4 * dim, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
            )
            for _ in range(num_layers)
        )

    def forward(self, grid: Tensor) -> Tensor:
        """Let every cell see every other."""
        grid = grid + self.position
        for layer in self.layers:
            grid = layer(grid)
        return grid


def residual_blocks(width: int, num_blocks: int) -> nn.Sequential:
    """``num_blocks`` residual blocks in a row."""
    return nn.Sequential(*(ResidualBlock(width) for _ in range(num_blocks)))


def _scale(shape: tuple[int, int], factor: int) -> tuple[int, int]:
    return shape[0] * factor, shape[1] * factor


def _padding(frame: tuple[int, int], padded: tuple[int, int]) -> tuple[int, int, int, int]:
    """Rows above and below and columns left and right that centre ``frame`` in ``padded``."""
    rows, columns = padded[0] - frame[0], padded[1] - frame[1]
    return rows // 2, rows - rows // 2, columns // 2, columns - columns // 2


def _channels_last(x: Tensor) -> Tensor:
    """Same values, laid out for the convolutions that are fast on CPUs and tensor cores."""
    return x.contiguous(memory_format=torch.channels_last)

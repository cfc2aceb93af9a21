"""VQ-VAE: a pair of frames becomes a grid of codes, the codes alone become a frame.

Source: van den Oord et al., "Neural Discrete Representation Learning", 2017, with learned positions on both sides
of the quantizer, so that one code may mean different things at different places: 35 codes would hold
too little otherwise.
"""

from collections.abc import Callable

import torch
from einops import rearrange
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from pacdream.tokenizer.base import Tokenizer
from pacdream.tokenizer.crop import Crop, draw_crop
from pacdream.tokenizer.layers import Decoder, Encoder, GridTransformer
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
        local: bool = False,
    ) -> None:
        """Build the network.

        Args:
            frame_shape: (H, W) pixels; padded with empty rows and columns to a multiple of the total stride.
            palette: 256 RGB colours in hexadecimal.
            colour_counts: pixels of each palette index in all recorded frames; only these indices are told apart.
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
            local: a code depends on the pixels of its own cell only; what moves elsewhere does not change it.

        Raises:
            ValueError: settings that contradict each other.
        """
        super().__init__()
        if not len(widths) == len(encoder_blocks) == len(decoder_blocks):
            raise ValueError(
                f"tokenizer.widths={widths}, encoder_blocks={encoder_blocks} and decoder_blocks={decoder_blocks} "
                "must have one entry per level"
            )
        if num_frames not in (1, 2):
            raise ValueError(f"tokenizer.num_frames={num_frames} must be 1 or 2")
        if local and num_attention_layers:
            raise ValueError("tokenizer.local=true needs tokenizer.num_attention_layers=0")
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
        self.encoder = Encoder(num_classes, pixel_dim, num_frames, patch_size, widths, encoder_blocks, grids[0], local)
        self.before = GridTransformer(widths[-1], self.grid_shape, num_attention_layers, num_heads)
        self.after = GridTransformer(widths[-1], self.grid_shape, num_attention_layers, num_heads)
        self.decoder = Decoder(num_classes, patch_size, widths, decoder_blocks, grids, local)
        self.patch_size = patch_size
        self._unused_index = min(set(range(256)) - set(self.palette_indices.tolist()))
        self._padding = _padding(self.frame_shape, _scale(self.grid_shape, stride))

    def forward(self, frames: Tensor, crop: Crop | None = None) -> TokenizerOutput:
        """Reconstruct the last of ``frames`` (B, F, H, W) uint8, or a crop of it, from its codes."""
        rows = self.grid_shape[0] if crop is None else crop.size[0]
        quantized, codes, loss = self.quantizer(self._features(frames, crop))
        return TokenizerOutput(
            logits=self.decoder(_to_image(self.after(quantized, crop), rows), crop),
            codes=rearrange(codes.long(), "B (h w) -> B h w", h=rows),
            commitment_loss=loss,
        )

    def encode(self, frames: Tensor) -> Tensor:
        """Codes (B, h, w) int64 of ``frames`` (B, F, H, W) uint8."""
        _, codes, _ = self.quantizer(self._features(frames, None))
        return rearrange(codes.long(), "B (h w) -> B h w", h=self.grid_shape[0])

    @torch.no_grad()
    def code_features(self) -> Tensor:
        """See ``Tokenizer.code_features``: the quantized features of each code."""
        codes = torch.arange(self.codebook_size, device=self.palette_indices.device)
        return self.quantizer.lookup(codes[None])[0]

    def decode_logits(self, codes: Tensor) -> Tensor:
        """Logits (B, C, H, W) for ``codes`` (B, h, w)."""
        quantized = self.quantizer.lookup(rearrange(codes, "B h w -> B (h w)"))
        return self.unfold(self.decoder(_to_image(self.after(quantized, None), self.grid_shape[0]), None))

    def fold(self, frames: Tensor, padding: int, crop: Crop | None = None) -> Tensor:
        """Palette classes (B, F, p*q, h', w') uint8 of ``frames`` (B, F, H, W), padded, cropped and patched."""
        top, bottom, left, right = self._padding
        p = self.patch_size
        if crop is None:
            classes = F.pad(self.class_of_index[frames.int()], (left, right, top, bottom), value=padding)
        else:  # first cut out, as the rest need not be looked up
            frames = F.pad(frames, (left, right, top, bottom), value=self._unused_index)
            frames = crop.of(frames, frames.shape[-2] // self.grid_shape[0])
            classes = self.class_of_index[frames.int()].masked_fill(frames == self._unused_index, padding)
        return rearrange(classes, "B F (h p) (w q) -> B F (p q) h w", p=p, q=p)

    def unfold(self, folded: Tensor) -> Tensor:
        """Pixels (B, ..., H, W) of patches (B, ..., p*q, h', w'), without the padding."""
        padded = rearrange(folded, "... (p q) h w -> ... (h p) (w q)", p=self.patch_size)
        top, _, left, _ = self._padding
        height, width = self.frame_shape
        return padded[..., top : top + height, left : left + width]

    def draw_crop(self, frames: Tensor, size: tuple[int, int]) -> Crop:
        """Crops of ``size`` cells, around pixels whose class is drawn evenly: the rare ones are seen as often."""
        weights = 1 / self.class_counts.clamp(min=self.class_counts.sum() * 1e-4)
        seen = F.pad(frames[:, -1], self._padding[2:] + self._padding[:2], value=self._unused_index)[:, ::2, ::2]
        of_index = weights[self.class_of_index.int()]
        of_index[self._unused_index] = 0
        return draw_crop(of_index[seen.int()], size, self.grid_shape)

    def _features(self, frames: Tensor, crop: Crop | None) -> Tensor:
        """Grid features before the quantizer, (B, h*w, D)."""
        expected = (self.num_frames, *self.frame_shape)
        if tuple(frames.shape[1:]) != expected:
            raise ValueError(
                f"frames (B, F, H, W) of shape {tuple(frames.shape)} do not fit this tokenizer, which reads {expected}"
            )
        features = self.encoder(self.fold(frames, 0, crop), crop)
        return self.before(rearrange(features, "B D h w -> B (h w) D"), crop)


def _to_image(grid: Tensor, rows: int) -> Tensor:
    return rearrange(grid, "B (h w) D -> B D h w", h=rows)


def _scale(shape: tuple[int, int], factor: int) -> tuple[int, int]:
    return shape[0] * factor, shape[1] * factor


def _padding(frame: tuple[int, int], padded: tuple[int, int]) -> tuple[int, int, int, int]:
    """Rows above and below and columns left and right that centre ``frame`` in ``padded``."""
    rows, columns = padded[0] - frame[0], padded[1] - frame[1]
    return rows // 2, rows - rows // 2, columns // 2, columns - columns // 2

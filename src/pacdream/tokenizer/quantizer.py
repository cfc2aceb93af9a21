"""One face for the quantizers of vector-quantize-pytorch.

``quantizer(x)`` gives quantized features, codes and a loss; ``quantizer.lookup(codes)`` the features of codes.
"""

import math
from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn
from vector_quantize_pytorch import FSQ, SimVQ, VectorQuantize

Quantized = tuple[Tensor, Tensor, Tensor]


class Quantizer(nn.Module, ABC):
    """Grid features to codes and back."""

    codebook_size: int
    """K: codes lie in [0, K)."""

    @abstractmethod
    def forward(self, x: Tensor) -> Quantized:
        """``x`` (B, N, D) to quantized features (B, N, D), codes (B, N) and the quantizer's own loss ()."""

    @abstractmethod
    def lookup(self, codes: Tensor) -> Tensor:
        """Quantized features (B, N, D) of codes (B, N)."""


class EMAQuantizer(Quantizer):
    """Nearest of K learned vectors, moved by exponential averages; dead codes are reborn from the batch."""

    def __init__(
        self,
        dim: int,
        codebook_size: int,
        embedding_dim: int,
        commitment_weight: float,
        decay: float,
        dead_code_threshold: float,
    ) -> None:
        """``dim`` channels in and out, ``embedding_dim`` channels of a code, ``dead_code_threshold`` uses per batch."""
        super().__init__()
        self.codebook_size = codebook_size
        self.layer = VectorQuantize(
            dim=dim,
            codebook_size=codebook_size,
            codebook_dim=embedding_dim,
            decay=decay,
            commitment_weight=commitment_weight,
            kmeans_init=True,
            threshold_ema_dead_code=dead_code_threshold,
            layernorm_after_project_in=True,
        )

    def forward(self, x: Tensor) -> Quantized:
        """``x`` (B, N, D) to quantized (B, N, D), codes (B, N) and the weighted commitment loss ()."""
        quantized, codes, loss = self.layer(x)
        return quantized, codes, loss.sum()

    def lookup(self, codes: Tensor) -> Tensor:
        """Quantized features (B, N, D) of codes (B, N)."""
        return self.layer.get_output_from_indices(codes)


class FSQQuantizer(Quantizer):
    """Each channel rounded to a few levels: no codebook to collapse (Mentzer et al., 2023)."""

    def __init__(self, dim: int, levels: list[int]) -> None:
        """``levels``: values per channel; their product is the codebook size."""
        super().__init__()
        self.codebook_size = math.prod(levels)
        self.layer = FSQ(levels=list(levels), dim=dim)

    def forward(self, x: Tensor) -> Quantized:
        """``x`` (B, N, D) to quantized (B, N, D), codes (B, N) and no loss."""
        quantized, codes = self.layer(x)
        return quantized, codes, torch.zeros((), device=x.device)

    def lookup(self, codes: Tensor) -> Tensor:
        """Quantized features (B, N, D) of codes (B, N)."""
        return self.layer.indices_to_codes(codes)


class SimVQQuantizer(Quantizer):
    """A frozen random codebook behind one learned linear map, so that all codes move together (Zhu et al., 2024)."""

    def __init__(self, dim: int, codebook_size: int, embedding_dim: int, commitment_weight: float) -> None:
        """``dim``: channels in and out; ``embedding_dim``: channels of a code."""
        super().__init__()
        self.codebook_size = codebook_size
        self.project_in = nn.Linear(dim, embedding_dim)
        self.project_out = nn.Linear(embedding_dim, dim)
        self.layer = SimVQ(
            dim=embedding_dim,
            codebook_size=codebook_size,
            input_to_quantize_commit_loss_weight=commitment_weight,
        )

    def forward(self, x: Tensor) -> Quantized:
        """``x`` (B, N, D) to quantized (B, N, D), codes (B, N) and the weighted commitment loss ()."""
        quantized, codes, loss = self.layer(self.project_in(x))
        return self.project_out(quantized), codes, loss

    def lookup(self, codes: Tensor) -> Tensor:
        """Quantized features (B, N, D) of codes (B, N)."""
        return self.project_out(self.layer.indices_to_codes(codes))

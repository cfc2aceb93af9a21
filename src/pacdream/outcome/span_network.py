"""A small network that says how many points were earned between two moments, on seeing the grids around both."""

from typing import Any

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from pacdream.outcome.network import ConvolutionBlock


class SpanNetwork(nn.Module):
    """Compares two moments of a game, whatever happened between them.

    A dream shows what happens, but often a step early or late. Who judges it step by step, as ``OutcomeNetwork`` does,
    must doubt each step; which dots are gone at the end is plain. Like that network it belongs to a tokenizer and to no
    world model.
    """

    recipe: dict[str, Any]
    """Plain numbers and strings that rebuild this module; set by ``pacdream.core.checkpoints``."""

    def __init__(
        self,
        grid_shape: tuple[int, int],
        codebook_size: int,
        unit: float,
        max_span: int,
        before: int,
        after: int,
        embedding_dim: int,
        width: int,
        num_blocks: int,
    ) -> None:
        """Build the network.

        Args:
            grid_shape: (h, w) of a code grid.
            codebook_size: K.
            unit: points that its numbers stand for.
            max_span: longest span that it has seen, in steps.
            before: grids read before the first moment.
            after: grids read after the second: a dot vanishes from the screen a step late.
            embedding_dim: channels of a code before the grids are joined.
            width: channels of a cell.
            num_blocks: residual blocks of 3x3 convolutions.

        Raises:
            ValueError: a number that makes no network.
        """
        super().__init__()
        if min(before, after) < 0 or min(max_span, embedding_dim, num_blocks) < 1 or width < 8 or width % 8:
            raise ValueError(
                f"before={before} and after={after} must be at least 0, max_span={max_span}, "
                f"embedding_dim={embedding_dim} and num_blocks={num_blocks} at least 1, width={width} a multiple of 8"
            )
        if unit <= 0:
            raise ValueError(f"unit={unit} must be more than 0 points")
        self.grid_shape = (grid_shape[0], grid_shape[1])
        self.codebook_size, self.unit, self.max_span = codebook_size, unit, max_span
        self.before, self.after = before, after
        self.code_embedding = nn.Embedding(codebook_size, embedding_dim)
        self.span_embedding = nn.Embedding(max_span, width)
        self.join = nn.Linear(self.grids * embedding_dim, width)
        self.position = nn.Parameter(0.02 * torch.randn(*self.grid_shape, width))
        self.blocks = nn.ModuleList(ConvolutionBlock(width) for _ in range(num_blocks))
        self.cell_head = nn.Linear(width, 1)
        self.hidden = nn.Linear(2 * width, 2 * width)
        self.head = nn.Linear(2 * width, 1)
        for head in (self.cell_head, self.head):
            nn.init.zeros_(head.weight)
            nn.init.zeros_(head.bias)

    @property
    def grids(self) -> int:
        """G: grids read to judge a span."""
        return self.before + 2 + self.after

    def forward(self, codes: Tensor, spans: Tensor) -> Tensor:
        """What all cells tell of a span, summed, and what is seen in all of them together.

        Args:
            codes: (B, G, h, w) int64, the grids around both ends.
            spans: (B,) int64, steps between them.

        Returns:
            Points (B,).

        Raises:
            ValueError: another number of grids, or of another shape.
        """
        if tuple(codes.shape[1:]) != (self.grids, *self.grid_shape):
            raise ValueError(
                f"codes of shape {tuple(codes.shape)} are not {self.grids} grids of {self.grid_shape} for each span"
            )
        seen = self.join(rearrange(self.code_embedding(codes), "B G h w D -> B h w (G D)"))
        x = seen + self.span_embedding(spans - 1)[:, None, None] + self.position
        x = x.permute(0, 3, 1, 2)
        for block in self.blocks:
            x = block(x)
        together = self.head(F.relu(self.hidden(torch.cat([x.amax((2, 3)), x.mean((2, 3))], 1))))
        cells = self.cell_head(x.permute(0, 2, 3, 1)).float().sum((1, 2))
        return self.unit * (cells + together.float())[:, 0]

    @torch.inference_mode()
    def judge(self, codes: Tensor) -> Tensor:
        """Points earned since a moment, without gradient.

        Args:
            codes: (B, before + 1 + T, h, w) grids in a row, of which the last but T is the first moment.

        Returns:
            (B, T - after) what was earned in the steps from it up to each of those after it.

        Raises:
            ValueError: there is no such step, or there are more than it has seen.
        """
        steps = codes.shape[1] - self.before - 1 - self.after
        if not 1 <= steps <= self.max_span:
            raise ValueError(f"a span of {steps} steps cannot be judged, only one of 1 to {self.max_span}")
        begin = codes[:, : self.before + 1, None].expand(-1, -1, steps, -1, -1)
        ends = codes[:, self.before + 1 :].unfold(1, 1 + self.after, 1)
        around = torch.cat([begin.transpose(1, 2), ends.permute(0, 1, 4, 2, 3)], 2)
        spans = torch.arange(1, steps + 1, device=codes.device).repeat(len(codes))
        return self(around.flatten(0, 1), spans).view(len(codes), steps)

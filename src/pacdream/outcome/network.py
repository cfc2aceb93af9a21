"""A small network that says what a step of the game earned, on seeing the grids around it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

OVER_WITHIN = 4
"""Steps ahead in which the end of the game is told: its last step has no grids after it to be judged by."""


@dataclass(frozen=True)
class OutcomeLogits:
    """What the network says of B steps."""

    points: Tensor
    """(B, V) one logit for each number of points that occurs."""
    lost: Tensor
    """(B, L) that a life is lost within each of so many steps, see ``OutcomeNetwork.lost_within``."""
    over: Tensor
    """(B,) that the game is over within 4 steps."""


@dataclass(frozen=True)
class Outcomes:
    """What S steps in a row earned, as far as it is known."""

    points: Tensor
    """(B, S, V) probability of each number of points."""
    values: Tensor
    """(V,) the numbers of points."""
    lost: Tensor
    """(B, S, L) probability that a life is lost within each of so many steps."""
    over: Tensor
    """(B, S) probability that the game is over within 4 steps."""

    @property
    def expected(self) -> Tensor:
        """(B, S) expected points."""
        return (self.points * self.values).sum(-1)  # not a product of matrices, which autocast would round

    @property
    def earns(self) -> Tensor:
        """(B, S) probability that there are any points."""
        return 1 - self.points[..., self.values == 0].sum(-1)

    @staticmethod
    def joined(*parts: "Outcomes") -> "Outcomes":
        """Those of one batch after the other."""
        points, lost, over = (torch.cat([getattr(part, name) for part in parts]) for name in ("points", "lost", "over"))
        return Outcomes(points, parts[0].values, lost, over)


class OutcomeNetwork(nn.Module):
    """Judges the step from a grid to the next by the grids around it: ``before`` earlier ones and ``after`` later ones.

    It belongs to a tokenizer and to no world model, as the reward and end model of Alonso et al., "Diffusion for World
    Modeling", 2024, does: it judges real grids and those of any dream alike.
    """

    points: Tensor
    """(V,) the numbers of points that occur, ascending."""
    recipe: dict[str, Any]
    """Plain numbers and strings that rebuild this module; set by ``pacdream.core.checkpoints``."""

    def __init__(
        self,
        grid_shape: tuple[int, int],
        codebook_size: int,
        num_actions: int,
        points: Sequence[float],
        base_rates: Sequence[float],
        lost_rates: Sequence[float],
        over_rate: float,
        before: int,
        after: int,
        embedding_dim: int,
        width: int,
        num_blocks: int,
        lost_within: Sequence[int] = (1, 2, 3, 4),
    ) -> None:
        """Build the network.

        Args:
            grid_shape: (h, w) of a code grid.
            codebook_size: K.
            num_actions: A.
            points: numbers of points that a step earns, ascending.
            base_rates: how often each occurs: what the network says before it has learnt anything.
            lost_rates: how often a life is lost within each of ``lost_within``.
            over_rate: how often the game is over within 4 steps.
            before: grids read before the one that the step begins with.
            after: grids read after the one that it leads to: a dot vanishes from the screen a step late.
            embedding_dim: channels of a code before the grids are joined.
            width: channels of a cell.
            num_blocks: residual blocks of 3x3 convolutions.
            lost_within: numbers of steps, ascending, within each of which the loss of a life is told.

        Raises:
            ValueError: a number that makes no network.
        """
        super().__init__()
        if min(before, after) < 0 or min(embedding_dim, num_blocks) < 1 or width < 8 or width % 8:
            raise ValueError(
                f"before={before} and after={after} must be at least 0, embedding_dim={embedding_dim} and "
                f"num_blocks={num_blocks} at least 1, width={width} a multiple of 8"
            )
        self.grid_shape = (grid_shape[0], grid_shape[1])
        self.codebook_size, self.num_actions = codebook_size, num_actions
        self.before, self.after, self.lost_within = before, after, tuple(lost_within)
        self.register_buffer("points", torch.tensor([float(value) for value in points]))
        self.code_embedding = nn.Embedding(codebook_size, embedding_dim)
        self.action_embedding = nn.Embedding(num_actions, width)
        self.join = nn.Linear(self.grids * embedding_dim, width)
        self.position = nn.Parameter(0.02 * torch.randn(*self.grid_shape, width))
        self.blocks = nn.ModuleList(ConvolutionBlock(width) for _ in range(num_blocks))
        self.hidden = nn.Linear(2 * width, 2 * width)
        self.head = nn.Linear(2 * width, len(points) + len(self.lost_within) + 1)
        nn.init.zeros_(self.head.weight)
        with torch.no_grad():
            rates = torch.tensor([*lost_rates, over_rate]).clamp(1e-6, 1 - 1e-6)
            self.head.bias.copy_(torch.cat([torch.tensor(base_rates).clamp(min=1e-6).log(), rates.logit()]))

    @property
    def grids(self) -> int:
        """G: grids read to judge a step."""
        return self.before + 2 + self.after

    def forward(self, codes: Tensor, actions: Tensor) -> OutcomeLogits:
        """Judge B steps.

        Args:
            codes: (B, G, h, w) int64, the grids around each step, which leads from number ``before`` to the next.
            actions: (B,) int64 of the steps.

        Raises:
            ValueError: another number of grids, or of another shape.
        """
        if tuple(codes.shape[1:]) != (self.grids, *self.grid_shape):
            raise ValueError(
                f"codes of shape {tuple(codes.shape)} are not {self.grids} grids of {self.grid_shape} for each step"
            )
        seen = self.join(rearrange(self.code_embedding(codes), "B G h w D -> B h w (G D)"))
        x = seen + self.action_embedding(actions)[:, None, None] + self.position
        x = x.permute(0, 3, 1, 2)
        for block in self.blocks:
            x = block(x)
        x = F.relu(self.hidden(torch.cat([x.amax((2, 3)), x.mean((2, 3))], 1)))
        points, lost, over = self.head(x).float().split([len(self.points), len(self.lost_within), 1], 1)
        return OutcomeLogits(points, lost, over[:, 0])

    def judge(self, codes: Tensor, actions: Tensor) -> Outcomes:
        """What each step of stretches of play earned, without gradient.

        Args:
            codes: (B, T + 1, h, w) grids in a row.
            actions: (B, T) between them; ``actions[:, t]`` leads from grid ``t`` to ``t + 1``.

        Returns:
            Of the S = T - before - after steps that have enough grids around them, the first being step ``before``.

        Raises:
            ValueError: there is no such step.
        """
        steps = actions.shape[1] - self.before - self.after
        if steps < 1:
            raise ValueError(f"{codes.shape[1]} grids in a row are too few to judge a step by {self.grids}")
        with torch.inference_mode():
            around = rearrange(codes.unfold(1, self.grids, 1), "B S h w G -> (B S) G h w")
            logits = self(around, actions[:, self.before : self.before + steps].flatten())
            shape = (len(codes), steps)
            return Outcomes(
                logits.points.softmax(-1).view(*shape, -1),
                self.points,
                logits.lost.sigmoid().view(*shape, -1),
                logits.over.sigmoid().view(shape),
            )


class ConvolutionBlock(nn.Module):
    """Two 3x3 convolutions around a skip connection: (B, D, h, w) to the same shape."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(8, width)
        self.first, self.second = (nn.Conv2d(width, width, 3, padding=1) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        """Let cells see their neighbours."""
        return x + self.second(F.relu(self.first(F.relu(self.norm(x)))))

"""A network that says whether a plan ends with the player caught, on seeing where the game stands, without a dream."""

from collections.abc import Sequence
from typing import Any

import torch
from einops import rearrange, repeat
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from pacdream.core.embeddings import place_along
from pacdream.outcome.network import ConvolutionBlock


class RiskNetwork(nn.Module):
    """Reads the last grids into a map, takes the actions of a plan on that map one by one, and is asked after each.

    So does the network of Kahn et al., "BADGR: An autonomous self-supervised learning-based navigation system", 2021.
    A dream decides what is seen after each step, and where it is wrong once it goes on from there; the map keeps what
    is uncertain. While it learns, points and the codes that change are read off the map as well: who is caught is rare,
    and says too little of what actions do. Like the other networks that judge it belongs to a tokenizer and to no
    world model.
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
        before: int,
        caught_rates: Sequence[float],
        points: Sequence[float],
        base_rates: Sequence[float],
        embedding_dim: int,
        width: int,
        num_blocks: int,
    ) -> None:
        """Build the network.

        Args:
            grid_shape: (h, w) of a code grid.
            codebook_size: K.
            num_actions: A.
            before: grids read before the present one.
            caught_rates: how often the player is caught by the end of each step of a plan: what the network says before
                it has learnt anything. Plans may have as many steps.
            points: numbers of points that a step earns, ascending.
            base_rates: how often each occurs.
            embedding_dim: channels of a code, and of an action, before they are joined.
            width: channels of a cell.
            num_blocks: residual blocks of 3x3 convolutions before the plan begins.

        Raises:
            ValueError: a number that makes no network.
        """
        super().__init__()
        if min(before, embedding_dim, num_blocks, len(caught_rates)) < 1 or width < 8 or width % 8:
            raise ValueError(
                f"before={before}, embedding_dim={embedding_dim}, num_blocks={num_blocks} and the steps of a plan, "
                f"{len(caught_rates)}, must be at least 1, width={width} a multiple of 8"
            )
        self.grid_shape = (grid_shape[0], grid_shape[1])
        self.codebook_size, self.num_actions, self.before = codebook_size, num_actions, before
        self.horizon = len(caught_rates)
        self.code_embedding = nn.Embedding(codebook_size, embedding_dim)
        self.action_embedding = nn.Embedding(num_actions, embedding_dim)
        self.join_codes = nn.Linear((before + 1) * embedding_dim, width)
        self.join_actions = nn.Linear(before * embedding_dim, width)
        self.position = nn.Parameter(0.02 * torch.randn(*self.grid_shape, width))
        self.blocks = nn.ModuleList(ConvolutionBlock(width) for _ in range(num_blocks))
        self.everywhere = nn.Linear(2 * width, width)
        nn.init.zeros_(self.everywhere.weight)
        self.act = ActionBlock(width, 2 * embedding_dim)
        self.hidden = nn.Linear(2 * width, 2 * width)
        self.head = nn.Linear(2 * width, 1)
        self.points_head = nn.Linear(2 * width, len(points))
        self.codes_head = nn.Linear(width, codebook_size)
        for head in (self.head, self.points_head):
            nn.init.zeros_(head.weight)
            nn.init.zeros_(head.bias)
        with torch.no_grad():
            self.points_head.bias.copy_(torch.tensor(base_rates).clamp(min=1e-6).log())
        self.register_buffer("points", torch.tensor([float(value) for value in points]))
        self.rates = nn.Parameter(torch.tensor([float(rate) for rate in caught_rates]).clamp(1e-6, 1 - 1e-6).logit())

    @torch.no_grad()
    def begin_with_codes(self, features: Tensor) -> None:
        """Before training: be told what the codes stand for, (K, D) vectors that are alike where codes look alike."""
        place_along(self.code_embedding.weight, features, 1.0)
        place_along(self.codes_head.weight, features, 0.05)

    def forward(self, codes: Tensor, actions: Tensor, plans: Tensor) -> Tensor:
        """Logits (B, P, T) that the player has been caught by the end of each step; for the rest see ``follow``."""
        return self.events(self.follow(codes, actions, plans))[0]

    def follow(self, codes: Tensor, actions: Tensor, plans: Tensor) -> Tensor:
        """Go through P plans of each of B games.

        Args:
            codes: (B, before + 1, h, w) int64, the last grids, of which the last is the present one.
            actions: (B, before) int64, taken between them.
            plans: (B, P, T) int64, of at most ``horizon`` steps.

        Returns:
            (B, P, T, D, h, w) the map after each step.

        Raises:
            ValueError: another number of grids, or of another shape, or longer plans than it has learnt from.
        """
        if tuple(codes.shape[1:]) != (self.before + 1, *self.grid_shape):
            raise ValueError(
                f"codes of shape {tuple(codes.shape)} are not {self.before + 1} grids of {self.grid_shape} of each game"
            )
        count, steps = plans.shape[1:]
        if not 1 <= steps <= self.horizon:
            raise ValueError(f"plans of {steps} steps cannot be judged, only those of 1 to {self.horizon}")
        seen = self.join_codes(rearrange(self.code_embedding(codes), "B S h w D -> B h w (S D)"))
        done = self.join_actions(self.action_embedding(actions).flatten(1))
        x = rearrange(seen + done[:, None, None] + self.position, "B h w D -> B D h w")
        for block in self.blocks:
            x = block(x)
        x = repeat(x, "B D h w -> (B P) D h w", P=count)
        taken = self.action_embedding(torch.cat([repeat(actions[:, -1:], "B 1 -> B P 1", P=count), plans], 2))
        maps = []
        for last_two in taken.flatten(0, 1).unfold(1, 2, 1).unbind(1):
            x = self.act(x + self.everywhere(_summary(x))[:, :, None, None], last_two.flatten(1))
            maps.append(x)
        return rearrange(torch.stack(maps, 1), "(B P) T D h w -> B P T D h w", P=count)

    def events(self, maps: Tensor) -> tuple[Tensor, Tensor]:
        """What has happened in maps (B, P, T, D, h, w).

        Returns:
            Logits (B, P, T) that the player has been caught, and (B, P, T, V) of each number of points of the step.
        """
        x = F.relu(self.hidden(_summary(maps)))
        return self.head(x)[..., 0].float() + self.rates[: maps.shape[2]], self.points_head(x).float()

    def shown(self, maps: Tensor, cells: Tensor) -> Tensor:
        """Logits (..., C, K) of the codes at cells (..., C), counted row by row, of maps (..., D, h, w)."""
        at = rearrange(maps, "... D h w -> ... (h w) D")
        at = at.gather(-2, cells[..., None].expand(*cells.shape, at.shape[-1]))
        return self.codes_head(F.relu(at)).float()

    @torch.inference_mode()
    def judge(self, codes: Tensor, actions: Tensor, plans: Tensor) -> Tensor:
        """Log-odds (B, P) of having been caught when each plan ends; for the arguments see ``follow``."""
        return self(codes, actions, plans)[..., -1]


def _summary(x: Tensor) -> Tensor:
    """What is seen anywhere, and everywhere: (..., 2D) of maps (..., D, h, w)."""
    return torch.cat([x.amax((-2, -1)), x.mean((-2, -1))], -1)


class ActionBlock(nn.Module):
    """Two 3x3 convolutions around a skip connection, scaled and shifted as the action says: (B, D, h, w) to the same.

    Source: Perez et al., "FiLM: Visual reasoning with a general conditioning layer", 2018.
    """

    def __init__(self, width: int, action_dim: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(8, width)
        self.first, self.second = (nn.Conv2d(width, width, 3, padding=1) for _ in range(2))
        self.modulate = nn.Linear(action_dim, 4 * width)

    def forward(self, x: Tensor, action: Tensor) -> Tensor:
        """Let the action (B, action_dim) change what cells see of their neighbours."""
        scale, shift, later_scale, later_shift = self.modulate(action)[:, :, None, None].chunk(4, 1)
        y = self.first(F.relu(self.norm(x) * (1 + scale) + shift))
        return x + self.second(F.relu(y * (1 + later_scale) + later_shift))

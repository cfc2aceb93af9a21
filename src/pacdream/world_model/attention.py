"""A world model with memory: the last grids, convolved and attended over, say what changes next."""

from collections.abc import Mapping

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from pacdream.types import State, WorldModelOutput
from pacdream.world_model.base import WorldModel


class AttentionWorldModel(WorldModel):
    """Embeds the last ``memory`` grids and actions at each cell, lets cells talk, and predicts what becomes of each.

    Its state is the grids and actions before the present ones. A cell's present code gets a logit of its own, so that
    the network has only to learn what changes. While training, some of the codes it reads are replaced at random, at a
    rate that is drawn for each window and told to the network: that is what a rollout's own mistakes look like.
    """

    def __init__(
        self,
        grid_shape: tuple[int, int],
        codebook_size: int,
        num_actions: int,
        memory: int,
        embedding_dim: int,
        width: int,
        num_blocks: int,
        num_heads: int,
        max_corruption: float,
        begin_with_codebook: bool,
    ) -> None:
        """Build the network.

        Args:
            grid_shape: (h, w) of a code grid.
            codebook_size: K.
            num_actions: A.
            memory: grids read, the present one included.
            embedding_dim: channels of a code, and of an action, before they are joined over time.
            width: channels of a cell.
            num_blocks: of convolution, attention and a small network for each cell.
            num_heads: of attention.
            max_corruption: largest share of the codes that are replaced while training.
            begin_with_codebook: whether codes that look alike begin with like embeddings and like logits, or with
                random ones.

        Raises:
            ValueError: a number that makes no network.
        """
        super().__init__()
        if min(memory, embedding_dim, num_blocks, num_heads) < 1 or width % num_heads:
            raise ValueError(
                f"memory={memory}, embedding_dim={embedding_dim}, num_blocks={num_blocks} and num_heads={num_heads} "
                f"must be at least 1, and width={width} a multiple of num_heads"
            )
        if not 0 <= max_corruption < 1:
            raise ValueError(f"max_corruption={max_corruption} must be at least 0 and below 1")
        self.grid_shape = (grid_shape[0], grid_shape[1])
        self.codebook_size, self.num_actions, self.memory = codebook_size, num_actions, memory
        self.max_corruption, self.begin_with_codebook = max_corruption, begin_with_codebook
        # One more of each: what was there before the episode began.
        self.code_embedding = nn.Embedding(codebook_size + 1, embedding_dim)
        self.action_embedding = nn.Embedding(num_actions + 1, embedding_dim)
        self.join_codes = nn.Linear(memory * embedding_dim, width)
        self.join_actions = nn.Linear(memory * embedding_dim + 1, width)
        self.position = nn.Parameter(0.02 * torch.randn(*self.grid_shape, width))
        self.blocks = nn.ModuleList(Block(width, num_heads) for _ in range(num_blocks))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, codebook_size)
        self.stay = nn.Linear(width, 1)
        nn.init.constant_(self.stay.bias, 4.0)

    @torch.no_grad()
    def begin_with_codes(self, features: Tensor) -> None:
        """See ``WorldModel.begin_with_codes``: a rare code begins with what is known of those that look like it."""
        if not self.begin_with_codebook:
            return
        features = features - features.mean(0)
        axes = torch.linalg.svd(features, full_matrices=False).Vh
        for weight, scale in ((self.code_embedding.weight, 1.0), (self.head.weight, 0.05)):
            axis = axes[: weight.shape[1]]  # those along which codes differ most
            seen = features @ axis.T
            weight[: self.codebook_size].zero_()[:, : len(axis)] = scale * seen / seen.std()

    def begin_with_weights(self, weights: Mapping[str, Tensor]) -> None:
        """See ``WorldModel.begin_with_weights``: blocks after those of a shallower network change nothing at first."""
        weights = dict(weights)
        for name, block in self.blocks.named_children():
            if f"blocks.{name}.conv.weight" not in weights:
                assert isinstance(block, Block)
                block.change_nothing()
                weights |= {f"blocks.{name}.{key}": value for key, value in block.state_dict().items()}
        self.load_state_dict(weights)

    def initial_state(self, batch_size: int, device: torch.device) -> State:
        """No grid and no action has been seen."""
        assert self.memory is not None
        codes = torch.full((batch_size, self.memory - 1, *self.grid_shape), self.codebook_size, device=device)
        return codes, torch.full((batch_size, self.memory - 1), self.num_actions, device=device)

    def step(self, codes: Tensor, actions: Tensor, state: State) -> tuple[WorldModelOutput, State]:
        """See ``WorldModel.step``."""
        self.check_inputs(codes, actions)
        grids, taken = _joined(codes, actions, state)
        return WorldModelOutput(self._predict(grids, taken)), (grids[:, 1:], taken[:, 1:])

    def remember(self, codes: Tensor, actions: Tensor, state: State) -> State:
        """See ``WorldModel.remember``."""
        grids, taken = _joined(codes, actions, state)
        return grids[:, 1:], taken[:, 1:]

    def forward(self, codes: Tensor, actions: Tensor) -> WorldModelOutput:
        """See ``WorldModel.forward``: all steps are one batch."""
        self.check_inputs(codes, actions)
        assert self.memory is not None
        before = self.initial_state(len(codes), codes.device)
        grids = torch.cat([before[0], codes], 1).unfold(1, self.memory, 1)
        taken = torch.cat([before[1], actions], 1).unfold(1, self.memory, 1)
        logits = self._predict(rearrange(grids, "B T h w M -> (B T) M h w"), rearrange(taken, "B T M -> (B T) M"))
        return WorldModelOutput(logits.unflatten(0, codes.shape[:2]))

    def _predict(self, grids: Tensor, actions: Tensor) -> Tensor:
        """Logits (B, h, w, K) of what follows grids (B, M, h, w) and actions (B, M)."""
        rate = torch.zeros(len(grids), 1, device=grids.device)
        if self.training:
            rate = torch.rand_like(rate) * self.max_corruption
            grids, actions = self._corrupted(grids, actions, rate)
        seen = self.join_codes(rearrange(self.code_embedding(grids), "B M h w D -> B h w (M D)"))
        taken = rearrange(self.action_embedding(actions), "B M D -> B (M D)")
        x = seen + self.join_actions(torch.cat([taken, rate], 1))[:, None, None] + self.position
        for block in self.blocks:
            x = block(x)
        x = self.norm(x)
        logits, present = self.head(x), grids[:, -1].clamp(max=self.codebook_size - 1).flatten()
        first = torch.arange(len(present), device=present.device) * self.codebook_size
        logits.view(-1).index_add_(0, first + present, self.stay(x).flatten())  # scatter_add is slow in bfloat16
        return logits

    def _corrupted(self, grids: Tensor, actions: Tensor, rate: Tensor) -> tuple[Tensor, Tensor]:
        """Grids (B, M, h, w) with some codes replaced at random, at a rate (B, 1) of its own for each window.

        One window in ten begins an episode: what lies further back than a random step was never seen.
        """
        replaced = torch.rand(grids.shape, device=grids.device) < rate[:, :, None, None]
        grids = torch.where(replaced, torch.randint_like(grids, self.codebook_size), grids)
        begins = torch.rand(len(grids), 1, device=grids.device) < 0.1
        back = torch.arange(grids.shape[1] - 1, -1, -1, device=grids.device)
        unseen = begins & (back > torch.randint(grids.shape[1], begins.shape, device=grids.device))
        grids = torch.where(unseen[:, :, None, None], self.codebook_size, grids)
        return grids, torch.where(unseen, self.num_actions, actions)


def _joined(codes: Tensor, actions: Tensor, state: State) -> tuple[Tensor, Tensor]:
    return torch.cat([state[0], codes[:, None]], 1), torch.cat([state[1], actions[:, None]], 1)


class Block(nn.Module):
    """A 3x3 convolution, attention over all cells and a small network for each: (B, h, w, D) to the same shape."""

    def __init__(self, width: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(3))
        self.conv = nn.Conv2d(width, width, 3, padding=1)
        self.attend = nn.Linear(width, 3 * width)
        self.attended = nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.ReLU(), nn.Linear(2 * width, width))

    @torch.no_grad()
    def change_nothing(self) -> None:
        """Zero what each of the three parts adds."""
        for last in (self.conv, self.attended, self.mlp[-1]):
            for p in last.parameters():
                p.zero_()

    def forward(self, x: Tensor) -> Tensor:
        """Let cells see their neighbours, then all others, then think."""
        image = F.relu(self.norms[0](x)).permute(0, 3, 1, 2)  # channels last in memory, as convolutions like it
        x = x + self.conv(image).permute(0, 2, 3, 1)
        x = x + self._attention(self.norms[1](x))
        return x + self.mlp(self.norms[2](x))

    def _attention(self, x: Tensor) -> Tensor:
        parts = rearrange(self.attend(x), "B h w (p n d) -> p B n (h w) d", p=3, n=self.num_heads)
        # Two products: the fused attention's backward pass takes a third of a training step on a CPU.
        query, key, value = parts
        weights = (query @ key.transpose(-1, -2) * query.shape[-1] ** -0.5).softmax(-1)
        return self.attended(rearrange(weights @ value, "B n (h w) d -> B h w (n d)", h=x.shape[1]))

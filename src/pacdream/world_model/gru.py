"""The baseline: a GRU that reads the code grid position by position."""

import torch
from einops import rearrange
from torch import Tensor, nn

from pacdream.types import State, WorldModelOutput
from pacdream.world_model.base import WorldModel


class GRUWorldModel(WorldModel):
    """Code and action embeddings, added at every position, through a GRU over the positions in row-major order.

    It remembers nothing between frames: its state is empty. Position ``i`` of the next grid is predicted from the
    action and positions ``0..i`` of the present grid only.
    """

    memory = 1

    def __init__(
        self,
        grid_shape: tuple[int, int],
        codebook_size: int,
        num_actions: int,
        embedding_dim: int,
        hidden_size: int,
        num_layers: int,
    ) -> None:
        """``embedding_dim`` channels of codes and actions, ``hidden_size`` units in each of ``num_layers`` layers."""
        super().__init__()
        if min(embedding_dim, hidden_size, num_layers) < 1:
            raise ValueError(
                f"embedding_dim={embedding_dim}, hidden_size={hidden_size} and num_layers={num_layers} "
                "must all be at least 1"
            )
        self.grid_shape = (grid_shape[0], grid_shape[1])
        self.codebook_size, self.num_actions = codebook_size, num_actions
        self.code_embedding = nn.Embedding(codebook_size, embedding_dim)
        self.action_embedding = nn.Embedding(num_actions, embedding_dim)
        self.gru = nn.GRU(embedding_dim, hidden_size, num_layers, batch_first=True)
        self.head = nn.Linear(hidden_size, codebook_size)

    def initial_state(self, batch_size: int, device: torch.device) -> State:
        """Nothing."""
        return ()

    def step(self, codes: Tensor, actions: Tensor, state: State) -> tuple[WorldModelOutput, State]:
        """See ``WorldModel.step``."""
        self.check_inputs(codes, actions)
        positions = rearrange(self.code_embedding(codes), "B h w D -> B (h w) D")
        action = rearrange(self.action_embedding(actions), "B D -> B 1 D")
        hidden, _ = self.gru(positions + action)
        logits = rearrange(self.head(hidden), "B (h w) K -> B h w K", h=self.grid_shape[0])
        return WorldModelOutput(logits), state

    def forward(self, codes: Tensor, actions: Tensor) -> WorldModelOutput:
        """See ``WorldModel.forward``: without a state all steps are one batch."""
        output, _ = self.step(codes.flatten(0, 1), actions.flatten(), ())
        return WorldModelOutput(output.logits.unflatten(0, codes.shape[:2]))

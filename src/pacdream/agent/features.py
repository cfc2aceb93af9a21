"""What an agent sees in a grid of codes."""

import gymnasium as gym
import torch
from einops import rearrange
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from torch import Tensor, nn


class GridFeatures(BaseFeaturesExtractor):
    """Embeds flat codes with their places, convolves the grid down and flattens it."""

    def __init__(
        self, observation_space: gym.spaces.Box, grid_shape: list[int], embedding_dim: int, features_dim: int
    ) -> None:
        """``grid_shape``: rows and columns of the grid that was flattened."""
        super().__init__(observation_space, features_dim)
        self.rows = grid_shape[0]
        self.embedding = nn.Embedding(int(observation_space.high.max()) + 1, embedding_dim)
        self.place = nn.Parameter(0.02 * torch.randn(grid_shape[0] * grid_shape[1], embedding_dim))
        self.layers = nn.Sequential(
            nn.Conv2d(embedding_dim, 64, 3, padding=1), nn.ReLU(),
            nn.Conv2d(64, 64, 3, stride=2, padding=1), nn.ReLU(),
            nn.Conv2d(64, 64, 3, stride=2, padding=1), nn.ReLU(),
            nn.Flatten(), nn.LazyLinear(features_dim), nn.ReLU(),
        )  # fmt: skip
        self(torch.zeros(1, *observation_space.shape))

    def forward(self, observations: Tensor) -> Tensor:
        """Features (B, features_dim) of flat codes (B, h*w)."""
        seen = self.embedding(observations.long()) + self.place
        features: Tensor = self.layers(rearrange(seen, "B (h w) D -> B D h w", h=self.rows))
        return features

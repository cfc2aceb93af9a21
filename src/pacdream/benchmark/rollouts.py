"""How fast the baseline imagines."""

import math
from typing import Any

import torch
from omegaconf import DictConfig

from pacdream.benchmark.machine import matrix_gflops, matrix_weights
from pacdream.core.checkpoints import build_model
from pacdream.evaluation.cost import frames_per_second


def bench_rollouts(config: DictConfig, facts: dict[str, Any], device: torch.device) -> dict[str, float]:
    """Imagined frames/s at growing batches, and what share of the matrix limit the best one reaches."""
    model = build_model(config.world_model, facts).to(device).eval()
    speeds = frames_per_second(model, config.rollout_batches, device, config.rounds)
    limit = matrix_gflops(device) * 1e9 / (math.prod(model.grid_shape) * matrix_weights(model) * 2)
    return {f"rollouts/frames_per_second@{batch}": speed for batch, speed in speeds.items()} | {
        "rollouts/best_over_matrix_limit": max(speeds.values()) / limit
    }

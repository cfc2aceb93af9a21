"""How fast the baseline imagines."""

import torch
from omegaconf import DictConfig

from pacdream.benchmark.machine import matrix_gflops, matrix_weights
from pacdream.benchmark.training import FACTS, POSITIONS
from pacdream.core.checkpoints import build_model
from pacdream.evaluation.cost import frames_per_second


def bench_rollouts(config: DictConfig, device: torch.device) -> dict[str, float]:
    """Imagined frames/s at growing batches, and what share of the matrix limit the best one reaches."""
    model = build_model(config.world_model, FACTS).to(device).eval()
    speeds = {batch: frames_per_second(model, batch, device) for batch in config.rollout_batches}
    limit = matrix_gflops(device) * 1e9 / (POSITIONS * matrix_weights(model) * 2)
    return {f"rollouts/frames_per_second@{batch}": speed for batch, speed in speeds.items()} | {
        "rollouts/best_over_matrix_limit": max(speeds.values()) / limit
    }

"""How fast the dream is as an environment, against the bare world model and against the game."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from ale_py.vector_env import AtariVectorEnv
from gymnasium.vector import VectorEnv
from omegaconf import DictConfig

from pacdream.core.checkpoints import build_model
from pacdream.core.instantiate import build
from pacdream.dream.dream import Dream, Starts
from pacdream.dream.vector_env import DreamVectorEnv
from pacdream.dream.view import View
from pacdream.evaluation.cost import frames_per_second
from pacdream.game.palette import ntsc_palette
from pacdream.rollout.sampler import Categorical

_CONTEXT = 8
_GAMES = 16
_OUTCOMES = {
    "before": 0, "after": 1, "points": [0, 10, 50], "base_rates": [0.9, 0.08, 0.02], "lost_rates": [0.01] * 4,
    "over_rate": 0.001,
}  # fmt: skip


def bench_dreams(config: DictConfig, facts: dict[str, Any], device: torch.device) -> dict[str, float]:
    """Frames/s of the vector environment with codes to see, its share of the bare model's, and ALE's own vector."""
    model = build_model(config.world_model, facts).to(device).eval()
    outcome = build_model(config.outcome, {**facts, **_OUTCOMES}).to(device).eval()
    view = View(build(config.tokenizer), ntsc_palette(), "codes")
    bare, results = frames_per_second(model, config.dream_rows, device, config.rounds), {}
    for rows in config.dream_rows:
        starts = Starts(
            torch.randint(model.codebook_size, (64, *model.grid_shape), device=device),
            torch.randint(model.num_actions, (64,), device=device),
            torch.arange(64 - _CONTEXT),
            _CONTEXT,
        )
        dream = Dream(model, outcome, starts, Categorical(1.0, None, 0), rows, horizon=200, ends="life")
        env = DreamVectorEnv(dream, view)
        speed = max(_steps_per_second(env, config.dream_seconds) for _ in range(config.rounds)) * rows
        results[f"dream/frames_per_second@{rows}"] = speed
        results[f"dream/over_bare_model@{rows}"] = speed / bare[rows]
    game = AtariVectorEnv("ms_pacman", num_envs=_GAMES)
    results[f"dream/ale_vector_frames_per_second@{_GAMES}"] = _steps_per_second(game, config.dream_seconds) * _GAMES
    return results


def _steps_per_second(env: VectorEnv[Any, Any, Any], seconds: float) -> float:
    """Of all rows at once."""
    env.reset(seed=0)
    act: Callable[[], Any] = env.action_space.sample
    env.step(act())
    steps, begin = 0, time.perf_counter()
    while time.perf_counter() - begin < seconds:
        env.step(np.asarray(act()))
        steps += 1
    return steps / (time.perf_counter() - begin)

"""Stable-Baselines3's PPO over code grids."""

from pathlib import Path
from typing import Any

from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import VecEnv

from pacdream.agent.features import GridFeatures
from pacdream.agent.scaled import ScaledRewards


def make_ppo(
    env: VecEnv,
    grid_shape: tuple[int, int],
    seed: int,
    resume: Path | None,
    embedding_dim: int,
    features_dim: int,
    reward_scale: float,
    **settings: Any,
) -> PPO:
    """A new agent, or one that goes on where it was saved.

    Args:
        env: whose observations are flat codes.
        grid_shape: (h, w) of them.
        seed: of everything it draws.
        resume: a saved agent, which goes on with the ``settings`` of today.
        embedding_dim: channels of a code.
        features_dim: features that actor and critic see.
        reward_scale: rewards are multiplied with this before it sees them.
        settings: of ``stable_baselines3.PPO``.

    Raises:
        ValueError: the saved agent sees other features.
    """
    scaled = ScaledRewards(env, reward_scale)
    features = {"grid_shape": list(grid_shape), "embedding_dim": embedding_dim, "features_dim": features_dim}
    if resume is not None:
        agent = PPO.load(resume, scaled, device="cpu", seed=seed, **settings)
        if (saved := agent.policy_kwargs["features_extractor_kwargs"]) != features:
            raise ValueError(f"{resume} holds an agent that sees {saved}, not {features}: choose those settings again")
        return agent
    kwargs = {"features_extractor_class": GridFeatures, "features_extractor_kwargs": features, "net_arch": []}
    return PPO("MlpPolicy", scaled, seed=seed, device="cpu", policy_kwargs=kwargs, **settings)

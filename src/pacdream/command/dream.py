"""The dream of a run as a Gymnasium environment: what ``gymnasium.make("pacdream/Dream-v0")`` calls."""

from typing import Any

from pacdream.command.run import open_run
from pacdream.core.device import best_device
from pacdream.data.episode_store import read_manifest
from pacdream.dream.dream import Dream, Ends, Starts
from pacdream.dream.env import DreamEnv
from pacdream.dream.vector_env import DreamVectorEnv
from pacdream.dream.view import Observation, View
from pacdream.outcome.frozen import load_outcome
from pacdream.rollout.sampler import Categorical, Greedy


def make_env(render_mode: str | None = None, **settings: Any) -> DreamEnv:
    """One dream; for ``settings`` see ``open_dream``."""
    return DreamEnv(*open_dream(rows=1, **settings), render_mode)


def make_vector_env(num_envs: int, render_mode: str | None = None, **settings: Any) -> DreamVectorEnv:
    """Many dreams in one batch; for ``settings`` see ``open_dream``.

    Raises:
        ValueError: fewer than one.
    """
    if num_envs < 1:
        raise ValueError(f"num_envs={num_envs} must be at least 1")
    return DreamVectorEnv(*open_dream(rows=num_envs, **settings), render_mode)


def open_dream(
    rows: int,
    run: str | None = None,
    outcome: str = "ms_pacman_outcome",
    obs: Observation = "frame",
    horizon: int = 200,
    ends: Ends = "life",
    context: int = 8,
    temperature: float = 1.0,
    episodes: str | None = None,
    precision: str = "32-true",
) -> tuple[Dream, View]:
    """Open a run and let it dream.

    Args:
        rows: dreams at once.
        run: whose world model dreams: a folder or a checkpoint; none for the one that comes with the package.
        outcome: what says what a step earns and when a life is lost: a name, or the folder of a run.
        obs: ``frame`` (H, W, 3) or flat ``codes``.
        horizon: steps after which a dream is cut.
        ends: ``life`` if the loss of a life ends it, or ``game``.
        context: real grids that a dream begins with.
        temperature: of the codes that are drawn; 0 takes the likeliest.
        episodes: folder whose episodes it begins in, none for the held-out ones of the run.
        precision: ``bf16-mixed`` is twice as fast on a device that has it.

    Raises:
        ValueError: one of these does not exist or does not fit the others.
    """
    opened = open_run(run)
    data = opened.data(episodes, best_device())
    device = data.codes.device
    sampler = Categorical(temperature, top_k=None, seed=0) if temperature else Greedy()
    dream = Dream(
        opened.model(device),
        load_outcome(outcome, data.identities()["tokenizer"]).to(device),
        Starts.of(data, context),
        sampler,
        rows,
        horizon,
        ends,
        precision,
    )
    return dream, View(data.tokenizer, read_manifest(data.folder).rgb(), obs)

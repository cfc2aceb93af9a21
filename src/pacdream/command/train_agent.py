"""An agent learns in the dream, or in the game, and plays the real game at the end."""

import logging
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import wandb
from hydra.core.hydra_config import HydraConfig
from lightning.pytorch.loggers import Logger
from omegaconf import DictConfig, OmegaConf
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env import VecMonitor

from pacdream.agent.coded_games import CodedGames
from pacdream.agent.policy import AgentPolicy
from pacdream.agent.vec_env import SB3VecEnv
from pacdream.command.dream import open_dream
from pacdream.command.plan import scores_of
from pacdream.command.run import open_run
from pacdream.command.schemas import TrainAgentSettings
from pacdream.core.check_settings import check_settings
from pacdream.core.files import atomic_path, write_json
from pacdream.core.instantiate import build
from pacdream.data.collect import episode_seeds
from pacdream.dream.vector_env import DreamVectorEnv
from pacdream.planner.games import play_games
from pacdream.policy.random import RandomPolicy

log = logging.getLogger(__name__)


def train_agent(config: DictConfig) -> None:
    """Train for ``config.steps`` steps, save, and play the real game; Ctrl-C saves, too.

    Raises:
        ValueError: not a run of a world model, no outcome network for it, or a folder that holds no agent.
    """
    check_settings(config, TrainAgentSettings)
    folder = Path(HydraConfig.get().runtime.output_dir)
    saved = _saved(config.resume)
    run = open_run(config.run)
    tokenizer = run.tokenizer()
    env = VecMonitor(SB3VecEnv(_world(config, tokenizer)))
    agent: PPO = build(config.agent, env=env, grid_shape=tokenizer.grid_shape, seed=config.seed, resume=saved)
    env.seed(config.seed)
    log.info("learning in the %s, %d rows side by side, from step %d", config.world, env.num_envs, agent.num_timesteps)
    loggers = [build(logger) for logger in config.logger.values()]
    watch = _Watch(folder, loggers, config.steps, config.save_every)
    try:
        agent.learn(config.steps - agent.num_timesteps, callback=watch, reset_num_timesteps=saved is None)
    finally:
        wandb.finish()
        _save(agent, folder)
    seeds = [episode_seeds(config.seed, index) for index in range(config.games)]
    play = partial(play_games, partial(build, config.env), seeds=seeds, max_steps=config.max_steps)
    players = {
        "agent": scores_of(play(policy=AgentPolicy(agent, tokenizer)), config.resamples, config.seed),
        "random": scores_of(play(policy=RandomPolicy()), config.resamples, config.seed),
    }
    found = {
        "steps": agent.num_timesteps,
        f"return in the {config.world}": watch.mean_return,
        "players": players,
        "settings": OmegaConf.to_container(config, resolve=True),
    }
    write_json(folder / "agent.json", found)
    for name, row in players.items():
        log.info("%s: mean %.0f of %d real games, median %.0f", name, row["mean"], config.games, row["median"])
    log.info("return in the %s: %.1f points; everything: %s", config.world, watch.mean_return, folder)


def _world(config: DictConfig, tokenizer: Any) -> Any:
    """Where it acts."""
    settings = dict(OmegaConf.to_container(config.dream))  # type: ignore[arg-type]
    rows = settings.pop("num_envs")
    if config.world == "game":
        return CodedGames(partial(build, config.env), tokenizer, rows)
    if config.world != "dream":
        raise ValueError(f"world={config.world!r} is unknown: choose dream or game")
    return DreamVectorEnv(*open_dream(rows, run=config.run, obs="codes", **settings))


def _saved(resume: str | None) -> Path | None:
    """The agent in a folder."""
    if resume is None:
        return None
    path = Path(resume) / "agent.zip"
    if not path.is_file():
        raise ValueError(f"resume={resume} holds no agent: there is no {path}")
    return path


def _save(agent: PPO, folder: Path) -> None:
    with atomic_path(folder / "agent.zip") as temporary, temporary.open("wb") as file:
        agent.save(file)


class _Watch(BaseCallback):
    """Shows progress, writes curves, and saves the agent every so many steps."""

    def __init__(self, folder: Path, loggers: Sequence[Logger], steps: int, save_every: int) -> None:
        super().__init__()
        self._folder, self._loggers = folder, loggers
        self._steps, self._save_every, self._next = steps, save_every, save_every
        columns = (TextColumn("learning"), BarColumn(), MofNCompleteColumn(), TextColumn("steps, return"),
                   TextColumn("{task.fields[points]:.0f}"), TimeRemainingColumn())  # fmt: skip
        self._progress = Progress(*columns)

    @property
    def mean_return(self) -> float:
        """Points of the last hundred episodes."""
        ended = self.model.ep_info_buffer or ()
        return float(np.mean([episode["r"] for episode in ended])) if ended else float("nan")

    def _on_training_start(self) -> None:
        self._next = self.num_timesteps + self._save_every
        self._progress.start()
        self._task = self._progress.add_task("", total=self._steps, completed=self.num_timesteps, points=0.0)

    def _on_step(self) -> bool:
        self._progress.update(self._task, completed=self.num_timesteps)
        return True

    def _on_rollout_end(self) -> None:
        self._progress.update(self._task, points=self.mean_return)
        for logger in self._loggers:
            logger.log_metrics({"agent/return": self.mean_return}, self.num_timesteps)
            logger.save()
        if self.num_timesteps >= self._next:
            _save(self.model, self._folder)  # type: ignore[arg-type]
            self._next += self._save_every

    def _on_training_end(self) -> None:
        self._progress.stop()

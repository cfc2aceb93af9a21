"""An agent learns in the dream, or in the game, and plays the real game at the end."""

import json
import logging
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import wandb
from gymnasium.vector import VectorEnv
from hydra.core.hydra_config import HydraConfig
from lightning.pytorch.loggers import Logger
from omegaconf import DictConfig, OmegaConf
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import Logger as SilentLogger
from stable_baselines3.common.vec_env import VecMonitor

from pacdream.agent.coded_games import CodedGames
from pacdream.agent.policy import AgentPolicy
from pacdream.agent.vec_env import SB3VecEnv
from pacdream.command.dream import open_dream
from pacdream.command.plan import scores_of
from pacdream.command.run import open_run
from pacdream.command.schemas import DreamSettings, TrainAgentSettings
from pacdream.core.check_settings import check_settings
from pacdream.core.checkpoints import weights_sha256
from pacdream.core.files import atomic_path, reading, write_json
from pacdream.core.instantiate import build
from pacdream.core.settings import differences
from pacdream.data.collect import episode_seeds
from pacdream.dream.vector_env import DreamVectorEnv
from pacdream.planner.games import play_games
from pacdream.policy.random import RandomPolicy
from pacdream.tokenizer.base import Tokenizer

log = logging.getLogger(__name__)


def train_agent(config: DictConfig) -> None:
    """Train for ``config.steps`` steps, save, and play the real game; Ctrl-C saves, too.

    Raises:
        ValueError: not a run of a world model, no outcome network for it, or a folder that holds no agent, or one that
            has learnt elsewhere.
    """
    check_settings(config, TrainAgentSettings)
    check_settings(config.dream, DreamSettings)
    folder = Path(HydraConfig.get().runtime.output_dir)
    run = open_run(config.run)
    run.check_env(config.env)
    tokenizer = run.tokenizer()
    where = {"world": config.world, "world_model": weights_sha256(run.model()), "tokenizer": weights_sha256(tokenizer)}
    world = _world(config, tokenizer)
    if isinstance(world, DreamVectorEnv):
        where["outcome"] = weights_sha256(world.dream.outcome)
    saved = _saved(config.resume, where)
    env = VecMonitor(SB3VecEnv(world))
    agent: PPO = build(config.agent, env=env, grid_shape=tokenizer.grid_shape, seed=config.seed, resume=saved)
    agent.set_logger(SilentLogger(folder=None, output_formats=[]))  # its own would leave a folder in /tmp each time
    agent.set_random_seed(config.seed + agent.num_timesteps)  # who goes on does not see the first dreams again
    log.info("learning in the %s, %d rows side by side, from step %d", config.world, env.num_envs, agent.num_timesteps)
    if agent.num_timesteps >= config.steps:
        log.warning("it has learnt for %d steps already: give more than steps=%d", agent.num_timesteps, config.steps)
    write_json(folder / "where.json", where)
    loggers = [build(logger) for logger in config.logger.values()]
    watch = _Watch(folder, loggers, config.steps, config.save_every)
    try:
        if agent.num_timesteps < config.steps:
            agent.learn(config.steps - agent.num_timesteps, callback=watch, reset_num_timesteps=saved is None)
    except KeyboardInterrupt:
        log.warning("the same command goes on with `resume='%s'` added to it", folder)
        raise
    finally:
        watch.stop()
        try:
            _save(agent, folder)
        finally:
            wandb.finish()  # or the next job of a multirun would write into this one's run
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
        "where": where,
        "settings": OmegaConf.to_container(config, resolve=True),
    }
    write_json(folder / "agent.json", found)
    for name, row in players.items():
        log.info("%s: mean %.0f of %d real games, median %.0f", name, row["mean"], config.games, row["median"])
    shown = "unknown" if watch.mean_return is None else f"{watch.mean_return:.1f} points"
    log.info("return in the %s: %s; everything: %s", config.world, shown, folder)


def _world(config: DictConfig, tokenizer: Tokenizer) -> VectorEnv[Any, Any, Any]:
    """Where it acts."""
    settings = dict(OmegaConf.to_container(config.dream, resolve=True))  # type: ignore[arg-type]
    rows = settings.pop("num_envs")
    if config.world == "game":
        return CodedGames(partial(build, config.env), tokenizer, rows)
    if config.world != "dream":
        raise ValueError(f"world={config.world!r} is unknown: choose dream or game")
    return DreamVectorEnv(*open_dream(rows, run=config.run, obs="codes", **settings))


def _saved(resume: str | None, where: dict[str, str]) -> Path | None:
    """The agent in a folder, if it has learnt where it is to go on."""
    if resume is None:
        return None
    path, noted = Path(resume) / "agent.zip", Path(resume) / "where.json"
    if not (path.is_file() and noted.is_file()):
        raise ValueError(f"resume={resume} holds no agent: there is no {noted if path.is_file() else path}")
    with reading(noted, "train another agent"):
        was = json.loads(noted.read_text())
    known = {name: identity for name, identity in where.items() if name in was}  # older agents say less
    if changed := differences(was, known):
        raise ValueError(
            f"resume={resume} holds an agent that has learnt elsewhere ({', '.join(changed)}): give the run=, world= "
            "and dream.outcome= that it was trained with"
        )
    return path


def _save(agent: PPO, folder: Path) -> None:
    with atomic_path(folder / "agent.zip") as temporary, temporary.open("wb") as file:
        agent.save(file)


class _Watch(BaseCallback):
    """Shows progress, writes curves, and saves the agent every so many steps."""

    def __init__(self, folder: Path, loggers: Sequence[Logger], steps: int, save_every: int) -> None:
        super().__init__()
        self._folder, self._loggers = folder, loggers
        self._steps, self._save_every = steps, save_every
        columns = (TextColumn("learning"), BarColumn(), MofNCompleteColumn(), TextColumn("steps, return"),
                   TextColumn("{task.fields[points]:.0f}"), TimeRemainingColumn())  # fmt: skip
        self._progress = Progress(*columns)

    @property
    def mean_return(self) -> float | None:
        """Points of the last hundred episodes, none if no episode has ended, or nothing was learnt."""
        agent = getattr(self, "model", None)
        ended = (agent and agent.ep_info_buffer) or ()
        return float(np.mean([episode["r"] for episode in ended])) if ended else None

    def stop(self) -> None:
        """Show nothing more."""
        self._progress.stop()

    def _on_training_start(self) -> None:
        self._next = self.num_timesteps + self._save_every
        self._progress.start()
        self._task = self._progress.add_task("", total=self._steps, completed=self.num_timesteps, points=0.0)

    def _on_step(self) -> bool:
        self._progress.update(self._task, completed=self.num_timesteps)
        return True

    def _on_rollout_end(self) -> None:
        if self.num_timesteps >= self._next:
            _save(self.model, self._folder)  # type: ignore[arg-type]
            self._next += self._save_every
        if self.mean_return is None:
            return
        self._progress.update(self._task, points=self.mean_return)
        for logger in self._loggers:
            logger.log_metrics({"agent/return": self.mean_return}, self.num_timesteps)
            logger.save()

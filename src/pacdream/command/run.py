"""A finished run, opened from its folder or from a bare checkpoint."""

from dataclasses import dataclass, replace
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.loggers import Logger
from omegaconf import DictConfig, OmegaConf
from torch import nn

import pacdream.core.resolvers  # noqa: F401 - a run's settings call them
from pacdream.command.logging import wandb_logger
from pacdream.command.provenance import read_provenance
from pacdream.command.run_data import open_data
from pacdream.command.run_settings import is_run, run_settings
from pacdream.core.checkpoints import load_model, read_about, weights_sha256
from pacdream.core.instantiate import build
from pacdream.data.episode_store import Manifest, read_episode, read_manifest
from pacdream.data.origin import Origin
from pacdream.data.split import split_episodes
from pacdream.evaluation.scorecard import Scorecard, read_scorecard
from pacdream.game.games import name_of
from pacdream.outcome.network import OutcomeNetwork
from pacdream.tokenizer.base import Tokenizer
from pacdream.types import Episode
from pacdream.world_model.base import WorldModel

ABOUT = ("global_step", "made_from", "split")
"""What a checkpoint says of itself beside its weights."""
BUNDLED = Path(str(files("pacdream"))) / "assets" / "ms_pacman_attention"
"""The run that comes with the package: settings and weights."""


@dataclass(frozen=True)
class Run:
    """What a training run left behind. The settings in its folder are instantiated: open runs of people you trust."""

    folder: Path
    """The run's folder; where a bare checkpoint lies."""
    checkpoint: Path
    config: DictConfig
    """The settings it was trained with; those of the command for a bare checkpoint."""
    bare: bool
    """There is nothing but a checkpoint: no settings and no provenance."""

    @property
    def name(self) -> str:
        """Experiment and time."""
        return "/".join(self.folder.resolve().parts[-2:])

    @property
    def is_best(self) -> bool:
        """It is opened with its own best checkpoint, which its own record is of."""
        best = self.folder / "checkpoints" / "best.ckpt"
        return not self.bare and self.checkpoint.resolve() == best.resolve()

    @property
    def kind(self) -> str:
        """What it has trained, and so which report measures it: ``world_model``, ``tokenizer`` or ``outcome``.

        Raises:
            ValueError: the checkpoint is damaged, or of none of them.
        """
        network = load_model(self.checkpoint, nn.Module)
        for name, kind in {"world_model": WorldModel, "tokenizer": Tokenizer, "outcome": OutcomeNetwork}.items():
            if isinstance(network, kind):
                return name
        raise ValueError(f"{self.checkpoint} holds a {type(network).__name__}, which no report can measure")

    def model(self, device: torch.device | str = "cpu") -> WorldModel:
        """Its world model, frozen."""
        return load_model(self.checkpoint, WorldModel, device)  # type: ignore[type-abstract]

    def tokenizer(self) -> Tokenizer:
        """The tokenizer it lives behind, frozen.

        Raises:
            ValueError: it is not there any more, or it is another one now.
        """
        tokenizer: Tokenizer = build(self.config.tokenizer)
        here = weights_sha256(tokenizer)
        if (known := self.origin.identities.get("tokenizer", here)) != here:
            raise ValueError(
                f"{self.checkpoint} was trained behind another tokenizer ({known[:12]}…) than {here[:12]}…, which "
                f"tokenizer.checkpoint={self.config.tokenizer.get('checkpoint')} is now: its codes mean something else"
            )
        return tokenizer

    def data(self, episodes: str | None = None, device: torch.device | str = "cpu") -> Any:
        """Its data module, set up, with its codes on a device; see ``open_data``."""
        return open_data(
            self.folder, self.bare, self.config, self.origin, self.checkpoint, episodes, torch.device(device)
        )

    def manifest(self) -> Manifest:
        """What is known of its episodes without reading them."""
        return read_manifest(Path(self.config.data.episodes))

    def check_env(self, env: DictConfig) -> None:
        """Refuse to play another game than the one that it has learnt from.

        Raises:
            ValueError: game, length of a step or pooling differ from those of its episodes.
        """
        learnt = {} if self.bare else self._env
        told = {name: learnt[name] for name in ("id", "frameskip", "pooling") if name in learnt and name in env}
        wrong = [
            f"env.{name}={value}" for name, value in told.items() if _meaning(name, value) != _meaning(name, env[name])
        ]
        if wrong:
            raise ValueError(f"{self.checkpoint} has learnt another game than is played here: add {' '.join(wrong)}")

    @property
    def _env(self) -> dict[str, Any]:
        """Settings of the game that its episodes were recorded with, as far as they are known."""
        if (Path(self.config.data.episodes) / "manifest.json").is_file():
            return dict(self.manifest().settings.get("env", {}))
        own = OmegaConf.select(self.config, "recording.output") == self.config.data.episodes
        return dict(OmegaConf.select(self.config, "recording.env") or {}) if own else {}

    def episode(self, number: int) -> Episode:
        """One of its episodes."""
        manifest = self.manifest()
        if not 0 <= number < len(manifest.episodes):
            raise ValueError(f"episode {number} is none of 0 to {len(manifest.episodes) - 1}")
        return read_episode(Path(self.config.data.episodes), manifest.episodes[number], manifest.num_actions)

    def scorecard(self) -> Scorecard:
        """What evaluation found."""
        return read_scorecard(self.folder / "report" / "metrics.json")

    def loggers(self) -> list[Logger]:
        """Loggers that go on writing where the run's own did; none if that is not known."""
        path = self.folder / "wandb.json"
        if not path.is_file():
            return []
        return [wandb_logger("", self.config.paths.outputs, "", address=str(path))]

    @cached_property
    def origin(self) -> Origin:
        """What it was trained on, as far as that is known: the checkpoint's own word, else that of the run."""
        known = Origin.read(self._header)
        if self.bare:
            return known
        if not known.identities:
            made_from = read_provenance(self.folder)
            known = replace(known, identities={k: v for k, v in made_from.items() if k in ("episodes", "tokenizer")})
        own = self.config.data
        if known.train is None and (Path(own.episodes) / "manifest.json").is_file():
            manifest = self.manifest()
            split = split_episodes(len(manifest.episodes), own.val_fraction, own.split_seed)
            there = Origin.of(manifest, split)
            if there.identities["episodes"] == known.identities.get("episodes"):
                return replace(there, identities=known.identities)
        return known

    @property
    def global_step(self) -> int:
        """Optimizer steps behind the checkpoint, 0 if it does not say."""
        return int(self._header.get("global_step", 0))

    @cached_property
    def _header(self) -> dict[str, Any]:
        """What the checkpoint says of itself beside its weights."""
        content = read_about(self.checkpoint)
        return {key: content[key] for key in ABOUT if key in content}


def _meaning(name: str, value: Any) -> Any:
    """Of a setting of the game: all ids of a game are one."""
    return name_of(value) or value if name == "id" else value


def open_run(path: str | Path | None, default: DictConfig | None = None, checkpoint: str | None = None) -> Run:
    """Open a run.

    Args:
        path: its folder, a folder of runs of which the newest finished one is taken, or a checkpoint; none for the run
            that comes with the package.
        default: settings for a checkpoint that is not in the folder of a run.
        checkpoint: instead of the run's best.

    Raises:
        ValueError: none of these.
    """
    path = BUNDLED if path is None else Path(path)
    if path.is_file():
        if checkpoint is not None:
            raise ValueError(f"run={path} is a checkpoint itself: give checkpoint={checkpoint} with the run's folder")
        folder = path.absolute().parent.parent
        if is_run(folder):
            return Run(folder, path, run_settings(folder), bare=False)
        if default is None:
            raise ValueError(f"{path} is not in the folder of a run, so nothing says which data belong to it")
        load_model(path, nn.Module)  # before anything is done for it
        return Run(path.parent, path, default, bare=True)
    folder = path if is_run(path) else newest_run(path)
    weights = Path(checkpoint) if checkpoint else best_weights(folder)
    if not weights.is_file():
        raise ValueError(f"run={folder} is not the folder of a finished run: there is no {weights}")
    return Run(folder, weights, run_settings(folder), bare=False)


def newest_run(folder: Path) -> Path:
    """The newest finished run in a folder of runs.

    Raises:
        ValueError: there is none.
    """
    finished = [p for p in folder.glob("*") if is_run(p) and _has_finished(p)]
    if not finished:
        raise ValueError(
            f"run={folder} is neither the folder of a finished run (there is no {folder / '.hydra' / 'config.yaml'}), "
            "nor a folder with finished runs in it, nor a checkpoint"
        )
    return max(finished, key=lambda p: best_weights(p).stat().st_mtime)


def _has_finished(folder: Path) -> bool:
    best = best_weights(folder)
    return best.is_file() and (best.suffix == ".safetensors" or (folder / "result.json").is_file())


def best_weights(folder: Path) -> Path:
    """The best checkpoint of a run or, if the run has been exported, its weights."""
    best = folder / "checkpoints" / "best.ckpt"
    exported = best.with_suffix(".safetensors")
    return exported if exported.is_file() and not best.is_file() else best

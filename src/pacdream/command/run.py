"""A finished run, opened from its folder or from a bare checkpoint."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.loggers import Logger
from omegaconf import DictConfig, OmegaConf
from torch import nn

import pacdream.core.resolvers  # noqa: F401 - a run's settings call them
from pacdream.command.logging import wandb_logger
from pacdream.command.provenance import check_same_data, read_provenance
from pacdream.core.checkpoint_io import read_checkpoint
from pacdream.core.checkpoints import load_model
from pacdream.core.files import reading
from pacdream.core.instantiate import build
from pacdream.core.settings import read_settings
from pacdream.data.episode_store import Manifest, read_episode, read_manifest
from pacdream.data.split import split_episodes
from pacdream.evaluation.scorecard import Scorecard, read_scorecard
from pacdream.tokenizer.base import Tokenizer
from pacdream.types import Episode
from pacdream.world_model.base import WorldModel

_RESTORE = "restore it from a copy"


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
    def report(self) -> str | None:
        """Which option of ``conf/report`` it was trained with; a bare checkpoint is taken for a world model."""
        if self.bare:
            return "world_model"
        _, found = _of_hydra(self.folder)
        return None if found in (None, "none", "null") else found

    def model(self, device: torch.device | str = "cpu") -> WorldModel:
        """Its world model, frozen."""
        return load_model(self.checkpoint, WorldModel, device)  # type: ignore[type-abstract]

    def tokenizer(self) -> Tokenizer:
        """The tokenizer it lives behind, frozen."""
        tokenizer: Tokenizer = build(self.config.tokenizer)
        return tokenizer

    def data(self, episodes: str | None = None) -> Any:
        """Its data module, set up; of ``episodes`` recorded elsewhere all are held out.

        Raises:
            ValueError: the run was trained on other episodes, or behind another tokenizer, than are there now.
        """
        own = self.config.data
        elsewhere = episodes is not None and Path(episodes).resolve() != Path(own.episodes).resolve()
        if elsewhere:
            # The run's own episodes may lie in another folder now: those that it was trained on are not held out.
            known = read_manifest(Path(str(episodes))).sha256 == self._made_from.get("episodes")
            changes = {"episodes": str(episodes), **({} if known else {"val_fraction": 1.0})}
            own = OmegaConf.merge(self.config, {"data": changes}).data
            if not known:
                self._check_not_seen(Path(str(episodes)))
        data = build(own)
        identities = data.identities()
        if elsewhere:
            identities.pop("episodes")
        check_same_data(self.folder, identities)
        self._check_checkpoint(identities)
        data.device = torch.accelerator.current_accelerator() or torch.device("cpu")
        data.prepare_data()
        data.setup("validate")
        return data

    def manifest(self) -> Manifest:
        """What is known of its episodes without reading them."""
        return read_manifest(Path(self.config.data.episodes))

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

    @property
    def _made_from(self) -> dict[str, str]:
        """Hashes of what it was trained on, as far as they are known."""
        path = self.folder / "provenance.json"
        if path.is_file() and not self.bare:
            return read_provenance(self.folder)
        return dict(self._header.get("made_from", {}))

    def _check_not_seen(self, episodes: Path) -> None:
        """Refuse to measure on episodes that the run was trained on, as far as its own can still be found."""
        own = Path(self.config.data.episodes)
        if self.bare or not (own / "manifest.json").is_file():
            return
        entries = read_manifest(own).episodes
        split = split_episodes(len(entries), self.config.data.val_fraction, self.config.data.split_seed)
        trained = {entries[number].sha256 for number in split.train}
        seen = [entry.file for entry in read_manifest(episodes).episodes if entry.sha256 in trained]
        if seen:
            raise ValueError(
                f"{len(seen)} of the episodes in {episodes} are among those that {self.name} was trained on"
            )

    @property
    def global_step(self) -> int:
        """Optimizer steps behind the checkpoint, 0 if it does not say."""
        return int(self._header.get("global_step", 0))

    @cached_property
    def _header(self) -> dict[str, Any]:
        """What the checkpoint says of itself beside its weights."""
        if self.checkpoint.suffix == ".safetensors":
            return {}
        content = read_checkpoint(self.checkpoint)
        return {key: content[key] for key in ("global_step", "made_from") if key in content}

    def _check_checkpoint(self, identities: dict[str, str]) -> None:
        """Refuse a checkpoint that says that it was trained behind another tokenizer."""
        here = identities.get("tokenizer", "")
        trained = self._header.get("made_from", {}).get("tokenizer", here)  # its own word: it may be of another run
        if trained != here:
            raise ValueError(
                f"{self.checkpoint} was trained behind another tokenizer ({trained[:12]}…) than the one here "
                f"({here[:12]}…): its codes mean something else; choose it with tokenizer.checkpoint=<file>"
            )


def open_run(path: str | Path, default: DictConfig | None = None, checkpoint: str | None = None) -> Run:
    """Open a run.

    Args:
        path: its folder, a folder of runs of which the newest finished one is taken, or a checkpoint.
        default: settings for a checkpoint that is not in the folder of a run.
        checkpoint: instead of the run's best.

    Raises:
        ValueError: none of these.
    """
    path = Path(path)
    if path.is_file():
        folder = path.parent.parent
        if _is_run(folder):
            return Run(folder, path, _settings(folder), bare=False)
        if default is None:
            raise ValueError(f"{path} is not in the folder of a run, so nothing says which data belong to it")
        load_model(path, nn.Module)  # before anything is done for it
        return Run(path.parent, path, default, bare=True)
    folder = path if _is_run(path) else newest_run(path)
    weights = Path(checkpoint) if checkpoint else folder / "checkpoints" / "best.ckpt"
    if not weights.is_file():
        raise ValueError(f"run={folder} is not the folder of a finished run: there is no {weights}")
    return Run(folder, weights, _settings(folder), bare=False)


def newest_run(folder: Path) -> Path:
    """The newest finished run in a folder of runs.

    Raises:
        ValueError: there is none.
    """
    finished = [p for p in folder.glob("*") if _is_run(p) and (p / "checkpoints" / "best.ckpt").is_file()]
    if not finished:
        raise ValueError(
            f"run={folder} is neither the folder of a finished run (there is no {folder / '.hydra' / 'config.yaml'}), "
            "nor a folder with finished runs in it, nor a checkpoint"
        )
    return max(finished, key=lambda p: (p / "checkpoints" / "best.ckpt").stat().st_mtime)


def _is_run(folder: Path) -> bool:
    return (folder / ".hydra" / "config.yaml").is_file()


def _settings(folder: Path) -> DictConfig:
    """A run's settings, its relative paths found again whatever folder this command runs in."""
    path = folder / ".hydra" / "config.yaml"
    config = read_settings(path, _RESTORE)
    known = (folder / ".hydra" / "hydra.yaml").is_file()
    cwd = Path(_of_hydra(folder)[0]) if known else Path.cwd()
    # <outputs>/train/<name>/<time>, in a sweep one deeper: where the run lies now counts more than where it was made.
    around = (parent for parent in folder.resolve().parents[:5] if (parent / "episodes").is_dir())
    with reading(path, _RESTORE):
        config.paths.outputs = str(next(around, cwd / config.paths.outputs))
        for group, key in (("data", "episodes"), ("tokenizer", "checkpoint")):
            value = (config.get(group) or {}).get(key)
            if value and not Path(value).exists():
                config[group][key] = str(cwd / value)
    return config


def _of_hydra(folder: Path) -> tuple[str, str | None]:
    """The folder that a run was begun in and the option that its report is, as Hydra has noted."""
    path = folder / ".hydra" / "hydra.yaml"
    with reading(path, _RESTORE):
        runtime = OmegaConf.load(path).hydra.runtime
        cwd, report = runtime.cwd, (runtime.get("choices") or {}).get("report")
        if not isinstance(cwd, str) or not isinstance(report, str | None):
            raise ValueError("it holds something else")
        return cwd, report

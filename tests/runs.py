"""Whole commands inside the test process, made tiny: recordings, training runs, measurements."""

import functools
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from lightning.pytorch.loggers import Logger
from omegaconf import DictConfig, OmegaConf, open_dict
from PIL import Image

from pacdream.command.evaluate import evaluate
from pacdream.command.train import train
from pacdream.core.checkpoints import build_model
from pacdream.core.files import write_json
from pacdream.data import collect
from pacdream.data.episode_store import Manifest
from pacdream.data.latent_data_module import LatentDataModule
from pacdream.evaluation import cost
from pacdream.evaluation.measure import Measurement, measure
from pacdream.evaluation.settings import Settings
from pacdream.outcome.network import OutcomeNetwork
from pacdream.outcome.span_network import SpanNetwork
from pacdream.report import plots
from pacdream.rollout.sampler import Categorical
from pacdream.world_model.base import WorldModel
from tests.conftest import EPISODES, ROOT, STEPS, TINY_GRU, compose_config, latent_data, pac_man_recording

SMALL_REPORT = {
    "horizon": 8, "num_windows": 6, "game_windows": 2, "control_moments": 3, "control_horizon": 3, "num_worst": 2,
    "resamples": 50, "batch_size": 4,
}  # fmt: skip
SETTINGS = Settings(**SMALL_REPORT, warmup=3, context=4, seed=0)
SMALL = {
    "data.batch_size": 2, "data.val_batch_size": 8, "data.max_val_frames": 4, "world_model.hidden_size": 16,
    "world_model.width": 16, "data.rare.points": 10,
    "data.dreams.count": 3, "data.dreams.val_count": 2, "data.dreams.horizon": 4, "data.dreams.context": 4,
    "data.max_val_steps": 20, "outcome.width": 8, "report.strip_steps": 3, "report.num_videos": 1,
    **{f"report.{name}": value for name, value in SMALL_REPORT.items()},
}  # fmt: skip


def small_overrides(config: DictConfig, episodes: Path, tokenizer: Path, outputs: Path) -> list[str]:
    """What makes a run of ``config`` tiny: two steps, the test's episodes and tokenizer, nothing sent anywhere."""
    overrides = [
        "trainer=cpu", "trainer.max_steps=2", "trainer.val_check_interval=2", "trainer.check_val_every_n_epoch=1",
        "+trainer.limit_train_batches=2", "+trainer.limit_val_batches=1", "logger=csv", "callback.progress=null",
        f"recording.output={episodes}", f"recording.episodes={EPISODES}", f"recording.max_steps={STEPS}",
        "policy@recording.policy=held_random", f"paths.outputs={outputs}",
    ]  # fmt: skip
    levels = len(OmegaConf.select(config, "tokenizer.widths") or ())
    changes = {**SMALL, "tokenizer.checkpoint": tokenizer, "tokenizer.widths": [8] * (levels - 1) + [16]}
    if has(config, "data.cache"):
        changes["data.cache"] = episodes.parent / "latents"  # encoded once for all
    if has(config, "data.dreams.checkpoint"):
        changes["data.dreams.checkpoint"] = tiny_run(episodes, tokenizer) / "checkpoints" / "best.ckpt"
    return overrides + [f"{key}={value}" for key, value in changes.items() if has(config, key)]


def has(config: DictConfig, key: str) -> bool:
    parent, _, name = key.rpartition(".")
    return name in (OmegaConf.select(config, parent) or {})


@contextmanager
def quick_cost() -> Iterator[None]:
    """Speeds are measured once, not for seconds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cost, "frames_per_second", functools.partial(cost.frames_per_second, rounds=1, seconds=0.0))
        yield


@contextmanager
def blank_plots() -> Iterator[None]:
    """Nothing is drawn, which takes the most time of a tiny report."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in vars(plots) if name.startswith("plot_")]:
            patch.setattr(plots, name, lambda path, *_: Image.new("RGB", (2, 2)).save(path))
        yield


@contextmanager
def hydra_run(root: str, folder: Path, overrides: list[str]) -> Iterator[DictConfig]:
    """The configuration of a command, and around it what ``@hydra.main`` sets up and leaves in its folder."""
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        config = compose(root, [f"hydra.runtime.output_dir={folder}", *overrides], return_hydra_config=True)
    HydraConfig.instance().set_config(config)
    (folder / ".hydra").mkdir(parents=True, exist_ok=True)
    OmegaConf.save(OmegaConf.masked_copy(config, ["hydra"]), folder / ".hydra" / "hydra.yaml")
    with open_dict(config):
        del config.hydra
    OmegaConf.save(config, folder / ".hydra" / "config.yaml")
    try:
        yield config
    finally:
        HydraConfig.instance().cfg = None


def trained(experiment: str, episodes: Path, tokenizer: Path, outputs: Path) -> Path:
    """The folder of a tiny training run."""
    folder = outputs / "train" / experiment / "now"
    chosen = [f"experiment={experiment}"]
    small = small_overrides(compose_config("train", chosen), episodes, tokenizer, outputs)
    with hydra_run("train", folder, [*chosen, *small]) as config, quick_cost(), blank_plots():
        train(config)
    return folder


def evaluated(folder: Path, *overrides: str) -> Path:
    """Run ``evaluate.py``, tiny, in a folder."""
    small = [f"report.world_model.{name}={value}" for name, value in {**SMALL_REPORT, "num_videos": 1}.items()]
    with hydra_run("evaluate", folder, [*small, *overrides]) as config, quick_cost(), blank_plots():
        evaluate(config)
    return folder


@functools.cache
def tiny_run(episodes: Path, tokenizer: Path) -> Path:
    """The folder of a GRU's run; made once for all tests. Do not change it: copy it first."""
    return trained("gru_baseline", episodes, tokenizer, episodes.parent / "outputs")


@functools.cache
def tiny_outcome(episodes: Path, tokenizer: Path) -> Path:
    """The folder of an outcome network's run behind the same tokenizer; made once for all tests."""
    return trained("outcome", episodes, tokenizer, episodes.parent / "outputs")


class NotedReport:
    """Notes what it is given instead of measuring."""

    def __init__(self, horizon: int, **settings: Any) -> None:
        self.horizon = horizon

    def __call__(
        self, folder: Path, data: LatentDataModule, checkpoint: Path, loggers: Sequence[Logger], step: int
    ) -> None:
        known = {"checkpoint": str(checkpoint), "step": step, "loggers": len(loggers), "horizon": self.horizon}
        held_out = {"episodes": str(data.folder), "train": data.split.train, "val": data.split.val}
        write_json(folder / "report" / "noted.json", {**known, **held_out})


def record_quickly(folder: Path, env: dict[str, Any], **changes: Any) -> Manifest:
    """A recording of changed games, without worker processes."""
    recording = pac_man_recording(folder, **changes)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(collect, "ProcessPoolExecutor", lambda workers, *_, **__: ThreadPoolExecutor(workers))
        recording.env.update(env)
        return recording.record()


def several_held_out(latents: LatentDataModule) -> LatentDataModule:
    """The same episodes, three of the five held out."""
    data = latent_data(latents.folder, latents.tokenizer, latents.cache_folder, val_fraction=0.6)
    data.prepare_data()
    data.setup("validate")
    return data


def untrained_gru(data: LatentDataModule) -> WorldModel:
    """Always the same tiny one."""
    torch.manual_seed(0)
    model: WorldModel = build_model(OmegaConf.create(TINY_GRU), data.facts())
    return model.eval()


@functools.cache
def tiny_measurement(latents: LatentDataModule) -> Measurement:
    """Of an untrained GRU on three episodes; made once for all tests. Do not change it."""
    data, sampler = several_held_out(latents), Categorical(temperature=1.0, top_k=None, seed=0)
    with quick_cost():
        return measure(
            untrained_gru(data), data, SETTINGS, sampler, ABOUT, untrained_outcome(data), untrained_spans(data)
        )


def untrained_spans(data: LatentDataModule) -> SpanNetwork:
    """Always the same tiny one, which does not say the same of all spans."""
    torch.manual_seed(0)
    facts = {"grid_shape": data.tokenizer.grid_shape, "codebook_size": data.tokenizer.codebook_size, "unit": 10.0}
    sizes = {"max_span": 3, "before": 1, "after": 1, "embedding_dim": 4, "width": 8, "num_blocks": 1}
    network = build_model(OmegaConf.create({"_target_": "pacdream.outcome.span_network.SpanNetwork", **sizes}), facts)
    torch.nn.init.normal_(network.cell_head.weight)
    return network.eval()  # type: ignore[no-any-return]


def untrained_outcome(data: LatentDataModule) -> OutcomeNetwork:
    """Always the same tiny one, which does not say the same of all steps."""
    torch.manual_seed(0)
    rates = {"points": [0, 10], "base_rates": [0.9, 0.1], "lost_rates": [0.01] * 4, "over_rate": 0.01}
    sizes = {"before": 0, "after": 0, "embedding_dim": 4, "width": 8, "num_blocks": 1}
    network = build_model(OmegaConf.create({"_target_": TARGET, **sizes}), {**data.facts(), **rates})
    torch.nn.init.normal_(network.head.weight)
    return network.eval()  # type: ignore[no-any-return]


TARGET = "pacdream.outcome.network.OutcomeNetwork"
ABOUT = {"checkpoint": "best.ckpt", "weights": "ff", "episodes": "ee", "tokenizer": "dd"}

"""Speeds of this machine, as ratios within one run: ``python bench.py``. Writes ``outputs/bench.json``."""

import logging
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hydra
import lightning
import torch
from lightning.pytorch.loggers import CSVLogger
from omegaconf import DictConfig, OmegaConf
from torch import Tensor

from pacdream.data.batches import GatheredDataset, gathered_loader
from pacdream.data.collect import play_episode
from pacdream.data.episode_store import write_episode
from pacdream.data.latent_cache import encode_episode
from pacdream.evaluation.cost import frames_per_second, timed
from pacdream.policy.held_random import HeldRandomPolicy
from pacdream.runtime.checkpoints import build_model
from pacdream.runtime.entry_point import entry_point
from pacdream.runtime.files import write_json
from pacdream.runtime.instantiate import build
from pacdream.types import LatentBatch
from pacdream.world_model.loss import next_codes_loss
from pacdream.world_model.module import WorldModelModule

log = logging.getLogger(__name__)
FACTS = {"grid_shape": [7, 5], "codebook_size": 256, "num_actions": 9}


@hydra.main(version_base="1.3", config_path="conf", config_name="bench")
@entry_point
def main(config: DictConfig) -> None:
    """Measure recording, encoding, training and imagining one after the other."""
    torch.manual_seed(0)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    results = {"device": str(device), "threads": torch.get_num_threads(), "float32_gflops": matrix_gflops(device)}
    results |= bench_recording(config)
    results |= bench_encoding(config, device)
    results |= bench_training(config, device)
    results |= bench_rollouts(config, device)
    for name, value in results.items():
        log.info("%-44s %s", name, f"{value:.4g}" if isinstance(value, float) else value)
    write_json(Path(config.paths.outputs) / "bench.json", results)


def matrix_gflops(device: torch.device) -> float:
    """What a large float32 matrix product reaches here."""
    a = torch.randn(2048, 2048, device=device)
    seconds = min(timed(lambda: a @ a, device) for _ in range(5))
    return 2 * 2048**3 / seconds / 1e9


def bench_recording(config: DictConfig) -> dict[str, float]:
    """Steps/s of one process under held random play, and bytes on disk per frame."""
    env, policy = build(config.env), HeldRandomPolicy(max_hold=8)
    start = time.perf_counter()
    episode = play_episode(env, policy, 0, 0, config.record_steps)
    seconds = time.perf_counter() - start
    with tempfile.TemporaryDirectory() as folder:
        write_episode(Path(folder), "episode.h5", policy.name, episode)
        size = (Path(folder) / "episode.h5").stat().st_size
    return {
        "recording_steps_per_second": len(episode.actions) / seconds,
        "recording_bytes_per_frame": size / len(episode.frames),
    }


def bench_encoding(config: DictConfig, device: torch.device) -> dict[str, float]:
    """Frames/s of the frozen tokenizer."""
    tokenizer = build(config.tokenizer).to(device)
    episode = play_episode(build(config.env), HeldRandomPolicy(max_hold=8), 0, 0, config.encode_frames)
    frames = torch.from_numpy(episode.frames)
    with torch.inference_mode():

        def run() -> None:
            list(encode_episode(tokenizer, frames, device, config.data.encode_batch_size[device.type]))

        run()
        return {"encoding_frames_per_second": len(frames) / min(timed(run, device) for _ in range(3))}


def bench_training(config: DictConfig, device: torch.device) -> dict[str, float]:
    """Transitions/s of the baseline in a bare PyTorch loop and through Lightning, in turns; their ratio."""
    codes = torch.randint(256, (20_000, 2, 7, 5), dtype=torch.uint8, device=device)
    actions = torch.randint(9, (20_000, 1), dtype=torch.uint8, device=device)

    def gather(index: Tensor) -> LatentBatch:
        return LatentBatch(codes[index].long(), actions[index].long())

    batch_size, steps = config.data.batch_size, config.train_steps
    ratios, bare, through = [], [], []
    for _ in range(config.rounds):
        bare.append(steps * batch_size / bare_loop(config, gather, device))
        through.append(steps * batch_size / lightning_loop(config, gather))
        ratios.append(through[-1] / bare[-1])
    # Forward and backward are three products; 2 FLOP per weight and position, embeddings are look-ups.
    weights = matrix_weights(build_model(config.world_model, FACTS))
    gflops = statistics.median(bare) * 35 * weights * 6 / 1e9
    return {
        "training_bare_transitions_per_second": statistics.median(bare),
        "training_lightning_transitions_per_second": statistics.median(through),
        "training_lightning_over_bare": statistics.median(ratios),
        "training_bare_over_matrix_limit": gflops / matrix_gflops(device),
    }


def bench_rollouts(config: DictConfig, device: torch.device) -> dict[str, float]:
    """Imagined frames/s of the baseline at growing batches, and what share of the matrix limit the best one reaches."""
    model = build_model(config.world_model, FACTS).to(device).eval()
    speeds = {batch: frames_per_second(model, batch, device) for batch in config.rollout_batches}
    limit = matrix_gflops(device) * 1e9 / (35 * matrix_weights(model) * 2)
    return {f"rollout_frames_per_second_batch_{batch}": speed for batch, speed in speeds.items()} | {
        "rollout_best_over_matrix_limit": max(speeds.values()) / limit
    }


def matrix_weights(model: torch.nn.Module) -> int:
    """Weights that take part in products at every position: all but biases and embeddings, which are looked up."""
    named = model.named_parameters()
    return sum(p.numel() for name, p in named if "weight" in name and "embedding" not in name)


def bare_loop(config: DictConfig, gather: Callable[[Tensor], LatentBatch], device: torch.device) -> float:
    """Seconds of ``train_steps`` steps without Lightning, after as many to warm up as ``warmup_steps``."""
    model = build_model(config.world_model, FACTS).to(device)
    optimizer = build(config.optimizer)(model.parameters())

    def steps(count: int) -> None:
        for _ in range(count):
            batch = gather(torch.randint(20_000, (config.data.batch_size,)))
            loss = next_codes_loss(model(batch.codes[:, :-1], batch.actions).logits, batch.codes[:, 1:])
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), config.trainer.gradient_clip_val)
            optimizer.step()

    steps(config.warmup_steps)
    return timed(lambda: steps(config.train_steps), device)


class Stopwatch(lightning.Callback):
    """Seconds between the end of step ``warmup`` and the end of the last."""

    def __init__(self, warmup: int) -> None:
        self.warmup, self.start, self.seconds = warmup, 0.0, 0.0

    def on_train_batch_end(self, trainer: lightning.Trainer, *_: Any) -> None:
        """Start, or read, the clock."""
        if torch.cuda.is_available() and trainer.global_step in (self.warmup, trainer.max_steps):
            torch.cuda.synchronize()
        if trainer.global_step == self.warmup:
            self.start = time.perf_counter()
        self.seconds = time.perf_counter() - self.start


def lightning_loop(config: DictConfig, gather: Callable[[Tensor], LatentBatch]) -> float:
    """Seconds of ``train_steps`` steps of the real module through Lightning, with its logging."""
    model = build_model(config.world_model, FACTS)
    module = WorldModelModule(model, build(config.optimizer), None)
    loader = gathered_loader(GatheredDataset(20_000, gather), config.data.batch_size, True, 0)
    watch = Stopwatch(config.warmup_steps)
    steps = config.warmup_steps + config.train_steps
    changes = {"precision": "32-true", "max_steps": steps, "max_epochs": None}
    settings = DictConfig({**OmegaConf.to_container(config.trainer, resolve=True), **changes})  # type: ignore[dict-item]
    with tempfile.TemporaryDirectory() as folder:
        build(
            settings, callbacks=[watch], logger=CSVLogger(folder), enable_checkpointing=False,
            enable_progress_bar=False, enable_model_summary=False, limit_val_batches=0,
        ).fit(module, loader)  # fmt: skip
    return watch.seconds


if __name__ == "__main__":
    main()

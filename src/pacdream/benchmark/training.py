"""How fast the baseline trains: in a bare loop, through Lightning, with more data, with other loaders."""

import math
import statistics
import time
from collections.abc import Iterable, Iterator
from itertools import cycle, islice
from typing import Any

import psutil
import torch
from omegaconf import DictConfig
from torch.utils.data import DataLoader

from pacdream.benchmark.lightning_loop import lightning_seconds
from pacdream.benchmark.machine import matrix_gflops, matrix_weights
from pacdream.benchmark.windows import Windows
from pacdream.core.checkpoints import build_model
from pacdream.core.instantiate import build
from pacdream.evaluation.cost import timed
from pacdream.types import LatentBatch
from pacdream.world_model.loss import next_codes_loss
from pacdream.world_model.module import WorldModelModule


def bench_training(config: DictConfig, facts: dict[str, Any], device: torch.device) -> dict[str, float]:
    """Transitions/s in a bare PyTorch loop and, in turns, through Lightning; their shares of what it could be."""
    windows, transitions = Windows(config.few_steps, facts, device), config.train_steps * config.data.batch_size
    bare, through = [], []
    for _ in range(config.rounds):
        model = build_model(config.world_model, facts)
        bare.append(transitions / _bare_loop(config, model.to(device), _random_batches(config, windows), device))
        module = WorldModelModule(build_model(config.world_model, facts), build(config.optimizer), None)
        loader = windows.loader(config.data.batch_size)
        through.append(transitions / lightning_seconds(config, module, loader, config.train_steps, "32-true"))
    # Forward and backward are three products; 2 FLOP per weight and position, embeddings are look-ups.
    flop = math.prod(facts["grid_shape"]) * matrix_weights(model) * 6
    return {
        "training/bare_transitions_per_second": statistics.median(bare),
        "training/transitions_per_second": statistics.median(through),
        "training/lightning_over_bare": statistics.median(t / b for t, b in zip(through, bare, strict=True)),
        "training/bare_over_matrix_limit": statistics.median(bare) * flop / 1e9 / matrix_gflops(device),
    }


def bench_loading(config: DictConfig, facts: dict[str, Any]) -> dict[str, float]:
    """Batches/s of the gathered loader, and of a dataset of single items with worker processes."""
    windows, batch_size = Windows(config.few_steps, facts, torch.device("cpu")), config.data.batch_size
    naive = DataLoader(windows, batch_size, shuffle=True, num_workers=config.naive_workers, persistent_workers=True)
    ours, theirs = (_batches_per_second(loader, config.load_batches) for loader in (windows.loader(batch_size), naive))
    return {"loading/batches_per_second": ours, "loading/gathered_over_workers": ours / theirs}


def bench_scale(config: DictConfig, facts: dict[str, Any], device: torch.device) -> dict[str, float]:
    """Seconds per step and memory with few and with many steps of data: the ratio should be one, the growth none."""
    seconds, grown = [], 0
    model = build_model(config.world_model, facts).to(device)
    for steps in (config.few_steps, config.many_steps):
        batches = cycle(Windows(steps, facts, device).loader(config.data.batch_size))
        next(batches)  # the order of the epoch is drawn
        before = psutil.Process().memory_info().rss
        seconds.append(min(_bare_loop(config, model, batches, device) for _ in range(config.rounds)))
        grown = psutil.Process().memory_info().rss - before
    return {
        "scale/many_steps": float(config.many_steps),
        "scale/time_of_many_over_few": seconds[1] / seconds[0],
        "scale/mb_grown_while_training_on_many": grown / 1e6,
    }


def _random_batches(config: DictConfig, windows: Windows) -> Iterator[LatentBatch]:
    while True:
        yield windows.gather(torch.randint(len(windows), (config.data.batch_size,)))


def _batches_per_second(loader: Iterable[Any], count: int) -> float:
    batches = iter(loader)
    next(batches)  # workers have started
    start = time.perf_counter()
    done = sum(1 for _ in islice(batches, count))
    return done / (time.perf_counter() - start)


def _bare_loop(
    config: DictConfig, model: torch.nn.Module, batches: Iterator[LatentBatch], device: torch.device
) -> float:
    """Seconds of ``train_steps`` steps without Lightning, after ``warmup_steps`` more."""
    optimizer = build(config.optimizer)(model.parameters())

    def run(count: int) -> None:
        for batch in islice(batches, count):
            loss = next_codes_loss(model(batch.codes[:, :-1], batch.actions).logits, batch.codes[:, 1:])
            optimizer.zero_grad()
            loss.backward()
            if config.trainer.gradient_clip_val:
                torch.nn.utils.clip_grad_norm_(model.parameters(), config.trainer.gradient_clip_val)
            optimizer.step()

    run(config.warmup_steps)
    return timed(lambda: run(config.train_steps), device)

"""How fast the baseline trains: in a bare loop, through Lightning, with more data, with other loaders."""

import statistics
import tempfile
import time
from collections.abc import Iterable, Iterator
from itertools import cycle, islice
from typing import Any

import lightning
import psutil
import torch
from lightning.pytorch.loggers import CSVLogger
from omegaconf import DictConfig, OmegaConf
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from pacdream.benchmark.machine import matrix_gflops, matrix_weights
from pacdream.core.checkpoints import build_model
from pacdream.core.instantiate import build
from pacdream.data.batches import GatheredDataset, gathered_loader
from pacdream.evaluation.cost import timed
from pacdream.types import LatentBatch
from pacdream.world_model.loss import next_codes_loss
from pacdream.world_model.module import WorldModelModule

FACTS = {"grid_shape": [7, 5], "codebook_size": 256, "num_actions": 9}
POSITIONS = 35


class Windows(Dataset[tuple[Tensor, Tensor]]):
    """Made-up triplets, as they lie in a latent cache: 36 bytes a step."""

    def __init__(self, steps: int, device: torch.device) -> None:
        self.codes = torch.randint(256, (steps + 1, 7, 5), dtype=torch.uint8, device=device)
        self.actions = torch.randint(9, (steps,), dtype=torch.uint8, device=device)

    def gather(self, index: Tensor) -> LatentBatch:
        """The windows (B,) that begin at these steps."""
        index = index.to(self.codes.device)
        codes = torch.stack([self.codes[index], self.codes[index + 1]], 1)
        return LatentBatch(codes.long(), self.actions[index][:, None].long())

    def loader(self, batch_size: int) -> DataLoader[LatentBatch]:
        """What the data modules serve batches with."""
        return gathered_loader(GatheredDataset(len(self), self.gather), batch_size, shuffle=True, seed=0)

    def __len__(self) -> int:
        return len(self.actions)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        """One item, for the naive way."""
        return self.codes[index : index + 2].long(), self.actions[index : index + 1].long()


def bench_training(config: DictConfig, device: torch.device) -> dict[str, float]:
    """Transitions/s in a bare PyTorch loop and, in turns, through Lightning; their shares of what it could be."""
    windows, transitions = Windows(config.few_steps, device), config.train_steps * config.data.batch_size
    bare, through = [], []
    for _ in range(config.rounds):
        bare.append(transitions / _bare_loop(config, _random_batches(config, windows), device))
        through.append(transitions / _lightning_loop(config, windows))
    # Forward and backward are three products; 2 FLOP per weight and position, embeddings are look-ups.
    flop = POSITIONS * matrix_weights(build_model(config.world_model, FACTS)) * 6
    return {
        "training/bare_transitions_per_second": statistics.median(bare),
        "training/transitions_per_second": statistics.median(through),
        "training/lightning_over_bare": statistics.median(t / b for t, b in zip(through, bare, strict=True)),
        "training/bare_over_matrix_limit": statistics.median(bare) * flop / 1e9 / matrix_gflops(device),
    }


def bench_loading(config: DictConfig) -> dict[str, float]:
    """Batches/s of the gathered loader, and of a dataset of single items with worker processes."""
    windows, batch_size = Windows(config.few_steps, torch.device("cpu")), config.data.batch_size
    naive = DataLoader(windows, batch_size, shuffle=True, num_workers=config.naive_workers, persistent_workers=True)
    ours, theirs = (_batches_per_second(loader, config.load_batches) for loader in (windows.loader(batch_size), naive))
    return {"loading/batches_per_second": ours, "loading/gathered_over_workers": ours / theirs}


def bench_scale(config: DictConfig, device: torch.device) -> dict[str, float]:
    """Seconds per step and memory with few and with many steps of data: the ratio should be one, the growth none."""
    seconds, grown = [], 0
    for steps in (config.few_steps, config.many_steps):
        windows = Windows(steps, device)
        batches = cycle(windows.loader(config.data.batch_size))
        next(batches)  # the order of the epoch is drawn
        before = psutil.Process().memory_info().rss
        seconds.append(min(_bare_loop(config, batches, device) for _ in range(config.rounds)))
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


def _bare_loop(config: DictConfig, batches: Iterator[LatentBatch], device: torch.device) -> float:
    """Seconds of ``train_steps`` steps without Lightning, after ``warmup_steps`` more."""
    model = build_model(config.world_model, FACTS).to(device)
    optimizer = build(config.optimizer)(model.parameters())

    def run(count: int) -> None:
        for batch in islice(batches, count):
            loss = next_codes_loss(model(batch.codes[:, :-1], batch.actions).logits, batch.codes[:, 1:])
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), config.trainer.gradient_clip_val)
            optimizer.step()

    run(config.warmup_steps)
    return timed(lambda: run(config.train_steps), device)


class _Stopwatch(lightning.Callback):
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


def _lightning_loop(config: DictConfig, windows: Windows) -> float:
    """Seconds of ``train_steps`` steps of the real module through Lightning, with its logging."""
    module = WorldModelModule(build_model(config.world_model, FACTS), build(config.optimizer), None)
    watch = _Stopwatch(config.warmup_steps)
    changes = {
        "precision": "32-true", "max_steps": config.warmup_steps + config.train_steps, "max_epochs": None,
    }  # fmt: skip
    settings = DictConfig({**OmegaConf.to_container(config.trainer, resolve=True), **changes})  # type: ignore[dict-item]
    with tempfile.TemporaryDirectory() as folder:
        build(
            settings, callbacks=[watch], logger=CSVLogger(folder), enable_checkpointing=False,
            enable_progress_bar=False, enable_model_summary=False, limit_val_batches=0,
        ).fit(module, windows.loader(config.data.batch_size))  # fmt: skip
    return watch.seconds

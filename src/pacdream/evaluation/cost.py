"""What a world model costs to run."""

import copy
import time
from collections.abc import Callable

import torch
from torch.utils.flop_counter import FlopCounterMode

from pacdream.rollout.imagine import imagine
from pacdream.world_model.base import WorldModel

BATCHES = (1, 32, 1024)
_SECONDS = 1.0
"""Time that is given to each measurement, after one dream to warm up."""


@torch.inference_mode()
def measure_cost(model: WorldModel, device: torch.device) -> dict[str, float]:
    """Parameters, FLOP per imagined frame, and speed at several batch sizes on this device."""
    figures = {"parameters": float(sum(p.numel() for p in model.parameters())), "mflop_per_frame": _mflop(model)}
    for batch in BATCHES:
        figures[f"frames_per_second@{batch}"] = frames_per_second(model, batch, device)
    figures["ms_per_frame"] = 1000 / figures["frames_per_second@1"]
    return figures


@torch.inference_mode()
def frames_per_second(model: WorldModel, batch: int, device: torch.device, seconds: float = _SECONDS) -> float:
    """Imagined frames per second over all ``batch`` dreams, best of as many as ``seconds`` allow."""
    run = _dream(model, batch, 2, device)
    timed(run, device)
    start, best = time.perf_counter(), float("inf")
    while best == float("inf") or time.perf_counter() - start < seconds:
        best = min(best, timed(run, device))
    return batch * 2 / best


def timed(work: Callable[[], object], device: torch.device) -> float:
    """Seconds that ``work`` takes."""
    _synchronise(device)
    start = time.perf_counter()
    work()
    _synchronise(device)
    return time.perf_counter() - start


def _synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def _dream(model: WorldModel, batch: int, steps: int, device: torch.device) -> Callable[[], object]:
    context = torch.randint(model.codebook_size, (batch, 1, *model.grid_shape), device=device)
    actions = torch.randint(model.num_actions, (batch, steps), device=device)
    return lambda: imagine(model, context, actions)


def _mflop(model: WorldModel) -> float:
    """Counted by PyTorch: a multiplication and an addition are two. On the CPU, as cuDNN's layers are not counted."""
    with FlopCounterMode(display=False) as counter:
        _dream(copy.deepcopy(model).cpu(), 1, 1, torch.device("cpu"))()
    return counter.get_total_flops() / 1e6

"""What a world model costs to run."""

import copy
import math
import time
from collections.abc import Callable, Sequence

import torch
from torch.utils.flop_counter import FlopCounterMode

from pacdream.rollout.imagine import imagine
from pacdream.world_model.base import WorldModel

BATCHES = (1, 32, 1024)
_SLICE = 0.25
"""Seconds that each batch size is given in each round."""


@torch.inference_mode()
def measure_cost(model: WorldModel, device: torch.device) -> dict[str, float]:
    """Parameters, FLOP per imagined frame, and speed at several batch sizes on this device."""
    figures = {"parameters": float(sum(p.numel() for p in model.parameters())), "mflop_per_frame": _mflop(model)}
    speeds = frames_per_second(model, BATCHES, device)
    figures |= {f"frames_per_second@{batch}": speed for batch, speed in speeds.items()}
    figures["ms_per_frame"] = 1000 / speeds[1]
    return figures


@torch.inference_mode()
def frames_per_second(
    model: WorldModel, batches: Sequence[int], device: torch.device, rounds: int = 4, seconds: float = _SLICE
) -> dict[int, float]:
    """Imagined frames per second over all rollouts of a batch, by batch size.

    The fastest step counts: other work on the machine only ever adds to the time. The sizes are measured in turns, so
    that other work that lasts for a while slows all of them in some rounds rather than one of them in all.
    """
    runs = {batch: _rollout(model, batch, device) for batch in batches}
    best = dict.fromkeys(batches, math.inf)
    for run in runs.values():  # threads start, kernels are chosen and memory is had
        timed(run, device)
    for _ in range(rounds):
        for batch, run in runs.items():
            best[batch] = min(best[batch], _fastest(run, device, seconds))
    return {batch: batch / best[batch] for batch in batches}


def _fastest(work: Callable[[], object], device: torch.device, seconds: float) -> float:
    """The least seconds that ``work`` takes, done as often as there is time for, but once."""
    end = time.perf_counter() + seconds
    least = timed(work, device)
    while time.perf_counter() < end:
        least = min(least, timed(work, device))
    return least


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


def _rollout(model: WorldModel, batch: int, device: torch.device) -> Callable[[], object]:
    """One imagined step."""
    context = torch.randint(model.codebook_size, (batch, 1, *model.grid_shape), device=device)
    actions = torch.randint(model.num_actions, (batch, 1), device=device)
    return lambda: imagine(model, context, actions)


def _mflop(model: WorldModel) -> float:
    """Counted by PyTorch: a multiplication and an addition are two. On the CPU, as cuDNN's layers are not counted."""
    with FlopCounterMode(display=False) as counter:
        _rollout(copy.deepcopy(model).cpu(), 1, torch.device("cpu"))()
    return counter.get_total_flops() / 1e6

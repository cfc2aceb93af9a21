"""What a world model costs to run."""

import copy
import math
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import TypeVar

import torch
from torch.utils.flop_counter import FlopCounterMode

from pacdream.rollout.imagine import imagine
from pacdream.world_model.base import WorldModel

Name = TypeVar("Name", bound=Hashable)

BATCHES = (1, 32, 1024)
_SLICE = 0.25
"""Seconds that each batch size is given in each round."""
_TOLERANCE = 0.05
"""By how much two times that agree may differ."""


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
    model: WorldModel, batches: Sequence[int], device: torch.device, rounds: int = 8, seconds: float = _SLICE
) -> dict[int, float]:
    """Imagined frames per second over all rollouts of a batch, by batch size."""
    times = least_seconds({batch: _rollout(model, batch, device) for batch in batches}, device, rounds, seconds)
    return {batch: batch / times[batch] for batch in batches}


def least_seconds(
    works: Mapping[Name, Callable[[], object]], device: torch.device, rounds: int, seconds: float
) -> dict[Name, float]:
    """The least seconds that each work takes: what else the machine does only ever adds to the time.

    They are done in turns, each at least once and for ``seconds``, so that other work that lasts for a while slows all
    of them in some rounds rather than one of them in all. There are at most ``rounds``, and no more than are needed for
    the two fastest rounds of each to agree.
    """
    for work in works.values():  # threads start, kernels are chosen and memory is had
        timed(work, device)
    found: dict[Name, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            found[name].append(_fastest(work, device, seconds))
        if all(map(_agree, found.values())):
            break
    return {name: min(times) for name, times in found.items()}


def _agree(times: Sequence[float]) -> bool:
    """Whether the two fastest are as good as equal."""
    first, second, *_ = [*sorted(times), math.inf, math.inf]
    return second <= first * (1 + _TOLERANCE)


def _fastest(work: Callable[[], object], device: torch.device, seconds: float) -> float:
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

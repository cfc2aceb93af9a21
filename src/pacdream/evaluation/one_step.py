"""One step ahead of every held-out grid, from real codes: overall, by position, in rare states, and what went worst."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from rich.progress import track
from torch import Tensor

from pacdream.data.episode_store import Manifest
from pacdream.data.latent_data_module import LatentDataModule
from pacdream.evaluation.states import rare_states
from pacdream.evaluation.windows import Windows, held_out_episodes
from pacdream.game.game import Game
from pacdream.metric.code_score import CodeScore, PositionScore, code_counts, code_figures
from pacdream.metric.episode_metric import EpisodeMetric, Estimate, Figure, prefixed, ratio
from pacdream.metric.likelihood import CalibrationScore, LikelihoodScore, bits_per_frame
from pacdream.rollout.imagine import Prediction, teacher_force
from pacdream.rollout.sampler import Greedy
from pacdream.world_model.base import WorldModel

_TILE = 32
"""Steps predicted after each context: long enough that showing the context again costs little."""

_SAME_EVENT = 30
"""Surprises fewer steps apart than this are one event."""


@dataclass(frozen=True)
class Surprise:
    """A step that the model gave little probability to."""

    bits: float
    episode: int
    """Rank among the held-out episodes."""
    step: int
    """Number of the frame that was to be predicted."""
    present: Tensor
    """(h, w) the grid before it."""
    target: Tensor
    """(h, w)."""
    predicted: Tensor
    """(h, w)."""


@dataclass(frozen=True)
class OneStep:
    """What ``measure_one_step`` finds."""

    figures: dict[str, Figure]
    state_names: list[str]
    """Labels of the axis of the figures ``state/…``."""
    confusion: Tensor
    """(K, K) how often each code (row) was predicted as each (column)."""
    worst: list[Surprise]
    """The most surprising steps, worst first."""


class StateScore(EpisodeMetric):
    """``code_figures`` in each of S states of the game, and of copying."""

    def __init__(self, num_episodes: int, num_states: int) -> None:
        super().__init__(num_episodes, (num_states, 6))

    def update(self, counts: Tensor, states: Tensor, episode: Tensor) -> None:
        """Add ``code_counts`` (B, 5) of steps that are in the states (B, S) bool."""
        steps = torch.cat([torch.ones_like(counts[:, :1]), counts], 1)
        self.add(states[..., None] * steps[:, None], episode)

    def figures(self, sums: Tensor) -> dict[str, Estimate]:
        """Figures (..., S); ``n`` of the accuracy counts steps."""
        steps, counts = sums[..., 0], sums[..., 1:]
        total, changed = counts[..., 0], counts[..., 2]
        figures = code_figures(counts)
        figures["copy"] = Estimate(ratio(total - changed, total).value, steps)
        figures["accuracy"] = Estimate(figures["accuracy"].value, steps)
        return figures


def tiles(data: LatentDataModule, context: int, size: int | None) -> Iterator[tuple[Windows, Tensor]]:
    """Windows that together predict every held-out grid that ``context`` others precede, one episode at a time.

    Each predicts at most ``size`` grids, or all of an episode, as a model with a memory must.
    With each comes (B, T) bool: predictions that no earlier window of the episode has made.
    """
    for rank, number in enumerate(data.split.val):
        first, end = int(data.cache.starts[number]), int(data.cache.starts[number + 1])
        targets = end - first - context
        if targets < 1:
            continue
        length = min(size or targets, targets)
        offsets = torch.arange(0, targets, length).clamp(max=targets - length)
        fresh = torch.arange(length) >= (torch.arange(len(offsets)) * length - offsets)[:, None]
        batch = data.windows(first + offsets, context + length - 1)
        ranks = torch.full_like(offsets, rank)
        yield Windows(batch.codes, batch.actions, ranks, offsets + context - 1, context), fresh


def _apart(surprises: list[Surprise]) -> list[Surprise]:
    """Worst first, leaving out those that are close to a worse one: they show the same event."""
    kept: list[Surprise] = []
    for one in sorted(surprises, key=lambda s: -s.bits):
        if all(one.episode != other.episode or abs(one.step - other.step) > _SAME_EVENT for other in kept):
            kept.append(one)
    return kept


class _Scores:
    """Everything that one step ahead is scored by."""

    def __init__(self, model: WorldModel, num_episodes: int, states: list[str], num_worst: int) -> None:
        self._codes, self._positions = CodeScore(num_episodes), PositionScore(num_episodes, model.grid_shape)
        self._likelihood, self._calibration = LikelihoodScore(num_episodes), CalibrationScore(num_episodes)
        self._states, self._by_state = states, StateScore(num_episodes, len(states))
        self._confusion = torch.zeros(model.codebook_size, model.codebook_size, dtype=torch.int64)
        self._num_worst = num_worst
        self._worst: list[Surprise] = []

    def update(self, windows: Windows, t: int, step: Prediction, fresh: Tensor, in_state: Tensor) -> None:
        """Add step ``t`` of the ``fresh`` (B,) windows of an episode, whose frames are in the states (N, S)."""
        chosen = fresh.to(step.codes.device)
        logits, predicted = step.logits[chosen], step.codes[chosen]
        present, target = windows.codes[chosen, windows.context - 1 + t], windows.codes[chosen, windows.context + t]
        rank, frame = windows.episode[fresh], windows.step[fresh] + 1 + t
        bits = bits_per_frame(logits, target)
        self._codes.update(predicted, present, target, rank)
        self._positions.update(predicted, present, target, rank)
        self._likelihood.update(bits, rank)
        self._calibration.update(logits, target, rank)
        self._by_state.update(code_counts(predicted, present, target).cpu(), in_state[frame], rank)
        pairs = (target * len(self._confusion) + predicted).flatten().cpu()
        self._confusion += torch.bincount(pairs, minlength=self._confusion.numel()).view_as(self._confusion)
        found = zip(bits.tolist(), rank.tolist(), frame.tolist(), present, target, predicted, strict=True)
        self._worst = _apart([*self._worst, *(Surprise(*item) for item in found)])[: self._num_worst]

    def result(self, draws: Tensor) -> OneStep:
        """What they come to."""
        figures = {
            **prefixed("one_step", self._codes.with_intervals(draws)),
            **prefixed("one_step", self._likelihood.with_intervals(draws)),
            **prefixed("one_step", self._calibration.with_intervals(draws)),
            **prefixed("position", self._positions.with_intervals(draws)),
            **prefixed("state", self._by_state.with_intervals(draws)),
        }
        return OneStep(figures, self._states, self._confusion, self._worst)


@torch.inference_mode()
def measure_one_step(
    model: WorldModel,
    data: LatentDataModule,
    manifest: Manifest,
    draws: Tensor,
    context: int,
    num_worst: int,
    batch_size: int,
    game: Game,
) -> OneStep:
    """Predict every held-out grid from the real ones before it.

    Raises:
        ValueError: no held-out episode is longer than the context.
    """
    episodes = len(data.split.val)
    scores: _Scores | None = None
    recorded = held_out_episodes(data, manifest)
    size = None if model.initial_state(1, data.codes.device) else _TILE
    for windows, fresh in track(tiles(data, context, size), "one step ahead", total=episodes):
        # Episodes too short for a context have no tile.
        episode = next(item for item in recorded if item.rank == int(windows.episode[0])).episode
        states = rare_states(episode, game)
        in_state = torch.from_numpy(np.stack(list(states.values()), -1))
        scores = scores or _Scores(model, episodes, list(states), num_worst)
        for rows in torch.arange(len(windows.codes)).split(batch_size):
            part = windows.pick(rows)
            for t, step in enumerate(teacher_force(model, part.codes, part.actions, context, Greedy())):
                scores.update(part, t, step, fresh[rows, t], in_state)
    if scores is None:
        raise ValueError(f"no held-out episode has more than report.context={context} frames")
    return scores.result(draws)

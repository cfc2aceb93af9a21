"""One step ahead of every held-out grid, from real codes: overall, by position, in rare states, and what went worst."""

from dataclasses import dataclass

import numpy as np
import torch
from rich.progress import track
from torch import Tensor

from pacdream.data.episode_store import Manifest
from pacdream.data.latent_data_module import LatentDataModule
from pacdream.evaluation.states import rare_states
from pacdream.evaluation.windows import held_out_episodes
from pacdream.metric.code_score import CodeScore, PositionScore, code_counts, code_figures
from pacdream.metric.episode_metric import EpisodeMetric, Estimate, Figure, prefixed, ratio
from pacdream.metric.likelihood import CalibrationScore, LikelihoodScore, bits_per_frame
from pacdream.types import HeldOutBatch, WorldModelOutput
from pacdream.world_model.base import WorldModel, likeliest

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
        self._model = model
        self._codes, self._best_copy = CodeScore(num_episodes), CodeScore(num_episodes)
        self._positions = PositionScore(num_episodes, model.grid_shape)
        self._likelihood, self._calibration = LikelihoodScore(num_episodes), CalibrationScore(num_episodes)
        self._states, self._by_state = states, StateScore(num_episodes, len(states))
        self._confusion = torch.zeros(model.codebook_size, model.codebook_size, dtype=torch.int64)
        self._num_worst = num_worst
        self._worst: list[Surprise] = []

    def update(self, batch: HeldOutBatch, output: WorldModelOutput, in_state: Tensor, episode: int, first: int) -> None:
        """Add the held-out steps of a batch; their targets are the frames from ``first`` on, in the states (T, S)."""
        present, target = batch.codes[0, batch.context : -1], batch.codes[0, batch.context + 1 :]
        predicted = self._model.draw(output, likeliest)[0]
        bits = bits_per_frame(self._model.log_likelihood(output, target[None])[0])
        rank = torch.full((len(target),), episode)
        self._codes.update(predicted, present, target, rank)
        self._best_copy.update(batch.copied[0], present, target, rank)
        self._positions.update(predicted, present, target, rank)
        self._likelihood.update(bits, rank)
        self._calibration.update(output.logits[0], target, rank)
        self._by_state.update(code_counts(predicted, present, target).cpu(), in_state, rank)
        pairs = (target * len(self._confusion) + predicted).flatten().cpu()
        self._confusion += torch.bincount(pairs, minlength=self._confusion.numel()).view_as(self._confusion)
        found = zip(bits.tolist(), range(first, first + len(target)), present, target, predicted, strict=True)
        surprises = [Surprise(bits, episode, step, *grids) for bits, step, *grids in found]
        self._worst = _apart([*self._worst, *surprises])[: self._num_worst]

    def result(self, draws: Tensor) -> OneStep:
        """What they come to."""
        figures = {
            **prefixed("one_step", self._codes.with_intervals(draws)),
            **prefixed("one_step_copy_star", self._best_copy.with_intervals(draws)),
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
    warmup: int,
    num_worst: int,
) -> OneStep:
    """Predict every held-out grid that has more than ``warmup`` before it, from all that the model can use of them.

    Raises:
        ValueError: no held-out episode is that long.
    """
    data.memory = model.memory
    held_out = data.held_out()
    states = [rare_states(item.episode, data.game) for item in held_out_episodes(data, manifest)]
    in_state = [torch.from_numpy(np.stack(list(of_episode.values()), -1)) for of_episode in states]
    scores = _Scores(model, len(data.split.val), list(states[0]), num_worst)
    batches = held_out.batches(data.val_batch_size, warmup)
    if not batches:
        raise ValueError(f"no held-out episode has more than report.warmup={warmup} steps")
    for episode, first, end in track(batches, "one step ahead"):
        batch = held_out.batch(episode, first, end)
        output = model(batch.codes[:, :-1], batch.actions).after(batch.context)
        scores.update(batch, output, in_state[episode][first + 1 : end + 1], episode, first + 1)
    return scores.result(draws)

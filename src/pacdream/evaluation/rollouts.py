"""Rollouts against what happened, horizon by horizon."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from einops import repeat
from rich.progress import track
from torch import Tensor

from pacdream.evaluation.windows import Windows
from pacdream.metric.code_score import CodeScore, SkillScore
from pacdream.metric.control import DivergenceScore
from pacdream.metric.copies import BestCopy, copy, phase_copy, unigram
from pacdream.metric.episode_metric import Figure, prefixed
from pacdream.metric.likelihood import CalibrationScore, LikelihoodScore, bits_per_frame
from pacdream.rollout.imagine import imagine, open_loop, teacher_forced
from pacdream.rollout.sampler import Greedy, Sampler
from pacdream.rollout.step import Step
from pacdream.types import WorldModelOutput
from pacdream.world_model.base import WorldModel, likeliest

OWN_SKILL = ("skill", "skill_area", "steps_until_half_skill")
"""Figures of ``SkillScore`` that are the model's; the others are the same for every model."""


@dataclass(frozen=True)
class Rollouts:
    """What ``measure_rollouts`` finds."""

    figures: dict[str, Figure]
    imagined: Tensor
    """(B, T, h, w) the greedy open-loop rollouts of all windows."""


@torch.inference_mode()
def measure_rollouts(
    model: WorldModel,
    windows: Windows,
    continuations: Tensor | None,
    best_copy: BestCopy,
    sampler: Sampler,
    draws: Tensor,
    batch_size: int,
) -> Rollouts:
    """Score teacher-forced and open-loop, greedy and sampled predictions of the same windows.

    Args:
        model: any world model, on the device of the windows.
        windows: real codes and actions; the context must span a blinking period.
        continuations: (B, T, h, w) another real future of each window with the same actions, for the ceiling; without
            it a perfect prediction is the ceiling.
        best_copy: copy*, chosen elsewhere.
        sampler: draws codes.
        draws: of the bootstrap, see ``draw_episodes``.
        batch_size: windows at once.

    Raises:
        ValueError: the context is shorter than the blinking.
    """
    certain = (windows.target if continuations is None else continuations) == windows.target
    samplers: dict[str, Sampler] = {"argmax": Greedy(), "sampled": sampler}
    guesses = {("teacher_forced", how): g for how, g in _force_all(model, windows, samplers, draws, batch_size).items()}
    for how, each in samplers.items():
        guesses["open_loop", how] = _roll_all(model, windows, how, each, draws, batch_size)
    figures: dict[str, Figure] = {}
    for (feed, how), guess in guesses.items():
        forced = feed == "teacher_forced"
        copied = _copied_one_step(windows, best_copy) if forced else best_copy(windows.codes, windows.context)
        present = windows.codes[:, windows.context - 1 : -1] if forced else copy(windows.codes, windows.context)
        skill = SkillScore(len(draws[0]), windows.horizon)
        # A teacher-forced prediction is always one step ahead, and so is the ceiling that it can reach.
        skill.update(guess.codes, copied, certain[:, :1] if forced else certain, windows.target, windows.episode)
        skills = skill.with_intervals(draws)
        scored = guess.figures(present, draws) | {name: skills[name] for name in OWN_SKILL}
        figures |= prefixed(f"{feed}/{how}", scored)
        if (feed, how) == ("open_loop", "argmax") and continuations is not None:
            figures["baseline/ceiling"] = skills["ceiling"]
    return Rollouts(figures, guesses["open_loop", "argmax"].codes)


def measure_baselines(
    windows: Windows, best_copy: BestCopy, train_codes: Tensor, codebook_size: int, draws: Tensor
) -> dict[str, Figure]:
    """What ``metric.copies`` score on the same windows; the unigram only if there are training codes (N, h, w)."""
    context = windows.context
    present = copy(windows.codes, context)
    guesses = {
        "copy": present,
        "phase_copy": phase_copy(windows.codes, context, best_copy.period),
        "copy_star": best_copy(windows.codes, context),
    }
    if len(train_codes):
        most_frequent = unigram(train_codes, codebook_size)
        guesses["unigram"] = repeat(most_frequent, "h w -> B T h w", B=len(windows.codes), T=windows.horizon)
    figures: dict[str, Figure] = {}
    for name, codes in guesses.items():
        score = CodeScore(len(draws[0]), windows.horizon)
        score.update(codes, present, windows.target, windows.episode)
        scored = score.with_intervals(draws)
        figures[f"baseline/{name}"] = scored.pop("accuracy")
        if name == "copy_star":
            figures |= prefixed(f"baseline/{name}", scored)
    return figures


@torch.inference_mode()
def measure_divergence(
    model: WorldModel, windows: Windows, imagined: Tensor, draws: Tensor, batch_size: int, seed: int
) -> dict[str, Figure]:
    """Imagine again, greedily, but with the actions of other windows; nothing if there are none."""
    if len(windows.codes) < 2:
        return {}
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(windows.codes), generator=generator)
    others = torch.empty_like(order).scatter_(0, order, order.roll(1))  # nobody keeps its own
    seen = windows.actions[:, : windows.context - 1]
    actions = torch.cat([seen, windows.actions[others][:, windows.context - 1 :]], 1)
    score = DivergenceScore(len(draws[0]), windows.horizon)
    for rows in track(_batches(windows, batch_size), "exchanged actions"):
        exchanged = imagine(model, windows.codes[rows, : windows.context], actions[rows]).codes
        score.update(imagined[rows], exchanged, windows.target[rows], windows.episode[rows])
    return prefixed("control", score.with_intervals(draws))


class _Guesses:
    """What one way to predict makes of all windows, filled in step by step."""

    def __init__(self, model: WorldModel, windows: Windows, num_episodes: int) -> None:
        self._model, self._windows, self._num_episodes = model, windows, num_episodes
        self.codes = torch.empty_like(windows.target)
        self._bits = torch.empty(self.codes.shape[:2], device=self.codes.device)
        self._calibration = CalibrationScore(num_episodes)

    def add(self, rows: Tensor, t: int, output: WorldModelOutput, codes: Tensor) -> None:
        """Step ``t`` of the windows ``rows`` (B,): what the model says, and the codes (B, h, w) made of it."""
        target = self._windows.target[rows, t]
        self.codes[rows, t] = codes
        self._bits[rows, t] = bits_per_frame(self._model.log_likelihood(output, target))
        self._calibration.update(output.logits, target, self._windows.episode[rows])

    def figures(self, present: Tensor, draws: Tensor) -> dict[str, Figure]:
        """Their figures. A change is a change from the grids ``present`` (B, T, h, w)."""
        score = CodeScore(self._num_episodes, self._windows.horizon)
        score.update(self.codes, present, self._windows.target, self._windows.episode)
        likelihood = LikelihoodScore(self._num_episodes, self._windows.horizon)
        likelihood.update(self._bits, self._windows.episode)
        figures = score.with_intervals(draws) | likelihood.with_intervals(draws)
        return figures | {"ece": self._calibration.with_intervals(draws)["ece"]}


def _force_all(
    model: WorldModel, windows: Windows, samplers: Mapping[str, Sampler], draws: Tensor, batch_size: int
) -> dict[str, _Guesses]:
    """Teacher-forced guesses of every sampler, from one pass of the model."""
    guesses = {how: _Guesses(model, windows, len(draws[0])) for how in samplers}
    for rows in track(_batches(windows, batch_size), "teacher-forced"):
        part = windows.pick(rows)
        draw = {how: sampler.begin(rows.tolist()) for how, sampler in samplers.items()}
        steps = teacher_forced(model, part.codes, part.actions, part.context, likeliest)
        for t, step in enumerate(steps):
            for how, sample in draw.items():
                guesses[how].add(rows, t, step.output, model.draw(step.output, sample))
    return guesses


def _roll_all(
    model: WorldModel, windows: Windows, how: str, sampler: Sampler, draws: Tensor, batch_size: int
) -> _Guesses:
    """Open-loop guesses."""
    guesses = _Guesses(model, windows, len(draws[0]))
    for rows in track(_batches(windows, batch_size), f"open loop, {how}"):
        for t, step in enumerate(_steps(model, windows.pick(rows), sampler, rows)):
            guesses.add(rows, t, step.output, step.codes)
    return guesses


def _steps(model: WorldModel, part: Windows, sampler: Sampler, rows: Tensor) -> Iterator[Step]:
    return open_loop(model, part.codes[:, : part.context], part.actions, sampler.begin(rows.tolist()))


def _copied_one_step(windows: Windows, best_copy: BestCopy) -> Tensor:
    """What copy* predicts (B, T, h, w) from the real grids before each."""
    return torch.stack([best_copy.one_step(codes, windows.context) for codes in windows.codes])


def _batches(windows: Windows, batch_size: int) -> list[Tensor]:
    return list(torch.arange(len(windows.codes)).split(batch_size))

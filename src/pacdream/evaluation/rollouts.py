"""Dreams against what happened, horizon by horizon."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from einops import repeat
from rich.progress import track
from torch import Tensor

from pacdream.evaluation.windows import Windows
from pacdream.metric.baselines import copy, phase_copy, unigram
from pacdream.metric.code_score import CodeScore, SkillScore
from pacdream.metric.control import DivergenceScore
from pacdream.metric.episode_metric import Figure, prefixed
from pacdream.metric.likelihood import CalibrationScore, LikelihoodScore, bits_per_frame
from pacdream.rollout.imagine import Sampler, dream, imagine, teacher_force
from pacdream.rollout.sampler import Greedy
from pacdream.world_model.base import WorldModel


@dataclass(frozen=True)
class Dreams:
    """What ``measure_dreams`` finds."""

    figures: dict[str, Figure]
    imagined: Tensor
    """(B, T, h, w) the greedy open-loop dreams of all windows."""


@torch.inference_mode()
def measure_dreams(
    model: WorldModel,
    windows: Windows,
    continuations: Tensor | None,
    train_codes: Tensor,
    sampler: Sampler,
    draws: Tensor,
    batch_size: int,
    blink_period: int,
) -> Dreams:
    """Score teacher-forced and open-loop, greedy and sampled predictions of the same windows, and the baselines.

    Args:
        model: any world model, on the device of the windows.
        windows: real codes and actions; the context must span a blinking period.
        continuations: (B, T, h, w) another real future of each window with the same actions, for the ceiling; without
            it a perfect prediction is the ceiling.
        train_codes: (N, h, w) for the unigram, which is left out if there are none.
        sampler: draws codes.
        draws: of the bootstrap, see ``draw_episodes``.
        batch_size: windows at once.
        blink_period: steps after which all that blinks looks the same again.

    Raises:
        ValueError: the context is shorter than the blinking.
    """
    copies = {feed: _copies(windows, feed, blink_period) for feed in ("open_loop", "teacher_forced")}
    certain = (windows.target if continuations is None else continuations) == windows.target
    samplers: dict[str, Sampler] = {"argmax": Greedy(), "sampled": sampler}
    forced = _force_all(model, windows, samplers, len(draws[0]), batch_size)
    free = {how: _dream_all(model, windows, how, samplers[how], len(draws[0]), batch_size) for how in samplers}
    figures: dict[str, Figure] = {}
    for how in samplers:
        for feed, guesses in (("teacher_forced", forced[how]), ("open_loop", free[how])):
            skill = SkillScore(len(draws[0]), windows.horizon)
            # A teacher-forced prediction is always one step ahead, and so is the ceiling that it can reach.
            reachable = certain[:, :1] if feed == "teacher_forced" else certain
            skill.update(guesses.codes, *copies[feed], reachable, windows.target, windows.episode)
            skills = skill.with_intervals(draws)
            own = ("skill", "skill_area", "steps_until_half_skill")
            scored = guesses.figures(copies[feed][0], draws) | {name: skills.pop(name) for name in own}
            figures |= prefixed(f"{feed}/{how}", scored)
            if (feed, how) == ("open_loop", "argmax"):
                known = {name: f for name, f in skills.items() if name != "ceiling" or continuations is not None}
                figures |= prefixed("baseline", known)
    if len(train_codes):
        most_frequent = unigram(train_codes, model.codebook_size)
        guess = CodeScore(len(draws[0]), windows.horizon)
        everywhere = repeat(most_frequent, "h w -> B T h w", B=len(windows.codes), T=windows.horizon)
        guess.update(everywhere, windows.present, windows.target, windows.episode)
        figures["baseline/unigram"] = guess.with_intervals(draws)["accuracy"]
    return Dreams(figures, free["argmax"].codes)


@torch.inference_mode()
def measure_divergence(
    model: WorldModel, windows: Windows, imagined: Tensor, draws: Tensor, batch_size: int, seed: int
) -> dict[str, Figure]:
    """Dream again, greedily, but with the actions of other windows; nothing if there are none."""
    if len(windows.codes) < 2:
        return {}
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(windows.codes), generator=generator)
    others = torch.empty_like(order).scatter_(0, order, order.roll(1))  # nobody keeps its own
    seen = windows.actions[:, : windows.context - 1]
    actions = torch.cat([seen, windows.actions[others][:, windows.context - 1 :]], 1)
    score = DivergenceScore(len(draws[0]), windows.horizon)
    for rows in track(_batches(windows, batch_size), "shuffled actions"):
        context = windows.codes[rows, : windows.context]
        shuffled = imagine(model, context, actions[rows]).codes
        score.update(imagined[rows], shuffled, windows.target[rows], windows.episode[rows])
    return prefixed("control", score.with_intervals(draws))


class _Guesses:
    """What one way to predict makes of all windows, filled in step by step."""

    def __init__(self, windows: Windows, num_episodes: int) -> None:
        self._windows, self._num_episodes = windows, num_episodes
        self.codes = torch.empty_like(windows.target)
        self._bits = torch.empty(self.codes.shape[:2], device=self.codes.device)
        self._calibration = CalibrationScore(num_episodes)

    def add(self, rows: Tensor, t: int, logits: Tensor, codes: Tensor) -> None:
        """Step ``t`` of the windows ``rows`` (B,): logits (B, h, w, K) and the codes (B, h, w) made of them."""
        target = self._windows.target[rows, t]
        self.codes[rows, t] = codes
        self._bits[rows, t] = bits_per_frame(logits, target)
        self._calibration.update(logits, target, self._windows.episode[rows])

    def figures(self, copied: Tensor, draws: Tensor) -> dict[str, Figure]:
        """Their figures. A change is a change from the grid that copying would predict, ``copied`` (B, T, h, w)."""
        score = CodeScore(self._num_episodes, self._windows.horizon)
        score.update(self.codes, copied, self._windows.target, self._windows.episode)
        likelihood = LikelihoodScore(self._num_episodes, self._windows.horizon)
        likelihood.update(self._bits, self._windows.episode)
        figures = score.with_intervals(draws) | likelihood.with_intervals(draws)
        return figures | {"ece": self._calibration.with_intervals(draws)["ece"]}


def _force_all(
    model: WorldModel, windows: Windows, samplers: Mapping[str, Sampler], num_episodes: int, batch_size: int
) -> dict[str, _Guesses]:
    """Teacher-forced guesses of every sampler, from one pass of the model."""
    guesses = {how: _Guesses(windows, num_episodes) for how in samplers}
    for rows in track(_batches(windows, batch_size), "teacher forced"):
        part = windows.pick(rows)
        for t, step in enumerate(teacher_force(model, part.codes, part.actions, part.context, Greedy())):
            for how, sample in samplers.items():
                guesses[how].add(rows, t, step.logits, sample(step.logits))
    return guesses


def _dream_all(
    model: WorldModel, windows: Windows, how: str, sample: Sampler, num_episodes: int, batch_size: int
) -> _Guesses:
    """Open-loop guesses."""
    guesses = _Guesses(windows, num_episodes)
    for rows in track(_batches(windows, batch_size), f"open loop, {how}"):
        part = windows.pick(rows)
        for t, step in enumerate(dream(model, part.codes[:, : part.context], part.actions, sample)):
            guesses.add(rows, t, step.logits, step.codes)
    return guesses


def _copies(windows: Windows, feed: str, period: int) -> tuple[Tensor, Tensor]:
    """Copy and phase copy; a teacher-forced one copies the real grids one step and one blinking period earlier."""
    if feed == "open_loop":
        return copy(windows.codes, windows.context), phase_copy(windows.codes, windows.context, period)
    first = windows.context
    return windows.codes[:, first - 1 : -1], windows.codes[:, first - period : -period]


def _batches(windows: Windows, batch_size: int) -> list[Tensor]:
    return list(torch.arange(len(windows.codes)).split(batch_size))

"""Dreams against what happened, horizon by horizon."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from einops import repeat
from rich.progress import track
from torch import Tensor

from pacdream.evaluation.baselines import BLINK_PERIOD, copy, phase_copy, unigram
from pacdream.evaluation.code_score import CodeScore, SkillScore
from pacdream.evaluation.control import DivergenceScore
from pacdream.evaluation.episode_metric import Figure, prefixed
from pacdream.evaluation.likelihood import CalibrationScore, LikelihoodScore, bits_per_frame
from pacdream.evaluation.windows import Windows
from pacdream.rollout.imagine import Prediction, Sampler, dream, imagine, teacher_force
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

    Raises:
        ValueError: the context is shorter than the blinking.
    """
    if windows.context < BLINK_PERIOD:
        raise ValueError(f"report.context={windows.context} must be at least {BLINK_PERIOD}, the blinking's period")
    certain = (windows.target if continuations is None else continuations) == windows.target
    figures: dict[str, Figure] = {}
    imagined = windows.target
    for how, sample in (("argmax", Greedy()), ("sampled", sampler)):
        for feed in ("teacher_forced", "open_loop"):
            scored = _measure_mode(model, windows, feed, how, sample, draws, batch_size)
            skill = SkillScore(len(draws[0]), windows.horizon)
            # A teacher-forced prediction is always one step ahead, and so is the ceiling that it can reach.
            reachable = certain[:, :1] if feed == "teacher_forced" else certain
            skill.update(scored.imagined, *_copies(windows, feed), reachable, windows.target, windows.episode)
            skills = skill.with_intervals(draws)
            own = ("skill", "skill_area", "steps_until_half_skill")
            figures |= scored.figures | prefixed(f"{feed}/{how}", {name: skills.pop(name) for name in own})
            if (feed, how) == ("open_loop", "argmax"):
                imagined = scored.imagined
                known = {name: f for name, f in skills.items() if name != "ceiling" or continuations is not None}
                figures |= prefixed("baseline", known)
    if len(train_codes):
        most_frequent = unigram(train_codes, model.codebook_size)
        guess = CodeScore(len(draws[0]), windows.horizon)
        everywhere = repeat(most_frequent, "h w -> B T h w", B=len(windows.codes), T=windows.horizon)
        guess.update(everywhere, windows.present, windows.target, windows.episode)
        figures["baseline/unigram"] = guess.with_intervals(draws)["accuracy"]
    return Dreams(figures, imagined)


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


def _measure_mode(
    model: WorldModel, windows: Windows, feed: str, how: str, sample: Sampler, draws: Tensor, batch_size: int
) -> Dreams:
    """Figures of one way to predict. A change is a change from the grid that copying would predict."""
    previous, _ = _copies(windows, feed)
    episodes, horizon = len(draws[0]), windows.horizon
    score, likelihood = CodeScore(episodes, horizon), LikelihoodScore(episodes, horizon)
    calibration = CalibrationScore(episodes)
    parts = []
    for rows in track(_batches(windows, batch_size), f"{feed.replace('_', ' ')}, {how}"):
        part = windows.pick(rows)
        codes, bits = [], []
        for t, step in enumerate(_steps(model, part, feed, sample)):
            codes.append(step.codes)
            bits.append(bits_per_frame(step.logits, part.target[:, t]))
            calibration.update(step.logits, part.target[:, t], part.episode)
        parts.append(torch.stack(codes, 1))
        score.update(parts[-1], previous[rows], part.target, part.episode)
        likelihood.update(torch.stack(bits, 1), part.episode)
    figures = score.with_intervals(draws) | likelihood.with_intervals(draws)
    figures["ece"] = calibration.with_intervals(draws)["ece"]
    return Dreams(prefixed(f"{feed}/{how}", figures), torch.cat(parts))


def _steps(model: WorldModel, windows: Windows, feed: str, sample: Sampler) -> Iterator[Prediction]:
    if feed == "teacher_forced":
        return teacher_force(model, windows.codes, windows.actions, windows.context, sample)
    return dream(model, windows.codes[:, : windows.context], windows.actions, sample)


def _copies(windows: Windows, feed: str) -> tuple[Tensor, Tensor]:
    """Copy and phase copy; a teacher-forced one copies the real grids one step and one blinking period earlier."""
    if feed == "open_loop":
        return copy(windows.codes, windows.context), phase_copy(windows.codes, windows.context)
    first = windows.context
    return windows.codes[:, first - 1 : -1], windows.codes[:, first - BLINK_PERIOD : -BLINK_PERIOD]


def _batches(windows: Windows, batch_size: int) -> list[Tensor]:
    return list(torch.arange(len(windows.codes)).split(batch_size))

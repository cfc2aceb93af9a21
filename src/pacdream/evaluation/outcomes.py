"""What an outcome network makes of real steps and of dreams."""

import logging
from typing import Any

import torch
from torch import Tensor

from pacdream.data.latent_data_module import LatentDataModule
from pacdream.evaluation.windows import Windows
from pacdream.metric.episode_metric import Figure, prefixed
from pacdream.metric.outcome import EventScore, ReturnScore
from pacdream.outcome.network import OutcomeNetwork, Outcomes
from pacdream.outcome.span_network import SpanNetwork
from pacdream.outcome.targets import Targets, class_of_points, targets_of

log = logging.getLogger(__name__)


def can_judge(network: OutcomeNetwork | SpanNetwork, context: int, horizon: int) -> bool:
    """Whether rollouts of so many steps after so many real grids are long enough for what a network looks at.

    Raises:
        ValueError: too few grids come before them.
    """
    if network.before >= context:
        raise ValueError(
            f"report.context={context} shows too few grids to judge what dreams earn, which needs {network.before} "
            f"earlier ones: choose {network.before + 1} or more"
        )
    if horizon <= network.after:
        log.info("what dreams earn is left out: it shows %d step(s) later, and horizon=%d", network.after, horizon)
    return horizon > network.after


def measure_outcomes(
    network: OutcomeNetwork,
    data: LatentDataModule,
    windows: Windows,
    imagined: Tensor | None,
    draws: Tensor,
    batch_size: int,
) -> dict[str, Figure]:
    """Score it on all held-out steps, and by horizon on the real and on the imagined grids of the same windows.

    Args:
        network: behind the tokenizer of ``data``.
        data: set up.
        windows: B real futures.
        imagined: (B, T, h, w) rollouts of them, with the same actions: what was really earned is known for them too;
            none to look at real grids only.
        draws: of the bootstrap.
        batch_size: windows at once.
    """
    network, targets = network.to(data.codes.device), targets_of(data.cache, network.lost_within)
    figures = prefixed("outcome/step", _single_steps(network, data, targets, draws, batch_size))
    first_frames = data.cache.starts[list(data.split.val)]
    present = first_frames[windows.episode] + windows.step
    for name, grids in {"real": windows.target, **({} if imagined is None else {"dream": imagined})}.items():
        judged = _judge(network, windows, grids, batch_size)
        happened = targets.at(present[:, None] + torch.arange(judged.over.shape[1]))
        figures |= prefixed(f"outcome/{name}", _score(judged, happened, windows.episode, draws))
    return figures


def measure_spans(
    network: SpanNetwork,
    data: LatentDataModule,
    windows: Windows,
    imagined: Tensor,
    draws: Tensor,
    batch_size: int,
) -> dict[str, Figure]:
    """Score it by horizon, as far as it has seen spans, on the real and on the imagined grids of the same windows.

    See ``measure_outcomes``.
    """
    network = network.to(data.codes.device)
    first_frames = data.cache.starts[list(data.split.val)]
    present = first_frames[windows.episode] + windows.step
    seen = windows.codes[:, windows.context - 1 - network.before : windows.context]
    figures: dict[str, Figure] = {}
    for name, grids in {"real": windows.target, "dream": imagined}.items():
        codes = torch.cat([seen, grids[:, : network.max_span + network.after]], 1)
        # Each window is as many spans as there are steps.
        earned = torch.cat([network.judge(some) for some in codes.split(max(1, batch_size // network.max_span))])
        score = ReturnScore(len(draws[0]), earned.shape[1])
        happened = data.cache.rewards[present[:, None] + torch.arange(earned.shape[1])]
        score.update(earned.diff(prepend=torch.zeros_like(earned[:, :1])), happened, windows.episode)
        figures |= prefixed(f"spans/{name}", score.with_intervals(draws))
    return figures


def _single_steps(
    network: OutcomeNetwork, data: LatentDataModule, targets: Targets, draws: Tensor, batch_size: int
) -> dict[str, Figure]:
    """Every held-out step once, also by the number of points and by how soon a life is lost."""
    values = network.points.cpu()
    earns, by_value = EventScore(len(draws[0])), EventScore(len(draws[0]), len(values))
    lost, over = EventScore(len(draws[0]), len(network.lost_within)), EventScore(len(draws[0]))
    for rank, number in enumerate(data.split.val):
        first, (codes, actions) = int(data.cache.starts[number]), data.episode(number)
        steps = torch.arange(network.before, max(network.before, len(actions) - network.after))
        if not len(steps):
            continue  # an episode too short to look around any step of it
        for part in steps.split(batch_size):
            begin, end = int(part[0]) - network.before, int(part[-1]) + network.after + 1
            judged = network.judge(codes[None, begin : end + 1].long(), actions[None, begin:end].long())
            happened, episode = targets.at(first + part), torch.full((len(part),), rank)
            earns.update(judged.earns[0], happened.points != 0, episode)
            one_hot = torch.nn.functional.one_hot(class_of_points(happened.points, values), len(values))
            by_value.update(judged.points[0], one_hot.bool(), episode)
            lost.update(judged.lost[0], happened.lost, episode)
            over.update(judged.over[0], happened.over, episode)
    figures: dict[str, Figure] = {}
    scores = {"points": earns, "lost_within": lost, "over": over, "value": by_value}
    for name, score in scores.items():
        figures |= prefixed(name, score.with_intervals(draws))
    return figures


def _judge(network: OutcomeNetwork, windows: Windows, grids: Tensor, batch_size: int) -> Outcomes:
    """The steps from the present on that lead through grids (B, T, h, w)."""
    first = windows.context - 1 - network.before
    codes = torch.cat([windows.codes[:, first : windows.context], grids], 1)
    parts = zip(codes.split(batch_size), windows.actions[:, first:].split(batch_size), strict=True)
    return Outcomes.joined(*(network.judge(some, actions) for some, actions in parts))


def _score(judged: Outcomes, happened: Targets, episode: Tensor, draws: Tensor) -> dict[str, Figure]:
    """By horizon."""
    count, horizon = len(draws[0]), judged.over.shape[1]
    returns = ReturnScore(count, horizon)
    points, lost = EventScore(count, horizon), EventScore(count, horizon)
    returns.update(judged.expected, happened.points, episode)
    points.update(judged.earns, happened.points != 0, episode)
    lost.update(judged.lost[..., -1], happened.lost[..., -1], episode)
    return (
        returns.with_intervals(draws)
        | prefixed("points", points.with_intervals(draws))
        | prefixed("lost", lost.with_intervals(draws))
    )


def events_of(network: OutcomeNetwork) -> dict[str, Any]:
    """What the entries of its figures are about, for the scorecard's ``about``."""
    return {"values": network.points.tolist(), "lost_within": list(network.lost_within)}

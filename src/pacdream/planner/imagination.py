"""What plans lead to in a dream."""

import torch
from einops import repeat
from torch import Tensor

from pacdream.outcome.network import OutcomeNetwork, Outcomes
from pacdream.outcome.span_network import SpanNetwork
from pacdream.planner.prospects import Present, Prospects
from pacdream.rollout.precision import autocast
from pacdream.rollout.step import RolloutState, fork, predict
from pacdream.world_model.base import WorldModel, likeliest


class Imagination:
    """A world model and what judges its dreams: many futures at once."""

    def __init__(
        self,
        model: WorldModel,
        outcome: OutcomeNetwork,
        batch_size: int,
        precision: str = "32-true",
        spans: SpanNetwork | None = None,
        spans_share: float = 1.0,
    ) -> None:
        """Futures are imagined ``batch_size`` at once, in a ``precision`` of ``rollout.precision``; see ``judged``.

        Raises:
            ValueError: they are not of the same tokenizer or game, or the precision is unknown.
        """
        check_fit(model, outcome, spans)
        autocast(torch.device("cpu"), precision)
        self.model, self.outcome, self.spans = model, outcome, spans
        self.spans_share, self.batch_size, self.precision = spans_share, batch_size, precision

    def foretell(self, present: Present, plans: Tensor) -> Prospects:
        """See ``Foresight``."""
        grids = self.imagine(present, plans)
        with autocast(plans.device, self.precision):
            return judged(self.outcome, present, grids, plans, self.batch_size, self.spans, self.spans_share)

    def imagine(self, present: Present, plans: Tensor) -> Tensor:
        """Grids (B, P, T, h, w) that plans (B, P, T) lead to, the likeliest ones."""
        rows = torch.arange(len(plans), device=plans.device).repeat_interleave(plans.shape[1])
        parts = zip(rows.split(self.batch_size), plans.flatten(0, 1).split(self.batch_size), strict=True)
        imagined = torch.cat([self._roll(fork(present.state, some), actions) for some, actions in parts])
        return imagined.unflatten(0, plans.shape[:2])

    @torch.inference_mode()
    def _roll(self, state: RolloutState, actions: Tensor) -> Tensor:
        codes = []
        with autocast(actions.device, self.precision):
            for action in actions.unbind(1):
                step, state = predict(self.model, state, action, likeliest)
                codes.append(step.codes)
        return torch.stack(codes, 1)


def judged(
    outcome: OutcomeNetwork,
    present: Present,
    grids: Tensor,
    plans: Tensor,
    batch_size: int,
    spans: SpanNetwork | None = None,
    spans_share: float = 1.0,
) -> Prospects:
    """What is made of plans (B, P, T) that lead through grids (B, P, T, h, w).

    Lives are told by the outcome network, and so are points. A span network compares each grid with the present one,
    and so forgives a dream that shows things a step early or late. The two err in different ways: of the points that
    count, it tells a share of ``spans_share`` and the outcome network the rest.
    """
    count = plans.shape[1]
    seen = torch.cat([present.codes, present.state.codes[:, None]], 1)
    codes = torch.cat([repeat(seen, "B S h w -> (B P) S h w", P=count), grids.flatten(0, 1)], 1)
    done = torch.cat([repeat(present.actions, "B S -> (B P) S", P=count), plans.flatten(0, 1)], 1)
    parts = zip(codes.split(batch_size), done.split(batch_size), strict=True)
    found = Outcomes.joined(*(outcome.judge(some, actions) for some, actions in parts))
    points = found.expected
    if spans is not None:
        since = codes[:, outcome.before - spans.before :].split(max(1, batch_size // points.shape[1]))
        earned = torch.cat([spans.judge(some) for some in since])
        points = points.lerp(earned.diff(prepend=torch.zeros_like(earned[:, :1])), spans_share)
    # That she is caught is asked at all steps, not at the last one only: one grid of a dream may err, and whom a ghost
    # meets late can still turn.
    return Prospects(points, found.lost[..., 0], found.lost[..., -1].mean(1))


def check_fit(model: WorldModel, outcome: OutcomeNetwork, spans: SpanNetwork | None = None) -> None:
    """Refuse networks of other codes or another game, or that look at other grids.

    Raises:
        ValueError: says what differs.
    """
    for what in ("grid_shape", "codebook_size", "num_actions"):
        of_model, of_outcome = getattr(model, what), getattr(outcome, what)
        if of_model != of_outcome:
            raise ValueError(
                f"the outcome network was made for a {what.replace('_', ' ')} of {of_outcome}, the world model has "
                f"{of_model}: train one behind the same tokenizer with `python train.py experiment=outcome`"
            )
    if spans is None:
        return
    if (spans.grid_shape, spans.codebook_size) != (tuple(model.grid_shape), model.codebook_size):
        raise ValueError(
            f"the span network was made for a grid of {spans.grid_shape} with {spans.codebook_size} codes, the world "
            f"model has {tuple(model.grid_shape)} with {model.codebook_size}: train one behind the same tokenizer with "
            "`python train.py experiment=spans`"
        )
    if spans.before > outcome.before or spans.after != outcome.after:
        raise ValueError(
            f"the span network looks at {spans.before} grids before and {spans.after} after, the outcome network at "
            f"{outcome.before} and {outcome.after}: train them with the same data.before and data.after"
        )

"""Networks that say what plans earn and risk, from the grids they lead through."""

import torch
from einops import repeat
from torch import Tensor

from pacdream.outcome.network import OutcomeNetwork, Outcomes
from pacdream.outcome.span_network import SpanNetwork
from pacdream.planner.prospects import Present, Prospects
from pacdream.world_model.base import WorldModel


class Judge:
    """Lives are told by an outcome network, step by step, and so are points.

    A span network compares each grid with the present one, and so forgives a dream that shows things a step early or
    late. The two err in different ways: where there is one, each tells a share of the points.
    """

    def __init__(
        self, outcome: OutcomeNetwork, batch_size: int, spans: SpanNetwork | None = None, spans_share: float = 1.0
    ) -> None:
        """Configure.

        Args:
            outcome: tells lives, and points from step to step.
            batch_size: plans that are imagined and judged at once.
            spans: tells points between two moments.
            spans_share: share of the points that it tells; the outcome network tells the rest.

        Raises:
            ValueError: the two look at other grids, or judge the codes of different tokenizers.
        """
        if spans is not None:
            _check_alike(outcome, spans)
        self.outcome, self.spans = outcome, spans
        self.spans_share, self.batch_size = spans_share, batch_size

    def __call__(self, present: Present, grids: Tensor, plans: Tensor) -> Prospects:
        """What is made of plans (B, P, T) that lead through grids (B, P, T, h, w)."""
        count = plans.shape[1]
        seen = torch.cat([present.codes, present.state.codes[:, None]], 1)
        codes = torch.cat([repeat(seen, "B S h w -> (B P) S h w", P=count), grids.flatten(0, 1)], 1)
        done = torch.cat([repeat(present.actions, "B S -> (B P) S", P=count), plans.flatten(0, 1)], 1)
        parts = zip(codes.split(self.batch_size), done.split(self.batch_size), strict=True)
        found = Outcomes.joined(*(self.outcome.judge(some, actions) for some, actions in parts))
        points = found.expected
        if self.spans is not None:
            since = codes[:, self.outcome.before - self.spans.before :]
            some_plans = since.split(max(1, self.batch_size // points.shape[1]))
            earned = torch.cat([self.spans.judge(some) for some in some_plans])
            points = points.lerp(earned.diff(prepend=torch.zeros_like(earned[:, :1])), self.spans_share)
        # That she is caught is asked at all steps, not at the last one only: one grid of a dream may err, and whom a
        # ghost meets late can still turn.
        return Prospects(points, found.lost[..., 0], found.lost[..., -1].mean(1))


def check_fit(model: WorldModel, outcome: OutcomeNetwork) -> None:
    """Refuse an outcome network of other codes or another game than the world model's.

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


def _check_alike(outcome: OutcomeNetwork, spans: SpanNetwork) -> None:
    if (spans.grid_shape, spans.codebook_size) != (outcome.grid_shape, outcome.codebook_size):
        raise ValueError(
            f"the span network was made for a grid of {spans.grid_shape} with {spans.codebook_size} codes, the outcome "
            f"network for {outcome.grid_shape} with {outcome.codebook_size}: train both behind the same tokenizer"
        )
    if spans.before > outcome.before or spans.after != outcome.after:
        raise ValueError(
            f"the span network looks at {spans.before} grids before and {spans.after} after, the outcome network at "
            f"{outcome.before} and {outcome.after}: train them with the same data.before and data.after"
        )

"""A planner from its settings: the run whose world model it dreams with, and the network that judges its dreams."""

from pacdream.command.run import open_run
from pacdream.core.checkpoints import weights_sha256
from pacdream.core.device import best_device
from pacdream.core.limits import Positive, Share
from pacdream.outcome.frozen import find_spans, load_outcome
from pacdream.planner.base import Planner
from pacdream.planner.imagination import Imagination
from pacdream.planner.judge import Judge
from pacdream.planner.policy import PlannerPolicy
from pacdream.planner.prospects import Objective


def planner_policy(
    run: str | None,
    outcome: str,
    spans: str | None,
    spans_share: Share,
    discount: float,
    death_cost: float,
    replan_every: Positive,
    batch_size: Positive,
    precision: str,
    search: Planner,
) -> PlannerPolicy:
    """Build a player that plans in its dream.

    Args:
        run: whose world model dreams; none for the one that comes with the package.
        outcome: network that judges the dreams.
        spans: network that tells their points as well, between two moments; none to leave that to the outcome network.
        spans_share: share of the points that it tells; the outcome network tells the rest.
        discount: of points, per step.
        death_cost: points that a lost life costs.
        replan_every: steps of a plan that are taken before another one is looked for.
        batch_size: futures at once.
        precision: of the dreams, 32-true or bf16-mixed.
        search: finds the best plan.

    Raises:
        ValueError: not a run of a world model, a network of another tokenizer, or one that has not seen spans as long.
    """
    opened = open_run(run)
    device = best_device()
    tokenizer = opened.tokenizer()
    codes = weights_sha256(tokenizer)
    network = load_outcome(outcome, codes).to(device)
    model, objective = opened.model(device), Objective(discount, death_cost)
    of_spans = find_spans(spans, codes) if spans else None
    if of_spans is not None and (most := of_spans.max_span + of_spans.after) < search.horizon:
        raise ValueError(
            f"planner.search.horizon={search.horizon} is more than the {most} steps that spans={spans} can judge: "
            "choose fewer, or planner.spans=null"
        )
    judge = Judge(network, batch_size, of_spans and of_spans.to(device), spans_share)
    return PlannerPolicy(
        tokenizer.to(device), model, Imagination(model, judge, precision), judge, objective, search, replan_every
    )

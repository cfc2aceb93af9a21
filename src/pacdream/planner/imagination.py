"""What plans lead to in a dream."""

import torch
from einops import repeat
from torch import Tensor

from pacdream.outcome.network import OutcomeNetwork, Outcomes
from pacdream.planner.prospects import Present, Prospects
from pacdream.rollout.precision import autocast
from pacdream.rollout.step import RolloutState, fork, predict
from pacdream.world_model.base import WorldModel, likeliest


class Imagination:
    """A world model and an outcome network: many futures at once."""

    def __init__(self, model: WorldModel, outcome: OutcomeNetwork, batch_size: int, precision: str = "32-true") -> None:
        """``batch_size`` futures are imagined at once; for ``precision`` see ``rollout.precision``.

        Raises:
            ValueError: they are not of the same tokenizer or game, or the precision is unknown.
        """
        check_fit(model, outcome)
        autocast(torch.device("cpu"), precision)
        self.model, self.outcome, self.batch_size, self.precision = model, outcome, batch_size, precision

    def foretell(self, present: Present, plans: Tensor) -> Prospects:
        """See ``Foresight``."""
        grids = self.imagine(present, plans)
        with autocast(plans.device, self.precision):
            return judged(self.outcome, present, grids, plans, self.batch_size)

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


def judged(outcome: OutcomeNetwork, present: Present, grids: Tensor, plans: Tensor, batch_size: int) -> Prospects:
    """What an outcome network makes of plans (B, P, T) that lead through grids (B, P, T, h, w)."""
    count = plans.shape[1]
    seen = torch.cat([present.codes, present.state.codes[:, None]], 1)
    codes = torch.cat([repeat(seen, "B S h w -> (B P) S h w", P=count), grids.flatten(0, 1)], 1)
    done = torch.cat([repeat(present.actions, "B S -> (B P) S", P=count), plans.flatten(0, 1)], 1)
    parts = zip(codes.split(batch_size), done.split(batch_size), strict=True)
    found = Outcomes.joined(*(outcome.judge(some, actions) for some, actions in parts))
    # That she is caught is asked at all steps, not at the last one only: one grid of a dream may err, and whom a ghost
    # meets late can still turn.
    return Prospects(found.expected, found.lost[..., 0], found.lost[..., -1].mean(1))


def check_fit(model: WorldModel, outcome: OutcomeNetwork) -> None:
    """Refuse an outcome network of other codes or another game.

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

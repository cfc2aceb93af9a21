"""What plans lead to in a dream."""

import torch
from torch import Tensor

from pacdream.planner.judge import Judge, check_fit
from pacdream.planner.prospects import Present, Prospects
from pacdream.rollout.precision import autocast
from pacdream.rollout.step import RolloutState, fork, predict
from pacdream.world_model.base import WorldModel, likeliest


class Imagination:
    """A world model and what judges its dreams: many futures at once."""

    def __init__(self, model: WorldModel, judge: Judge, precision: str = "32-true") -> None:
        """Futures are imagined ``judge.batch_size`` at once, in a ``precision`` of ``rollout.precision``.

        Raises:
            ValueError: they are not of the same tokenizer or game, or the precision is unknown.
        """
        check_fit(model, judge.outcome)
        autocast(torch.device("cpu"), precision)
        self.model, self.judge, self.precision = model, judge, precision

    def foretell(self, present: Present, plans: Tensor) -> Prospects:
        """See ``Foresight``."""
        grids = self.imagine(present, plans)
        with autocast(plans.device, self.precision):
            return self.judge(present, grids, plans)

    def imagine(self, present: Present, plans: Tensor) -> Tensor:
        """Grids (B, P, T, h, w) that plans (B, P, T) lead to, the likeliest ones."""
        size = self.judge.batch_size
        rows = torch.arange(len(plans), device=plans.device).repeat_interleave(plans.shape[1])
        parts = zip(rows.split(size), plans.flatten(0, 1).split(size), strict=True)
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

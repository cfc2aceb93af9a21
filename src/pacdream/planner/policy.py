"""A player that decides by planning in its dream."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pacdream.core.checkpoints import weights_sha256
from pacdream.game.palette_frames import PaletteFrames
from pacdream.planner.base import Planner, Plans
from pacdream.planner.judge import Judge
from pacdream.planner.prospects import Foresight, Objective, Present
from pacdream.policy.base import Actions
from pacdream.rollout.step import RolloutState
from pacdream.tokenizer.base import Tokenizer
from pacdream.tokenizer.reader import FrameReader
from pacdream.world_model.base import WorldModel


class PlannerPolicy:
    """Reads each frame into codes, asks what futures lead to, and follows the best one for a few steps.

    All rows plan at once, in one batch of futures.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        model: WorldModel,
        foresight: Foresight,
        judge: Judge,
        objective: Objective,
        search: Planner,
        replan_every: int,
        name: str = "planner",
    ) -> None:
        """Configure.

        Args:
            tokenizer: reads the frames.
            model: remembers what was seen.
            foresight: foretells what plans lead to: ``Imagination`` of the model, or an oracle.
            judge: how many grids before and after a step it looks at, the policy must keep and a plan must have.
            objective: what is sought.
            search: finds the best plan.
            replan_every: steps of a plan that are taken before another one is looked for.
            name: who plays, for manifests and tables.

        Raises:
            ValueError: more steps are to be taken than a plan has, or fewer than one; or too few to judge one.
        """
        if not 1 <= replan_every <= search.horizon:
            raise ValueError(
                f"planner.replan_every={replan_every} must lie between 1 and the horizon of a plan, {search.horizon}"
            )
        if search.horizon <= judge.outcome.after:
            raise ValueError(
                f"planner.search.horizon={search.horizon} leaves no step to judge: the outcome network looks "
                f"{judge.outcome.after} step(s) ahead, so it must be at least {judge.outcome.after + 1}"
            )
        self.tokenizer, self.model, self.foresight = tokenizer, model, foresight
        self.judge, self.before = judge, judge.outcome.before
        self.objective, self.search, self.replan_every, self.name = objective, search, replan_every, name
        self.steps_foretold = 0
        """Since it was built."""

    @property
    def identities(self) -> dict[str, str]:
        """Hashes of the networks that decide, for the manifest of what it records."""
        networks = {"world_model": self.model, "outcome": self.judge.outcome, "spans": self.judge.spans}
        return {name: weights_sha256(network) for name, network in networks.items() if network is not None}

    def begin(
        self,
        action_names: Sequence[str],
        rngs: Sequence[np.random.Generator],
        games: Sequence[PaletteFrames] | None = None,
    ) -> None:
        """See ``Policy``.

        Raises:
            ValueError: the game has another number of actions than the world model.
        """
        if len(action_names) != self.model.num_actions:
            raise ValueError(
                f"the world model knows {self.model.num_actions} actions, this game has {len(action_names)}: plan with "
                "a model of this game"
            )
        self._rngs, self._games, self._step = list(rngs), games, 0
        rows, device = len(self._rngs), next(self.model.parameters()).device
        self._memory = self.model.initial_state(rows, device)
        self._codes = torch.zeros(rows, self.before, *self.model.grid_shape, dtype=torch.int64, device=device)
        self._actions = torch.zeros(rows, self.before, dtype=torch.int64, device=device)
        self._reader = FrameReader(self.tokenizer)
        self.last_actions = np.zeros(rows, np.int64)
        """(B,) what was done last."""
        self.plans: Plans = np.zeros((rows, self.search.horizon), np.int64)
        """(B, T) what is being done: the first step is the next one."""

    @torch.inference_mode()
    def act(self, observation: Any) -> Actions:
        """The action of each row on seeing frames (B, H, W) of the game, or codes (B, h, w) of a dream."""
        codes = self._read(observation)
        if self._step == 0:
            self._codes[:] = codes[:, None]  # nothing was there before: the first grid stands for it
        self.present = Present(
            RolloutState(codes, self._memory),
            self._codes,
            self._actions,
            self._games,
            self._reader.last,
            self.last_actions.tolist(),
        )
        if self._step % self.replan_every == 0:
            self._plan()
        action = self.plans[:, 0].copy()
        self.plans = np.concatenate([self.plans[:, 1:], self.plans[:, -1:]], 1)
        self._remember(codes, action)
        return action

    def _plan(self) -> None:
        """Look for better plans in all games that are not over."""
        rows = [row for row in range(len(self._rngs)) if not (self._games and self._games[row].over)]
        if not rows:
            return
        present = self.present.pick(rows)

        def value(plans: Plans) -> NDArray[np.float64]:
            self.steps_foretold += plans.size
            prospects = self.foresight.foretell(present, torch.from_numpy(plans).to(self._actions.device))
            return self.objective(prospects).view(plans.shape[:2]).cpu().double().numpy()

        rngs = [self._rngs[row] for row in rows]
        self.plans[rows], _ = self.search.plan(value, self.model.num_actions, self.plans[rows], rngs)

    def _read(self, observation: Any) -> Tensor:
        """Codes (B, h, w) of an observation."""
        seen = torch.as_tensor(observation).to(self._actions.device)
        return seen.long() if tuple(seen.shape[1:]) == tuple(self.model.grid_shape) else self._reader.read(seen)

    def _remember(self, codes: Tensor, actions: Actions) -> None:
        """Go on to the next step."""
        taken = torch.from_numpy(actions).to(codes.device)
        self._memory = self.model.remember(codes, taken, self._memory)
        self._codes = torch.cat([self._codes, codes[:, None]], 1)[:, 1:]
        self._actions = torch.cat([self._actions, taken[:, None]], 1)[:, 1:]
        self.last_actions, self._step = actions, self._step + 1

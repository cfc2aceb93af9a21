"""A world model against the baselines, step by step into an imagined future."""

from dataclasses import dataclass

import torch
from einops import repeat
from torch import Tensor

from pacdream.evaluation.baselines import BLINK_PERIOD, accuracy_by_horizon, copy, phase_copy, unigram
from pacdream.rollout.imagine import imagine
from pacdream.types import LatentBatch
from pacdream.world_model.base import WorldModel
from pacdream.world_model.metrics import skill


@dataclass(frozen=True)
class OpenLoopTable:
    """Code accuracy (T,) of every predictor at horizons 1 to T."""

    rows: dict[str, Tensor]
    num_windows: int

    @property
    def copy_star(self) -> Tensor:
        """At each horizon the better of the two copies, (T,)."""
        return torch.maximum(self.rows["copy"], self.rows["phase copy"])

    @property
    def skill(self) -> Tensor:
        """Share of what copy* leaves to be won that the model wins, (T,); 1 would be a perfect prediction."""
        return skill(self.rows["world model"], self.copy_star)

    @property
    def columns(self) -> dict[str, Tensor]:
        """All that is shown of the table, each (T,)."""
        return {**self.rows, "copy*": self.copy_star, "skill": self.skill}

    @property
    def steps_above_copy(self) -> int:
        """How many steps the model stays above copy* before it first falls to it."""
        above = (self.rows["world model"] > self.copy_star).long()
        return int(above.cumprod(0).sum())


def compare_open_loop(
    model: WorldModel, windows: LatentBatch, train_codes: Tensor, context: int, batch_size: int
) -> OpenLoopTable:
    """Imagine all windows and score them beside the baselines.

    Args:
        model: any world model, on the device of the windows.
        windows: real codes (B, C + T, h, w) and the actions between them (B, C + T - 1).
        train_codes: (N, h, w) of the training episodes, for the unigram.
        context: C, grids that are seen; at least the period of the blinking.
        batch_size: futures imagined at once.

    Raises:
        ValueError: the context is shorter than the blinking.
    """
    if context < BLINK_PERIOD:
        raise ValueError(f"report.context={context} must be at least {BLINK_PERIOD}")
    codes, target = windows.codes, windows.codes[:, context:]
    imagined = torch.cat(
        [
            imagine(model, seen, actions).codes
            for seen, actions in zip(
                codes[:, :context].split(batch_size), windows.actions.split(batch_size), strict=True
            )
        ]
    )
    most_frequent = unigram(train_codes, model.codebook_size)
    predictions = {
        "world model": imagined,
        "copy": copy(codes, context),
        "phase copy": phase_copy(codes, context),
        "unigram": repeat(most_frequent, "h w -> B T h w", B=target.shape[0], T=target.shape[1]),
    }
    rows = {name: accuracy_by_horizon(predicted, target).cpu() for name, predicted in predictions.items()}
    rows["uniform"] = torch.full((target.shape[1],), 1 / model.codebook_size)
    return OpenLoopTable(rows, len(codes))

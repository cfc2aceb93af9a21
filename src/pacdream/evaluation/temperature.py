"""At which temperature a world model's draws are as varied as the game."""

from dataclasses import replace

import torch

from pacdream.evaluation.windows import Windows
from pacdream.rollout.step import condition
from pacdream.world_model.base import WorldModel

TEMPERATURES = (0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.35, 1.5)


@torch.inference_mode()
def fit_temperature(model: WorldModel, windows: Windows, batch_size: int) -> float | None:
    """The one of ``TEMPERATURES`` at which the next real grid of the windows is likeliest.

    None if it makes no difference, as where a model's likelihood is not that of its logits.

    Source: Guo et al., "On calibration of modern neural networks", 2017.
    """
    total = torch.zeros(len(TEMPERATURES), dtype=torch.float64)
    for rows in torch.arange(len(windows.codes)).split(batch_size):
        part = windows.pick(rows)
        state = condition(model, part.codes[:, : part.context], part.actions[:, : part.context - 1])
        output, _ = model.step(state.codes, part.actions[:, part.context - 1], state.memory)
        for i, temperature in enumerate(TEMPERATURES):
            colder = replace(output, logits=output.logits / temperature)
            total[i] += model.log_likelihood(colder, part.target[:, 0]).double().sum().cpu()
    return TEMPERATURES[int(total.argmax())] if total.max() > total.min() else None

import pytest
import torch
from torch import Tensor

from pacdream.evaluation.temperature import fit_temperature
from pacdream.evaluation.windows import Windows
from pacdream.types import State, WorldModelOutput
from pacdream.world_model.base import WorldModel

P = torch.tensor([0.6, 0.3, 0.1])


class Sure(WorldModel):
    """Says how likely each of three codes is, and multiplies its logits."""

    grid_shape, codebook_size, num_actions, memory = (4, 5), 3, 2, 1

    def __init__(self, sharpness: float) -> None:
        super().__init__()
        self.sharpness = sharpness

    def initial_state(self, batch_size: int, device: torch.device) -> State:
        return ()

    def step(self, codes: Tensor, actions: Tensor, state: State) -> tuple[WorldModelOutput, State]:
        return WorldModelOutput((self.sharpness * P.log()).expand(*codes.shape, 3)), state


class SureOfItself(Sure):
    """Whose likelihood comes from elsewhere."""

    def log_likelihood(self, output: WorldModelOutput, target: Tensor) -> Tensor:
        return torch.zeros(target.shape)


def test_no_temperature_fits_where_it_makes_no_difference() -> None:
    windows = Windows(
        torch.zeros(4, 3, 4, 5).long(), torch.zeros(4, 2).long(), torch.zeros(4), torch.zeros(4), context=2
    )
    assert fit_temperature(SureOfItself(1.0), windows, batch_size=64) is None


@pytest.mark.parametrize(("sharpness", "temperature"), [(0.5, 0.5), (1.0, 1.0), (1.2, 1.2), (9.0, 1.5)])
def test_the_fitted_temperature_undoes_what_is_too_sure(sharpness: float, temperature: float) -> None:
    codes = torch.multinomial(P, 200 * 3 * 20, replacement=True).view(200, 3, 4, 5)
    windows = Windows(codes, torch.zeros(200, 2, dtype=torch.int64), torch.zeros(200), torch.zeros(200), context=2)
    assert fit_temperature(Sure(sharpness), windows, batch_size=64) == temperature

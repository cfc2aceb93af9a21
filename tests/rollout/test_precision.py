"""Dreams in half precision say about the same."""

import pytest
import torch
from omegaconf import OmegaConf

from pacdream.core.checkpoints import build_model
from pacdream.planner.imagination import Imagination
from pacdream.planner.judge import Judge
from pacdream.planner.prospects import Present, alive_after
from pacdream.rollout.precision import autocast
from pacdream.rollout.step import condition
from tests.conftest import TINY_ATTENTION
from tests.runs import untrained_outcome


def foretold(latents, precision):
    torch.manual_seed(0)
    model = build_model(OmegaConf.create(TINY_ATTENTION), latents.facts()).eval()
    dream = Imagination(model, Judge(untrained_outcome(latents).eval(), 64), precision)
    codes, actions = latents.episode(0)
    codes, actions = codes[None, 60:66].long(), actions[None, 60:65].long()
    state = condition(model, codes, actions)
    present = Present(state, codes[:, 6:6], actions[:, 5:5], None, None, [0])
    plans = torch.randint(9, (1, 12, 6), generator=torch.Generator().manual_seed(1))
    return dream.foretell(present, plans)


def test_points_and_lives_are_foretold_alike_in_half_precision(latents):
    full, half = foretold(latents, "32-true"), foretold(latents, "bf16-mixed")
    assert half.points.dtype == half.dies.dtype == torch.float32
    torch.testing.assert_close(half.points, full.points, atol=0.5, rtol=0.05)
    torch.testing.assert_close(alive_after(half), alive_after(full), atol=0.02, rtol=0)


def test_it_is_half_precision_that_is_used():
    with autocast(torch.device("cpu"), "bf16-mixed"):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.bfloat16
    with autocast(torch.device("cpu"), "32-true"):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.float32


def test_another_precision_is_refused():
    with pytest.raises(ValueError, match="precision=8 is unknown here"):
        autocast(torch.device("cpu"), "8")

import re
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from pacdream.core.instantiate import build
from tests.conftest import ROOT, compose_config

OPTIONS = sorted(path.stem for path in (ROOT / "conf" / "tokenizer" / "quantizer").glob("*.yaml"))
DIM = 32


@pytest.fixture(params=OPTIONS)
def quantizer(request: pytest.FixtureRequest) -> Any:
    """Every configured quantizer, after one training pass that initialises its codebook."""
    config = compose_config("train", ["experiment=vqvae", f"tokenizer/quantizer={request.param}"])
    layer: nn.Module = build(config.tokenizer.quantizer)(dim=DIM)
    layer.train()(features())
    return layer.eval()


def features() -> Tensor:
    return torch.randn(16, 35, DIM, generator=torch.Generator().manual_seed(1))


def test_configured_codebooks_have_256_codes_or_as_many_as_their_name_says(
    quantizer: Any, request: pytest.FixtureRequest
) -> None:
    named = re.search(r"\d+$", request.node.callspec.params["quantizer"])
    wanted = int(named[0]) if named else 256
    assert quantizer.codebook_size == wanted


def test_lookup_of_the_codes_is_the_quantized_input(quantizer: Any) -> None:
    quantized, codes, _ = quantizer(features())
    torch.testing.assert_close(quantizer.lookup(codes), quantized, rtol=1e-4, atol=1e-5)


def test_codes_have_the_shape_of_the_positions_and_lie_in_the_codebook(quantizer: Any) -> None:
    _, codes, _ = quantizer(features())
    assert codes.shape == (16, 35)
    assert codes.min() >= 0
    assert codes.max() < quantizer.codebook_size


def test_more_than_one_code_is_used(quantizer: Any) -> None:
    _, codes, _ = quantizer(features())
    assert len(codes.unique()) > 8


def test_loss_is_one_number(quantizer: Any) -> None:
    _, _, loss = quantizer.train()(features())
    assert loss.shape == ()
    assert loss.isfinite()


def test_gradient_passes_through_to_the_input(quantizer: Any) -> None:
    x = features().requires_grad_()
    quantized, _, _ = quantizer.train()(x)
    quantized.square().sum().backward()
    assert x.grad is not None
    assert x.grad.abs().sum() > 0


def test_evaluation_does_not_move_the_codebook(quantizer: Any) -> None:
    before = {name: value.clone() for name, value in quantizer.state_dict().items()}
    quantizer(features() + 1)
    assert all(torch.equal(value, before[name]) for name, value in quantizer.state_dict().items())

import itertools
from functools import partial

import pytest
import torch
from torch import nn
from torch.optim.lr_scheduler import OneCycleLR, ReduceLROnPlateau, StepLR

from pacdream.core.instantiate import build
from pacdream.core.network_module import NetworkModule
from pacdream.core.optimizers import configure_optimizers
from pacdream.outcome.module import OutcomeModule
from pacdream.outcome.span_module import SpanModule
from pacdream.tokenizer.module import TokenizerModule
from pacdream.world_model.module import WorldModelModule
from tests.conftest import ROOT, compose_config

SGD = partial(torch.optim.SGD, lr=0.1)


def options(group: str) -> list[str]:
    return sorted(path.stem for path in (ROOT / "conf" / group).glob("*.yaml"))


def network() -> nn.Module:
    return nn.Linear(3, 1)


@pytest.mark.parametrize(
    ("optimizer", "scheduler"), list(itertools.product(options("optimizer"), options("scheduler")))
)
def test_every_optimizer_steps_with_every_schedule(optimizer: str, scheduler: str) -> None:
    choices = [f"optimizer={optimizer}", f"scheduler={scheduler}", "trainer.max_steps=10"]
    config = compose_config("train", ["experiment=gru_baseline", *choices])
    make_scheduler = build(config.scheduler) if config.get("scheduler") else None
    model = network()
    before = model.weight.clone()
    built = configure_optimizers(model, build(config.optimizer), make_scheduler, "val/loss")
    model(torch.ones(1, 3)).sum().backward()
    built["optimizer"].step()
    if "lr_scheduler" in built:
        built["lr_scheduler"]["scheduler"].step(*([1.0] if "monitor" in built["lr_scheduler"] else []))
    assert not torch.equal(model.weight, before)


def test_without_a_schedule_there_is_only_the_optimizer() -> None:
    assert set(configure_optimizers(network(), SGD, None, "val/loss")) == {"optimizer"}


def test_the_option_none_is_no_schedule() -> None:
    config = compose_config("train", ["experiment=gru_baseline", "scheduler=none"])
    module = build(config.module, model=network_with_codes())
    assert set(module.configure_optimizers()) == {"optimizer"}


def test_an_ordinary_schedule_advances_each_epoch() -> None:
    built = configure_optimizers(network(), SGD, partial(StepLR, step_size=1), "val/loss")
    assert built["lr_scheduler"]["interval"] == "epoch"
    assert "monitor" not in built["lr_scheduler"]


def test_one_cycle_advances_each_step() -> None:
    built = configure_optimizers(network(), SGD, partial(OneCycleLR, max_lr=0.1, total_steps=9), "val/loss")
    assert built["lr_scheduler"]["interval"] == "step"


@pytest.mark.parametrize(
    ("module", "watched"),
    [
        (WorldModelModule, "val/loss"),
        (TokenizerModule, "val/loss"),
        (OutcomeModule, "val/loss"),
        (SpanModule, "val/error"),
    ],
)
def test_a_plateau_watches_a_figure_that_falls(module: type[NetworkModule], watched: str) -> None:
    built = configure_optimizers(network(), SGD, ReduceLROnPlateau, module.monitors[0])
    assert built["lr_scheduler"]["monitor"] == watched
    assert not built["lr_scheduler"]["strict"]  # it waits while nothing is validated
    assert built["lr_scheduler"]["interval"] == "epoch"


def test_the_configured_baseline_schedule_is_the_write_ups() -> None:
    config = compose_config("train", ["experiment=gru_baseline"])
    built = configure_optimizers(network(), build(config.optimizer), build(config.scheduler), "val/loss")
    optimizer, scheduler = built["optimizer"], built["lr_scheduler"]["scheduler"]
    assert (type(optimizer), type(scheduler)) == (torch.optim.Adam, StepLR)
    assert (optimizer.defaults["lr"], scheduler.step_size, scheduler.gamma) == (1e-3, 30, 0.1)


def network_with_codes() -> nn.Module:
    model = network()
    model.codebook_size = 16  # type: ignore[assignment]
    return model

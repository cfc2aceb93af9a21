"""What the experiments train with, where a changed number would go unnoticed: the write-up's, for the baseline."""

from typing import Any

import pytest
import torch
from omegaconf import DictConfig

from pacdream.core.instantiate import build
from tests.conftest import compose_config


def composed(experiment: str, *overrides: str) -> DictConfig:
    config = compose_config("train", [f"experiment={experiment}", "hydra.run.dir=.", *overrides])
    config.callback.checkpoint.dirpath = "."
    return config


def test_the_baseline_is_that_of_the_write_up() -> None:
    config = composed("gru_baseline", "trainer=cpu")
    model, optimizer, scheduler = config.world_model, config.optimizer, config.scheduler
    assert (model.embedding_dim, model.hidden_size, model.num_layers) == (64, 512, 2)
    assert (optimizer._target_, optimizer.lr) == ("torch.optim.Adam", 1e-3)
    assert (scheduler._target_, scheduler.step_size, scheduler.gamma) == ("torch.optim.lr_scheduler.StepLR", 30, 0.1)
    assert (config.data.batch_size, config.data.context_length, config.trainer.max_epochs) == (32, 1, 100)


@pytest.mark.parametrize(("experiment", "norm"), [("gru_baseline", None), ("vqvae", 1.0)])
def test_gradients_are_clipped_for_the_tokenizer_only(experiment: str, norm: float | None) -> None:
    assert build(composed(experiment, "trainer=cpu").trainer).gradient_clip_val == norm


def test_the_baseline_stops_after_three_epochs_that_are_no_better() -> None:
    early = build(composed("gru_baseline").callback.early_stopping)
    losses = [torch.tensor(loss) for loss in (2.0, 1.0, 1.1, 1.2, 1.3)]
    assert [early._evaluate_stopping_criteria(loss)[0] for loss in losses] == [False, False, False, False, True]


@pytest.mark.parametrize("trainer", ["auto", "cpu", "gpu", "ddp"])
def test_only_the_loaders_share_the_data_among_processes(trainer: str) -> None:
    assert composed("gru_baseline", f"trainer={trainer}").trainer.use_distributed_sampler is False


@pytest.mark.parametrize(
    ("trainer", "native", "precision"),
    [
        ("gpu", {"cuda"}, "bf16-mixed"), ("gpu", set(), "32-true"), ("auto", {"cuda"}, "bf16-mixed"),
        ("cpu", {"amx_bf16"}, "bf16-mixed"), ("cpu", {"avx512_bf16"}, "bf16-mixed"), ("cpu", {"cuda"}, "32-true"),
        ("ddp", {"cuda"}, "bf16-mixed"),
    ],
)  # fmt: skip
def test_a_trainer_is_as_precise_as_is_fast_on_its_device(
    trainer: str, native: set[str], precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def capabilities() -> dict[str, Any]:
        return dict.fromkeys(native, True)

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: "cuda" in native)
    monkeypatch.setattr(torch.cpu, "get_capabilities", capabilities, raising=False)
    assert composed("gru_baseline", f"trainer={trainer}").trainer.precision == precision

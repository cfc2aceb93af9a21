from functools import partial
from types import SimpleNamespace

import pytest
import torch

from pacdream.evaluation import cost
from pacdream.evaluation.cost import BATCHES, frames_per_second, measure_cost, timed
from pacdream.world_model.gru import GRUWorldModel

POSITIONS, CODES, ACTIONS, EMBEDDING, HIDDEN = 35, 16, 9, 8, 12
CPU = torch.device("cpu")


def tiny(layers: int) -> GRUWorldModel:
    return GRUWorldModel((7, 5), CODES, ACTIONS, EMBEDDING, HIDDEN, layers)


@pytest.fixture(autouse=True)
def _briefly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cost, "frames_per_second", partial(frames_per_second, seconds=0))


@pytest.mark.parametrize("layers", [1, 2])
def test_parameters_are_those_of_embeddings_gates_and_head(layers: int) -> None:
    inputs = [EMBEDDING, HIDDEN][:layers]
    gates = sum(3 * HIDDEN * (width + HIDDEN + 2) for width in inputs)
    expected = EMBEDDING * (CODES + ACTIONS) + gates + CODES * (HIDDEN + 1)
    assert measure_cost(tiny(layers), CPU)["parameters"] == expected


@pytest.mark.parametrize("layers", [1, 2])
def test_a_frame_costs_two_flop_for_every_weight_at_every_position(layers: int) -> None:
    weights = sum(3 * HIDDEN * (width + HIDDEN) for width in [EMBEDDING, HIDDEN][:layers]) + CODES * HIDDEN
    assert measure_cost(tiny(layers), CPU)["mflop_per_frame"] == pytest.approx(2 * POSITIONS * weights / 1e6)


def test_speeds_are_positive_and_agree() -> None:
    figures = measure_cost(tiny(1), CPU)
    assert all(figures[f"frames_per_second@{batch}"] > 0 for batch in BATCHES)
    assert figures["ms_per_frame"] * figures["frames_per_second@1"] == pytest.approx(1000)


def test_speed_counts_the_frames_of_all_dreams(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cost, "timed", lambda work, device: 0.25)
    assert frames_per_second(tiny(1), 32, CPU, seconds=0) == 32 * 2 / 0.25


def test_speed_is_that_of_the_fastest_dream(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([9.0, 0.5, 0.25, 1.0])
    clock = iter([0.0, 0.1, 0.2, 0.9])
    monkeypatch.setattr(cost, "timed", lambda work, device: next(times))
    monkeypatch.setattr(cost, "time", SimpleNamespace(perf_counter=lambda: next(clock)))
    assert frames_per_second(tiny(1), 1, CPU, seconds=0.5) == 2 / 0.25


def test_work_is_done_once_and_timed() -> None:
    done = []
    assert timed(lambda: done.append(1), CPU) >= 0
    assert done == [1]


def test_the_model_is_left_as_it_was() -> None:
    model = tiny(1).train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    measure_cost(model, CPU)
    assert model.training
    assert all(p.requires_grad and p.device == CPU and not p.is_inference() for p in model.parameters())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())

from functools import partial

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
    monkeypatch.setattr(cost, "frames_per_second", partial(frames_per_second, rounds=1, seconds=0))


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


def test_speed_counts_the_frames_of_all_rollouts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cost, "timed", lambda work, device: 0.25)
    assert frames_per_second(tiny(1), (1, 32), CPU, seconds=0) == {1: 4, 32: 128}


@pytest.mark.parametrize("slow", [(0, 1), (2, 3), (4, 5)])
def test_work_beside_it_in_some_rounds_changes_no_speed(monkeypatch: pytest.MonkeyPatch, slow: tuple[int, ...]) -> None:
    calls = iter(range(100))

    def timed(work: object, device: torch.device) -> float:
        n = next(calls) - 2  # two warm up
        return (9.0 if n in slow or n < 0 else 0.5) * (n % 2 + 1)

    monkeypatch.setattr(cost, "timed", timed)
    assert frames_per_second(tiny(1), (1, 32), CPU, seconds=0) == {1: 2, 32: 32}
    assert next(calls) == 2 + 2 * (3 if slow[0] < 4 else 2)  # no more rounds than it takes for two to agree


def test_speeds_that_never_agree_end(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter(range(100, 0, -10))
    monkeypatch.setattr(cost, "timed", lambda work, device: next(times) / 10)
    assert frames_per_second(tiny(1), (1,), CPU, rounds=4, seconds=0) == {1: 1 / 6}


def test_every_batch_size_has_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]

    def timed(work: object, device: torch.device) -> float:
        now[0] += 0.25
        return now[0]

    monkeypatch.setattr(cost, "timed", timed)
    monkeypatch.setattr(cost.time, "perf_counter", lambda: now[0])
    frames_per_second(tiny(1), (1, 32), CPU, rounds=2, seconds=1.0)
    assert now[0] == 2 * 0.25 + 2 * 2 * 1.0


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

import numpy as np
import torch
from torch import Tensor

from pacdream.metric.next_codes import NextCodesMetric, count_correct, skill

Grids = tuple[Tensor, Tensor, Tensor]


def random_grids() -> Grids:
    """Predicted, present and target grids (6, 2, 7, 5) of four codes: many copies, some changes."""
    predicted, present, target = torch.randint(4, (3, 6, 2, 7, 5))
    return predicted, present, target


def naive_counts(predicted: Tensor, present: Tensor, target: Tensor) -> list[int]:
    counts = np.zeros(5, int)
    for guess, now, then in zip(predicted.numpy().flat, present.numpy().flat, target.numpy().flat, strict=True):
        counts += [1, guess == then, now == then, now != then, now != then and guess == then]
    return counts.tolist()


def measured(predicted: Tensor, present: Tensor, target: Tensor) -> dict[str, float]:
    metric = NextCodesMetric()
    metric.update(predicted, present, target)
    return {name: float(value) for name, value in metric.compute().items()}


def test_counts_equal_a_naive_loop() -> None:
    grids = random_grids()
    assert count_correct(*grids).tolist() == naive_counts(*grids)


def test_shares_are_ratios_of_the_naive_counts() -> None:
    grids = random_grids()
    total, right, copied, changed, changed_right = naive_counts(*grids)
    figures = measured(*grids)
    assert np.isclose(figures["accuracy"], right / total)
    assert np.isclose(figures["copy_accuracy"], copied / total)
    assert np.isclose(figures["changed_accuracy"], changed_right / changed)
    assert np.isclose(figures["skill"], (right - copied) / (total - copied))


def test_a_copier_has_skill_zero_and_gets_no_changed_code() -> None:
    _, present, target = random_grids()
    figures = measured(present, present, target)
    assert figures["skill"] == 0
    assert figures["changed_accuracy"] == 0
    assert figures["accuracy"] == figures["copy_accuracy"]


def test_an_oracle_has_accuracy_and_skill_one() -> None:
    _, present, target = random_grids()
    figures = measured(target, present, target)
    assert (figures["accuracy"], figures["changed_accuracy"], figures["skill"]) == (1, 1, 1)


def test_worse_than_copying_is_negative_skill() -> None:
    assert skill(torch.tensor(0.7), torch.tensor(0.8)) < 0


def test_reaching_the_ceiling_is_skill_one() -> None:
    torch.testing.assert_close(skill(torch.tensor(0.9), torch.tensor(0.8), ceiling=0.9), torch.tensor(1.0))


def test_changed_accuracy_is_nan_if_nothing_changed() -> None:
    predicted, present, _ = random_grids()
    assert np.isnan(measured(predicted, present, present)["changed_accuracy"])


def test_metric_accumulates_over_batches() -> None:
    grids, whole, parts = random_grids(), NextCodesMetric(), NextCodesMetric()
    whole.update(*grids)
    for part in zip(*(grid.split(4) for grid in grids), strict=True):
        parts.update(*part)
    assert parts.compute() == whole.compute()


def test_metric_forgets_on_reset() -> None:
    metric = NextCodesMetric()
    metric.update(*random_grids())
    metric.reset()
    _, present, target = random_grids()
    metric.update(target, present, target)
    assert metric.compute()["accuracy"] == 1

import numpy as np
import torch
from torch import Tensor

from pacdream.metric.next_codes import NextCodesMetric

Grids = tuple[Tensor, Tensor, Tensor, Tensor]


def random_grids() -> Grids:
    """Predicted, present, target and copied grids (6, 2, 7, 5) of four codes: many copies, some changes."""
    predicted, present, target, copied = torch.randint(4, (4, 6, 2, 7, 5))
    return predicted, present, target, copied


def measured(*grids: Tensor) -> dict[str, float]:
    metric = NextCodesMetric()
    metric.update(*grids)
    return {name: float(value) for name, value in metric.compute().items()}


def test_shares_are_those_of_a_naive_loop() -> None:
    grids = random_grids()
    right = stayed = copied_right = changed = changed_right = 0
    for guess, now, then, copied in zip(*(grid.flatten().tolist() for grid in grids), strict=True):
        right += guess == then
        stayed += now == then
        copied_right += copied == then
        changed += now != then
        changed_right += now != then and guess == then
    figures, total = measured(*grids), grids[0].numel()
    assert np.isclose(figures["accuracy"], right / total)
    assert np.isclose(figures["copy_accuracy"], stayed / total)
    assert np.isclose(figures["copy_star_accuracy"], copied_right / total)
    assert np.isclose(figures["changed_accuracy"], changed_right / changed)
    assert np.isclose(figures["skill"], (right - copied_right) / (total - copied_right))


def test_copy_star_has_skill_zero() -> None:
    _, present, target, copied = random_grids()
    assert measured(copied, present, target, copied)["skill"] == 0


def test_a_copier_gets_no_changed_code() -> None:
    _, present, target, copied = random_grids()
    figures = measured(present, present, target, copied)
    assert figures["changed_accuracy"] == 0
    assert np.isclose(figures["accuracy"], figures["copy_accuracy"])


def test_an_oracle_has_accuracy_and_skill_one() -> None:
    _, present, target, copied = random_grids()
    figures = measured(target, present, target, copied)
    assert (figures["accuracy"], figures["changed_accuracy"], figures["skill"]) == (1, 1, 1)


def test_changed_accuracy_is_nan_if_nothing_changed() -> None:
    predicted, present, _, copied = random_grids()
    assert np.isnan(measured(predicted, present, present, copied)["changed_accuracy"])


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
    _, present, target, copied = random_grids()
    metric.update(target, present, target, copied)
    assert metric.compute()["accuracy"] == 1

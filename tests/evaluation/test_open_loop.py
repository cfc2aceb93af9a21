import pytest
import torch
from torch import Tensor

from pacdream.evaluation.open_loop import OpenLoopTable, compare_open_loop
from pacdream.types import LatentBatch
from pacdream.world_model.base import WorldModel
from tests.rollout.scripted import ScriptedWorldModel, count_up, follow_action, stand_still

CONTEXT, HORIZON = 4, 6
LENGTH = CONTEXT + HORIZON


@pytest.fixture
def counting() -> LatentBatch:
    """Ten windows in which every code is one more than before."""
    first, actions = torch.randint(16, (10, 1, 7, 5)), torch.randint(9, (10, LENGTH - 1))
    return LatentBatch((first + torch.arange(LENGTH)[:, None, None]) % 16, actions)


@pytest.fixture
def random_windows() -> LatentBatch:
    return LatentBatch(torch.randint(3, (10, LENGTH, 7, 5)), torch.randint(9, (10, LENGTH - 1)))


def compare(model: WorldModel, windows: LatentBatch, batch_size: int = 4) -> OpenLoopTable:
    return compare_open_loop(model, windows, windows.codes.flatten(0, 1), CONTEXT, batch_size)


def table_of(world_model: list[float], copied: list[float], phase: list[float]) -> OpenLoopTable:
    rows = {"world model": world_model, "copy": copied, "phase copy": phase}
    return OpenLoopTable({name: torch.tensor(values) for name, values in rows.items()}, 1)


def test_an_oracle_is_always_right(counting: LatentBatch) -> None:
    table = compare(ScriptedWorldModel(count_up), counting)
    assert table.rows["world model"].tolist() == [1.0] * HORIZON
    assert table.skill.tolist() == [1.0] * HORIZON
    assert table.steps_above_copy == HORIZON


def test_an_oracle_that_needs_the_actions_gets_the_right_ones(counting: LatentBatch) -> None:
    moved = counting.actions.cumsum(1)[..., None, None]
    codes = torch.cat([counting.codes[:, :1], (counting.codes[:, :1] + moved) % 16], 1)
    table = compare(ScriptedWorldModel(follow_action), LatentBatch(codes, counting.actions))
    assert table.rows["world model"].tolist() == [1.0] * HORIZON


def test_a_copier_equals_the_copy_row(random_windows: LatentBatch) -> None:
    table = compare(ScriptedWorldModel(stand_still), random_windows)
    assert torch.equal(table.rows["world model"], table.rows["copy"])


def test_baselines_do_not_depend_on_the_model(random_windows: LatentBatch) -> None:
    tables = [compare(ScriptedWorldModel(rule), random_windows).rows for rule in (count_up, stand_still)]
    for name in ("copy", "phase copy", "unigram", "uniform"):
        assert torch.equal(tables[0][name], tables[1][name])


def test_the_table_does_not_depend_on_the_batch_size(gru: WorldModel, random_windows: LatentBatch) -> None:
    small, large = compare(gru, random_windows, 3), compare(gru, random_windows, 100)
    assert small.num_windows == large.num_windows == 10
    assert all(torch.equal(small.rows[name], large.rows[name]) for name in small.rows)


def test_uniform_guesses_one_code_in_k(random_windows: LatentBatch) -> None:
    assert compare(ScriptedWorldModel(stand_still), random_windows).rows["uniform"].tolist() == [1 / 16] * HORIZON


def test_unigram_is_counted_on_the_training_codes(random_windows: LatentBatch) -> None:
    model, train_codes = ScriptedWorldModel(stand_still), torch.full((5, 7, 5), 2)
    table = compare_open_loop(model, random_windows, train_codes, CONTEXT, 4)
    expected = (random_windows.codes[:, CONTEXT:] == 2).float().mean((0, 2, 3))
    torch.testing.assert_close(table.rows["unigram"], expected)


def test_copy_star_is_the_better_copy_at_each_horizon() -> None:
    assert table_of([0.5, 0.5], [0.8, 0.6], [0.7, 0.75]).copy_star.tolist() == pytest.approx([0.8, 0.75])


def test_skill_is_the_share_of_what_copying_leaves() -> None:
    assert table_of([0.9, 0.6], [0.8, 0.8], [0.7, 0.7]).skill.tolist() == pytest.approx([0.5, -1.0])


@pytest.mark.parametrize(
    ("accuracy", "steps"), [([0.9, 0.9, 0.9], 3), ([0.9, 0.7, 0.9], 1), ([0.8, 0.9, 0.9], 0), ([0.9, 0.9, 0.1], 2)]
)
def test_steps_above_copy_end_where_the_model_first_falls_to_it(accuracy: list[float], steps: int) -> None:
    assert table_of(accuracy, [0.8, 0.8, 0.8], [0.1, 0.1, 0.1]).steps_above_copy == steps


def test_a_context_shorter_than_the_blinking_is_refused(random_windows: LatentBatch) -> None:
    codes: Tensor = random_windows.codes
    with pytest.raises(ValueError, match=r"report\.context=3 must be at least 4"):
        compare_open_loop(ScriptedWorldModel(stand_still), random_windows, codes.flatten(0, 1), 3, 4)

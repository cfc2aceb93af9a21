import pytest

from pacdream.data.split import split_episodes

SIZES = [(2, 0.2), (3, 0.5), (5, 0.2), (30, 0.2), (30, 0.99), (30, 0.001)]


@pytest.mark.parametrize(("num_episodes", "val_fraction"), SIZES)
def test_split_is_disjoint_and_complete(num_episodes, val_fraction):
    split = split_episodes(num_episodes, val_fraction, seed=0)
    assert sorted(split.train + split.val) == list(range(num_episodes))


@pytest.mark.parametrize(("num_episodes", "val_fraction"), SIZES)
def test_both_sides_get_at_least_one_episode(num_episodes, val_fraction):
    split = split_episodes(num_episodes, val_fraction, seed=0)
    assert split.train
    assert split.val


def test_fraction_decides_how_many_are_held_out():
    assert len(split_episodes(30, 0.2, seed=0).val) == 6


def test_numbers_ascend():
    split = split_episodes(30, 0.5, seed=0)
    assert list(split.train) == sorted(split.train)
    assert list(split.val) == sorted(split.val)


def test_equal_seeds_give_equal_splits():
    assert split_episodes(30, 0.2, seed=3) == split_episodes(30, 0.2, seed=3)


def test_other_seeds_give_other_splits():
    assert split_episodes(30, 0.2, seed=3) != split_episodes(30, 0.2, seed=4)


@pytest.mark.parametrize("num_episodes", [0, 1])
def test_too_few_episodes_are_refused(num_episodes):
    with pytest.raises(ValueError, match=rf"{num_episodes} episode\(s\) cannot be split"):
        split_episodes(num_episodes, 0.2, seed=0)


@pytest.mark.parametrize("val_fraction", [-0.1, 0.0, 1.5, float("nan")])
def test_fraction_outside_zero_to_one_is_refused(val_fraction):
    with pytest.raises(ValueError, match=rf"val_fraction={val_fraction} must lie between 0 and 1"):
        split_episodes(10, val_fraction, seed=0)


@pytest.mark.parametrize("num_episodes", [1, 2, 7])
def test_a_fraction_of_one_holds_out_all(num_episodes):
    split = split_episodes(num_episodes, 1.0, seed=0)
    assert split.val == tuple(range(num_episodes))
    assert not split.train

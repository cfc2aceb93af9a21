from types import SimpleNamespace

import pytest
import torch

from pacdream.data.batches import GatheredDataset, ResumableDataModule, evenly, gathered_loader, place


def loader(length=20, batch_size=4, shuffle=True, seed=0, **where):
    """Batches of the numbers 0, 10, 20, …"""
    return gathered_loader(GatheredDataset(length, lambda i: i * 10), batch_size, shuffle, seed, **where)


def order(batches, epoch=0):
    batches.sampler.set_epoch(epoch)
    return torch.cat(list(batches)).tolist()


def test_every_item_comes_once():
    assert sorted(order(loader())) == list(range(0, 200, 10))


def test_unshuffled_items_come_in_order():
    assert order(loader(shuffle=False)) == list(range(0, 200, 10))


def test_a_batch_is_gathered_with_one_call():
    calls = []
    list(gathered_loader(GatheredDataset(10, calls.append), 4, False, 0))
    assert [call.tolist() for call in calls] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]


def test_order_depends_on_the_seed():
    assert order(loader(seed=1)) != order(loader(seed=2))


def test_order_depends_on_the_epoch():
    batches = loader()
    assert order(batches, epoch=0) != order(batches, epoch=1)


def test_no_epoch_of_a_seed_is_an_epoch_of_another():
    orders = [tuple(order(loader(seed=seed), epoch)) for seed in range(4) for epoch in range(4)]
    assert len(set(orders)) == len(orders)


def test_order_does_not_depend_on_what_was_drawn_before():
    used = loader()
    order(used, epoch=0)
    torch.rand(100)
    assert order(used, epoch=3) == order(loader(), epoch=3)


def test_order_of_items_does_not_depend_on_the_batch_size():
    assert order(loader(batch_size=3)) == order(loader(batch_size=20))


@pytest.mark.parametrize("shuffle", [True, False])
def test_two_ranks_share_the_items_without_overlap(shuffle):
    first, second = (order(loader(shuffle=shuffle, rank=rank, world_size=2)) for rank in (0, 1))
    assert len(first) == len(second)
    assert sorted(first + second) == list(range(0, 200, 10))


def test_two_ranks_leave_nothing_out_of_an_odd_number_of_items():
    first, second = (order(loader(length=7, rank=rank, world_size=2)) for rank in (0, 1))
    assert set(first + second) == set(range(0, 70, 10))


@pytest.mark.parametrize("batch_size", [0, -1])
def test_batch_size_below_one_is_refused(batch_size):
    with pytest.raises(ValueError, match=rf"batch_size={batch_size} must be at least 1"):
        loader(batch_size=batch_size)


def test_without_a_trainer_one_process_has_all_data():
    assert place(None) == (0, 1)


def test_a_resumed_epoch_goes_on_and_the_next_is_whole():
    batches = loader()
    whole = order(loader(), epoch=2)
    batches.sampler.resume = {"epoch": 2, "done": 3}
    assert order(batches, epoch=2) == whole[12:]
    assert order(batches, epoch=2) == whole


def test_only_the_interrupted_epoch_is_resumed():
    batches = loader()
    batches.sampler.resume = {"epoch": 1, "done": 3}
    assert order(batches, epoch=2) == order(loader(), epoch=2)


def stopped(data, epoch, done):
    """A data module as a checkpoint notes it after ``done`` batches of an epoch."""
    progress = SimpleNamespace(current=SimpleNamespace(ready=epoch + 1, completed=done))
    loop = SimpleNamespace(epoch_progress=progress, epoch_loop=SimpleNamespace(batch_progress=progress))
    data.trainer = SimpleNamespace(fit_loop=loop)
    return data.state_dict()


def resumed(state, **changes):
    data = ResumableDataModule()
    data.load_state_dict(state)
    return data.resumed(loader(**changes))


def noted_after(done, epoch=0):
    data = ResumableDataModule()
    data.resumed(loader(length=20))
    return stopped(data, epoch, done)


@pytest.mark.parametrize("changes", [{"batch_size": 2}, {"length": 21}, {"rank": 1, "world_size": 2}])
def test_an_epoch_of_other_batches_is_not_gone_on_with(changes):
    with pytest.raises(ValueError, match="in the middle of an epoch of 20 windows in batches of 4, which cannot"):
        resumed(noted_after(2), **changes)
    assert sorted(order(resumed(noted_after(5), **{"length": 20, **changes}), epoch=1))


def test_a_checkpoint_of_before_goes_on():
    assert order(resumed({"epoch": 0, "done": 2}, length=20)) == order(loader(length=20))[8:]


def test_the_length_is_that_of_a_whole_epoch():
    assert len(loader(length=7, batch_size=3)) == 3
    assert len(loader(length=7, batch_size=2, rank=1, world_size=2)) == 2


def test_loading_leaves_the_random_numbers_of_the_network_alone():
    torch.manual_seed(3)
    untouched = torch.rand(1)
    torch.manual_seed(3)
    order(loader())
    assert torch.rand(1) == untouched


@pytest.mark.parametrize("length", [1, 2, 3, 100, 36_000])
@pytest.mark.parametrize("count", [1, 2, 64, 100_000])
def test_evenly_chosen_items_are_different_ascend_and_span_all(length, count):
    chosen = evenly(torch.arange(length), count).tolist()
    assert len(chosen) == min(length, count)
    assert sorted(set(chosen)) == chosen
    assert chosen[0] == 0
    assert chosen[-1] == (length - 1 if count > 1 else 0)


def test_gaps_between_evenly_chosen_items_differ_by_one_at_most():
    assert set(evenly(torch.arange(353), 100).diff().tolist()) == {3, 4}


def test_the_last_of_very_many_items_can_be_chosen():
    assert evenly(torch.arange(2**24 + 4, dtype=torch.int32), 1000)[-1] == 2**24 + 3

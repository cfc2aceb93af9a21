import json
from collections import Counter

import numpy as np
import pytest
import torch

from pacdream.data.episode_store import read_episodes, read_manifest
from pacdream.data.held_out import HeldOutSteps
from pacdream.data.repeated_windows import with_rare_ones
from tests.conftest import latent_data
from tests.counter_tokenizer import CounterTokenizer
from tests.data.test_alignment import record_counter_episodes


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Ten episodes of the counting game, all of 12 steps."""
    folder = tmp_path_factory.mktemp("counter") / "episodes"
    record_counter_episodes(folder, [12] * 10)
    return folder


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("latents")


def set_up(folder, cache, **changes):
    data = latent_data(folder, CounterTokenizer(), cache, **changes)
    data.setup("fit")
    return data


def episodes_of(data, starts):
    return set((torch.searchsorted(data.cache.starts, starts, right=True) - 1).tolist())


def drawn(data, epoch=0):
    loader = data.train_dataloader()
    loader.sampler.set_epoch(epoch)
    return torch.cat([batch.actions for batch in loader])


def test_facts_are_those_of_tokenizer_and_game(latents):
    assert latents.facts() == {"grid_shape": [7, 5], "codebook_size": 16, "num_actions": 9}


def test_batches_are_windows_of_codes_and_actions(latents):
    batch = next(iter(latents.train_dataloader()))
    assert batch.codes.shape == (8, 2, 7, 5)
    assert batch.actions.shape == (8, 1)
    assert batch.codes.dtype == batch.actions.dtype == torch.int64


def test_split_lies_beside_the_cache(folder, cache):
    data = set_up(folder, cache, val_fraction=0.3, split_seed=7)
    stored = json.loads((cache / f"{data.cache.identity.key}.split_0.3_7.json").read_text())
    assert stored == {"train": list(data.split.train), "val": list(data.split.val)}


def test_training_and_validation_share_no_episode(folder, cache):
    data = set_up(folder, cache)
    train, val = episodes_of(data, data.train_starts), episodes_of(data, data.val_starts)
    assert len(val) == 2
    assert train | val == set(range(10))
    assert not train & val


def test_split_does_not_depend_on_the_training_seed(folder, cache):
    assert set_up(folder, cache, seed=1).split == set_up(folder, cache, seed=2).split


def test_order_of_the_batches_depends_on_the_training_seed(folder, cache):
    first, again, other = (drawn(set_up(folder, cache, seed=seed)) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_limit_keeps_so_many_training_windows(folder, cache):
    data = set_up(folder, cache, limit=5)
    assert len(data.train_starts) == 5
    assert sum(len(batch.codes) for batch in data.train_dataloader()) == 5


def test_limit_leaves_validation_alone(folder, cache):
    assert torch.equal(set_up(folder, cache, limit=5).val_starts, set_up(folder, cache).val_starts)


def test_train_codes_are_all_frames_of_the_training_episodes(folder, cache):
    codes = set_up(folder, cache).train_codes()
    assert codes[:, 0, 1].tolist() == list(range(13)) * 8


@pytest.mark.parametrize(("context_length", "windows"), [(1, 96), (5, 64), (12, 8)])
def test_longer_windows_are_fewer(folder, cache, context_length, windows):
    assert len(set_up(folder, cache, context_length=context_length).train_starts) == windows


def test_one_episode_is_too_few(tmp_path):
    record_counter_episodes(tmp_path / "one", [12])
    with pytest.raises(ValueError, match=r"1 episode\(s\) cannot be split"):
        set_up(tmp_path / "one", tmp_path)


def test_context_longer_than_every_episode_is_refused(folder, cache):
    with pytest.raises(ValueError, match=r"no episode is longer than data\.context_length=50"):
        set_up(folder, cache, context_length=50)


def test_folder_without_episodes_is_named(cache, tmp_path):
    with pytest.raises(ValueError, match=f"no episodes in {tmp_path}/nothing"):
        latent_data(tmp_path / "nothing", CounterTokenizer(), cache).prepare_data()


@pytest.mark.parametrize("context_length", [1, 5])
@pytest.mark.parametrize("memory", [None, 1, 3])
@pytest.mark.parametrize("val_batch_size", [1, 5, 100])
def test_validation_counts_every_held_out_step_once_with_the_past_that_can_be_used(
    folder, cache, context_length, memory, val_batch_size
):
    data = set_up(folder, cache, context_length=context_length, val_batch_size=val_batch_size)
    data.memory = memory
    counted = []
    for batch in data.val_dataloader():
        step = batch.codes[0, :, 0, 1]  # the counting game writes it there
        assert step.diff().eq(1).all()
        counted += step[batch.context + 1 :].tolist()
        first = int(step[batch.context])
        assert batch.context == (first if memory is None else min(first, memory - 1))
        assert batch.actions.shape[1] == len(step) - 1
        assert batch.copied.shape[1] == batch.actions.shape[1] - batch.context <= val_batch_size
    assert counted == list(range(1, 13)) * 2


def test_validation_draws_none_of_the_trainings_random_numbers(folder, cache):
    loader, before = set_up(folder, cache).val_dataloader(), torch.get_rng_state()
    assert len([*loader]) > 0
    assert torch.equal(torch.get_rng_state(), before)


def test_processes_share_the_validation_steps(folder, cache):
    held_out = set_up(folder, cache).held_out()
    shares = [HeldOutSteps(held_out, 5, rank, 3) for rank in range(3)]
    grids = [share[i].codes[0, share[i].context + 1 :, 0, 1] for share in shares for i in range(len(share))]
    assert sorted(torch.cat(grids).tolist()) == sorted([*range(1, 13)] * 2)


def test_validation_batches_below_one_step_are_refused(folder, cache):
    with pytest.raises(ValueError, match="val_batch_size=0 must be at least 1"):
        set_up(folder, cache, val_batch_size=0).val_dataloader()


def test_windows_skip_episodes_that_are_too_short(tmp_path):
    record_counter_episodes(tmp_path / "mixed", [12, 3, 12, 3, 12, 3])
    data = set_up(tmp_path / "mixed", tmp_path, context_length=8, val_fraction=0.5)
    in_train = sum(number % 2 == 0 for number in data.split.train)  # the longer ones
    assert len(data.train_starts) == in_train * 5


RARE = {"share": 0.5, "points": 50.0, "steps": 2}


def test_windows_with_a_rare_event_are_repeated_until_they_are_their_share(folder, cache):
    data = set_up(folder, cache, context_length=3)
    plain = data.train_starts
    event = int(plain[4]) + 2  # the last step of that window, the last but one of the next
    data.cache.rewards[event] = 50
    starts = with_rare_ones(data.cache, plain, data.context_length, RARE).tolist()
    repeated = {start for start in plain.tolist() if starts.count(start) > 1}
    assert repeated == {event - 2, event - 1}
    assert sum(start in repeated for start in starts) / len(starts) == pytest.approx(0.5, abs=0.01)
    assert set(starts) == set(plain.tolist())


def test_a_limit_counts_what_is_shown(folder, cache):
    wanted = {"share": 0.95, "steps": 1}
    assert len(set_up(folder, cache, context_length=3, new_actions=wanted, limit=7).train_starts) == 7


def test_without_any_rare_event_there_is_nothing_to_repeat(folder, cache):
    with pytest.raises(ValueError, match="no training window holds such an event"):
        set_up(folder, cache, rare=RARE | {"points": 1e9})


@pytest.mark.parametrize("rare", [{"share": 0.5}, RARE | {"share": 1.0}, RARE | {"other": 1}, RARE | {"steps": 0}])
def test_rare_events_that_are_not_described_are_refused(folder, cache, rare):
    with pytest.raises(ValueError, match=r"data.rare=.* must be null, or have a share"):
        latent_data(folder, CounterTokenizer(), cache, rare=rare)


@pytest.mark.parametrize("steps", [1, 2])
def test_windows_with_a_new_action_are_repeated_until_they_are_their_share(folder, cache, steps):
    plain = set_up(folder, cache, context_length=3)
    data = set_up(folder, cache, context_length=3, new_actions={"share": 0.95, "steps": steps})
    actions, starts = data.cache.actions.tolist(), data.train_starts.tolist()
    new = [any(actions[start + 3 - k] != actions[start + 2 - k] for k in range(1, steps + 1)) for start in starts]
    assert sum(new) / len(starts) == pytest.approx(0.95, abs=0.01)
    counts = Counter(start for start, is_new in zip(starts, new, strict=True) if is_new).values()
    assert max(counts) - min(counts) <= 1
    assert set(starts) == set(plain.train_starts.tolist())


NEW = {"share": 0.5, "steps": 1}


@pytest.mark.parametrize(
    "wanted", [{"share": 0.5}, NEW | {"share": 1.0}, NEW | {"steps": 0}, NEW | {"steps": 1.5}, NEW | {"steps": 3}]
)
def test_new_actions_that_are_not_described_are_refused(folder, cache, wanted):
    with pytest.raises(ValueError, match=r"data.new_actions=.* must be null, or have a share"):
        latent_data(folder, CounterTokenizer(), cache, context_length=3, new_actions=wanted)


def test_of_windows_that_are_more_than_their_share_none_is_repeated(folder, cache):
    plain = set_up(folder, cache, context_length=3)
    data = set_up(folder, cache, context_length=3, new_actions={"share": 1e-6, "steps": 2})
    assert data.train_starts.tolist() == plain.train_starts.tolist()


def test_to_measure_only_no_rare_event_is_needed(folder, cache):
    data = latent_data(folder, CounterTokenizer(), cache, rare=RARE | {"points": 1e9}, val_fraction=1.0)
    data.setup("validate")
    assert not len(data.train_starts)


def test_only_so_many_training_episodes_are_used(folder, cache):
    few, all_of_them = set_up(folder, cache, train_episodes=3), set_up(folder, cache)
    assert episodes_of(few, few.train_starts) == set(few.split.train)
    assert len(set(few.split.train)) == 3
    assert set(few.split.train) < set(all_of_them.split.train)
    assert few.split.val == all_of_them.split.val
    assert len(few.origin.train) == 3
    assert few.origin.val == all_of_them.origin.val


def test_further_episodes_are_trained_on_and_none_of_them_is_held_out(folder, cache, tmp_path):
    record_counter_episodes(tmp_path / "more", [7, 9], seed=1)
    alone, both = set_up(folder, cache), set_up(folder, cache, more_episodes=[str(tmp_path / "more")])
    assert both.split.val == alone.split.val
    assert both.origin.val == alone.origin.val
    assert both.split.train == (*alone.split.train, 10, 11)
    assert len(both.origin.train) == len(alone.origin.train) + 2
    assert len(both.train_starts) == len(alone.train_starts) + 7 + 9
    assert torch.equal(both.codes[: len(alone.codes)], alone.codes)
    assert [len(both.episode(number)[1]) for number in (9, 10, 11)] == [12, 7, 9]
    assert both.identities()["episodes"] == alone.identities()["episodes"]
    assert "more_episodes" in both.identities()
    assert torch.equal(both.train_codes(), alone.train_codes())


def test_further_episodes_of_another_game_are_refused(folder, cache, episodes):
    with pytest.raises(ValueError, match="have another"):
        set_up(folder, cache, more_episodes=[str(episodes)])


def test_mirror_images_of_the_training_episodes_are_trained_on(folder, cache, tmp_path):
    record_counter_episodes(tmp_path / "more", [7, 9], seed=1)
    more = {"more_episodes": [str(tmp_path / "more")]}
    alone, both = set_up(folder, cache, **more), set_up(folder, cache, mirror=True, **more)
    assert len(both.train_starts) == 2 * len(alone.train_starts)
    assert (both.split.val, both.origin) == (alone.split.val, alone.origin)
    originals = len(alone.cache.starts) - 1
    assert both.split.train == (*alone.split.train, *(originals + i for i in alone.split.train))
    names = read_manifest(folder).action_names
    for number in alone.split.train:
        actions, mirrored = both.episode(number)[1], both.episode(originals + number)[1]
        for action, other in zip(actions.tolist(), mirrored.tolist(), strict=True):
            assert names[other] == names[action].replace("LEFT", "?").replace("RIGHT", "LEFT").replace("?", "RIGHT")


def test_the_codes_of_a_mirror_image_are_those_of_mirrored_frames(episodes, tokenizer, cache):
    data = latent_data(episodes, tokenizer, cache, mirror=True)
    data.setup("fit")
    frames = next(read_episodes(episodes, read_manifest(episodes))).frames[..., ::-1].copy()
    pairs = torch.from_numpy(np.stack([frames[39:59], frames[40:60]], 1))
    assert torch.equal(data.episode(5)[0][40:60].long(), tokenizer.encode(pairs))


def test_further_episodes_that_are_held_out_are_refused(folder, cache, tmp_path):
    """The same recording, begun again elsewhere, holds the same episodes."""
    record_counter_episodes(tmp_path / "again", [12] * 4)
    with pytest.raises(ValueError, match=r"of the episodes in data\.more_episodes are held out here"):
        set_up(folder, cache, val_fraction=0.5, more_episodes=[str(tmp_path / "again")])


def test_a_folder_that_is_named_twice_is_refused(folder, cache, tmp_path):
    record_counter_episodes(tmp_path / "more", [7, 9], seed=1)
    with pytest.raises(ValueError, match="names the same episodes twice"):
        set_up(folder, cache, more_episodes=[str(tmp_path / "more")] * 2)


def test_what_is_recorded_after_the_start_changes_nothing(cache, tmp_path):
    """A report after the training still speaks of the episodes that were trained on."""
    grown, first = tmp_path / "grown", [12] * 6
    record_counter_episodes(grown, first)
    data = set_up(grown, cache)
    before = data.train_codes().clone(), data.best_copy(2)
    record_counter_episodes(grown, [*first, 12, 12, 12, 12])
    data.best_copy.cache_clear()
    assert torch.equal(data.train_codes(), before[0])
    assert torch.equal(data.best_copy(2).phase, before[1].phase)

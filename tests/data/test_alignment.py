"""Nothing is shifted between the game and the batches: every frame says which step and which action made it."""

import numpy as np
import pytest
import torch

from pacdream.data.collect import file_name, play_episode
from pacdream.data.episode_store import write_episode, write_manifest
from pacdream.data.recording import _empty_manifest
from pacdream.policy.random import RandomPolicy
from tests.conftest import latent_data
from tests.counter_env import CounterEnv, make_counter_env
from tests.counter_tokenizer import CounterTokenizer

LENGTHS = (12, 5, 9, 7)


def record_counter_episodes(folder, lengths, seed=0):
    """Write episodes of the counting game and their manifest."""
    manifest = _empty_manifest(CounterEnv(), {"seed": seed})
    for index, length in enumerate(lengths):
        episode = play_episode(make_counter_env(length), RandomPolicy(), 0, 100 * seed + index, max_steps=100)
        manifest = manifest.with_entry(write_episode(folder, file_name(index), "random", episode))
    write_manifest(folder, manifest)
    return manifest


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("counter") / "episodes"
    record_counter_episodes(folder, LENGTHS)
    return folder


@pytest.fixture(scope="module", params=[1, 3])
def data(request, folder, tmp_path_factory):
    """A data module with windows of so many steps."""
    cache = tmp_path_factory.mktemp("latents")
    data = latent_data(folder, CounterTokenizer(), cache, context_length=request.param, batch_size=4, val_batch_size=4)
    data.setup("fit")
    return data


@pytest.fixture
def windows(data):
    """All windows of all episodes, in order."""
    starts = data.cache.window_starts(tuple(range(len(LENGTHS))), data.context_length)
    return data.windows(starts, data.context_length)


def step(codes):
    return codes[..., 0, 1]


def step_before(codes):
    return codes[..., 0, 0]


def last_action(codes):
    """-1 for none."""
    return codes[..., 1, 1] - 1


def test_action_leads_from_its_frame_to_the_next():
    episode = play_episode(make_counter_env(), RandomPolicy(), 0, 0, max_steps=100)
    assert (episode.frames[:, 0, 0] // 2).tolist() == list(range(13))
    assert np.array_equal(episode.frames[1:, -1, 0] // 2 - 1, episode.actions)
    assert np.array_equal(episode.ram[:, 0], episode.frames[:, 0, 0] // 2)


def test_an_episode_that_ends_is_terminated_at_its_last_step_only():
    episode = play_episode(make_counter_env(7), RandomPolicy(), 0, 0, max_steps=7)
    assert np.flatnonzero(episode.terminated).tolist() == [6]
    assert not episode.truncated.any()


def test_an_episode_that_is_cut_is_truncated_at_its_last_step_only():
    episode = play_episode(make_counter_env(7), RandomPolicy(), 0, 0, max_steps=5)
    assert np.flatnonzero(episode.truncated).tolist() == [4]
    assert not episode.terminated.any()


def test_action_is_the_cause_of_the_next_codes(windows):
    assert torch.equal(last_action(windows.codes[:, 1:]), windows.actions)


def test_codes_hold_no_consequence_of_the_action_chosen_on_seeing_them(windows):
    assert not torch.equal(last_action(windows.codes[:, :-1]), windows.actions)


def test_steps_follow_each_other_within_one_episode(windows):
    assert torch.equal(step(windows.codes[:, 1:]), step(windows.codes[:, :-1]) + 1)


def test_codes_show_a_frame_and_the_one_before(windows):
    assert torch.equal(step_before(windows.codes), (step(windows.codes) - 1).clamp(min=0))


def test_first_frame_of_an_episode_is_paired_with_itself(windows):
    first = windows.codes[:, 0][step(windows.codes[:, 0]) == 0]
    assert len(first) == len(LENGTHS)
    assert not first.any()


def test_second_half_of_a_pair_is_the_first_half_of_the_next(windows):
    assert torch.equal(windows.codes[:, :-1, :, 1], windows.codes[:, 1:, :, 0])


def test_every_window_of_every_episode_comes_once(data, windows):
    last_steps = [last for length in LENGTHS for last in range(data.context_length, length + 1)]
    assert step(windows.codes[:, -1]).tolist() == last_steps
    trained = [last for number in data.split.train for last in range(data.context_length, LENGTHS[number] + 1)]
    assert step(data.windows(data.train_starts, data.context_length).codes[:, -1]).tolist() == trained


@pytest.mark.parametrize("name", ["train_dataloader", "val_dataloader"])
def test_batches_are_as_aligned_as_windows(data, name):
    for batch in getattr(data, name)():
        assert torch.equal(last_action(batch.codes[:, 1:]), batch.actions)
        assert torch.equal(step(batch.codes[:, 1:]), step(batch.codes[:, :-1]) + 1)


def test_reward_and_end_stand_at_the_action_that_earned_them(data):
    cache = data.cache
    for start, end in zip(cache.starts[:-1], cache.starts[1:], strict=True):
        length = int(end - start) - 1
        assert cache.rewards[start:end].tolist() == [*range(1, length + 1), 0]
        assert cache.terminated[start:end].tolist() == [False] * (length - 1) + [True, False]

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from pacdream.data.batches import evenly
from pacdream.data.episode_store import Manifest
from pacdream.data.latent_data_module import LatentDataModule
from pacdream.evaluation.windows import Windows, frames_of, held_out_episodes, held_out_windows
from tests.conftest import STEPS
from tests.runs import several_held_out

CONTEXT, HORIZON, WARMUP = 4, 9, 3


@pytest.fixture(scope="module")
def data(latents: LatentDataModule) -> LatentDataModule:
    return several_held_out(latents)


@pytest.fixture(scope="module")
def every(data: LatentDataModule) -> Windows:
    """All windows that there are."""
    return held_out_windows(data, CONTEXT, HORIZON, 10**6, WARMUP)


def numbers(count: int) -> Windows:
    """Windows of one row each whose codes, actions, episode and step are their own number."""
    rows = torch.arange(count)
    codes, actions = rows[:, None, None, None].expand(-1, 13, 7, 5), rows[:, None].expand(-1, 12)
    return Windows(codes, actions, rows // 7, rows, CONTEXT)


def first_frame(data: LatentDataModule, rank: Tensor) -> int:
    return int(data.cache.starts[data.split.val[int(rank)]])


def test_every_window_is_found_once(data: LatentDataModule, every: Windows) -> None:
    found = list(zip(every.episode.tolist(), every.step.tolist(), strict=True))
    last = STEPS - HORIZON
    assert found == [(rank, step) for rank in range(3) for step in range(WARMUP, last + 1)]


def test_a_window_shows_its_own_place(data: LatentDataModule, every: Windows) -> None:
    for row in evenly(torch.arange(len(every.codes)), 20).tolist():
        begin = first_frame(data, every.episode[row]) + int(every.step[row]) - CONTEXT + 1
        assert torch.equal(every.codes[row], data.codes[begin : begin + CONTEXT + HORIZON].long())
        assert torch.equal(every.actions[row], data.actions[begin : begin + CONTEXT + HORIZON - 1].long())


@pytest.mark.parametrize("context", [1, 2, 8])
def test_models_with_other_memories_are_measured_on_the_same_moments(
    data: LatentDataModule, every: Windows, context: int
) -> None:
    other = held_out_windows(data, context, HORIZON, 10**6, WARMUP)
    assert torch.equal(other.step, every.step)
    assert torch.equal(other.present, every.present)
    assert torch.equal(other.target, every.target)
    assert torch.equal(other.actions[:, context - 1 :], every.actions[:, CONTEXT - 1 :])


def test_where_nothing_precedes_the_first_grid_is_repeated(data: LatentDataModule) -> None:
    windows = held_out_windows(data, 6, HORIZON, 10**6, WARMUP)
    row = int((windows.step == WARMUP).nonzero()[1])
    first = first_frame(data, windows.episode[row])
    assert torch.equal(windows.codes[row, :6], data.codes[first + torch.tensor([0, 0, 0, 1, 2, 3])].long())
    assert windows.actions[row, :2].tolist() == [0, 0]
    assert torch.equal(windows.actions[row, 2:], data.actions[first : first + 3 + HORIZON].long())


def test_windows_are_thinned_evenly(data: LatentDataModule, every: Windows) -> None:
    few = held_out_windows(data, CONTEXT, HORIZON, 10, WARMUP)
    assert torch.equal(few.step, every.thinned(10).step)
    assert torch.equal(few.codes, every.thinned(10).codes)
    assert few.episode.tolist() == sorted(few.episode.tolist())
    assert few.episode.unique().tolist() == [0, 1, 2]


def test_present_and_target_part_behind_the_context(every: Windows) -> None:
    assert every.horizon == HORIZON
    assert torch.equal(torch.cat([every.codes[:, : CONTEXT - 1], every.present, every.target], 1), every.codes)


def test_picked_windows_keep_their_belongings() -> None:
    rows = torch.tensor([5, 0, 20])
    picked = numbers(30).pick(rows)
    for value in (picked.codes[:, 0, 0, 0], picked.codes[:, -1, -1, -1], picked.actions[:, 3], picked.step):
        assert torch.equal(value, rows)
    assert picked.episode.tolist() == [0, 0, 2]


def test_no_more_windows_than_there_are() -> None:
    assert torch.equal(numbers(5).thinned(6).step, torch.arange(5))


def test_steps_of_an_episode_are_those_of_its_windows() -> None:
    assert numbers(30).steps_of(2) == list(range(14, 21))
    assert numbers(30).steps_of(5) == []


def test_a_horizon_that_just_fits_gives_one_window_for_each_episode(data: LatentDataModule) -> None:
    windows = held_out_windows(data, CONTEXT, STEPS + 1 - CONTEXT, 100, WARMUP)
    assert windows.episode.tolist() == [0, 1, 2]
    assert windows.step.tolist() == [CONTEXT - 1] * 3


@pytest.mark.parametrize("horizon", [STEPS + 2 - CONTEXT, 1000])
def test_a_dream_longer_than_the_episodes_is_refused_with_the_way_out(data: LatentDataModule, horizon: int) -> None:
    line = (
        rf"horizon={horizon} after 3 frames needs episodes of {CONTEXT + horizon} frames, but the "
        rf"longest held-out one has {STEPS + 1}: choose horizon={STEPS + 1 - CONTEXT} or less"
    )
    with pytest.raises(ValueError, match=line):
        held_out_windows(data, CONTEXT, horizon, 5, WARMUP)


def test_held_out_episodes_come_as_they_were_recorded(data: LatentDataModule, manifest: Manifest) -> None:
    items = list(held_out_episodes(data, manifest))
    assert [item.rank for item in items] == [0, 1, 2]
    assert [item.entry for item in items] == [manifest.episodes[number] for number in data.split.val]
    for item, number in zip(items, data.split.val, strict=True):
        begin = int(data.cache.starts[number])
        assert np.array_equal(item.episode.actions, data.actions[begin : begin + STEPS].numpy())


def test_the_first_frame_stands_for_those_before_it(data: LatentDataModule, manifest: Manifest) -> None:
    episode = next(held_out_episodes(data, manifest)).episode
    around = frames_of(episode, [0, 1, 70], before=2, after=1)
    wanted = [[0, 0, 0, 1], [0, 0, 1, 2], [68, 69, 70, 71]]
    assert np.array_equal(around, episode.frames[np.array(wanted)])


def test_held_out_frames_encode_to_the_windows_codes(
    data: LatentDataModule, manifest: Manifest, every: Windows, episodes: Path
) -> None:
    item = next(held_out_episodes(data, manifest))
    pair = frames_of(item.episode, [70], before=1, after=0)
    codes = data.tokenizer.encode(torch.from_numpy(pair))
    row = (every.episode == item.rank).nonzero()[70 - CONTEXT + 1]
    assert torch.equal(every.present[row, 0], codes)

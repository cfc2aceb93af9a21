from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from pacdream.data.episode_store import read_episode, read_manifest, write_manifest
from pacdream.data.find_episodes import find_or_record
from pacdream.data.frame_data_module import FrameDataModule, load_frames
from pacdream.data.split import split_episodes
from tests.data.test_alignment import record_counter_episodes

LENGTHS = (6, 3, 8, 5, 4)
ELSEWHERE = SimpleNamespace(folder=Path("elsewhere"), episodes=1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("counter") / "episodes"
    record_counter_episodes(folder, LENGTHS)
    return folder


def set_up(folder, **changes):
    settings = {
        "batch_size": 4,
        "val_batch_size": 3,
        "num_frames": 2,
        "val_fraction": 0.4,
        "max_val_frames": 1000,
        "split_seed": 0,
        "seed": 0,
        "limit": None,
    }
    data = FrameDataModule(str(folder), ELSEWHERE, **settings | changes)
    data.setup("fit")
    return data


def default_recording(folder, episodes):
    """A recording of the counting game."""
    record = partial(record_counter_episodes, folder, LENGTHS[:episodes])

    def manifest():
        return read_manifest(folder) if folder.exists() else SimpleNamespace(episodes=())

    return SimpleNamespace(folder=folder, episodes=episodes, record=record, manifest=manifest)


def steps_of(frames):
    return (frames[..., 0, 0] // 2).tolist()


def test_windows_end_at_their_frame_and_repeat_the_first_of_the_episode(folder):
    frames = load_frames(folder, read_manifest(folder), [1, 4])
    windows = frames.windows(torch.arange(9), 3)
    expected = [[max(0, step - back) for back in (2, 1, 0)] for length in (3, 4) for step in range(length + 1)]
    assert steps_of(windows) == expected


def test_windows_of_one_frame_are_the_frames(folder):
    frames = load_frames(folder, read_manifest(folder), [0, 1])
    assert torch.equal(frames.windows(torch.arange(11), 1)[:, 0], frames.frames)


def test_memory_belongs_to_its_frame(folder):
    frames = load_frames(folder, read_manifest(folder), range(5))
    assert frames.ram[:, 0].tolist() == steps_of(frames.frames)


def test_training_and_validation_hold_the_episodes_of_the_split(folder):
    data, manifest = set_up(folder), read_manifest(folder)
    split = split_episodes(len(LENGTHS), 0.4, seed=0)
    for loaded, numbers in ((data.train_frames, split.train), (data.val_frames, split.val)):
        stored = [read_episode(folder, manifest.episodes[number], 3).frames for number in numbers]
        assert np.array_equal(loaded.frames, np.concatenate(stored))


def test_training_batches_show_every_training_frame_once(folder):
    data = set_up(folder)
    batches = list(data.train_dataloader())
    assert batches[0].shape == (4, 2, 64, 64)
    assert batches[0].dtype == torch.uint8
    assert sorted(steps_of(torch.cat(batches)[:, 1])) == sorted(steps_of(data.train_frames.frames))


def test_validation_batches_are_windows_and_memory_in_order(folder):
    data = set_up(folder)
    windows, ram = (torch.cat(parts) for parts in zip(*data.val_dataloader(), strict=True))
    assert torch.equal(windows[:, 1], data.val_frames.frames)
    assert torch.equal(ram, data.val_frames.ram)


def test_limited_validation_is_spread_from_the_first_frame_to_the_last(folder):
    data = set_up(folder, max_val_frames=4)
    windows = torch.cat([windows for windows, _ in data.val_dataloader()])
    assert len(windows) == 4
    assert torch.equal(windows[0, 1], data.val_frames.frames[0])
    assert torch.equal(windows[-1, 1], data.val_frames.frames[-1])


@pytest.mark.parametrize(("limit", "windows"), [(1, 1), (5, 5), (1000, 17)])
def test_limited_training_sees_the_same_few_windows_in_every_epoch(folder, limit, windows):
    data = set_up(folder, limit=limit)
    epochs = [torch.cat(list(data.train_dataloader())).unique(dim=0) for _ in range(2)]
    assert sum(map(len, data.train_dataloader())) == windows
    assert torch.equal(*epochs)


def test_facts_count_every_pixel_of_every_colour(folder):
    facts = FrameDataModule(str(folder), ELSEWHERE, 4, 4, 2, 0.2, 10, 0, 0, None).facts()
    frames = load_frames(folder, read_manifest(folder), range(5)).frames
    assert facts["colour_counts"] == {str(int(i)): int((frames == i).sum()) for i in frames.unique()}
    assert facts["frame_shape"] == [64, 64]
    assert len(facts["palette"]) == 256


def test_missing_default_recording_is_made(tmp_path):
    assert len(find_or_record(tmp_path / "new", default_recording(tmp_path / "new", 2)).episodes) == 2


def test_interrupted_default_recording_goes_on(tmp_path):
    record_counter_episodes(tmp_path, LENGTHS[:1])
    assert len(find_or_record(tmp_path, default_recording(tmp_path, 3)).episodes) == 3


def test_default_recording_that_lacks_an_episode_in_the_middle_goes_on(tmp_path):
    record_counter_episodes(tmp_path, LENGTHS[:3])
    manifest = read_manifest(tmp_path)
    write_manifest(tmp_path, replace(manifest, episodes=manifest.episodes[::2]))
    assert find_or_record(tmp_path, default_recording(tmp_path, 2)).episodes == manifest.episodes[:2]


def test_default_folder_with_more_episodes_than_asked_for_is_taken_as_it_is(folder):
    assert len(find_or_record(folder, default_recording(folder, 1)).episodes) == 5


def test_missing_other_folder_is_not_recorded(tmp_path):
    with pytest.raises(ValueError, match=f"no episodes in {tmp_path}/mine"):
        find_or_record(tmp_path / "mine", default_recording(tmp_path / "default", 2))

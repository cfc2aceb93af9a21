from dataclasses import fields, replace
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest

from pacdream.data.collect import play_episode
from pacdream.data.episode_store import is_intact, read_episode, read_manifest, write_episode, write_manifest
from pacdream.game.atari import make_env
from pacdream.policy.held_random import HeldRandomPolicy
from pacdream.types import Episode


def noise(steps=5, num_actions=9, seed=0):
    """An episode of random content."""
    rng = np.random.default_rng(seed)
    return Episode(
        frames=rng.integers(256, size=(steps + 1, 12, 10)).astype(np.uint8),
        actions=rng.integers(num_actions, size=steps).astype(np.uint8),
        rewards=rng.normal(size=steps).astype(np.float32),
        terminated=np.arange(steps) == steps - 1,
        truncated=np.zeros(steps, np.bool_),
        lives=rng.integers(4, size=steps + 1).astype(np.uint8),
        ram=rng.integers(256, size=(steps + 1, 128)).astype(np.uint8),
    )


@pytest.fixture
def stored(tmp_path):
    """A folder with one episode, and its entry."""
    return tmp_path, write_episode(tmp_path, "a.h5", "someone", noise())


def cut_short(path):
    path.write_bytes(path.read_bytes()[:-100])


def flip_a_bit(path):
    raw = bytearray(path.read_bytes())
    raw[-1] ^= 1
    path.write_bytes(raw)


@pytest.mark.parametrize("steps", [1, 15, 16, 40])
@pytest.mark.parametrize("name", [field.name for field in fields(Episode)])
def test_arrays_survive_the_store(tmp_path, name, steps):
    written = getattr(noise(steps), name)
    read = getattr(read_episode(tmp_path, write_episode(tmp_path, "a.h5", "someone", noise(steps)), 9), name)
    assert read.dtype == written.dtype
    assert np.array_equal(read, written)


def test_entry_describes_the_episode(stored):
    _, entry = stored
    assert (entry.file, entry.policy, entry.length) == ("a.h5", "someone", 5)
    assert entry.total_reward == pytest.approx(float(noise().rewards.sum()))
    assert entry.colours == {str(i): int((noise().frames == i).sum()) for i in np.unique(noise().frames)}


def test_equal_episodes_become_equal_files(tmp_path):
    first, second = (write_episode(tmp_path / name, "a.h5", "someone", noise()) for name in ("x", "y"))
    assert first.sha256 == second.sha256


DAMAGES = [(Path.unlink, "is in the manifest but not on disk"), (cut_short, "is damaged"), (flip_a_bit, "is damaged")]


@pytest.mark.parametrize(("damage", "message"), DAMAGES)
def test_missing_or_damaged_file_is_noticed_and_named(stored, damage, message):
    folder, entry = stored
    assert is_intact(folder, entry)
    damage(folder / "a.h5")
    assert not is_intact(folder, entry)
    with pytest.raises(ValueError, match=rf"a\.h5 {message}"):
        read_episode(folder, entry, 9)


def test_action_that_the_game_does_not_have_is_refused(stored):
    folder, entry = stored
    highest = noise().actions.max()
    with pytest.raises(ValueError, match=rf"a\.h5 holds action {highest}, but .* only actions 0 to {highest - 1}"):
        read_episode(folder, entry, num_actions=highest)


def test_episode_with_arrays_of_unequal_length_is_refused():
    with pytest.raises(ValueError, match="rewards"):
        replace(noise(), rewards=np.zeros(3, np.float32))


def test_empty_episode_is_refused():
    with pytest.raises(ValueError, match="0 actions"):
        noise(steps=0)


@pytest.mark.parametrize("before", [[], ["a.h5"]])
def test_error_while_writing_changes_nothing(tmp_path, monkeypatch, before):
    for name in before:
        (tmp_path / name).write_text("old")
    monkeypatch.setattr(Path, "write_bytes", Mock(side_effect=RuntimeError("power failure")))
    with pytest.raises(RuntimeError, match="power failure"):
        write_episode(tmp_path, "a.h5", "someone", noise())
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == dict.fromkeys(before, "old")


def test_full_disk_is_a_users_error_that_names_the_file(tmp_path, monkeypatch):
    monkeypatch.setattr(Path, "write_bytes", Mock(side_effect=OSError(28, "No space left on device")))
    with pytest.raises(ValueError, match=r"cannot write .*a\.h5: .*No space left"):
        write_episode(tmp_path, "a.h5", "someone", noise())


def test_manifest_survives_the_store(manifest, tmp_path):
    write_manifest(tmp_path, manifest)
    assert read_manifest(tmp_path) == manifest


def test_manifest_identity_depends_on_the_order_of_the_episodes(manifest):
    assert replace(manifest, episodes=manifest.episodes[::-1]).sha256 != manifest.sha256


def test_entry_added_twice_is_replaced_and_entries_stay_in_order(manifest):
    again = replace(manifest.episodes[1], length=1)
    lengths = [entry.length for entry in manifest.episodes]
    assert [entry.length for entry in manifest.with_entry(again).episodes] == [lengths[0], 1, *lengths[2:]]


def test_folder_without_manifest_is_named(tmp_path):
    with pytest.raises(ValueError, match=rf"no episodes in {tmp_path}"):
        read_manifest(tmp_path)


@pytest.mark.parametrize("text", ["", "{", "[]", "3", "{}", '{"schema": 1}'])
def test_damaged_manifest_is_named(tmp_path, text):
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(ValueError, match=r"cannot read .*manifest\.json"):
        read_manifest(tmp_path)


def test_manifest_of_another_schema_is_refused_naming_both(manifest, tmp_path):
    write_manifest(tmp_path, replace(manifest, schema=99))
    with pytest.raises(ValueError, match="schema 99, this version reads 2"):
        read_manifest(tmp_path)


def test_real_recordings_take_less_than_a_kilobyte_per_frame(tmp_path):
    env = make_env("ALE/MsPacman-v5", frameskip=4, repeat_action_probability=0.25, pooling="all4")
    episode = play_episode(env, HeldRandomPolicy(8), env_seed=0, policy_seed=0, max_steps=300)
    write_episode(tmp_path, "a.h5", "held_random", episode)
    assert (tmp_path / "a.h5").stat().st_size < 1000 * len(episode.frames)

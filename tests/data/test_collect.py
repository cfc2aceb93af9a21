import hashlib
import multiprocessing
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from pacdream.data import collect
from pacdream.data import recording as recording_module
from pacdream.data.collect import Recorder
from pacdream.data.episode_store import is_intact, read_episode, read_manifest, write_manifest
from pacdream.data.find_episodes import find_or_record
from pacdream.data.recording import append_episode
from pacdream.policy.held_random import HeldRandomPolicy
from pacdream.policy.mixture import MixturePolicy
from pacdream.policy.random import RandomPolicy
from tests.conftest import pac_man_recording
from tests.counter_env import make_counter_env

TINY = {"episodes": 2, "max_steps": 20}


@pytest.fixture
def in_process(monkeypatch):
    """Record without worker processes."""
    monkeypatch.setattr(collect, "ProcessPoolExecutor", lambda workers, *_, **__: ThreadPoolExecutor(workers))


@pytest.fixture
def no_recording(monkeypatch):
    """Fail at the first episode that is recorded."""

    def fail(self, index):
        raise AssertionError(f"episode {index} is recorded")

    monkeypatch.setattr(Recorder, "record", fail)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """A folder of two episodes, recorded by one process. Do not change it."""
    folder = tmp_path_factory.mktemp("collect") / "recorded"
    pac_man_recording(folder, **TINY).record()
    return folder


@pytest.fixture
def folder(recorded, tmp_path):
    """A copy of ``recorded``."""
    return shutil.copytree(recorded, tmp_path / "copy")


def recording(folder, **changes):
    return pac_man_recording(folder, **{**TINY, **changes})


def hashes(folder):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.glob("*.h5")}


def test_two_processes_record_the_same_bytes_as_one(recorded, tmp_path):
    recording(tmp_path / "two", workers=2).record()
    assert hashes(tmp_path / "two") == hashes(recorded)
    assert (tmp_path / "two" / "manifest.json").read_text() == (recorded / "manifest.json").read_text()


def test_a_killed_process_is_one_line(tmp_path):
    policy = {"_target_": "tests.data.policies.KilledPolicy"}
    with pytest.raises(ValueError, match=r"a recording process was killed.* fewer than workers=2 by the same command"):
        replace(recording(tmp_path / "killed", workers=2), policy=policy).record()


def test_a_script_without_main_guard_is_told_so_instead_of_waiting_for_itself(tmp_path, monkeypatch):
    """A process that is being spawned imports the user's script again, while its parent holds the lock."""
    monkeypatch.setattr(multiprocessing.current_process(), "_inheriting", True, raising=False)
    with pytest.raises(ValueError, match='put what your script does under `if __name__ == "__main__":`'):
        recording(tmp_path / "twice").record()


def test_processes_share_the_cores(tmp_path, monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS")
    monkeypatch.setattr(collect, "cpu_count", lambda: 6)
    policy = {"_target_": "tests.data.policies.CountingPolicy"}
    manifest = replace(recording(tmp_path / "shared", workers=2), policy=policy).record()
    assert {entry.policy for entry in manifest.episodes} == {"3 threads"}


def test_manifest_describes_the_game_and_every_file(recorded):
    manifest = read_manifest(recorded)
    assert manifest.num_actions == 9
    assert manifest.frame_shape == (210, 160)
    assert [entry.length for entry in manifest.episodes] == [20, 20]
    assert all(is_intact(recorded, entry) for entry in manifest.episodes)


def test_no_temporary_files_stay(recorded):
    assert {path.name for path in recorded.iterdir()} == {*hashes(recorded), "manifest.json", ".lock"}


def test_append_leaves_existing_files_untouched(folder, in_process):
    before = {path.name: path.stat().st_mtime_ns for path in folder.glob("*.h5")}
    recording(folder, episodes=3).record()
    after = {path.name: path.stat().st_mtime_ns for path in folder.glob("*.h5")}
    assert len(after) == 3
    assert before.items() <= after.items()


def test_appended_episodes_are_those_of_one_recording(folder, in_process, tmp_path):
    assert recording(folder, episodes=3).record() == recording(tmp_path / "at_once", episodes=3).record()


def test_the_emulator_is_started_once_to_look_at_what_is_there(folder, no_recording, monkeypatch):
    found = recording(folder)
    started = []
    build = recording_module.build
    monkeypatch.setattr(recording_module, "build", lambda config: started.append(config._target_) or build(config))
    assert find_or_record(folder, found) == find_or_record(folder, found)
    assert sum("make_env" in target for target in started) == 1


@pytest.mark.parametrize("episodes", [1, 2])
def test_what_is_there_is_not_recorded_again(folder, no_recording, episodes):
    assert len(recording(folder, episodes=episodes).record().episodes) == 2


@pytest.mark.parametrize("damage", [lambda path: path.unlink(), lambda path: path.write_bytes(b"not an episode")])
def test_missing_or_damaged_episode_is_recorded_again_with_the_same_content(folder, in_process, damage):
    before = hashes(folder)
    damage(folder / "episode_000001.h5")
    recording(folder).record()
    assert hashes(folder) == before


def test_episode_does_not_depend_on_those_played_before(tmp_path):
    def recorder(name):
        policies = {"held": HeldRandomPolicy(3), "random": RandomPolicy()}
        mixture = MixturePolicy(policies, {"held": 1.0, "random": 1.0})
        return Recorder(make_counter_env, mixture, tmp_path / name, seed=0, max_steps=20)

    in_order = [recorder("in_order").record(index) for index in range(6)]
    backwards = [recorder("backwards").record(index) for index in reversed(range(6))]
    assert in_order == backwards[::-1]
    assert {entry.policy for entry in in_order} == {"held_random", "random"}


@pytest.mark.parametrize(
    ("changed", "difference"),
    [({"seed": 1}, "seed: 0 -> 1"), ({"max_steps": 21}, "max_steps: 20 -> 21")],
)
def test_other_numbers_are_refused_by_name(folder, no_recording, changed, difference):
    with pytest.raises(ValueError, match=rf"recorded with other settings \({difference}\)"):
        recording(folder, **changed).record()


@pytest.mark.parametrize(
    ("group", "key", "value", "difference"),
    [
        ("env", "frameskip", 5, "env.frameskip: 4 -> 5"),
        ("env", "pooling", "last2", "env.pooling: all4 -> last2"),
        ("policy", "max_hold", 3, "policy.max_hold: 8 -> 3"),
    ],
)
def test_other_env_or_policy_settings_are_refused_by_name(folder, no_recording, group, key, value, difference):
    wanted = recording(folder)
    other = replace(wanted, **{group: {**getattr(wanted, group), key: value}})
    with pytest.raises(ValueError, match=rf"recorded with other settings \({difference}\)"):
        other.record()


def test_settings_of_a_recording_that_never_began_do_not_count(tmp_path, in_process):
    first = recording(tmp_path / "new", episodes=1)
    wrong = replace(first, policy={"_target_": "pacdream.policy.held.HeldPolicy", "action": "up"})
    with pytest.raises(ValueError, match="'up' is none of the game's actions"):
        wrong.record()
    assert (tmp_path / "new" / "manifest.json").is_file()
    assert len(first.record().episodes) == 1


@pytest.mark.parametrize("name", ["ale_py", "rom_md5"])
def test_another_emulator_or_game_file_is_refused_by_name(folder, no_recording, name):
    manifest = read_manifest(folder)
    write_manifest(folder, replace(manifest, provenance={**manifest.provenance, name: "another"}))
    with pytest.raises(ValueError, match=rf"recorded with other provenance \({name}: another -> "):
        recording(folder, episodes=3).record()
    with pytest.raises(ValueError, match=rf"recorded with other provenance \({name}: another -> "):
        find_or_record(folder, recording(folder, episodes=1))


def test_more_workers_are_no_other_settings(folder, no_recording):
    assert len(recording(folder, workers=7).record().episodes) == 2


@pytest.mark.parametrize("name", ["episodes", "max_steps", "workers"])
def test_numbers_below_one_are_refused(tmp_path, name):
    with pytest.raises(ValueError, match=f"{name}=0"):
        recording(tmp_path / "new", **{name: 0}).record()


def test_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match=f"cannot write to {tmp_path}/file/x"):
        recording(tmp_path / "file" / "x").record()


def test_training_refuses_a_default_folder_of_other_settings(recorded):
    with pytest.raises(ValueError, match="seed: 0 -> 1"):
        find_or_record(recorded, recording(recorded, seed=1))


def test_episodes_recorded_before_the_code_moved_stay_valid(folder, no_recording):
    manifest = read_manifest(folder)
    env = {**manifest.settings["env"], "_target_": "pacdream.env.atari.make_env"}
    write_manifest(folder, replace(manifest, settings={**manifest.settings, "env": env}))
    assert recording(folder).record() == manifest


def test_a_lost_manifest_costs_nothing_that_was_played(folder, tmp_path):
    manifest = read_manifest(folder)
    env, episode = make_counter_env(5), read_episode(folder, manifest.episodes[0], manifest.num_actions)
    settings = {"env": {}, "policy": {"name": "player"}}
    first = append_episode(tmp_path, env, settings, episode)
    before = first.read_bytes()
    (tmp_path / "manifest.json").unlink()
    second = append_episode(tmp_path, env, settings, episode)
    assert second.name == "episode_000001.h5"
    assert first.read_bytes() == before

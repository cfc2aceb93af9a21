from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pacdream.data.episode_store import EpisodeEntry, Manifest, read_episode
from pacdream.data.replay import Branch, Emulator
from pacdream.game.atari import make_env
from pacdream.game.ms_pacman import MS_PACMAN
from pacdream.types import Episode
from tests.runs import record_quickly

STEPS = [0, 68, 75, 80]  # the intro ends at 65
HORIZON = 12
PLAYER = MS_PACMAN.sprites[0]


@pytest.fixture(scope="module")
def certain(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Manifest]:
    """An episode without sticky actions: what was done decides what happens."""
    folder = tmp_path_factory.mktemp("certain")
    still = {"repeat_action_probability": 0.0, "late_share": 0.0}
    return folder, record_quickly(folder, still, episodes=1, max_steps=95)


@pytest.fixture(scope="module")
def lost(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Manifest]:
    """One whole game, in few steps."""
    folder = tmp_path_factory.mktemp("lost")
    hurried = {"frameskip": 40, "pooling": "none", "late_share": 0.0, "repeat_action_probability": 0.0}
    return folder, record_quickly(folder, hurried, episodes=1, max_steps=400)


def read(folder: Path, manifest: Manifest, number: int) -> tuple[EpisodeEntry, Episode]:
    entry = manifest.episodes[number]
    return entry, read_episode(folder, entry, manifest.num_actions)


def branches(folder: Path, manifest: Manifest, seed: int, number: int = 0) -> list[Branch]:
    """From each of ``STEPS``, with the recorded actions."""
    entry, episode = read(folder, manifest, number)
    emulator = Emulator(folder, manifest, seed)
    states = zip(STEPS, emulator.states(entry, episode, STEPS), strict=True)
    return [emulator.branch(state, episode.actions[step : step + HORIZON].tolist()) for step, state in states]


def equal(one: Branch, other: Branch) -> bool:
    return all(np.array_equal(value, getattr(other, name)) for name, value in vars(one).items())


def refusal(folder: Path, manifest: Manifest, episode: Episode) -> str:
    with pytest.raises(ValueError, match="differs from the recording") as error:
        list(Emulator(folder, manifest, 0).states(manifest.episodes[0], episode, [len(episode.actions)]))
    return str(error.value)


def test_without_sticky_actions_a_branch_is_what_was_recorded(certain: tuple[Path, Manifest]) -> None:
    _, episode = read(*certain, 0)
    for step, branch in zip(STEPS, branches(*certain, seed=1), strict=True):
        for name, recorded in (("frames", episode.frames), ("ram", episode.ram), ("lives", episode.lives)):
            assert np.array_equal(getattr(branch, name), recorded[step + 1 : step + 1 + HORIZON])


def test_episodes_with_sticky_actions_and_later_levels_are_reached_again(episodes: Path, manifest: Manifest) -> None:
    emulator = Emulator(episodes, manifest, seed=0)
    for number in (3, 0):  # in any order
        entry, episode = read(episodes, manifest, number)
        assert len(list(emulator.states(entry, episode, [len(episode.actions)]))) == 1


def test_states_come_in_order_and_know_the_action_that_led_there(episodes: Path, manifest: Manifest) -> None:
    entry, episode = read(episodes, manifest, 0)
    states = list(Emulator(episodes, manifest, seed=0).states(entry, episode, STEPS))
    frames = [state.state.getFrameNumber() for state in states]
    assert np.diff(frames).tolist() == [4 * steps for steps in np.diff(STEPS)]
    assert [state.action for state in states] == [0, *(int(episode.actions[step - 1]) for step in STEPS[1:])]


def test_only_the_seed_decides_the_noise(episodes: Path, manifest: Manifest) -> None:
    drawn, again, other = (branches(episodes, manifest, seed, number=3) for seed in (3, 3, 4))
    assert all(map(equal, drawn, again))
    assert not all(map(equal, drawn, other))


def test_two_branches_from_one_moment_have_noise_of_their_own(episodes: Path, manifest: Manifest) -> None:
    emulator = Emulator(episodes, manifest, seed=0)
    (state,) = emulator.states(*read(episodes, manifest, 3), [80])
    drawn = [emulator.branch(state, [2, 3] * 10) for _ in range(3)]  # to and fro
    assert not equal(drawn[0], drawn[1]) or not equal(drawn[0], drawn[2])


def test_the_first_sticky_frames_repeat_what_was_done_before_the_moment() -> None:
    game = {"id": "ALE/MsPacman-v5", "frameskip": 1, "pooling": "none"}
    env, other = (make_env(**game, repeat_action_probability=0.5) for _ in range(2))
    for console in (env, other):
        console.reset(seed=0)
    left, right = (env.action_names.index(name) for name in ("LEFT", "RIGHT"))
    for _ in range(290):
        *_, info = env.step(left)
    moment = env.save(left)
    went = []
    for _ in range(16):
        other.restore(moment)
        places = [int(other.step(right)[-1]["ram"][PLAYER.ram_x]) for _ in range(10)]
        went.append(places[1] < int(info["ram"][PLAYER.ram_x]))
    assert set(went[1:]) == {True, False}  # the first comes after no other


def test_a_branch_does_not_depend_on_those_before_it(certain: tuple[Path, Manifest]) -> None:
    entry, episode = read(*certain, 0)
    emulator = Emulator(*certain, seed=0)
    (state,) = emulator.states(entry, episode, [80])
    alone = emulator.branch(state, [2] * HORIZON)
    emulator.branch(state, [3] * HORIZON)
    assert equal(emulator.branch(state, [2] * HORIZON), alone)


def test_after_the_game_is_over_the_last_picture_stays(lost: tuple[Path, Manifest]) -> None:
    entry, episode = read(*lost, 0)
    steps = len(episode.actions)
    assert episode.terminated[-1]
    emulator = Emulator(*lost, seed=0)
    (state,) = emulator.states(entry, episode, [steps - 2])
    branch = emulator.branch(state, [*episode.actions[-2:].tolist(), 1, 2, 3])
    assert np.array_equal(branch.frames[:2], episode.frames[-2:])
    assert (branch.frames[2:] == branch.frames[1]).all()
    assert (branch.ram[2:] == branch.ram[1]).all()
    assert (branch.lives[1:] == episode.lives[-1]).all()


def test_a_game_that_was_over_can_be_left_again(lost: tuple[Path, Manifest]) -> None:
    entry, episode = read(*lost, 0)
    emulator = Emulator(*lost, seed=0)
    early, late = emulator.states(entry, episode, [40, len(episode.actions) - 1])
    emulator.branch(late, [*episode.actions[-1:].tolist(), 1])
    assert np.array_equal(emulator.branch(early, episode.actions[40:50].tolist()).frames, episode.frames[41:51])


@pytest.mark.parametrize("settings", [{}, {"seed": 0}, {"env": {"_target_": "pacdream.game.atari.make_env"}}])
def test_a_manifest_that_does_not_say_which_game_it_was_is_refused(
    episodes: Path, manifest: Manifest, settings: dict[str, Any]
) -> None:
    with pytest.raises(ValueError, match=f"{episodes} does not say with which env and seed it was recorded") as error:
        Emulator(episodes, replace(manifest, settings=settings), seed=0)
    assert "\n" not in str(error.value)


def test_a_setting_of_another_version_is_refused(episodes: Path, manifest: Manifest) -> None:
    env = {**manifest.settings["env"], "colour_blind": True}
    with pytest.raises(ValueError, match=f"{episodes} was recorded with settings .* 'colour_blind'") as error:
        Emulator(episodes, replace(manifest, settings={**manifest.settings, "env": env}), seed=0)
    assert "\n" not in str(error.value)


def test_a_game_that_is_not_here_is_refused(episodes: Path, manifest: Manifest) -> None:
    env = {**manifest.settings["env"], "id": "ALE/NoSuchGame-v5"}
    with pytest.raises(ValueError, match="NoSuchGame") as error:
        Emulator(episodes, replace(manifest, settings={**manifest.settings, "env": env}), seed=0)
    assert "\n" not in str(error.value)


def test_nothing_but_a_game_is_built(episodes: Path, manifest: Manifest, tmp_path: Path) -> None:
    env = {"_target_": "pathlib.Path.touch", "_args_": [str(tmp_path / "executed")]}
    with pytest.raises(ValueError, match=r"was recorded with pathlib\.Path\.touch, which cannot be played again"):
        Emulator(episodes, replace(manifest, settings={"seed": 0, "env": env}), seed=0)
    assert not (tmp_path / "executed").exists()


def test_altered_frames_are_found_and_named(episodes: Path, manifest: Manifest) -> None:
    _, episode = read(episodes, manifest, 0)
    frames = episode.frames.copy()
    frames[77, 100, 80] ^= 2
    line = refusal(episodes, manifest, replace(episode, frames=frames))
    assert f"playing {episodes / 'episode_000000.h5'} again differs from the recording at frame 77" in line
    assert "\n" not in line


@pytest.mark.parametrize("name", ["ale_py", "rom_md5"])
def test_what_another_emulator_or_game_file_recorded_is_refused_by_name(
    episodes: Path, manifest: Manifest, name: str
) -> None:
    _, episode = read(episodes, manifest, 0)
    other = replace(manifest, provenance={**manifest.provenance, name: "another"})
    line = refusal(episodes, other, replace(episode, frames=episode.frames ^ 2))
    assert f"differs from the recording at frame 0: it was made with another emulator ({name}: another -> " in line
    assert "\n" not in line


def test_altered_actions_are_found(certain: tuple[Path, Manifest]) -> None:
    _, episode = read(*certain, 0)
    refusal(*certain, replace(episode, actions=(episode.actions + 3) % 9))


def test_episodes_of_another_seed_are_found(episodes: Path, manifest: Manifest) -> None:
    _, episode = read(episodes, manifest, 0)
    refusal(episodes, replace(manifest, settings={**manifest.settings, "seed": 1}), episode)

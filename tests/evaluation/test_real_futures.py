import logging
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from pacdream.data.episode_store import Manifest
from pacdream.data.latent_data_module import LatentDataModule
from pacdream.data.replay import Emulator
from pacdream.evaluation.branches import DIRECTIONS, HeldDirections
from pacdream.evaluation.real_futures import (
    RealFutures,
    observe_real_futures,
    played_future,
    recorded_future,
)
from pacdream.evaluation.windows import HeldOutEpisode, Windows, held_out_episodes, held_out_windows
from pacdream.game.game import Game
from pacdream.game.ms_pacman import MS_PACMAN
from pacdream.metric.control import NOWHERE, headings
from pacdream.tokenizer.base import Tokenizer
from tests.conftest import latent_data
from tests.runs import record_quickly, several_held_out

CONTEXT, HORIZON, HELD = 4, 6, 5


@dataclass(frozen=True)
class World:
    """Episodes and the windows in which they are looked at."""

    data: LatentDataModule
    manifest: Manifest
    windows: Windows
    shown: Windows
    moments: Windows

    @staticmethod
    def of(data: LatentDataModule, manifest: Manifest) -> "World":
        windows = held_out_windows(data, CONTEXT, HORIZON, 9, warmup=3)
        return World(data, manifest, windows, windows.thinned(4), windows.thinned(5))

    def observe(self) -> RealFutures:
        return observe_real_futures(self.data, self.manifest, self.windows, self.shown, self.moments, HELD, seed=0)

    def items(self) -> list[HeldOutEpisode]:
        return list(held_out_episodes(self.data, self.manifest))


@pytest.fixture(scope="module")
def certain(tokenizer: Tokenizer, tmp_path_factory: pytest.TempPathFactory) -> World:
    """A game without sticky actions: there is only one future."""
    folder = tmp_path_factory.mktemp("certain")
    still = {"repeat_action_probability": 0.0, "late_share": 0.0}
    manifest = record_quickly(folder / "episodes", still, episodes=2, max_steps=110)
    data = latent_data(folder / "episodes", tokenizer, folder / "latents", val_fraction=1.0)
    data.prepare_data()
    data.setup("validate")
    return World.of(data, manifest)


@pytest.fixture(scope="module")
def sticky(latents: LatentDataModule, manifest: Manifest) -> World:
    return World.of(several_held_out(latents), manifest)


@pytest.fixture(scope="module")
def of_certain(certain: World) -> RealFutures:
    return certain.observe()


@pytest.fixture(scope="module")
def of_sticky(sticky: World) -> RealFutures:
    return sticky.observe()


def test_without_sticky_actions_the_other_future_is_the_one_that_happened(
    certain: World, of_certain: RealFutures
) -> None:
    assert of_certain.continuations is not None
    assert torch.equal(of_certain.continuations, certain.windows.target)
    assert (certain.windows.target != certain.windows.present).any()


def test_with_sticky_actions_it_agrees_for_the_most_part(sticky: World, of_sticky: RealFutures) -> None:
    assert of_sticky.continuations is not None
    agree = (of_sticky.continuations == sticky.windows.target).double().mean()
    assert of_sticky.continuations.shape == sticky.windows.target.shape
    assert 0.5 < agree < 1  # it is another one


@pytest.mark.parametrize("world", ["certain", "sticky"])
def test_footage_is_what_was_recorded_from_the_present_on(world: str, request: pytest.FixtureRequest) -> None:
    here: World = request.getfixturevalue(world)
    recorded = request.getfixturevalue(f"of_{world}").recorded
    assert recorded.frames.shape == (4, 1 + HORIZON, 210, 160)
    items = here.items()
    for row in range(4):
        episode, step = items[int(here.shown.episode[row])].episode, int(here.shown.step[row])
        assert np.array_equal(recorded.frames[row], episode.frames[step : step + HORIZON + 1])
        assert np.array_equal(recorded.ram[row], episode.ram[step : step + HORIZON + 1])


def test_every_direction_is_held_in_every_moment(certain: World, of_certain: RealFutures) -> None:
    directions = of_certain.directions
    assert directions is not None
    assert [certain.manifest.action_names[action] for action in directions.actions] == list(DIRECTIONS)
    assert directions.futures.shape == (5, 4, HELD, 7, 5)
    assert directions.headings.shape == (5, 4)
    assert torch.equal(directions.moments.step, certain.moments.step)


def check_held(world: World, directions: HeldDirections, held: int) -> None:
    """Hold every direction again, in another emulator."""
    emulator = Emulator(world.data.folder, world.manifest, seed=7)
    row = 0
    for item in world.items():
        steps = directions.moments.steps_of(item.rank)
        for step, state in zip(steps, emulator.states(item.entry, item.episode, steps) if steps else (), strict=True):
            for i, action in enumerate(directions.actions):
                branch = emulator.branch(state, [action] * held)
                pairs = np.stack([branch.frames[-2], branch.frames[-1]])[None]
                codes = world.data.tokenizer.encode(torch.from_numpy(pairs))
                assert torch.equal(directions.futures[row, i, -1:], codes)
                begin, end = (MS_PACMAN.sprites[0].positions(ram) for ram in (item.episode.ram[step], branch.ram[-1]))
                lost = branch.lives[-1] != item.episode.lives[step]
                assert directions.headings[row, i] == (NOWHERE if lost else headings(end - begin))
            row += 1
    assert row == len(directions.futures)


def test_a_held_direction_leads_where_the_emulator_says(certain: World, of_certain: RealFutures) -> None:
    assert of_certain.directions is not None
    check_held(certain, of_certain.directions, HELD)
    assert len(np.unique(of_certain.directions.headings)) > 1


def test_where_a_life_is_lost_there_is_no_heading(certain: World) -> None:
    row = int((certain.windows.step >= 70).nonzero()[0])
    one = certain.windows.pick(torch.tensor([row]))
    directions = observe_real_futures(certain.data, certain.manifest, one, one, one, 106, seed=0).directions
    assert directions is not None
    check_held(certain, directions, 106)
    assert (directions.headings == NOWHERE).any()


def test_the_first_step_of_a_held_direction_is_seen_behind_the_present(certain: World, of_certain: RealFutures) -> None:
    directions = of_certain.directions
    assert directions is not None
    taken = certain.moments.actions[:, CONTEXT - 1].tolist()
    same = [(row, directions.actions.index(a)) for row, a in enumerate(taken) if a in directions.actions]
    assert same
    for row, i in same:
        assert torch.equal(directions.futures[row, i, 0], certain.moments.target[row, 0])


def test_another_game_has_no_headings(certain: World) -> None:
    one = certain.windows.pick(torch.tensor([0]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LatentDataModule, "game", Game())
        directions = observe_real_futures(certain.data, certain.manifest, one, one, one, 1, seed=0).directions
    assert directions is not None
    assert (directions.headings == NOWHERE).all()


@pytest.mark.parametrize("settings", [{}, {"seed": 1}], ids=["no game", "another seed"])
def test_without_the_emulator_there_is_only_footage(
    sticky: World, of_sticky: RealFutures, settings: dict[str, int], caplog: pytest.LogCaptureFixture
) -> None:
    changed = {**sticky.manifest.settings, **settings} if settings else {}
    with caplog.at_level(logging.WARNING):
        found = replace(sticky, manifest=replace(sticky.manifest, settings=changed)).observe()
    assert found.continuations is None
    assert found.directions is None
    assert np.array_equal(found.recorded.frames, of_sticky.recorded.frames)
    warnings = [message for message in caplog.messages if message.startswith("no ceiling and no control: ")]
    assert len(warnings) == 1
    assert "\n" not in warnings[0]


def test_the_recorded_future_is_the_target(sticky: World, of_sticky: RealFutures) -> None:
    future = recorded_future(sticky.data, sticky.manifest, sticky.shown)
    assert torch.equal(future.codes, sticky.shown.target)
    assert np.array_equal(future.frames, of_sticky.recorded.frames[:, 1:])


def test_what_was_done_played_again_is_what_was_recorded(certain: World) -> None:
    actions = certain.shown.actions[:, CONTEXT - 1 :]
    played = played_future(certain.data, certain.manifest, certain.shown, actions, seed=3)
    recorded = recorded_future(certain.data, certain.manifest, certain.shown)
    assert torch.equal(played.codes, recorded.codes)
    assert np.array_equal(played.frames, recorded.frames)


def test_episodes_of_another_recording_cannot_be_played(sticky: World, episodes: Path) -> None:
    other = replace(sticky.manifest, settings={**sticky.manifest.settings, "seed": 1})
    with pytest.raises(ValueError, match=f"playing {episodes}.* again differs from the recording"):
        played_future(sticky.data, other, sticky.shown, sticky.shown.actions[:, CONTEXT - 1 :], seed=0)

import numpy as np
import pytest

from pacdream.data.collect import play_episode
from pacdream.game.atari import make_env
from pacdream.game.ms_pacman import MS_PACMAN
from pacdream.policy.held_random import HeldRandomPolicy

INTRO = 70  # steps before the ghosts are drawn
SPRITES = MS_PACMAN.sprites


@pytest.fixture(scope="module")
def episode():
    env = make_env("ALE/MsPacman-v5", frameskip=4, repeat_action_probability=0.25, pooling="none")
    return play_episode(env, HeldRandomPolicy(8), env_seed=0, policy_seed=0, max_steps=300)


def offsets(episode, sprite):
    """From the position in RAM to the median position of the sprite's colour, where it is drawn, (M, 2)."""
    found = []
    for frame, ram in zip(MS_PACMAN.playfield(episode.frames[INTRO:]), episode.ram[INTRO:], strict=True):
        rows, columns = np.nonzero(frame == sprite.palette_index)
        if len(rows):
            found.append(np.array([np.median(columns), np.median(rows)]) - sprite.positions(ram))
    return np.stack(found)


@pytest.mark.parametrize("sprite", SPRITES, ids=lambda sprite: sprite.name)
def test_position_moves_with_the_sprites_colour(episode, sprite):
    found = offsets(episode, sprite)
    near = np.abs(found - np.median(found, axis=0)).max(1) <= 2
    assert near.mean() > 0.9


def test_positions_of_many_frames_are_those_of_each_frame(episode):
    together = SPRITES[0].positions(episode.ram)
    one_by_one = [SPRITES[0].positions(ram) for ram in episode.ram]
    assert np.array_equal(together, np.stack(one_by_one))


@pytest.mark.parametrize("sprite", SPRITES, ids=lambda sprite: sprite.name)
def test_position_is_the_middle_of_the_sprite(episode, sprite):
    near = np.abs(offsets(episode, sprite)).max(1) <= 2
    assert near.mean() > 0.95

import numpy as np
import pytest

from pacdream.data.collect import play_episode
from pacdream.data.episode_store import read_episodes
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


def test_the_playfield_ends_with_the_maze(episodes, manifest):
    """Its last row is wall from side to side, the row below it is black."""
    for real in read_episodes(episodes, manifest):
        last, below = real.frames[INTRO:, MS_PACMAN.rows - 1], real.frames[INTRO:, MS_PACMAN.rows]
        assert (last == last[:, :1]).all()
        assert last.all()
        assert not below.any()
        assert np.array_equal(MS_PACMAN.playfield(real.frames)[INTRO:, -1], last)


def test_the_score_in_memory_grows_by_the_rewards(episodes, manifest):
    for real in read_episodes(episodes, manifest):
        ram = real.ram.astype(int)
        pairs = [ram[:, byte] // 16 * 10 + ram[:, byte] % 16 for byte in MS_PACMAN.score]
        points = pairs[0] * 10_000 + pairs[1] * 100 + pairs[2]
        assert np.array_equal(np.diff(points), real.rewards)
        assert points[-1] > 0


def test_spare_lives_are_one_fewer_than_lives(episodes, manifest):
    for real in read_episodes(episodes, manifest):
        assert np.array_equal(real.ram[:, MS_PACMAN.spare_lives] % 16 + 1, real.lives)


def test_the_player_is_the_sprite_that_actions_move(episode):
    """In the steps in which it goes furthest, it goes where it was sent."""
    right, left = 2, 3
    moved = np.diff(MS_PACMAN.player.positions(episode.ram)[INTRO:, 0])
    for action, sign in ((right, 1), (left, -1)):
        chosen = moved[episode.actions[INTRO:] == action]
        assert np.median(np.sign(chosen[abs(chosen) > 1])) == sign


def test_the_power_pills_look_the_same_again_after_a_blinking_period(episode):
    pill = episode.frames[INTRO : INTRO + 28, 18:21, 9]  # until a ghost passes
    alike = [np.array_equal(pill[steps:], pill[:-steps]) for steps in range(1, MS_PACMAN.blink_period + 1)]
    assert alike == [False, False, False, True]

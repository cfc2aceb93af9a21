import numpy as np
import pytest

from pacdream.game.atari import make_env
from pacdream.game.palette import brightness_rank, ntsc_palette


def luma(colour):
    red, green, blue = (int(value) for value in colour)
    return 0.299 * red + 0.587 * green + 0.114 * blue


def test_palette_has_128_different_colours():
    assert len(np.unique(ntsc_palette(), axis=0)) == 128


def test_odd_indices_repeat_their_even_neighbour():
    palette = ntsc_palette()
    assert np.array_equal(palette[0::2], palette[1::2])


def test_rank_is_a_permutation():
    assert sorted(brightness_rank(ntsc_palette())) == list(range(256))


def test_rank_grows_with_luma():
    palette = ntsc_palette()
    by_rank = np.argsort(brightness_rank(palette))
    lumas = [luma(palette[index]) for index in by_rank]
    assert np.all(np.diff(lumas) > -1e-9)


def test_equally_bright_indices_are_ranked_by_index():
    assert brightness_rank(np.zeros((256, 3), np.uint8)).tolist() == list(range(256))


@pytest.mark.parametrize("game", ["ALE/MsPacman-v5", "ALE/Breakout-v5"])
def test_palette_is_the_one_the_emulator_draws_with(game):
    env = make_env(game, frameskip=4, repeat_action_probability=0.25, pooling="none")
    env.reset(seed=0)
    for step in range(90):
        env.step(step // 8 % env.num_actions)
        assert np.array_equal(ntsc_palette()[env.ale.getScreen()], env.ale.getScreenRGB())

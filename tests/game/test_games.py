import pytest

from pacdream.data.episode_store import read_episode
from pacdream.game.game import Game
from pacdream.game.games import game_of
from pacdream.game.ms_pacman import MS_PACMAN


@pytest.mark.parametrize("name", ["ALE/MsPacman-v5", "MsPacman-v4", "MsPacmanNoFrameskip-v4", "MsPacman-v0"])
def test_all_ids_of_a_known_game_are_known(name):
    assert game_of({"id": name, "frameskip": 4}) == MS_PACMAN


@pytest.mark.parametrize(
    "name", ["ALE/Breakout-v5", "ALE/Pacman-v5", "CartPole-v1", "MsPacman", "os:system", "", None, 3]
)
def test_nothing_is_known_of_another(name):
    assert game_of({"id": name}) == Game()


def test_nothing_is_known_of_settings_without_a_game():
    assert game_of({}) == Game()


def test_of_a_game_of_which_nothing_is_known_all_rows_are_playfield(episodes, manifest):
    frames = read_episode(episodes, manifest.episodes[0], 9).frames
    assert Game().playfield(frames).shape == frames.shape
    assert (Game().sprites, Game().player, Game().levels, Game().blink_period, dict(Game().states)) == (
        (),
        None,
        None,
        1,
        {},
    )

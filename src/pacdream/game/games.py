"""Which of the games that are known an environment's settings speak of."""

from collections.abc import Mapping
from typing import Any

import ale_py
import gymnasium as gym

from pacdream.game.game import Game
from pacdream.game.ms_pacman import MS_PACMAN

GAMES = {"ms_pacman": MS_PACMAN}
"""By ALE's name of the game, which all of its Gymnasium ids share."""


def game_of(env: Mapping[str, Any]) -> Game:
    """The game of an environment's settings, see ``make_env``; ``Game()`` if nothing is known of it.

    >>> [sprite.name for sprite in game_of({"id": "ALE/MsPacman-v5"}).sprites][:2]
    ['player', 'sue']
    >>> game_of({"id": "ALE/Breakout-v5"}) == Game()
    True
    """
    gym.register_envs(ale_py)
    spec = gym.registry.get(str(env.get("id")))
    return GAMES.get(spec.kwargs.get("game", ""), Game()) if spec else Game()

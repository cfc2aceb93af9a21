"""Which of the games that are known an environment's settings speak of."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import ale_py
import gymnasium as gym

from pacdream.game.game import Game
from pacdream.game.ms_pacman import MS_PACMAN

GAMES = {"ms_pacman": MS_PACMAN}
"""By ALE's name of the game, which all of its Gymnasium ids share."""


def game_of(env: Mapping[str, Any]) -> Game:
    """The game of an environment's settings, see ``make_env``; ``Game()`` if nothing is known of it.

    >>> game_of({"id": "ALE/MsPacman-v5", "frameskip": 2}).blink_period  # steps
    8

    >>> [sprite.name for sprite in game_of({"id": "ALE/MsPacman-v5"}).sprites][:2]
    ['player', 'sue']
    >>> game_of({"id": "ALE/Breakout-v5"}) == Game()
    True
    """
    game = GAMES.get(name_of(env.get("id")) or "")
    return replace(game, frameskip=int(env.get("frameskip", game.frameskip))) if game else Game()


def name_of(env_id: Any) -> str | None:
    """ALE's name of the game of a Gymnasium id, none if it is no game of ALE.

    >>> name_of("ALE/MsPacman-v5"), name_of("CartPole-v1")
    ('ms_pacman', None)
    """
    gym.register_envs(ale_py)
    spec = gym.registry.get(str(env_id))
    return spec.kwargs.get("game") if spec else None

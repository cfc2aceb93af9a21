"""The game as it is configured."""

import ale_py
import gymnasium as gym

from pacdream.game.games import game_of
from pacdream.game.palette_frames import PaletteFrames, Pooling
from pacdream.game.start_level import StartLevel


def make_env(
    id: str,
    frameskip: int,
    repeat_action_probability: float,
    pooling: Pooling,
    late_share: float = 0.0,
    max_level: int = 1,
) -> PaletteFrames:
    """Build the game as a Gymnasium environment with frames (H, W) of palette indices.

    Args:
        id: a Gymnasium id of an ALE game, e.g. ``ALE/MsPacman-v5``.
        frameskip: emulator frames per step; the action is held for all of them.
        repeat_action_probability: chance, per emulator frame, that the console sees the previous action again.
        pooling: ``none`` shows the last emulator frame; ``last2`` and ``all4`` show, per pixel, the brightest
            palette index among the last two or all skipped frames, because the console draws sprites alternately.
        late_share: share of the episodes that begin at a later level; those of a game whose levels are not known
            all begin at the first.
        max_level: the latest of these levels.

    Raises:
        ValueError: unknown game, or an option outside its range.
    """
    if not 0 <= repeat_action_probability < 1:
        raise ValueError(f"env.repeat_action_probability={repeat_action_probability} must lie in [0, 1)")
    gym.register_envs(ale_py)
    try:
        # The emulator is stepped frame by frame, so its own observation is never looked at: RAM is the cheapest.
        env = gym.make(
            id,
            obs_type="ram",
            frameskip=1,
            repeat_action_probability=repeat_action_probability,
            disable_env_checker=True,
        )
    except OSError as error:
        raise ValueError(f"the ROM of {id} is missing: {error} (pip install --force-reinstall ale-py)") from error
    except (gym.error.Error, TypeError) as error:
        raise ValueError(f"env.id={id!r} is not an ALE game: {error} (try ALE/MsPacman-v5)") from error
    levels = game_of({"id": id}).levels
    if late_share and levels:
        env = StartLevel(env, late_share, max_level, levels)
    return PaletteFrames(env, frameskip, pooling)

"""How much of a world model is measured."""

from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Settings:
    """See ``conf/report/world_model.yaml``."""

    warmup: int
    """Frames of an episode before the first moment that is measured, the same for every model."""
    context: int
    """Real grids shown before a rollout begins, of which a model uses as many as it can; at least a blinking period."""
    horizon: int
    """Imagined steps."""
    num_windows: int
    """Rollouts measured, evenly spread over the held-out episodes."""
    game_windows: int
    """Those of them that are decoded and compared in the game's own space."""
    control_moments: int
    """Those of them whose present is branched into every direction."""
    control_horizon: int
    """Steps that each direction is held."""
    num_worst: int
    """Most surprising steps to show."""
    resamples: int
    """Sets of episodes drawn for the intervals."""
    batch_size: int
    """Rollouts at once."""
    seed: int
    """Of the resampling, the emulator's sticky actions and the exchanged actions."""

    def __post_init__(self) -> None:
        """Check the numbers."""
        least = {"seed": 0, "warmup": 0}
        for name, value in asdict(self).items():
            if type(value) is not int or value < least.get(name, 1):
                raise ValueError(f"{name}={value!r} must be a whole number of at least {least.get(name, 1)}")

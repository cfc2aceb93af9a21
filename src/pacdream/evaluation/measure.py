"""Every part of the scorecard, one after the other."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pacdream.core.files import sha256_of
from pacdream.data.episode_store import Manifest, read_manifest
from pacdream.data.latent_data_module import LatentDataModule
from pacdream.evaluation.cost import measure_cost
from pacdream.evaluation.game_space import Screening, decode, measure_control, measure_game
from pacdream.evaluation.one_step import Surprise, measure_one_step
from pacdream.evaluation.real_futures import Footage, Reality, observe
from pacdream.evaluation.rollouts import measure_divergence, measure_dreams
from pacdream.evaluation.scorecard import Reading, Scorecard
from pacdream.evaluation.windows import Windows, evenly, held_out_windows
from pacdream.game.game import Game
from pacdream.game.games import game_of
from pacdream.metric.episode_metric import Figure, draw_episodes
from pacdream.rollout.imagine import Sampler
from pacdream.world_model.base import WorldModel


@dataclass(frozen=True)
class Settings:
    """How much is measured; see ``conf/report/world_model.yaml``."""

    context: int
    """Real grids seen before a dream begins."""
    horizon: int
    """Imagined steps."""
    num_windows: int
    """Dreams measured, evenly spread over the held-out episodes."""
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
    """Dreams at once."""
    seed: int
    """Of the resampling, the emulator's sticky actions and the exchanged actions."""

    def __post_init__(self) -> None:
        """Check the numbers."""
        least = {"seed": 0}
        for name, value in asdict(self).items():
            if type(value) is not int or value < least.get(name, 1):
                raise ValueError(f"{name}={value!r} must be a whole number of at least {least.get(name, 1)}")


@dataclass(frozen=True)
class Measurement:
    """The scorecard and what its pictures are made of."""

    card: Scorecard
    samples: dict[str, Tensor]
    """(R, ...) each figure over resampled episodes, to compare runs with."""
    windows: Windows
    """G windows that were decoded."""
    screening: Screening
    dreamt_codes: Tensor
    """(G, T, h, w)."""
    confusion: Tensor
    worst: list[Surprise]
    rgb: NDArray[np.uint8]
    """(256, 3)."""


def measure(
    model: WorldModel, data: LatentDataModule, settings: Settings, sampler: Sampler, about: Mapping[str, Any]
) -> Measurement:
    """Measure a world model on the held-out episodes of ``data``, which is set up and on the model's device.

    Raises:
        ValueError: the model does not fit the data, or the episodes are too short for the horizon.
    """
    manifest = read_manifest(data.folder)
    check_model(model, data, manifest)
    game = game_of(manifest.settings.get("env", {}))
    if settings.context < game.blink_period:
        raise ValueError(
            f"report.context={settings.context} must be at least {game.blink_period}, the steps after which what "
            "blinks in this game looks the same again"
        )
    draws = draw_episodes(len(data.split.val), settings.resamples, settings.seed)
    windows = held_out_windows(data, settings.context, settings.horizon, settings.num_windows)
    shown = evenly(len(windows.codes), settings.game_windows)
    filmed, moments = windows.pick(shown), windows.thinned(settings.control_moments)
    one = measure_one_step(
        model, data, manifest, draws, settings.context, settings.num_worst, settings.batch_size, game
    )
    real = observe(
        data, manifest, windows, filmed, moments, settings.control_horizon, game, settings.seed
    )  # fmt: skip
    dreams = measure_dreams(
        model, windows, real.continuations, data.train_codes(), sampler, draws, settings.batch_size, game.blink_period
    )
    figures: dict[str, Figure] = one.figures | dreams.figures
    figures |= measure_divergence(model, windows, dreams.imagined, draws, settings.batch_size, settings.seed)
    if real.crossroads:
        figures |= measure_control(model, data.tokenizer, real.crossroads, draws, game)
    dreamt = dreams.imagined[shown]
    screening = _screen(data, filmed, real.footage, dreamt)
    figures |= measure_game(screening, real.footage, filmed.episode, manifest.rgb(), draws, game)
    card = Scorecard(
        {name: Reading.of(figure) for name, figure in figures.items()},
        one.state_names,
        measure_cost(model, data.codes.device),
        _conditions(data, manifest, settings, real, game) | dict(about),
    )
    samples = {name: figure.samples for name, figure in figures.items()}
    return Measurement(card, samples, filmed, screening, dreamt, one.confusion, one.worst, manifest.rgb())


def _screen(data: LatentDataModule, filmed: Windows, footage: Footage, dreamt: Tensor) -> Screening:
    """The filmed windows as pictures, and the dreams (G, T, h, w) of them."""
    return Screening(
        footage.frames[:, 1:],
        decode(data.tokenizer, filmed.target, "decoding real codes"),
        decode(data.tokenizer, dreamt, "decoding dreams"),
        decode(data.tokenizer, filmed.present[:, 0], "decoding copies"),
    )


def _conditions(
    data: LatentDataModule, manifest: Manifest, settings: Settings, real: Reality, game: Game
) -> dict[str, Any]:
    """What the figures depend on beside the world model."""
    return {
        "seed": settings.seed,
        "device": str(data.codes.device),
        "threads": torch.get_num_threads(),
        "ceiling": "the emulator" if real.continuations is not None else "a perfect prediction (no emulator)",
        "held_out_episodes": len(data.split.val),
        "held_out": sha256_of(*(manifest.episodes[number].sha256 for number in data.split.val)),
        "directions": len(real.crossroads.actions) if real.crossroads else 0,
        "sprites": [sprite.name for sprite in game.sprites],
        "action_names": list(manifest.action_names),
        "settings": asdict(settings),
    }


def check_model(model: WorldModel, data: LatentDataModule, manifest: Manifest) -> None:
    """Refuse a world model that was made for other codes or another game.

    Raises:
        ValueError: says what differs.
    """
    wanted = {
        "grid": (tuple(model.grid_shape), tuple(data.tokenizer.grid_shape)),
        "codebook size": (model.codebook_size, data.tokenizer.codebook_size),
        "number of actions": (model.num_actions, manifest.num_actions),
    }
    for what, (of_model, of_data) in wanted.items():
        if of_model != of_data:
            raise ValueError(
                f"the world model was made for a {what} of {of_model}, the tokenizer and the episodes in {data.folder} "
                f"have {of_data}: measure it on episodes of its own game, with its own tokenizer"
            )

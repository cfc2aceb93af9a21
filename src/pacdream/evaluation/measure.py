"""Every part of the scorecard, one after the other."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pacdream.core.checkpoints import weights_sha256
from pacdream.core.files import sha256_of
from pacdream.data.batches import evenly
from pacdream.data.episode_store import Manifest, read_manifest
from pacdream.data.latent_data_module import LatentDataModule
from pacdream.evaluation.cost import measure_cost
from pacdream.evaluation.game_space import DecodedRollouts, decode, measure_control, measure_game
from pacdream.evaluation.one_step import Surprise, measure_one_step
from pacdream.evaluation.outcomes import can_judge, events_of, measure_outcomes, measure_spans
from pacdream.evaluation.real_futures import RealFutures, observe_real_futures
from pacdream.evaluation.rollouts import measure_baselines, measure_divergence, measure_rollouts
from pacdream.evaluation.scorecard import Reading, Scorecard
from pacdream.evaluation.settings import Settings
from pacdream.evaluation.temperature import fit_temperature
from pacdream.evaluation.turns import measure_turns
from pacdream.evaluation.windows import Windows, held_out_windows
from pacdream.metric.episode_metric import Figure, draw_episodes
from pacdream.outcome.network import OutcomeNetwork
from pacdream.outcome.span_network import SpanNetwork
from pacdream.rollout.sampler import Sampler
from pacdream.world_model.base import WorldModel


@dataclass(frozen=True)
class Measurement:
    """The scorecard and what its pictures are made of."""

    card: Scorecard
    samples: dict[str, Tensor]
    """(R, ...) each figure over resampled episodes, to compare runs with."""
    windows: Windows
    """G windows that were decoded."""
    decoded: DecodedRollouts
    imagined: Tensor
    """(G, T, h, w) the codes of their rollouts."""
    confusion: Tensor
    worst: list[Surprise]
    rgb: NDArray[np.uint8]
    """(256, 3)."""


def measure(
    model: WorldModel,
    data: LatentDataModule,
    settings: Settings,
    sampler: Sampler,
    about: Mapping[str, Any],
    outcome: OutcomeNetwork | None = None,
    spans: SpanNetwork | None = None,
) -> Measurement:
    """Measure a world model on the held-out episodes of ``data``, which is set up and on the model's device.

    ``outcome`` and ``spans`` say what its dreams earn; without them that is left out.

    Raises:
        ValueError: the model does not fit the data, or the episodes are too short for the horizon.
    """
    manifest = read_manifest(data.folder)
    check_model(model, data, manifest)
    draws = draw_episodes(len(data.split.val), settings.resamples, settings.seed)
    settings = replace(settings, context=max(settings.context, data.game.blink_period))
    context = settings.context
    outcome = outcome if outcome is not None and can_judge(outcome, context, settings.horizon) else None
    spans = spans if spans is not None and can_judge(spans, context, settings.horizon) else None
    windows = held_out_windows(data, context, settings.horizon, settings.num_windows, settings.warmup)
    chosen = evenly(torch.arange(len(windows.codes)), settings.game_windows)
    shown, moments = windows.pick(chosen), windows.thinned(settings.control_moments)
    best_copy, batch = data.best_copy(settings.horizon), settings.batch_size
    one = measure_one_step(model, data, manifest, draws, settings.warmup, settings.num_worst)
    real = observe_real_futures(data, manifest, windows, shown, moments, settings.control_horizon, settings.seed)
    rollouts = measure_rollouts(model, windows, real.continuations, best_copy, sampler, draws, batch)
    figures: dict[str, Figure] = one.figures | rollouts.figures
    figures |= measure_baselines(windows, best_copy, data.train_codes(), model.codebook_size, draws)
    figures |= measure_divergence(model, windows, rollouts.imagined, draws, batch, settings.seed)
    if real.directions:
        figures |= measure_control(model, data.tokenizer, real.directions, draws, batch, data.game)
    imagined = rollouts.imagined[chosen]
    decoded = _decode(data, shown, real, imagined)
    figures |= measure_game(decoded, real.recorded, shown.episode, manifest.rgb(), draws, data.game)
    figures |= measure_turns(model, data, manifest, decoded, real.recorded.frames[:, 0], shown.episode, context, draws)
    if outcome is not None:
        figures |= measure_outcomes(outcome, data, windows, rollouts.imagined, draws, batch)
    if spans is not None:
        figures |= measure_spans(spans, data, windows, rollouts.imagined, draws, batch)
    card = Scorecard(
        {name: Reading.of(figure) for name, figure in figures.items()},
        one.state_names,
        measure_cost(model, data.codes.device),
        _conditions(data, manifest, settings, real)
        | {"sampler": _plain_settings(sampler)}
        | {"best_temperature": fit_temperature(model, windows, batch)}
        | ({} if outcome is None else {"outcome": weights_sha256(outcome), **events_of(outcome)})
        | ({} if spans is None else {"spans": weights_sha256(spans)})
        | dict(about),
    )
    samples = {name: figure.samples for name, figure in figures.items()}
    return Measurement(card, samples, shown, decoded, imagined, one.confusion, one.worst, manifest.rgb())


def _decode(data: LatentDataModule, shown: Windows, real: RealFutures, imagined: Tensor) -> DecodedRollouts:
    """The shown windows as pictures, and the rollouts (G, T, h, w) of them."""
    return DecodedRollouts(
        real.recorded.frames[:, 1:],
        decode(data.tokenizer, shown.target, "decoding real codes"),
        decode(data.tokenizer, imagined, "decoding rollouts"),
        decode(data.tokenizer, shown.present[:, 0], "decoding copies"),
    )


def _conditions(data: LatentDataModule, manifest: Manifest, settings: Settings, real: RealFutures) -> dict[str, Any]:
    """What the figures depend on beside the world model."""
    return {
        "seed": settings.seed,
        "device": str(data.codes.device),
        "threads": torch.get_num_threads(),
        "ceiling": "the emulator" if real.continuations is not None else "a perfect prediction (no emulator)",
        "copy_star": "chosen on the training episodes" if data.split.train else "chosen on the measured episodes",
        "held_out_episodes": len(data.split.val),
        "held_out": sha256_of(*(manifest.episodes[number].sha256 for number in data.split.val)),
        "directions": len(real.directions.actions) if real.directions else 0,
        "sprites": [sprite.name for sprite in data.game.sprites],
        "action_names": list(manifest.action_names),
        "settings": asdict(settings),
    }


def _plain_settings(sampler: Sampler) -> dict[str, Any]:
    """Name and numbers of a sampler, whoever wrote it."""
    known = {name: value for name, value in vars(sampler).items() if isinstance(value, int | float | str | None)}
    return {"name": type(sampler).__name__, **known}


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

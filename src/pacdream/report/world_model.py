"""What is said of a world model: numbers, pictures, videos, one page."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from lightning.pytorch.loggers import Logger
from PIL import Image
from rich.console import Console

from pacdream.core.checkpoints import load_model, weights_sha256, write_tensors
from pacdream.core.files import atomic_path
from pacdream.data.latent_data_module import LatentDataModule
from pacdream.evaluation.game_space import decode
from pacdream.evaluation.measure import Measurement, measure
from pacdream.evaluation.outcomes import can_judge
from pacdream.evaluation.scorecard import Scorecard, write_scorecard
from pacdream.evaluation.settings import Settings
from pacdream.evaluation.windows import check_long_enough
from pacdream.metric.figures import COMPARED, FIGURES
from pacdream.outcome.frozen import find_outcome, find_spans
from pacdream.outcome.network import OutcomeNetwork
from pacdream.outcome.span_network import SpanNetwork
from pacdream.report import plots
from pacdream.report.page import write_page
from pacdream.report.tables import NO_SPRITES, all_tables
from pacdream.report.terminal import print_table
from pacdream.report.verdict import verdict
from pacdream.report.wandb_log import log_report
from pacdream.rollout.sampler import Sampler
from pacdream.rollout.video import Film, write_strip, write_video
from pacdream.tokenizer.base import Tokenizer
from pacdream.world_model.base import WorldModel


class WorldModelReport:
    """Measures a checkpoint on the held-out episodes and writes the scorecard, its pictures and its page."""

    def __init__(
        self,
        sampler: Sampler,
        outcome: str | None,
        spans: str | None,
        strip_steps: int,
        num_videos: int,
        fps: int,
        **settings: int,
    ) -> None:
        """Configure.

        Args:
            sampler: draws the codes of the sampled dreams.
            outcome: network that says what dreams earn, a name or the folder of a run; none to leave that out.
            spans: network that says what was earned between two moments; the same.
            strip_steps: steps shown in the picture strip.
            num_videos: dreams shown as videos, evenly spread.
            fps: frames per second of the videos.
            settings: how much is measured, see ``Settings``.
        """
        self.outcome, self.spans = outcome, spans
        self.sampler, self.strip_steps, self.num_videos, self.fps = sampler, strip_steps, num_videos, fps
        self.settings = Settings(**settings)
        for name, value in {"strip_steps": strip_steps, "num_videos": num_videos, "fps": fps}.items():
            if value < 1:
                raise ValueError(f"{name}={value} must be at least 1")

    def check(self, data: LatentDataModule) -> None:
        """Refuse, before a training, what cannot be measured after it.

        Raises:
            ValueError: no held-out episode is long enough, or a network that judges dreams does not fit.
        """
        check_long_enough(data, self.settings.horizon, self.settings.warmup)
        for network in self._judges(data):
            if network is not None:
                can_judge(network, max(self.settings.context, data.game.blink_period), self.settings.horizon)

    def _judges(self, data: LatentDataModule) -> tuple[OutcomeNetwork | None, SpanNetwork | None]:
        """What says what dreams earn, as far as it fits."""
        tokenizer, held_out = data.identities()["tokenizer"], data.origin.val
        return (
            find_outcome(self.outcome, tokenizer, held_out) if self.outcome else None,
            find_spans(self.spans, tokenizer, held_out) if self.spans else None,
        )

    def __call__(
        self, folder: Path, data: LatentDataModule, checkpoint: Path, loggers: Sequence[Logger], step: int
    ) -> dict[str, float]:
        """Write everything into ``<folder>/report``, log it, and return the headline figures."""
        model = load_model(checkpoint, WorldModel, data.codes.device)  # type: ignore[type-abstract]
        about = {"checkpoint": str(checkpoint), "weights": weights_sha256(model), **data.identities()}
        done = measure(model, data, self.settings, self.sampler, about, *self._judges(data))
        print_tables(done.card)
        metrics, folder = folder / "csv" / "metrics.csv", folder / "report"
        folder.mkdir(parents=True, exist_ok=True)
        write_scorecard(folder / "metrics.json", done.card)
        _write_samples(folder / "bootstrap.safetensors", done)
        self._draw(folder, done, metrics, data.tokenizer)
        _write_page(folder, done.card)
        headlines = done.card.headlines()
        log_report(loggers, step, headlines, done, folder)
        return headlines

    def _draw(self, folder: Path, done: Measurement, metrics: Path, tokenizer: Tokenizer) -> None:
        """All pictures and videos, instead of those of an earlier report."""
        for old in (*folder.glob("dream_*.mp4"), *folder.glob("worst_*.png")):
            old.unlink(missing_ok=True)
        card = done.card
        plots.plot_horizons(folder / "accuracy_by_horizon.png", card)
        plots.plot_changes(folder / "changed_codes.png", card)
        plots.plot_positions(folder / "positions.png", card)
        plots.plot_calibration(folder / "calibration.png", card)
        plots.plot_game(folder / "game.png", card)
        plots.plot_control(folder / "control.png", card)
        plots.plot_confusion(folder / "confusion.png", done.confusion.numpy())
        plots.plot_curves(folder / "curves.png", metrics)
        _draw_worst(folder, done, tokenizer)
        count = len(done.imagined)
        # The middles of as many equal parts.
        for i, row in enumerate((np.arange(videos := min(self.num_videos, count)) + 0.5) * count // videos):
            film = film_of(done, int(row), card.about["action_names"])
            write_video(folder / f"dream_{i}.mp4", film, self.fps)
            if i == 0:
                write_strip(folder / "dream.png", film, self.strip_steps)


def film_of(done: Measurement, row: int, action_names: Sequence[str]) -> Film:
    """One of the decoded windows as a film."""
    windows, decoded = done.windows, done.decoded
    actions = windows.actions[row, windows.context - 1 :].tolist()
    return Film(
        real=done.rgb[decoded.real[row]],
        reconstructed=done.rgb[decoded.reconstructed[row]],
        dreamt=done.rgb[decoded.dreamt[row]],
        wrong=(done.imagined[row] != windows.target[row]).cpu().numpy(),
        actions=[action_names[action] for action in actions],
    )


def print_tables(card: Scorecard) -> None:
    """To the terminal, without intervals."""
    console = Console()
    for name, table in all_tables(card).items():
        if name != "game":  # too long for a terminal
            print_table(table)
    if not card.about["sprites"]:
        console.print(NO_SPRITES)
    console.print(verdict(card))


def _write_samples(path: Path, done: Measurement) -> None:
    """Resampled values of the figures that runs are compared by."""
    names = {headline.figure for headline in COMPARED} & done.samples.keys()
    samples = {name: done.samples[name].float().contiguous() for name in names}
    write_tensors(path, samples)


def _draw_worst(folder: Path, done: Measurement, tokenizer: Tokenizer) -> None:
    """One picture for each of the most surprising steps: before, after, predicted."""
    codes = torch.stack([torch.stack([s.present, s.target, s.predicted]) for s in done.worst])
    for i, triple in enumerate(done.rgb[decode(tokenizer, codes, "decoding surprises")]):
        with atomic_path(folder / f"worst_{i:02d}.png") as temporary:
            Image.fromarray(np.concatenate(triple, 1)).save(temporary, format="PNG")


def _write_page(folder: Path, card: Scorecard) -> None:
    write_page(
        folder / "report.html",
        "world_model",
        title=f"Scorecard of {card.about['checkpoint']}",
        verdict=verdict(card),
        tables=all_tables(card),
        pictures={path.stem: path for path in folder.glob("*.png")},
        videos=sorted(folder.glob("dream_*.mp4")),
        worst=sorted(folder.glob("worst_*.png")),
        definitions=[[name, definition.text] for name, definition in FIGURES.items()],
        note="" if card.about["sprites"] else NO_SPRITES,
        about=[(name, json.dumps(value)) for name, value in card.about.items()],
    )

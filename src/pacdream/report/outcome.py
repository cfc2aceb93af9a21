"""What is said of an outcome network."""

from collections.abc import Sequence
from pathlib import Path

import torch
from lightning.pytorch.loggers import Logger

from pacdream.core.checkpoints import load_model, weights_sha256
from pacdream.core.files import sha256_of
from pacdream.core.limits import Positive, Seed
from pacdream.data.episode_store import read_manifest
from pacdream.evaluation.outcomes import events_of, measure_outcomes
from pacdream.evaluation.scorecard import Reading, Scorecard, write_scorecard
from pacdream.evaluation.windows import check_long_enough, held_out_windows
from pacdream.metric.episode_metric import draw_episodes
from pacdream.outcome.network import OutcomeNetwork
from pacdream.outcome.outcome_data_module import OutcomeDataModule
from pacdream.report.tables import Table, events, returns
from pacdream.report.terminal import print_table


class OutcomeReport:
    """Measures a checkpoint on held-out steps, and on dreams of the world model that it was trained with."""

    def __init__(
        self, context: Positive, horizon: Positive, num_windows: Positive, warmup: Positive, resamples: Positive,
        batch_size: Positive, seed: Seed,
    ) -> None:  # fmt: skip
        """How much is measured, see ``conf/report/outcome.yaml``."""
        self.context, self.horizon, self.num_windows, self.warmup = context, horizon, num_windows, warmup
        self.resamples, self.batch_size, self.seed = resamples, batch_size, seed

    def check(self, data: OutcomeDataModule) -> None:
        """Refuse, before a training, episodes and horizons that cannot be measured after it.

        Raises:
            ValueError: names what is too short.
        """
        check_long_enough(data, self.horizon, self.warmup)
        if self.horizon <= data.after or self.context <= data.before:
            raise ValueError(
                f"report.horizon={self.horizon} must be more than data.after={data.after}, and "
                f"report.context={self.context} more than data.before={data.before}"
            )

    def __call__(
        self, folder: Path, data: OutcomeDataModule, checkpoint: Path, loggers: Sequence[Logger], step: int
    ) -> dict[str, float]:
        """Write ``<folder>/report/metrics.json``, log the headline figures, and return them."""
        network = load_model(checkpoint, OutcomeNetwork, data.codes.device)
        manifest = read_manifest(data.folder)
        draws = draw_episodes(len(data.split.val), self.resamples, self.seed)
        windows = held_out_windows(data, self.context, self.horizon, self.num_windows, self.warmup)
        imagined = None
        if data.dreams is not None:
            size = self.batch_size
            parts = zip(windows.codes.split(size), windows.actions.split(size), strict=True)
            imagined = torch.cat(
                [data.dreams.imagine(codes[:, : self.context], done, i * size) for i, (codes, done) in enumerate(parts)]
            )
        figures = measure_outcomes(network, data, windows, imagined, draws, self.batch_size)
        about = {
            "seed": self.seed,
            "checkpoint": str(checkpoint),
            "weights": weights_sha256(network),
            **events_of(network),
            "held_out_episodes": len(data.split.val),
            "held_out": sha256_of(*(manifest.episodes[number].sha256 for number in data.split.val)),
            **data.identities(),
        }
        card = Scorecard({name: Reading.of(figure) for name, figure in figures.items()}, [], {}, about)
        tables: tuple[Table, ...] = (events(card), returns(card))
        for table in tables:
            print_table(table)
        write_scorecard(folder / "report" / "metrics.json", card)
        headlines = card.headlines()
        for logger in loggers:
            logger.log_metrics(headlines, step)
        return headlines

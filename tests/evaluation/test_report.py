import csv
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import pytest
from lightning.pytorch.loggers import CSVLogger
from omegaconf import OmegaConf
from PIL import Image

from pacdream.data.latent_data_module import LatentDataModule
from pacdream.evaluation.report import WorldModelReport
from pacdream.runtime.checkpoints import build_model, save_model
from pacdream.runtime.instantiate import build
from tests.conftest import TINY_GRU, compose_config

HORIZON = 8
HEADLINES = {"accuracy", "copy_accuracy", "changed_accuracy", "skill", "unigram_accuracy", "uniform_accuracy"}


def tiny_report(**changes: int) -> WorldModelReport:
    settings = {"horizon": HORIZON, "num_windows": 6, "batch_size": 4, "strip_steps": 3, **changes}
    overrides = [f"report.{name}={value}" for name, value in settings.items()]
    return build(compose_config("train", ["experiment=gru_baseline", *overrides]).report)


@dataclass(frozen=True)
class Reported:
    """A report that was written, and what it returned."""

    folder: Path
    headline: dict[str, float]


@pytest.fixture(scope="module")
def checkpoint(latents: LatentDataModule, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("checkpoint") / "model.safetensors"
    save_model(path, build_model(OmegaConf.create(TINY_GRU), latents.facts()))
    return path


@pytest.fixture(scope="module")
def reported(latents: LatentDataModule, checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Reported:
    """With the log of one training epoch in the run's folder."""
    run = tmp_path_factory.mktemp("run")
    (run / "csv").mkdir()
    (run / "csv" / "metrics.csv").write_text("epoch,step,train/loss_epoch,val/loss\n0,29,2.5,\n0,29,,2.4\n")
    logger = CSVLogger(run, name=None, version="log")
    headline = tiny_report()(run, latents, checkpoint, [logger], step=30)
    logger.save()
    return Reported(run / "report", headline)


def test_the_table_has_a_row_for_each_horizon(reported: Reported) -> None:
    with (reported.folder / "accuracy_by_horizon.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["horizon"]) for row in rows] == list(range(1, HORIZON + 1))
    assert set(rows[0]) == {"horizon", "world model", "copy", "phase copy", "unigram", "uniform", "copy*", "skill"}
    assert float(rows[3]["world model"]) == pytest.approx(reported.headline["rollout/accuracy@4"], abs=1e-6)


@pytest.mark.parametrize("plot", ["accuracy_by_horizon.png", "curves.png"])
def test_a_plot_is_not_blank(reported: Reported, plot: str) -> None:
    assert np.ptp(np.asarray(Image.open(reported.folder / plot).convert("L"))) > 100


def test_the_dream_is_a_strip_and_a_video(reported: Reported) -> None:
    assert Image.open(reported.folder / "dream.png").size == (3 * 160, 2 * 210)
    with av.open(str(reported.folder / "dream.mp4")) as container:
        assert sum(1 for _ in container.decode(video=0)) == HORIZON


def test_headlines_follow_the_schema(reported: Reported) -> None:
    rollout = {f"rollout/{name}@{h}" for name in ("accuracy", "copy_star", "skill") for h in (1, 2, 4, 8)}
    assert set(reported.headline) == {f"report/{name}" for name in HEADLINES} | rollout | {"rollout/steps_above_copy"}


def test_copy_accuracy_is_that_of_all_validation_steps(reported: Reported, latents: LatentDataModule) -> None:
    batch = latents.windows(latents.val_starts, 1)
    unchanged = (batch.codes[:, 0] == batch.codes[:, 1]).float().mean()
    assert reported.headline["report/copy_accuracy"] == pytest.approx(float(unchanged))


def test_headlines_reach_the_loggers(reported: Reported) -> None:
    assert "rollout/accuracy@1" in (reported.folder.parent / "log" / "metrics.csv").read_text()


def test_a_report_without_a_log_still_draws(latents: LatentDataModule, checkpoint: Path, tmp_path: Path) -> None:
    tiny_report(horizon=2)(tmp_path, latents, checkpoint, [], step=30)
    assert (tmp_path / "report" / "curves.png").is_file()


def test_a_dream_longer_than_the_episodes_is_refused(
    latents: LatentDataModule, checkpoint: Path, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=r"has the 1004 frames that report\.context=4 and report\.horizon=1000 need"):
        tiny_report(horizon=1000)(tmp_path, latents, checkpoint, [], step=30)

import re
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch
import wandb
from lightning.pytorch.loggers import CSVLogger, Logger, WandbLogger
from PIL import Image
from safetensors.torch import load_file

from pacdream.core.checkpoints import save_model, weights_sha256
from pacdream.core.instantiate import build
from pacdream.data.episode_store import read_manifest, write_manifest
from pacdream.data.latent_data_module import LatentDataModule
from pacdream.evaluation.scorecard import Scorecard, read_scorecard
from pacdream.metric.figures import COMPARED, CURVES
from pacdream.report import world_model as report_module
from pacdream.report.plots import plot_curves
from pacdream.report.wandb_log import PICTURES
from pacdream.report.world_model import WorldModelReport, film_of
from tests.conftest import compose_config, latent_data
from tests.runs import (
    SMALL_REPORT,
    blank_plots,
    quick_cost,
    several_held_out,
    tiny_measurement,
    untrained_gru,
)

HORIZON, VIDEOS, WORST = 8, 1, 2
PLOTS = [name for name in PICTURES if name != "dream"]


def tiny_report(**changes: Any) -> WorldModelReport:
    settings = {**SMALL_REPORT, "strip_steps": 3, "num_videos": VIDEOS, **changes}
    overrides = [f"report.{name}={value}" for name, value in settings.items()]
    report: WorldModelReport = build(compose_config("train", ["experiment=gru_baseline", *overrides]).report)
    return report


class WandbRun:
    """Stands in for a run of W&B and keeps what it gets."""

    def __init__(self) -> None:
        self.summary: dict[str, Any] = {}
        self.logged: list[dict[str, Any]] = []
        self.defined: list[str] = []

    def define_metric(self, name: str, **settings: Any) -> None:
        self.defined.append(name)

    def log(self, values: dict[str, Any]) -> None:
        self.logged.append(values)

    def all(self) -> dict[str, Any]:
        return {name: value for values in self.logged for name, value in values.items()}


class FakeWandbLogger(WandbLogger):
    """A W&B logger without W&B."""

    def __init__(self) -> None:
        self.run, self.metrics = WandbRun(), {}

    @property
    def experiment(self) -> Any:
        return self.run

    def log_metrics(self, metrics: Any, step: int | None = None) -> None:
        self.metrics = {**metrics, "step": step}

    def save(self) -> None:
        pass


@dataclass(frozen=True)
class Reported:
    """A report that was written, and what it returned."""

    folder: Path
    headlines: dict[str, float]
    card: Scorecard
    wandb: FakeWandbLogger


@pytest.fixture(scope="module")
def data(latents: LatentDataModule) -> LatentDataModule:
    return several_held_out(latents)


@pytest.fixture(scope="module")
def checkpoint(data: LatentDataModule, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("checkpoint") / "model.safetensors"
    save_model(path, untrained_gru(data))
    return path


@pytest.fixture(scope="module")
def reported(data: LatentDataModule, checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Reported:
    """With the log of one training epoch in the run's folder."""
    run = tmp_path_factory.mktemp("run")
    (run / "csv").mkdir()
    (run / "csv" / "metrics.csv").write_text("epoch,step,train/loss_epoch,val/loss\n0,29,2.5,\n0,29,,2.4\n")
    on_disk, online = CSVLogger(run, name=None, version="log"), FakeWandbLogger()
    loggers: list[Logger] = [on_disk, online]
    with quick_cost():
        headlines = tiny_report()(run, data, checkpoint, loggers, step=30)
    return Reported(run / "report", headlines, read_scorecard(run / "report" / "metrics.json"), online)


@pytest.fixture(scope="module")
def redrawn(
    latents: LatentDataModule, data: LatentDataModule, checkpoint: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A report over the remains of an earlier one that showed more."""
    folder = tmp_path_factory.mktemp("redrawn") / "report"
    folder.mkdir()
    for name in ("dream_7.mp4", "worst_7.png"):
        (folder / name).write_bytes(b"old")
    with pytest.MonkeyPatch.context() as patch, blank_plots():
        patch.setattr(report_module, "measure", lambda *_: tiny_measurement(latents))
        tiny_report()(folder.parent, data, checkpoint, [], step=30)
    return folder


def frames(video: Path) -> list[np.ndarray]:
    with av.open(str(video)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def test_the_folder_holds_numbers_samples_pictures_videos_and_a_page(reported: Reported) -> None:
    pictures = {f"{name}.png" for name in PICTURES} | {f"worst_{i:02d}.png" for i in range(WORST)}
    videos = {f"dream_{i}.mp4" for i in range(VIDEOS)}
    rest = {"metrics.json", "bootstrap.safetensors", "report.html"}
    assert {path.name for path in reported.folder.iterdir()} == pictures | videos | rest


@pytest.mark.parametrize("plot", PLOTS)
def test_a_plot_is_not_blank(reported: Reported, plot: str) -> None:
    assert np.ptp(np.asarray(Image.open(reported.folder / f"{plot}.png").convert("L"))) > 100


def test_the_dream_is_a_strip_and_a_video(reported: Reported) -> None:
    assert Image.open(reported.folder / "dream.png").size == (3 * 160, 2 * 210)
    film = frames(reported.folder / "dream_0.mp4")
    assert len(film) == HORIZON
    assert {frame.shape[1] for frame in film} == {2 * 4 * 160}
    assert all(np.ptp(frame) > 100 for frame in film)


def test_a_surprise_is_shown_before_after_and_as_it_was_predicted(reported: Reported) -> None:
    for i in range(WORST):
        assert Image.open(reported.folder / f"worst_{i:02d}.png").size == (3 * 160, 210)


def test_the_samples_are_those_that_runs_are_compared_by(reported: Reported) -> None:
    samples = load_file(reported.folder / "bootstrap.safetensors")
    assert samples.keys() == {line.figure for line in COMPARED} & reported.card.figures.keys()
    for name, values in samples.items():
        figure = reported.card.figures[name]
        assert values.shape == (SMALL_REPORT["resamples"], *figure.value.shape)
        quantiles = torch.tensor([0.025, 0.975], dtype=torch.float64)
        low, high = torch.nanquantile(values.double(), quantiles, dim=0).numpy()
        np.testing.assert_allclose(low, figure.low, rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(high, figure.high, rtol=1e-4, atol=1e-6)


def test_the_page_holds_everything_and_refers_to_nothing_outside(reported: Reported) -> None:
    page = (reported.folder / "report.html").read_text()
    sources = re.findall(r'(?:src|href)="([^"]*)"', page)
    assert len(sources) == len(PICTURES) + WORST + VIDEOS
    assert all(source.startswith(("data:image/png;base64,", "data:video/mp4;base64,")) for source in sources)
    assert not re.search(r"https?://|file:|<script|<link|@import|url\(", page)
    for part in ("right codes in % after h steps", "frightened ghosts", "frames per second@32", "copy*"):
        assert part in page


def test_headlines_follow_the_schema(reported: Reported) -> None:
    changed = ("changed_precision", "changed_recall", "changed_f1")
    one_step = (
        "accuracy",
        "copy_accuracy",
        "copy_star_accuracy",
        "copy_star_changed_f1",
        *changed,
        "bits_per_frame",
        "ece",
    )
    rollout = {f"rollout/{name}@{h}" for name in ("accuracy", "copy_star", "skill") for h in (1, 2, 4, 8)}
    rollout |= {"rollout/skill_area", "rollout/steps_until_half_skill"}
    control = {f"control/{name}" for name in ("retrieval", "move", "move_chance")}
    wanted = (
        {f"report/{name}" for name in one_step} | rollout | control | {"game/player_error@8", "game/pixel_accuracy@8"}
    )
    # What was not measured is left out: not every horizon shows Ms. Pac-Man, not every moment has a way.
    assert wanted - set(reported.headlines) <= {"game/player_error@8", "control/move", "control/move_chance"}
    assert set(reported.headlines) <= wanted
    assert not any(np.isnan(value) for value in reported.headlines.values())


def test_headlines_are_read_off_the_scorecard(reported: Reported) -> None:
    assert reported.headlines == pytest.approx(reported.card.headlines(), rel=1e-5)
    headlines, card = reported.headlines, reported.card
    held = card.at("control/retrieval", SMALL_REPORT["control_horizon"])
    assert headlines["control/retrieval"] == pytest.approx(held, rel=1e-5)
    assert headlines["rollout/skill@4"] == pytest.approx(card.at("open_loop/argmax/skill", 4), rel=1e-5)


def test_headlines_reach_the_loggers(reported: Reported) -> None:
    text = (reported.folder.parent / "log" / "metrics.csv").read_text()
    assert all(name in text for name in reported.headlines)
    assert reported.wandb.metrics == {**reported.headlines, "step": 30}
    assert reported.wandb.run.summary == reported.headlines


def test_curves_over_the_horizon_reach_wandb(reported: Reported) -> None:
    run = reported.wandb.run
    curves = [values for values in run.logged if "horizon" in values]
    assert run.defined == ["horizon", "open_loop/*"]
    assert [values["horizon"] for values in curves] == list(range(1, HORIZON + 1))
    for values in curves:
        assert values.keys() == {"horizon", *CURVES}
        skill = reported.card.at("open_loop/argmax/skill", values["horizon"])
        assert values["open_loop/skill"] == pytest.approx(skill, rel=1e-5)


def test_pictures_videos_page_and_surprises_reach_wandb(reported: Reported) -> None:
    logged = reported.wandb.run.all()
    kinds = {f"report/{name}": wandb.Image for name in PICTURES}
    kinds |= {f"report/dream_{i}": wandb.Video for i in range(VIDEOS)} | {"report/page": wandb.Html}
    assert {name: type(value) for name, value in logged.items() if name in kinds} == kinds
    worst = logged["report/worst_predictions"]
    bits = worst.get_column("bits")
    assert len(bits) == WORST
    assert bits == sorted(bits, reverse=True)


def test_the_scorecard_says_which_network_on_which_data(
    reported: Reported, data: LatentDataModule, checkpoint: Path
) -> None:
    about = reported.card.about
    assert about["checkpoint"] == str(checkpoint)
    assert len(about["weights"]) == len(weights_sha256(untrained_gru(data)))
    assert {**about, **data.identities()} == about
    assert about["ceiling"] == "the emulator"


def test_a_film_belongs_to_its_window(latents: LatentDataModule) -> None:
    done = tiny_measurement(latents)
    names = done.card.about["action_names"]
    for row in range(2):
        film = film_of(done, row, names)
        assert np.array_equal(film.real, done.rgb[done.decoded.real[row]])
        assert film.wrong.sum() == (done.imagined[row] != done.windows.codes[row, 4:]).sum()
        assert [names.index(action) for action in film.actions] == done.windows.actions[row, 3:].tolist()


def test_a_run_without_a_log_has_empty_curves(tmp_path: Path) -> None:
    plot_curves(tmp_path / "curves.png", tmp_path / "absent.csv")
    assert Image.open(tmp_path / "curves.png").size


def test_a_report_shows_nothing_of_an_earlier_one(redrawn: Path) -> None:
    page = (redrawn / "report.html").read_text()
    assert page.count("<video") == VIDEOS
    assert page.count('alt="worst_') == WORST


def test_a_report_without_the_emulator_says_so(
    data: LatentDataModule, episodes: Path, checkpoint: Path, tmp_path: Path
) -> None:
    copied = shutil.copytree(episodes, tmp_path / "episodes")
    write_manifest(copied, replace(read_manifest(copied), settings={}))
    foreign = latent_data(copied, data.tokenizer, data.cache_folder, val_fraction=1.0)
    foreign.prepare_data()
    foreign.setup("validate")
    with quick_cost(), blank_plots():
        headlines = tiny_report()(tmp_path / "run", foreign, checkpoint, [], step=30)
    card = read_scorecard(tmp_path / "run" / "report" / "metrics.json")
    assert card.about["ceiling"] == "a perfect prediction (no emulator)"
    assert card.about["held_out_episodes"] == 5
    assert not {"baseline/ceiling", "control/retrieval", "baseline/unigram"} & card.figures.keys()
    assert {"rollout/skill@8", "report/accuracy"} < headlines.keys()
    assert "a perfect prediction (no emulator)" in (tmp_path / "run" / "report" / "report.html").read_text()


def test_a_dream_longer_than_the_episodes_is_refused(data: LatentDataModule, checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"choose horizon=117 or less"):
        tiny_report(horizon=1000)(tmp_path, data, checkpoint, [], step=30)
    assert not list(tmp_path.iterdir())


def test_a_number_below_one_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="report: resamples=0 must be a whole number of at least 1"):
        tiny_report(resamples=0)


@pytest.mark.parametrize("name", ["num_videos", "strip_steps", "fps"])
def test_a_number_of_pictures_below_one_is_refused_by_name(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name}=0"):
        tiny_report(**{name: 0})


@pytest.mark.parametrize("value", ["long", 2.5])
def test_a_setting_of_the_wrong_type_is_refused_by_name(value: object) -> None:
    with pytest.raises(ValueError, match=rf"horizon={value!r}"):
        tiny_report(horizon=value)


def test_a_setting_that_does_not_exist_is_refused_by_name() -> None:
    config = compose_config("train", ["experiment=gru_baseline", "+report.horizons=8"])
    with pytest.raises(ValueError, match="horizons"):
        build(config.report)

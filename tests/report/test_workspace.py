import copy
import re
import sys
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import lightning
import numpy as np
import pytest
import torch
import wandb
import wandb_workspaces.reports.v2 as wr
import wandb_workspaces.workspaces as ws
from hydra.errors import CompactHydraException
from lightning.pytorch.callbacks import LearningRateMonitor
from lightning.pytorch.loggers import WandbLogger
from omegaconf import DictConfig
from PIL import Image
from torch.utils.data import DataLoader

import dashboard
from pacdream.callback.reconstructions import Reconstructions
from pacdream.command.logging import wandb_logger
from pacdream.data.batches import GatheredDataset, gathered_loader
from pacdream.data.episode_store import Manifest
from pacdream.data.frame_data_module import load_frames
from pacdream.data.latent_data_module import LatentDataModule
from pacdream.evaluation.scorecard import Reading, Scorecard
from pacdream.metric.figures import HEADLINES
from pacdream.report.wandb_log import PICTURES, log_report
from pacdream.report.workspace import workspace
from pacdream.tokenizer.base import Tokenizer
from pacdream.tokenizer.module import TokenizerModule
from tests.conftest import compose_config
from tests.world_model.fitting import tiny_module

SECTIONS = ["Better than copying?", "Training", "Does it obey the action?", "The game itself", "Dreams", "Tokenizer"]
HORIZON = 30
ACCOUNT = ["entity=me", "project=mine"]


class EveryFigure(dict[str, Reading]):
    """Figures of a scorecard in which nothing is missing."""

    def __contains__(self, name: object) -> bool:
        return True

    def __missing__(self, name: str) -> Reading:
        return Reading(*[np.ones(HORIZON)] * 4)

    def get(self, name: str, default: Any = None) -> Reading:
        return self[name]


def train(module: lightning.LightningModule, folder: Path, logger: WandbLogger, *data: Any) -> None:
    """One step, with the callbacks that log."""
    trainer = lightning.Trainer(
        accelerator="cpu", max_epochs=1, limit_train_batches=1, limit_val_batches=1, log_every_n_steps=1,
        num_sanity_val_steps=0, enable_progress_bar=False, enable_checkpointing=False, enable_model_summary=False,
        default_root_dir=folder, logger=logger, callbacks=[LearningRateMonitor(), Reconstructions(num_frames=2)],
    )  # fmt: skip
    trainer.fit(module, *data)


def report(folder: Path, logger: WandbLogger) -> None:
    """Log a report whose pictures are blank."""
    for name in PICTURES:
        Image.new("RGB", (1, 1)).save(folder / f"{name}.png")
    for i in range(compose_config("train", ["experiment=gru_baseline"]).report.num_videos):
        (folder / f"dream_{i}.mp4").touch()
    (folder / "report.html").touch()
    card = Scorecard(EveryFigure(), [], {}, {})
    done = SimpleNamespace(card=card, windows=SimpleNamespace(horizon=2), worst=[])
    log_report([logger], 1, {line.name: 1.0 for line in HEADLINES}, done, folder)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def logged(
    latents: LatentDataModule,
    tokenizer: Tokenizer,
    episodes: Path,
    manifest: Manifest,
    tmp_path_factory: pytest.TempPathFactory,
) -> set[str]:
    """All names under which the project logs: those of both trainings and of a report, written into one run."""
    folder = tmp_path_factory.mktemp("logged")
    frames = load_frames(episodes, manifest, [0]).windows(torch.arange(66, 120, 14), 2)
    dataset = GatheredDataset(len(frames), lambda rows: (frames[rows], torch.zeros(len(rows), 128, dtype=torch.uint8)))
    model = copy.deepcopy(tokenizer).requires_grad_(True).train()
    model.recipe = tokenizer.recipe
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WANDB_MODE", "offline")
        logger = wandb_logger(project="pacdream", save_dir=str(folder), group="test")
        train(tiny_module(latents), folder, logger, copy.copy(latents))
        tokenizers = TokenizerModule(model, partial(torch.optim.Adam, lr=1e-2), None)
        loaders = DataLoader([frames[:2]], None), gathered_loader(dataset, batch_size=2, shuffle=False, seed=0)
        train(tokenizers, folder, logger, *loaders)
        report(folder, logger)
        names = set(logger.experiment.summary.keys())
        wandb.finish()
    return names


def shown(panel: Any) -> list[str]:
    """Names, or the regular expression for names, of what a panel shows."""
    if isinstance(panel, wr.LinePlot):
        return [*panel.y, panel.x, *([panel.metric_regex] if panel.metric_regex else [])]
    if isinstance(panel, wr.BarPlot):
        return list(panel.metrics)
    if isinstance(panel, wr.MediaBrowser):
        return list(panel.media_keys)
    return [panel.table_name]


def test_it_has_a_section_for_each_question_in_this_order() -> None:
    built = workspace("me", "mine")
    assert (built.entity, built.project) == ("me", "mine")
    assert [section.name for section in built.sections] == SECTIONS


@pytest.mark.parametrize("section", range(len(SECTIONS)), ids=SECTIONS)
def test_every_panel_shows_something_that_the_project_logs(section: int, logged: set[str]) -> None:
    for panel in workspace("me", "mine").sections[section].panels:
        names = shown(panel)
        assert names
        for name in names:
            known = name in logged or (name.startswith("^") and any(re.match(name, other) for other in logged))
            assert known, f"{name} of {panel} is logged nowhere"


def test_every_pinned_column_is_logged(logged: set[str]) -> None:
    columns = [column.split(":", 1) for column in workspace("me", "mine").runset_settings.pinned_columns]
    assert {name for kind, name in columns if kind == "summary"} <= logged


def test_all_videos_are_shown() -> None:
    panels = [panel for section in workspace("me", "mine").sections for panel in section.panels]
    videos = {name for panel in panels for name in shown(panel) if re.match(r"report/dream_\d", name)}
    assert len(videos) == compose_config("train", ["experiment=gru_baseline"]).report.num_videos


def test_what_would_be_sent_is_complete() -> None:
    built = workspace("me", "mine")
    sent = built._to_model().spec.model_dump_json(by_alias=True, exclude_none=True)
    assert all(f'"{name}"' in sent for section in built.sections for panel in section.panels for name in shown(panel))


def command(*overrides: str) -> None:
    config: DictConfig = compose_config("dashboard", list(overrides))
    dashboard.main(config)


def refusal(*overrides: str) -> str:
    """The one line in which the command refuses."""
    with pytest.raises(CompactHydraException) as error:
        command(*overrides)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_without_the_library_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "wandb_workspaces.workspaces", None)
    assert "needs wandb-workspaces: pip install -e '.[dashboard]'" in refusal(*ACCOUNT, "save=false")


def test_without_an_entity_one_line_says_what_is_missing() -> None:
    assert "entity=<your W&B user or team>" in refusal("save=false")


@pytest.mark.parametrize(
    ("answer", "said"), [(False, "no key is known"), (wandb.errors.AuthenticationError("in\nvalid"), "in valid")]
)
def test_without_an_account_one_line_says_how_to_get_in(
    answer: bool | Exception, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def login(prompt: bool) -> bool:
        assert not prompt
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(wandb, "login", login)
    line = refusal(*ACCOUNT)
    assert said in line
    assert "`wandb login`" in line


def test_the_sections_can_be_seen_without_an_account(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(wandb, "login", lambda **_: pytest.fail("asked for an account"))
    monkeypatch.setattr(ws.Workspace, "save", lambda _: pytest.fail("saved"))
    with caplog.at_level("INFO"):
        command(*ACCOUNT, "save=false")
    assert [message.split(":")[0] for message in caplog.messages] == SECTIONS


def test_the_address_of_a_saved_workspace_is_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(wandb, "login", lambda prompt: True)
    monkeypatch.setattr(ws.Workspace, "save", lambda built: built)
    monkeypatch.setattr(ws.Workspace, "url", "https://wandb.ai/me/mine?nw=1")
    with caplog.at_level("INFO"):
        command(*ACCOUNT)
    assert caplog.messages == ["workspace: https://wandb.ai/me/mine?nw=1"]


def test_a_refusal_of_the_server_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def save(_: ws.Workspace) -> ws.Workspace:
        raise RuntimeError("permission\ndenied")

    monkeypatch.setattr(wandb, "login", lambda prompt: True)
    monkeypatch.setattr(ws.Workspace, "save", save)
    assert "did not save the workspace of me/mine: permission denied" in refusal(*ACCOUNT)

"""A game of which nothing is known goes all the way: recorded, encoded, dreamt of and measured."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from omegaconf import OmegaConf

from pacdream.command.rollout import rollout
from pacdream.command.train import train
from pacdream.core.instantiate import build
from pacdream.data import collect
from pacdream.evaluation.scorecard import read_scorecard
from pacdream.report.tables import NO_SPRITES
from tests.conftest import compose_config
from tests.runs import evaluated, hydra_run, quick_cost, small_overrides

GAME = "env.id=ALE/Breakout-v5"
EPISODES, STEPS = 5, 120


def recorded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(collect, "ProcessPoolExecutor", lambda workers, *_, **__: ThreadPoolExecutor(workers))
    numbers = [f"episodes={EPISODES}", f"max_steps={STEPS}", "workers=1"]
    with hydra_run("collect", folder / "collect", [GAME, "policy=held_random", f"output={folder}", *numbers]) as config:
        OmegaConf.resolve(config)
        build(OmegaConf.masked_copy(config, [str(key) for key in config if key != "paths"])).record()
    return folder


def trained(folder: Path, experiment: str, episodes: Path, tokenizer: Path, outputs: Path) -> Path:
    chosen = [f"experiment={experiment}"]
    small = small_overrides(compose_config("train", chosen), episodes, tokenizer, outputs)
    with hydra_run("train", folder, [*chosen, *small, f"recording.{GAME}"]) as config, quick_cost():
        train(config)
    return folder


@pytest.mark.slow
def test_breakout_goes_all_the_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    episodes = recorded(tmp_path / "episodes", monkeypatch)
    tokenizer = trained(tmp_path / "vqvae", "vqvae", episodes, Path("none"), tmp_path)
    assert NO_SPRITES in " ".join(capsys.readouterr().out.split())
    checkpoint = tokenizer / "checkpoints" / "best.ckpt"
    run = trained(tmp_path / "gru", "gru_baseline", episodes, checkpoint, tmp_path)
    assert NO_SPRITES in " ".join(capsys.readouterr().out.split())
    trained_card = read_scorecard(run / "report" / "metrics.json")
    evaluated(tmp_path / "evaluate", f"run={run}")
    card = read_scorecard(run / "report" / "metrics.json")
    assert card.figures.keys() == trained_card.figures.keys()
    check_scorecard(run)
    with hydra_run("rollout", tmp_path / "rollout", [f"run={run}", "policy=held", "policy.action=LEFT"]) as config:
        rollout(config)
    assert len(list((tmp_path / "rollout").glob("dream_*.mp4"))) == 4


def check_scorecard(run: Path) -> None:
    """Pixels and codes are measured, but neither sprites nor dots; what does not blink is copied as it is."""
    card = read_scorecard(run / "report" / "metrics.json")
    of_the_game = {name.removeprefix("game/") for name in card.figures if name.startswith("game/")}
    pictures = ("dream", "copy", "tokenizer", "dream_to_reconstruction")
    assert of_the_game == {f"{name}/{figure}" for name in pictures for figure in ("pixel_accuracy", "psnr")}
    assert card.states == ["all", "death"]
    assert card.about["sprites"] == []
    for name in ("phase_copy", "copy_star"):
        copied, other = card.figures["baseline/copy"].value, card.figures[f"baseline/{name}"].value
        assert np.array_equal(copied, other)
    assert "control/retrieval" in card.figures
    assert np.isnan(card.scalar("control/move"))
    assert NO_SPRITES in (run / "report" / "report.html").read_text()

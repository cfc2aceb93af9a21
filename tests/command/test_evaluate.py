import csv
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from pacdream.command.arguments import quote_paths
from pacdream.core.checkpoints import build_model, save_model
from pacdream.data.latent_data_module import LatentDataModule
from pacdream.evaluation.scorecard import read_scorecard
from tests.conftest import TINY_GRU
from tests.runs import NotedReport, evaluated, record_quickly, tiny_run, trained

NOTED = [f"report.{kind}._target_={NotedReport.__module__}.NotedReport" for kind in ("world_model", "tokenizer")]


@pytest.fixture(scope="module")
def gru_run(episodes: Path, tokenizer_path: Path) -> Path:
    return tiny_run(episodes, tokenizer_path)


@pytest.fixture(scope="module")
def vqvae_run(episodes: Path, tokenizer_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained("vqvae", episodes, tokenizer_path, tmp_path_factory.mktemp("vqvae"))


@pytest.fixture
def copied(gru_run: Path, tmp_path: Path) -> Path:
    """A copy of the run, to change."""
    return shutil.copytree(gru_run, tmp_path / "outputs" / "train" / "gru_baseline" / "copy")


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two episodes that no run has seen."""
    folder = tmp_path_factory.mktemp("elsewhere") / "episodes"
    record_quickly(folder, {"late_share": 0.0}, episodes=2, seed=5, max_steps=40)
    return folder


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def noted(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "report" / "noted.json").read_text())
    return found


def refusal(here: Path, *overrides: str) -> str:
    with pytest.raises(ValueError, match=r"\w") as error:
        evaluated(here, *overrides)
    assert "\n" not in str(error.value)
    assert not (here / "report").exists()
    return str(error.value)


def test_a_run_is_measured_anew_in_its_own_folder(
    copied: Path, latents: LatentDataModule, episodes: Path, tmp_path: Path
) -> None:
    evaluated(tmp_path / "here", f"run={copied}", *NOTED)
    assert noted(copied) == {
        "checkpoint": str(copied / "checkpoints" / "best.ckpt"), "step": 2, "loggers": 0, "horizon": 8,
        "episodes": str(episodes), "train": list(latents.split.train), "val": list(latents.split.val),
    }  # fmt: skip
    assert not (tmp_path / "here" / "report").exists()


def test_what_is_chosen_otherwise_leaves_the_runs_own_report_alone(copied: Path, tmp_path: Path) -> None:
    last, before = copied / "checkpoints" / "last.ckpt", files(copied)
    here = evaluated(tmp_path / "here", f"run={copied}", f"checkpoint={last}", "horizon=5", *NOTED)
    assert (noted(here)["checkpoint"], noted(here)["horizon"]) == (str(last), 5)
    assert files(copied) == before


def test_another_checkpoint_of_a_run_leaves_its_record_alone(copied: Path, tmp_path: Path) -> None:
    last = copied / "checkpoints" / "last.ckpt"
    here = evaluated(tmp_path / "here", f"run={last}", *NOTED)
    assert noted(here)["checkpoint"] == str(last)
    assert not (copied / "report" / "noted.json").exists()


def test_two_checkpoints_are_one_line(copied: Path, tmp_path: Path) -> None:
    best, last = (copied / "checkpoints" / f"{name}.ckpt" for name in ("best", "last"))
    assert f"run={best} is a checkpoint itself" in refusal(tmp_path, f"run={best}", f"checkpoint={last}")


def test_the_best_checkpoint_is_the_runs_own_by_whatever_name(copied: Path, tmp_path: Path) -> None:
    evaluated(tmp_path / "here", f"run={copied / 'checkpoints' / 'best.ckpt'}", *NOTED)
    assert noted(copied)["horizon"]


def test_other_episodes_are_measured_in_a_folder_of_their_own(copied: Path, elsewhere: Path, tmp_path: Path) -> None:
    before = files(copied)
    here = evaluated(tmp_path / "here", f"run={copied}", f"episodes={elsewhere}")
    assert files(copied) == before
    about = read_scorecard(here / "report" / "metrics.json").about
    assert about["held_out_episodes"] == 2
    assert about["checkpoint"] == str(copied / "checkpoints" / "best.ckpt")
    assert about["episodes"] != read_scorecard(copied / "report" / "metrics.json").about["episodes"]


def test_a_bare_checkpoint_is_measured_in_the_folder_of_the_command(
    gru_run: Path, episodes: Path, tokenizer_path: Path, tmp_path: Path
) -> None:
    (tmp_path / "mine").mkdir()
    bare = Path(shutil.copy(gru_run / "checkpoints" / "best.ckpt", tmp_path / "mine" / "mine.ckpt"))
    settings = [f"data.episodes={episodes}", f"tokenizer.checkpoint={tokenizer_path}", f"paths.outputs={tmp_path}"]
    here = evaluated(tmp_path / "here", f"run={bare}", *settings, *NOTED)
    assert noted(here)["checkpoint"] == str(bare)
    assert list(bare.parent.iterdir()) == [bare]


@pytest.mark.parametrize("log", [True, False])
def test_the_runs_own_log_goes_on_unless_it_must_not(
    copied: Path, tmp_path: Path, log: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_MODE", "disabled")
    (copied / "wandb.json").write_text(json.dumps({"project": "p", "group": "g", "id": "i", "resume": "allow"}))
    evaluated(tmp_path / "here", f"run={copied}", f"log={log}", *NOTED)
    assert noted(copied)["loggers"] == int(log)


def test_a_tokenizers_run_is_measured_too(vqvae_run: Path, tmp_path: Path) -> None:
    report = vqvae_run / "report" / "tokenizer.json"
    before = report.read_text()
    report.unlink()
    evaluated(tmp_path / "here", f"run={vqvae_run}")
    assert report.read_text() == before


def test_a_tokenizers_run_is_measured_on_other_episodes_too(vqvae_run: Path, elsewhere: Path, tmp_path: Path) -> None:
    here = evaluated(tmp_path / "here", f"run={vqvae_run}", f"episodes={elsewhere}")
    assert (here / "report" / "tokenizer.json").is_file()


@pytest.fixture
def sweep_jobs(gru_run: Path, tmp_path: Path) -> list[Path]:
    """Runs in folders that are named as a sweep names them."""
    folder = tmp_path / "sweep"
    return [shutil.copytree(gru_run, folder / f"optimizer.lr=1e-3,seed={seed}") for seed in (0, 1)]


def test_runs_are_compared(sweep_jobs: list[Path], tmp_path: Path) -> None:
    typed = "compare=[" + ",".join(f'"{job}"' for job in sweep_jobs) + "]"
    here = evaluated(tmp_path / "here", *quote_paths(["evaluate.py", typed], "compare")[1:])
    assert {"compare.csv", "compare.png", "compare.html"} < {path.name for path in here.iterdir()}
    with (here / "compare.csv").open() as file:
        named = {row["run"] for row in csv.DictReader(file)}
    assert named == {job.name for job in sweep_jobs}


@pytest.mark.parametrize("typed", ["[{0},{1}]", "{0},{1}", "nowhere", "[nowhere]"])
def test_runs_that_are_not_there_are_one_line_with_the_way_out(
    sweep_jobs: list[Path], tmp_path: Path, typed: str
) -> None:
    argument = quote_paths(["evaluate.py", "compare=" + typed.format(*sweep_jobs)], "compare")[1]
    assert re.match(r"compare: there is no .*several runs are a list, in quotes", refusal(tmp_path / "here", argument))


def test_the_runs_of_a_sweep_are_compared(copied: Path, tmp_path: Path) -> None:
    shutil.copytree(copied, copied.parent / "copy_2")
    here = evaluated(tmp_path / "here", f"compare={copied.parent}")
    assert "copy_2,one_step/accuracy" in (here / "compare.csv").read_text()


def test_a_run_and_runs_at_once_are_refused(gru_run: Path, tmp_path: Path) -> None:
    said = refusal(tmp_path / "here", f"run={gru_run}", f"compare={gru_run}")
    assert said.startswith("say what to measure: run=")


@pytest.mark.parametrize("kind", ["run", "compare"])
def test_an_empty_folder_is_refused(tmp_path: Path, kind: str) -> None:
    (tmp_path / "empty").mkdir()
    assert refusal(tmp_path / "here", f"{kind}={tmp_path / 'empty'}").startswith(
        f"{kind}={tmp_path / 'empty'} is neither"
    )


@pytest.mark.parametrize("kind", ["world_model", "tokenizer"])
def test_a_run_that_was_trained_without_a_report_is_measured(
    gru_run: Path, vqvae_run: Path, tmp_path: Path, kind: str
) -> None:
    run = shutil.copytree(gru_run if kind == "world_model" else vqvae_run, tmp_path / "a" / "b" / "run")
    choices = OmegaConf.load(run / ".hydra" / "hydra.yaml")
    choices.hydra.runtime.choices.report = "none"
    OmegaConf.save(choices, run / ".hydra" / "hydra.yaml")
    shutil.rmtree(run / "report")
    evaluated(tmp_path / "here", f"run={run}", *([] if kind == "tokenizer" else NOTED))
    assert (run / "report" / ("noted.json" if kind == "world_model" else "tokenizer.json")).is_file()


def test_a_bare_tokenizer_is_one_line(vqvae_run: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    bare = shutil.copy(vqvae_run / "checkpoints" / "best.ckpt", tmp_path / "mine" / "mine.ckpt")
    assert "is of the kind 'tokenizer' and outside the folder of its run" in refusal(tmp_path / "here", f"run={bare}")


def test_a_checkpoint_of_a_game_with_other_actions_is_refused(
    copied: Path, latents: LatentDataModule, tmp_path: Path
) -> None:
    before = files(copied / "report")
    path = copied / "checkpoints" / "other.safetensors"
    save_model(path, build_model(OmegaConf.create(TINY_GRU), {**latents.facts(), "num_actions": 4}))
    line = refusal(tmp_path / "here", f"run={copied}", f"checkpoint={path}")
    assert "the world model was made for a number of actions of 4" in line
    assert files(copied / "report") == before

"""The small files in a run's folder, damaged: one line that names the file, never a traceback."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from omegaconf import OmegaConf

from pacdream.command.logging import wandb_logger
from pacdream.command.provenance import check_same_data, store_provenance
from pacdream.command.result import read_result
from pacdream.command.resume import resumed_arguments
from pacdream.command.run import open_run
from pacdream.command.settings_record import changed_settings
from pacdream.core.csv_logger import CSVLogger
from pacdream.evaluation.scorecard import read_scorecard
from tests.runs import tiny_run
from tests.survival.damages import Damage, any_damage, flip, refusal

SEEDS = 3


@pytest.fixture(scope="module")
def finished(episodes: Path, tokenizer_path: Path) -> Path:
    """A run that must not be changed."""
    return tiny_run(episodes, tokenizer_path)


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    """A copy of it, in which every file is that is read back later."""
    folder = tmp_path / "outputs" / "train" / "gru_baseline" / "copy"
    shutil.copytree(finished, folder, ignore=shutil.ignore_patterns("*.png", "*.mp4", "*.html"))
    address = {"project": "pacdream", "group": "gru_baseline", "job_type": "train", "id": "ab12", "resume": "allow"}
    (folder / "wandb.json").write_text(json.dumps(address))
    (folder / "overrides.yaml").write_text("- experiment=gru_baseline\n- seed=3\n")
    return folder


def settings_are_compared(run: Path) -> None:
    changed_settings(run, OmegaConf.merge(OmegaConf.load(run / ".hydra" / "config.yaml"), {"resume": str(run)}))


def data_are_compared(run: Path) -> None:
    check_same_data(run, {})
    store_provenance(run, {"git": "other"})


def wandb_goes_on(run: Path) -> None:
    wandb_logger(project="p", save_dir=str(run), group="g", job_type="train", address=str(run / "wandb.json"))


def curves_go_on(run: Path) -> None:
    logger = CSVLogger(str(run), name=None, version="csv")
    logger.keep(1)
    logger.log_metrics({"another": 1.0}, 2)
    logger.save()


def run_is_opened(run: Path) -> None:
    assert open_run(run).name


READERS: dict[str, Callable[[Path], object]] = {
    "result.json": read_result,
    "wandb.json": wandb_goes_on,
    "provenance.json": data_are_compared,
    "settings.yaml": settings_are_compared,
    "csv/metrics.csv": curves_go_on,
    "report/metrics.json": lambda run: read_scorecard(run / "report" / "metrics.json"),
    ".hydra/hydra.yaml": run_is_opened,
    ".hydra/config.yaml": run_is_opened,
    "overrides.yaml": lambda run: resumed_arguments(["train.py", f"resume={run}"]),
}
every_reader = pytest.mark.parametrize("name", READERS)


@pytest.fixture(autouse=True)
def _no_account(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "disabled")


@every_reader
def test_an_intact_file_of_a_run_is_read(run: Path, name: str) -> None:
    assert (run / name).is_file()
    READERS[name](run)


UNREADABLE = ("", "{", "[", '"', "\x00", "\xff\xfe\xe9", "[" * 1100, '{"a":' * 1100, "a: b: c", "a: &x [*x")
ODD = ("3", "null", "[]", "[1, 2]", '"text"', '{"a": 1}', '{"a": {"b": []}}', "? [1, 2]\n: 3\n", "2001-99-99: 1\n")
READABLE = {
    ("overrides.yaml", "[]"), ("overrides.yaml", "[1, 2]"),  # Hydra itself refuses these overrides
    *(("settings.yaml", text) for text in ('"text"', '{"a": 1}', '{"a": {"b": []}}', "2001-99-99: 1\n")),  # but others
}  # fmt: skip


@every_reader
@pytest.mark.parametrize("content", UNREADABLE + ODD, ids=lambda content: ascii(content[:12]))
def test_a_file_of_something_else_in_a_run_is_named(run: Path, name: str, content: str) -> None:
    (run / name).write_bytes(content.encode("latin-1"))
    line = refusal(run / name, lambda: READERS[name](run))
    assert line or (name, content) in READABLE


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("result.json", '"step": 2', '"step": "2"'),
        ("result.json", '"step"', '"stop"'),
        ("result.json", '"reported": true', '"reported": 1'),
        ("result.json", '"score": ', '"score": "", "other": '),
        ("wandb.json", '"project"', '"prokect"'),
        ("wandb.json", '"resume"', '"resumf"'),
        ("wandb.json", '"id": "ab12"', '"id": 12'),
        ("provenance.json", '"episodes": "', '"episodes": 3, "other": "'),
        ("provenance.json", '"git"', '"resumed"'),
        ("csv/metrics.csv", ",step", ",stop"),
        (".hydra/config.yaml", "paths:", "pathz:"),
        (".hydra/config.yaml", "outputs:", "output_:"),
        (".hydra/hydra.yaml", "cwd: ", "cwd: 3 #"),
    ],
)
def test_a_file_of_a_run_with_a_wrong_name_or_type_in_it_is_named(run: Path, name: str, old: str, new: str) -> None:
    text = (run / name).read_text()
    assert old in text
    (run / name).write_text(text.replace(old, new, 1))
    assert refusal(run / name, lambda: READERS[name](run))


@any_damage
@every_reader
def test_any_damage_to_a_file_of_a_run_is_one_line_at_most(run: Path, name: str, damage: Damage) -> None:
    raw = (run / name).read_bytes()
    for seed in range(SEEDS):
        (run / name).write_bytes(damage(raw, np.random.default_rng(seed))[0])
        refusal(run / name, lambda: READERS[name](run))


def test_a_damaged_checkpoint_is_not_measured(run: Path) -> None:
    path, opened = run / "checkpoints" / "best.ckpt", open_run(run)
    path.write_bytes(flip(path.read_bytes(), np.random.default_rng(0))[0])
    assert refusal(path, opened.model)
    assert refusal(path, lambda: opened.global_step)

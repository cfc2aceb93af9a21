"""When no more can be written, one line says so; what was there stays, and the same command goes on later."""

import functools
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from omegaconf import DictConfig, OmegaConf

from pacdream.command.entry_point import entry_point
from pacdream.command.provenance import read_provenance, store_provenance
from pacdream.command.result import Result, read_result
from pacdream.command.settings_record import store_settings
from pacdream.core.checkpoint_io import read_checkpoint
from pacdream.core.checkpoints import load_model, save_model
from pacdream.core.csv_logger import CSVLogger
from pacdream.data.episode_store import Manifest, is_intact, read_manifest, write_episode, write_manifest
from pacdream.data.latent_cache import cache_path, open_or_encode, read_cache, write_cache
from pacdream.data.latent_data_module import LatentDataModule
from pacdream.evaluation.scorecard import Reading, Scorecard, read_scorecard, write_scorecard
from pacdream.tokenizer.base import Tokenizer
from pacdream.world_model.base import WorldModel
from tests.conftest import ROOT
from tests.data.test_episode_store import noise
from tests.runs import record_quickly
from tests.survival.commands import ENVIRONMENT, Command, Starter
from tests.survival.no_space import BALLAST, FullDisk, NoSpace, can_mount, can_mount_elsewhere, full_disk, small_files
from tests.survival.test_sharing import train_command
from tests.survival.together import hash_of
from tests.world_model.fitting import fit, tiny_module

HINT = "Set the environment variable HYDRA_FULL_ERROR=1 for a complete stack trace."


NOTES_AND_ONE_EPISODE = 100
"""Kilobytes that a recording needs for the first episode, but not for the second."""
NOTES_AND_TWO_CHECKPOINTS = 340
"""Kilobytes that the first epoch of a training needs, but not the second."""


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


@functools.cache
def may_mount(folder: Path) -> bool:
    return can_mount(folder)


@pytest.fixture
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FullDisk]:
    """A disk of 600 kB."""
    if not may_mount(tmp_path_factory.getbasetemp()):
        pytest.skip("only root may mount a disk; see the test that does all this in a name space of its own")
    with full_disk(tmp_path_factory.mktemp("disks") / "disk", 600) as disk:
        yield disk


@pytest.fixture(params=["disk", "files"])
def no_space(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[NoSpace]:
    """A folder in which no more can be written at some time."""
    if request.param == "disk":
        yield request.getfixturevalue("disk")
    else:
        with small_files(tmp_path / "files") as limit:
            yield limit


@dataclass(frozen=True)
class Kind:
    """A file that is written again and again."""

    name: str
    write: Callable[[Path, int], object]
    """Into a folder, with a content that depends on the number."""
    read: Callable[[Path], object]


def csv_logger(folder: Path) -> CSVLogger:
    """One that writes when it is told to."""
    return CSVLogger(str(folder), name=None, version="csv", flush_logs_every_n_steps=10**6)


def write_curves(folder: Path, version: int) -> None:
    logger = csv_logger(folder)
    for step in range(500):
        logger.log_metrics({"loss": version / 7}, step)
    logger.save()


def write_another_curve(folder: Path, version: int) -> None:
    logger = csv_logger(folder)
    logger.log_metrics({f"loss{version}": np.pi for version in range(version)}, version)
    logger.save()


def write_hparams(folder: Path, version: int) -> None:
    csv_logger(folder).log_hyperparams({"lr": version / 7})


def read_curves(folder: Path) -> list[int]:
    header, *rows = (folder / "csv" / "metrics.csv").read_text().splitlines()
    assert {row.count(",") for row in rows} == {header.count(",")}
    return [len(header), len(rows)]


def write_card(folder: Path, version: int) -> None:
    figure = Reading(*np.full((4, 100), version / 7))
    write_scorecard(folder / "metrics.json", Scorecard({"rollout/accuracy": figure}, [], {}, {"seed": 0}))


@pytest.fixture(scope="module")
def kinds(latents: LatentDataModule, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Kind]:
    """All that is written anywhere."""
    manifest = read_manifest(latents.folder)
    cache, module = latents.cache, tiny_module(latents)
    trainer = fit(module, latents, tmp_path_factory.mktemp("fit"), max_steps=1, enable_checkpointing=False)
    name = cache_path(Path(), cache.identity).name

    def changed(version: int) -> WorldModel:
        with torch.no_grad():
            module.model.head.bias.fill_(version)  # type: ignore[operator, union-attr]
        return module.model

    found = [
        Kind(
            "a.h5",
            lambda folder, version: write_episode(folder, "a.h5", "someone", noise(40, seed=version)),
            lambda folder: (folder / "a.h5").read_bytes(),
        ),
        Kind(
            "manifest.json",
            lambda folder, version: write_manifest(folder, replace(manifest, settings={"seed": version})),
            read_manifest,
        ),
        Kind(
            name,
            lambda folder, version: write_cache(folder / name, replace(cache, rewards=cache.rewards + version)),
            lambda folder: read_cache(folder / name, cache.identity),
        ),
        Kind(
            "gru.safetensors",
            lambda folder, version: save_model(folder / "gru.safetensors", changed(version)),
            lambda folder: load_model(folder / "gru.safetensors", WorldModel),  # type: ignore[type-abstract]
        ),
        Kind(
            "last.ckpt",
            lambda folder, version: (changed(version), trainer.save_checkpoint(folder / "last.ckpt")),
            lambda folder: read_checkpoint(folder / "last.ckpt"),
        ),
        Kind("csv/metrics.csv", write_curves, read_curves),
        Kind("csv/metrics.csv: another column", write_another_curve, read_curves),
        Kind(
            "csv/hparams.yaml",
            write_hparams,
            lambda folder: OmegaConf.load(folder / "csv" / "hparams.yaml").lr,
        ),
        Kind(
            "result.json",
            lambda folder, version: Result(version / 7, "val/loss", version, 0, True).write(folder),
            read_result,
        ),
        Kind(
            "provenance.json",
            lambda folder, version: store_provenance(folder, {"git": str(version)}),
            read_provenance,
        ),
        Kind(
            "settings.yaml",
            lambda folder, version: store_settings(folder, OmegaConf.create({"seed": version}), []),
            lambda folder: OmegaConf.load(folder / "settings.yaml").seed,
        ),
        Kind("metrics.json", write_card, lambda folder: read_scorecard(folder / "metrics.json")),
    ]
    return {kind.name.replace(name, "cache"): kind for kind in found}


LARGE = ("a.h5", "manifest.json", "cache", "gru.safetensors", "last.ckpt", "csv/metrics.csv", "metrics.json")
SMALL = (
    "csv/metrics.csv: another column", "csv/hparams.yaml", "result.json", "provenance.json", "settings.yaml",
)  # fmt: skip
"""Less than 4 kB."""


def test_every_kind_is_tested(kinds: dict[str, Kind]) -> None:
    assert set(kinds) == {*LARGE, *SMALL}


@pytest.mark.parametrize(("name", "left"), [*((name, 0) for name in LARGE + SMALL), *((name, 4) for name in LARGE)])
def test_what_cannot_be_written_is_named_and_what_was_there_stays(
    no_space: NoSpace, kinds: dict[str, Kind], name: str, left: int
) -> None:
    kind, folder = kinds[name], no_space.folder
    path = folder / kind.name.partition(":")[0]
    kind.write(folder, 1)
    before, there = path.read_bytes(), files(folder) - {BALLAST}
    no_space.run_out(left)
    try:
        with pytest.raises(ValueError, match=f"^cannot write {path}: .*{no_space.reason}.*$") as error:
            kind.write(folder, 2)
        assert "\n" not in str(error.value)
        assert path.read_bytes() == before
        assert kind.read(folder)
        assert files(folder) - {BALLAST} == there
    finally:
        no_space.recover()
    kind.write(folder, 2)
    assert path.read_bytes() != before
    assert kind.read(folder)
    assert files(folder) == there


def test_curves_stay_whole_rows_when_the_same_logger_goes_on(no_space: NoSpace) -> None:
    logger = csv_logger(no_space.folder)
    logger.log_metrics({"loss": 1.0}, 0)
    logger.save()
    no_space.run_out(0)
    for step in range(1, 500):
        logger.log_metrics({"loss": 1 / step, "accuracy": 1.0}, step)
    for _ in range(2):  # Lightning tries again when it says goodbye
        with pytest.raises(ValueError, match=r"csv/metrics\.csv"):
            logger.save()
    assert read_curves(no_space.folder) == [len("loss,step"), 1]
    no_space.recover()
    logger.save()
    assert read_curves(no_space.folder) == [len("accuracy,loss,step"), 500]


def recorded(folder: Path, count: int) -> Manifest:
    """That of so many short episodes."""
    return record_quickly(folder, {"late_share": 0.0}, episodes=count, max_steps=120)


def test_a_recording_keeps_what_it_has_and_goes_on(no_space: NoSpace, tmp_path: Path) -> None:
    folder = no_space.folder / "episodes"
    recorded(folder, 1)
    no_space.run_out(12)
    try:
        # With a disk that is all but full it may be the manifest for which there is no space left.
        with pytest.raises(
            ValueError, match=rf"^cannot write {folder}/(episode_.*\.h5|manifest\.json): .*{no_space.reason}"
        ):
            recorded(folder, 3)
        entries = read_manifest(folder).episodes
        assert 1 <= len(entries) < 3
        assert all(is_intact(folder, entry) for entry in entries)
        assert not [*folder.glob("*.tmp"), *folder.glob(".*.tmp")]
    finally:
        no_space.recover()
    assert recorded(folder, 3) == recorded(tmp_path / "at_once", 3)


def test_a_cache_is_whole_or_absent(no_space: NoSpace, latents: LatentDataModule, tokenizer: Tokenizer) -> None:
    manifest, path = read_manifest(latents.folder), cache_path(no_space.folder, latents.cache.identity)
    no_space.run_out(8)
    for _ in range(2):
        with pytest.raises(ValueError, match=f"^cannot write {path}: .*{no_space.reason}"):
            open_or_encode(no_space.folder, latents.folder, manifest, tokenizer, torch.device("cpu"), 32)
    assert files(no_space.folder) - {BALLAST} == {f"{path.stem}.lock"}
    no_space.recover()
    cache = open_or_encode(no_space.folder, latents.folder, manifest, tokenizer, torch.device("cpu"), 32)
    assert hash_of(cache) == hash_of(latents.cache)


def test_a_log_file_that_cannot_be_written_is_no_traceback(
    no_space: NoSpace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    @entry_point
    def main(config: DictConfig) -> None:
        logging.getLogger(__name__).error("x" * 10_000)

    monkeypatch.setattr(logging, "raiseExceptions", True)
    handler = logging.FileHandler(no_space.folder / "train.log")
    monkeypatch.setattr(logging.getLogger(), "handlers", [handler])
    no_space.run_out(0)
    main(OmegaConf.create({}))
    no_space.recover()
    handler.close()
    assert capsys.readouterr().err == ""


def last_line(command: Command | subprocess.CompletedProcess[str]) -> str:
    """What a failed command says in the end, beside Hydra's hint."""
    output = command.output if isinstance(command, Command) else command.stdout
    assert "Traceback" not in output, output
    return [line for line in output.splitlines() if line.strip() and line != HINT][-1]


def collecting(outputs: Path, steps: int = 120) -> list[str]:
    settings = ["policy=held_random", "env.late_share=0", "episodes=3", f"max_steps={steps}", "workers=1"]
    return ["collect.py", *settings, f"paths.outputs={outputs}"]


def test_a_recording_command_ends_with_one_line_and_goes_on(disk: FullDisk, starter: Starter) -> None:
    folder = disk.folder / "episodes" / "default"
    disk.run_out(NOTES_AND_ONE_EPISODE)
    failed = starter.now(*collecting(disk.folder))
    assert failed.wait() == 1, failed.output
    assert last_line(failed).startswith(f"collect.py: cannot write {folder}/")
    assert disk.reason in last_line(failed)
    manifest = read_manifest(folder)
    assert 0 < len(manifest.episodes) < 3
    assert all(is_intact(folder, entry) for entry in manifest.episodes)
    assert not [*disk.folder.rglob("*.tmp")]
    disk.recover()
    starter.finish(*collecting(disk.folder))
    assert len(read_manifest(folder).episodes) == 3


@pytest.mark.parametrize("left", [0, 40])
def test_a_command_that_cannot_even_take_notes_says_so(disk: FullDisk, starter: Starter, left: int) -> None:
    disk.run_out(left)
    failed = starter.now(*collecting(disk.folder))
    assert failed.wait() == 1
    assert last_line(failed).startswith(f"cannot write to {disk.folder}: {disk.reason}")


def test_a_recording_command_that_may_write_small_files_only_ends_with_one_line(tmp_path: Path) -> None:
    failed = subprocess.run(
        ["bash", "-c", 'ulimit -S -f 64; exec "$@"', "-", sys.executable, *collecting(tmp_path, steps=400)],
        cwd=ROOT, env=ENVIRONMENT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
    )  # fmt: skip
    assert failed.returncode == 1
    assert last_line(failed).startswith(f"collect.py: cannot write {tmp_path}/episodes/default/episode_")
    assert "File too large" in last_line(failed)
    assert not [*tmp_path.rglob("*.tmp")]


def test_a_training_command_ends_with_one_line_and_goes_on(
    disk: FullDisk, starter: Starter, episodes: Path, tokenizer_path: Path
) -> None:
    run = disk.folder / "run"
    command = train_command(episodes, tokenizer_path, disk.folder, f"hydra.run.dir={run}", "trainer.max_steps=4")
    disk.run_out(NOTES_AND_TWO_CHECKPOINTS)
    failed = starter.now(*command)
    assert failed.wait() == 1, failed.output
    assert last_line(failed).startswith(f"train.py: cannot write {run}/checkpoints/")
    assert disk.reason in last_line(failed)
    steps = {read_checkpoint(path)["global_step"] for path in run.glob("checkpoints/*.ckpt")}
    assert steps
    assert not [*disk.folder.rglob("*.tmp")]
    disk.recover()
    finished = starter.finish(*command)
    assert f"going on from step {max(steps)}" in finished.output
    result = read_result(run)
    assert result is not None
    assert result.step == 4


@pytest.mark.parametrize(
    "chosen", ["not command and not files", pytest.param("command and not files", marks=pytest.mark.slow)]
)
def test_all_of_this_in_a_name_space_of_its_own(chosen: str, tmp_path: Path) -> None:
    if may_mount(tmp_path):
        pytest.skip("not needed: this process may mount a disk")
    if not can_mount_elsewhere():
        pytest.skip("this system lets nobody but root mount a disk")
    command = ["unshare", "--map-root-user", "--mount", sys.executable, "-m", "pytest", "-p", "no:cacheprovider"]
    arguments = [str(Path(__file__)), "-k", chosen, f"--basetemp={tmp_path / 'inside'}"]
    done = subprocess.run([*command, *arguments], cwd=ROOT, env=os.environ, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout
    assert "passed" in done.stdout

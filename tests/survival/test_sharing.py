"""Processes that want the same at the same moment: one works, the others wait and say so, and all see the same."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from pacdream.command.lock import folder_lock
from pacdream.data.episode_store import Manifest, is_intact, read_manifest
from pacdream.data.latent_cache import cache_path, identity_of, open_or_encode
from pacdream.data.latent_data_module import LatentDataModule
from pacdream.tokenizer.base import Tokenizer
from tests.conftest import compose_config, pac_man_recording
from tests.runs import small_overrides
from tests.survival.commands import Starter
from tests.survival.together import (
    CONTEXT,
    hash_of,
    hold,
    read_codes,
    record,
    stuck_in,
    stuck_while_writing,
    together,
)


@pytest.mark.parametrize("count", [2, pytest.param(8, marks=pytest.mark.slow)])
def test_one_encodes_and_all_read_the_same(
    count: int, latents: LatentDataModule, tokenizer_path: Path, tmp_path: Path
) -> None:
    outcomes = together(count, read_codes, tmp_path / "latents", latents.folder, tokenizer_path)
    assert [outcome.error for outcome in outcomes] == [None] * count
    path = cache_path(tmp_path / "latents", latents.cache.identity)
    encoding = [outcome for outcome in outcomes if outcome.has_said("encoding 600 steps of")]
    assert len(encoding) == 1
    assert encoding[0].waited == []
    for outcome in outcomes:
        if outcome is not encoding[0]:
            assert outcome.waited == [f"another process is encoding {path}: waiting for it"]
    assert {outcome.result for outcome in outcomes} == {hash_of(latents.cache)}
    assert {file.name for file in path.parent.iterdir()} == {path.name, f"{path.stem}.lock"}


@pytest.mark.parametrize("count", [2, 4])
def test_one_records_and_all_find_the_same(count: int, tmp_path: Path) -> None:
    wanted = pac_man_recording(tmp_path / "episodes", episodes=2, max_steps=20)
    wanted.env["late_share"] = 0.0
    outcomes = together(count, record, wanted)
    assert [outcome.error for outcome in outcomes] == [None] * count
    recording = [outcome for outcome in outcomes if outcome.has_said("recording 2 episodes")]
    assert len(recording) == 1
    assert recording[0].waited == []
    for outcome in outcomes:
        if outcome is not recording[0]:
            assert outcome.waited == [f"another process is recording into {wanted.folder}: waiting for it"]
            assert outcome.has_said(f"{wanted.folder} holds 2 episodes already")
    manifest = read_manifest(wanted.folder)
    assert {outcome.result for outcome in outcomes} == {manifest.sha256}
    assert all(is_intact(wanted.folder, entry) for entry in manifest.episodes)
    names = {entry.file for entry in manifest.episodes} | {"manifest.json", ".lock"}
    assert {file.name for file in wanted.folder.iterdir()} == names


@pytest.mark.parametrize("count", [4])
def test_one_trains_in_a_folder_and_the_others_are_refused_in_one_line(count: int, tmp_path: Path) -> None:
    outcomes = together(count, hold, tmp_path / "run")
    refused = [outcome.error for outcome in outcomes if outcome.result is None]
    line = f"ValueError: another process is training in {tmp_path / 'run'}: wait for it or stop it first"
    assert refused == [line] * (count - 1)


def train_command(episodes: Path, tokenizer: Path, outputs: Path, *further: str) -> list[str]:
    """The arguments of a tiny training."""
    chosen = ["experiment=gru_baseline", "report=none"]
    small = small_overrides(compose_config("train", chosen), episodes, tokenizer, outputs)
    own_cache = "data.cache=${paths.outputs}/latents"  # what they compete for is encoded by one of them
    return ["train.py", *chosen, *small, own_cache, *further]


def test_of_two_commands_one_trains_and_the_other_says_why_not(
    starter: Starter, episodes: Path, tokenizer_path: Path, tmp_path: Path
) -> None:
    command = train_command(episodes, tokenizer_path, tmp_path, f"hydra.run.dir={tmp_path / 'run'}")
    (tmp_path / "run").mkdir()
    with folder_lock(tmp_path / "run"):  # as the other one does
        refused = starter.now(*command)
        assert refused.wait() == 1, refused.output
    finished = starter.now(*command)
    assert finished.wait() == 0, finished.output
    assert f"\ntrain.py: another process is training in {tmp_path / 'run'}: wait for it or stop it" in refused.output
    assert "Traceback" not in refused.output
    assert "another process" not in finished.output
    assert (tmp_path / "run" / "result.json").is_file()
    assert not (tmp_path / "run" / "error.txt").exists()


def killed(work: Callable[..., None], *args: Any) -> int:
    """Id of a process that was killed in the middle of its work."""
    begun = CONTEXT.Event()
    process = CONTEXT.Process(target=work, args=(begun, *args))
    process.start()
    assert begun.wait(60)
    process.kill()
    process.join(20)
    assert process.pid is not None
    return process.pid


def test_a_folder_is_free_when_who_trained_in_it_is_killed(tmp_path: Path) -> None:
    killed(stuck_in, tmp_path)
    with folder_lock(tmp_path):
        assert (tmp_path / ".lock").is_file()


def test_what_a_killed_process_was_writing_is_written_by_the_next(
    episodes: Path,
    manifest: Manifest,
    tokenizer: Tokenizer,
    tokenizer_path: Path,
    latents: LatentDataModule,
    tmp_path: Path,
) -> None:
    path = cache_path(tmp_path, identity_of(tokenizer, manifest))
    pid = killed(stuck_while_writing, tmp_path, episodes, tokenizer_path)
    (left,) = tmp_path.glob("*.tmp")
    assert f".{pid}." in left.name
    assert not path.exists()
    cache = open_or_encode(tmp_path, episodes, manifest, tokenizer, torch.device("cpu"), 32)
    assert hash_of(cache) == hash_of(latents.cache)
    assert {file.name for file in tmp_path.iterdir()} == {path.name, f"{path.stem}.lock"}


def test_a_lock_file_that_nobody_holds_does_not_block(
    episodes: Path, manifest: Manifest, tokenizer: Tokenizer, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    path = cache_path(tmp_path, identity_of(tokenizer, manifest))
    path.with_suffix(".lock").write_text("4711")
    caplog.set_level("INFO")
    open_or_encode(tmp_path, episodes, manifest, tokenizer, torch.device("cpu"), 32)
    assert "another process" not in caplog.text

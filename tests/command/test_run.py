import json
import os
import shutil
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch.loggers import WandbLogger
from omegaconf import DictConfig, OmegaConf

from pacdream.command.run import Run, newest_run, open_run
from pacdream.core.checkpoint_io import AtomicCheckpointIO, read_checkpoint
from pacdream.core.checkpoints import load_model, save_model, weights_sha256
from pacdream.data.episode_store import read_manifest, write_manifest
from pacdream.data.latent_data_module import LatentDataModule
from pacdream.data.split import split_episodes
from pacdream.tokenizer.base import Tokenizer
from pacdream.world_model.base import WorldModel
from tests.conftest import compose_config
from tests.runs import record_quickly, tiny_run


@pytest.fixture(scope="module")
def trained(episodes: Path, tokenizer_path: Path) -> Path:
    return tiny_run(episodes, tokenizer_path)


@pytest.fixture(scope="module")
def other_tokenizer(tokenizer: Tokenizer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same but for one weight."""
    path = tmp_path_factory.mktemp("other") / "other.safetensors"
    other = deepcopy(tokenizer)
    next(other.parameters()).data += 1
    save_model(path, other)
    return path


@pytest.fixture(scope="module")
def other_episodes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("elsewhere") / "episodes"
    record_quickly(folder, {"late_share": 0.0}, episodes=2, seed=5, max_steps=20)
    return folder


@pytest.fixture
def copied(trained: Path, tmp_path: Path) -> Path:
    """A copy of the run, to change."""
    return shutil.copytree(trained, tmp_path / "outputs" / "train" / "gru_baseline" / "copy")


@pytest.fixture(scope="module")
def bare(trained: Path, episodes: Path, tokenizer_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Its checkpoint alone."""
    path = Path(shutil.copy(trained / "checkpoints" / "best.ckpt", tmp_path_factory.mktemp("bare") / "mine.ckpt"))
    return open_run(path, default=settings(episodes, tokenizer_path, trained.parents[2]))


def settings(episodes: Path, tokenizer: Path, outputs: Path) -> DictConfig:
    """What a command offers to a bare checkpoint."""
    choices = {"data.episodes": episodes, "tokenizer.checkpoint": tokenizer, "paths.outputs": outputs}
    return compose_config("evaluate", [f"{key}={value}" for key, value in choices.items()])


def change(run: Path, **changes: Any) -> None:
    """Change settings of a run."""
    path = run / ".hydra" / "config.yaml"
    config = OmegaConf.load(path)
    for key, value in changes.items():
        OmegaConf.update(config, key.replace("__", "."), str(value) if isinstance(value, Path) else value)
    OmegaConf.save(config, path)


def claim(run: Path, **identities: str) -> None:
    """Change what a run says it was made from."""
    path = run / "provenance.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **identities}))


def fake_run(folder: Path, finished: float | None, **config: Any) -> Path:
    """The folder of a run that holds hardly anything; ``finished`` is when its checkpoint was written."""
    (folder / ".hydra").mkdir(parents=True)
    OmegaConf.save(OmegaConf.create({"paths": {"outputs": "outputs"}, **config}), folder / ".hydra" / "config.yaml")
    if finished is not None:
        (folder / "checkpoints").mkdir()
        (folder / "checkpoints" / "best.ckpt").touch()
        os.utime(folder / "checkpoints" / "best.ckpt", (finished, finished))
        (folder / "result.json").touch()
    return folder


def refusal(path: Path, **also: Any) -> str:
    with pytest.raises(ValueError, match=str(path)) as error:
        open_run(path, **also)
    assert "\n" not in str(error.value)
    return str(error.value)


def data_refusal(run: Run, *episodes: str) -> str:
    with pytest.raises(ValueError, match=r"trained (with|behind|on)") as error:
        run.data(*episodes)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_a_folder_opens_at_its_best_checkpoint(trained: Path) -> None:
    run = open_run(trained)
    assert (run.folder, run.checkpoint, run.bare) == (trained, trained / "checkpoints" / "best.ckpt", False)
    assert (run.name, run.config.name, run.kind) == ("gru_baseline/now", "gru_baseline", "world_model")
    assert run.global_step == 2


def test_other_weights_of_the_run_can_be_chosen(trained: Path) -> None:
    last = trained / "checkpoints" / "last.ckpt"
    for run in (open_run(trained, checkpoint=str(last)), open_run(last)):
        assert (run.folder, run.checkpoint, run.bare) == (trained, last, False)


def test_the_network_is_that_of_the_checkpoint_and_frozen(trained: Path) -> None:
    model = open_run(str(trained)).model()
    kept = load_model(trained / "checkpoints" / "best.ckpt", WorldModel)  # type: ignore[type-abstract]
    assert weights_sha256(model) == weights_sha256(kept)
    assert not model.training
    assert not any(parameter.requires_grad for parameter in model.parameters())


def test_the_tokenizer_is_the_one_it_was_trained_behind(trained: Path, tokenizer: Tokenizer) -> None:
    assert weights_sha256(open_run(trained).tokenizer()) == weights_sha256(tokenizer)


def test_the_data_are_those_it_was_trained_on_from_any_folder(
    trained: Path, latents: LatentDataModule, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    data = open_run(trained).data()
    assert data.folder == latents.folder
    assert data.split == latents.split
    assert torch.equal(data.codes, latents.codes)


def test_the_scorecard_is_the_one_in_its_folder(trained: Path) -> None:
    card = open_run(trained).scorecard()
    assert card.about["checkpoint"] == str(trained / "checkpoints" / "best.ckpt")


def test_the_newest_finished_run_of_several_is_taken(tmp_path: Path) -> None:
    older = fake_run(tmp_path / "b", finished=1000.0)
    newer = fake_run(tmp_path / "a", finished=2000.0)
    fake_run(tmp_path / "c", finished=None)
    (tmp_path / "d").mkdir()
    assert newest_run(tmp_path) == open_run(tmp_path).folder == newer
    os.utime(older / "checkpoints" / "best.ckpt", (3000.0, 3000.0))
    assert newest_run(tmp_path) == older


def test_a_bare_checkpoint_is_taken_for_a_world_model(bare: Run) -> None:
    assert (bare.bare, bare.kind, bare.folder) == (True, "world_model", bare.checkpoint.parent)
    assert bare.model().codebook_size == 16
    assert bare.global_step == 2


def test_a_bare_checkpoint_is_measured_on_what_the_command_offers(bare: Run, latents: LatentDataModule) -> None:
    data = bare.data()
    assert data.folder == latents.folder
    assert data.split == latents.split


def test_weights_without_a_header_have_made_no_steps(trained: Path, tmp_path: Path) -> None:
    save_model(tmp_path / "gru.safetensors", open_run(trained).model())
    assert open_run(tmp_path / "gru.safetensors", default=OmegaConf.create({})).global_step == 0


def test_a_bare_checkpoint_without_settings_is_refused(bare: Run) -> None:
    assert "not in the folder of a run" in refusal(bare.checkpoint)


@pytest.mark.parametrize("make", [lambda path: None, Path.mkdir, lambda path: fake_run(path / "a", finished=None)])
def test_a_path_without_a_finished_run_is_refused(tmp_path: Path, make: Any) -> None:
    make(tmp_path / "runs")
    line = refusal(tmp_path / "runs")
    assert line.startswith(f"run={tmp_path / 'runs'} is neither the folder of a finished run")


def test_a_run_without_a_checkpoint_is_refused(tmp_path: Path) -> None:
    run = fake_run(tmp_path / "run", finished=None)
    assert f"there is no {run / 'checkpoints' / 'best.ckpt'}" in refusal(run)


def test_a_checkpoint_that_is_not_there_is_refused(trained: Path, tmp_path: Path) -> None:
    assert str(tmp_path / "absent.ckpt") in refusal(trained, checkpoint=str(tmp_path / "absent.ckpt"))


def test_a_file_that_is_no_checkpoint_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.ckpt").write_text("text")
    with pytest.raises(ValueError, match=str(tmp_path / "text.ckpt")):
        open_run(tmp_path / "text.ckpt", default=OmegaConf.create({})).model()


def test_a_run_of_another_tokenizer_is_refused(copied: Path, other_tokenizer: Path) -> None:
    change(copied, tokenizer__checkpoint=other_tokenizer)
    assert "trained with other tokenizer" in data_refusal(open_run(copied))


def test_a_run_of_another_tokenizer_is_refused_on_other_episodes_too(
    copied: Path, other_tokenizer: Path, other_episodes: Path
) -> None:
    change(copied, tokenizer__checkpoint=other_tokenizer)
    assert "trained with other tokenizer" in data_refusal(open_run(copied), str(other_episodes))


def test_a_run_of_other_episodes_is_refused(copied: Path, other_episodes: Path) -> None:
    change(copied, data__episodes=other_episodes)
    assert "trained with other episodes" in data_refusal(open_run(copied))


def test_a_run_that_says_it_had_other_episodes_is_refused(copied: Path) -> None:
    claim(copied, episodes="ab" * 32)
    assert f"{copied} was trained with other episodes (abababababab…)" in data_refusal(open_run(copied))


def test_a_bare_checkpoint_of_another_tokenizer_is_refused(
    bare: Run, episodes: Path, other_tokenizer: Path, tmp_path: Path
) -> None:
    run = open_run(bare.checkpoint, default=settings(episodes, other_tokenizer, tmp_path))
    line = data_refusal(run)
    assert f"{bare.checkpoint} was trained behind another tokenizer" in line
    assert "tokenizer.checkpoint=" in line


def test_weights_of_another_run_behind_another_tokenizer_are_refused(trained: Path, tmp_path: Path) -> None:
    weights = read_checkpoint(trained / "checkpoints" / "best.ckpt")
    weights["made_from"]["tokenizer"] = "ab" * 32
    AtomicCheckpointIO().save_checkpoint(weights, tmp_path / "foreign.ckpt")
    line = data_refusal(open_run(trained, checkpoint=str(tmp_path / "foreign.ckpt")))
    assert f"{tmp_path / 'foreign.ckpt'} was trained behind another tokenizer (abababababab…)" in line


def test_of_other_episodes_all_are_held_out(trained: Path, other_episodes: Path) -> None:
    data = open_run(trained).data(str(other_episodes))
    assert data.folder == other_episodes
    assert data.split.val == (0, 1)
    assert not data.split.train


def test_of_its_own_episodes_only_those_it_has_not_seen(
    trained: Path, episodes: Path, latents: LatentDataModule, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(episodes.parent)
    for path in ("episodes", f"{episodes.parent}/./episodes/"):
        assert open_run(trained).data(path).split == latents.split


def test_a_copy_of_its_own_episodes_is_not_taken_for_others(
    trained: Path, episodes: Path, latents: LatentDataModule, tmp_path: Path
) -> None:
    data = open_run(trained).data(str(shutil.copytree(episodes, tmp_path / "copy")))
    assert data.folder == tmp_path / "copy"
    assert data.split == latents.split


def some_of(episodes: Path, folder: Path, numbers: Sequence[int]) -> Path:
    """A folder of some of the episodes."""
    shutil.copytree(episodes, folder)
    manifest = read_manifest(folder)
    write_manifest(folder, replace(manifest, episodes=tuple(manifest.episodes[number] for number in numbers)))
    return folder


def test_episodes_that_it_was_trained_on_are_refused_under_any_name(
    trained: Path, episodes: Path, latents: LatentDataModule, tmp_path: Path
) -> None:
    seen = some_of(episodes, tmp_path / "seen", [latents.split.train[0], *latents.split.val])
    with pytest.raises(ValueError, match=f"1 of the episodes in {seen} are among those that .* was trained on"):
        open_run(trained).data(str(seen))


def test_its_own_held_out_episodes_alone_are_all_held_out(
    trained: Path, episodes: Path, latents: LatentDataModule, tmp_path: Path
) -> None:
    data = open_run(trained).data(str(some_of(episodes, tmp_path / "unseen", latents.split.val)))
    assert (data.split.train, data.split.val) == ((), (0,))


def test_a_bare_checkpoint_is_not_measured_on_all_that_it_says_it_was_trained_on(
    bare: Run, tokenizer_path: Path, episodes: Path, latents: LatentDataModule, tmp_path: Path
) -> None:
    run = open_run(bare.checkpoint, default=settings(tmp_path / "nothing", tokenizer_path, tmp_path))
    assert run.data(str(episodes)).split == latents.split


@pytest.fixture
def extended(episodes: Path, other_episodes: Path, tmp_path: Path) -> Path:
    """The run's own episodes and one more, which changes the draw of those that are held out."""
    folder = shutil.copytree(episodes, tmp_path / "extended")
    entry = replace(read_manifest(other_episodes).episodes[0], file="episode_000099.h5")
    shutil.copy(other_episodes / "episode_000000.h5", folder / entry.file)
    write_manifest(folder, read_manifest(folder).with_entry(entry))
    return Path(folder)


def rewritten(checkpoint: Path, path: Path, *without: str) -> Path:
    """A checkpoint as an older version wrote it."""
    content = read_checkpoint(checkpoint)
    AtomicCheckpointIO().save_checkpoint({k: v for k, v in content.items() if k not in without}, path)
    return path


def other_split_seed(latents: LatentDataModule) -> int:
    """A seed that holds out an episode that ``latents`` trains on."""
    count = len(latents.split.train) + len(latents.split.val)
    return next(seed for seed in range(99) if split_episodes(count, 0.2, seed) != latents.split)


def test_a_checkpoint_knows_every_episode_it_was_trained_on(trained: Path, latents: LatentDataModule) -> None:
    entries = read_manifest(latents.folder).episodes
    origin = open_run(trained).origin
    assert origin.identities == latents.identities()
    assert origin.train == tuple(entries[number].sha256 for number in latents.split.train)
    assert origin.val == tuple(entries[number].sha256 for number in latents.split.val)


def test_a_run_is_not_measured_on_its_own_episodes_and_more(trained: Path, extended: Path) -> None:
    assert "of the episodes in" in data_refusal(open_run(trained), str(extended))


def test_a_bare_checkpoint_is_not_measured_on_its_own_episodes_and_more(
    bare: Run, extended: Path, tokenizer_path: Path, tmp_path: Path
) -> None:
    run = open_run(bare.checkpoint, default=settings(extended, tokenizer_path, tmp_path))
    assert "4 of the episodes in" in data_refusal(run)


def test_an_older_bare_checkpoint_is_not_measured_on_more_episodes_either(
    bare: Run, extended: Path, tokenizer_path: Path, tmp_path: Path
) -> None:
    old = rewritten(bare.checkpoint, tmp_path / "old.ckpt", "split")
    run = open_run(old, default=settings(extended, tokenizer_path, tmp_path))
    assert "does not say which" in data_refusal(run)


def test_an_older_bare_checkpoint_is_measured_on_its_own_episodes(
    bare: Run, latents: LatentDataModule, tokenizer_path: Path, tmp_path: Path
) -> None:
    old = rewritten(bare.checkpoint, tmp_path / "old.ckpt", "split")
    assert open_run(old, default=settings(latents.folder, tokenizer_path, tmp_path)).data().split == latents.split


def test_what_an_older_run_was_trained_on_is_found_in_its_own_episodes(
    copied: Path, extended: Path, latents: LatentDataModule
) -> None:
    rewritten(copied / "checkpoints" / "best.ckpt", copied / "checkpoints" / "best.ckpt", "split", "made_from")
    assert open_run(copied).data().split == latents.split
    assert "of the episodes in" in data_refusal(open_run(copied), str(extended))


def test_weights_that_do_not_say_what_they_were_trained_on_are_measured_with_a_warning(
    bare: Run, latents: LatentDataModule, tokenizer_path: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    save_model(tmp_path / "mine.safetensors", bare.model())
    run = open_run(tmp_path / "mine.safetensors", default=settings(latents.folder, tokenizer_path, tmp_path))
    assert run.data().split == latents.split
    assert "does not say which episodes it was trained on" in caplog.text


def test_another_split_of_its_own_episodes_is_refused(copied: Path, latents: LatentDataModule) -> None:
    change(copied, data__split_seed=other_split_seed(latents))
    assert "1 of the episodes in" in data_refusal(open_run(copied))


def test_a_machine_without_the_accelerator_that_torch_was_compiled_for_measures_on_its_cpu(
    trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def compiled_for_cuda(check_available: bool = False) -> torch.device | None:
        return None if check_available else torch.device("cuda")

    monkeypatch.setattr(torch.accelerator, "current_accelerator", compiled_for_cuda)
    assert open_run(trained).data().codes.device.type == "cpu"


def test_no_episodes_elsewhere_are_refused(trained: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"no episodes in {tmp_path}"):
        open_run(trained).data(str(tmp_path))


def test_outputs_that_were_moved_are_found_beside_the_run(tmp_path: Path) -> None:
    group = {"recording": {"output": "${paths.outputs}/episodes/default"}, "data": {"episodes": "${recording.output}"}}
    run = fake_run(tmp_path / "moved" / "train" / "gru" / "now", finished=1.0, **group)
    (tmp_path / "moved" / "episodes" / "default").mkdir(parents=True)
    config = open_run(run).config
    assert config.data.episodes == str(tmp_path / "moved" / "episodes" / "default")


def test_relative_paths_are_found_where_the_run_was_made(tmp_path: Path) -> None:
    made = tmp_path / "made_here"
    (made / "world").mkdir(parents=True)
    dreams = {"checkpoint": "world"}
    group = {"data": {"episodes": "mine", "dreams": dreams}, "tokenizer": {"checkpoint": "tokenizers/mine.ckpt"}}
    run = fake_run(tmp_path / "a" / "b" / "run", finished=1.0, **group)
    OmegaConf.save({"hydra": {"runtime": {"cwd": str(made)}}}, run / ".hydra" / "hydra.yaml")
    config = open_run(run).config
    assert config.data.episodes == str(made / "mine")
    assert config.data.dreams.checkpoint == str(made / "world")
    assert config.tokenizer.checkpoint == str(made / "tokenizers" / "mine.ckpt")
    assert config.paths.outputs == str(made / "outputs")


def test_the_name_of_a_bundled_tokenizer_is_no_path(tmp_path: Path) -> None:
    run = fake_run(tmp_path / "a" / "b" / "run", finished=1.0, tokenizer={"checkpoint": "ms_pacman_vqvae"})
    assert open_run(run).config.tokenizer.checkpoint == "ms_pacman_vqvae"


def test_a_run_near_the_root_is_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_run(tmp_path / "run", finished=1.0)
    monkeypatch.setattr(Path, "resolve", lambda path: Path("/run") if path.name == "run" else path)
    assert open_run(tmp_path / "run").folder == tmp_path / "run"


def test_a_run_that_was_not_logged_online_is_not_logged_now(trained: Path) -> None:
    assert open_run(trained).loggers() == []


def test_a_run_goes_on_where_it_was_logged(copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "disabled")
    address = {"project": "pacdream", "group": "gru_baseline", "id": "abc", "resume": "allow"}
    (copied / "wandb.json").write_text(json.dumps(address))
    (logger,) = open_run(copied).loggers()
    assert isinstance(logger, WandbLogger)
    assert {**logger._wandb_init, **address} == logger._wandb_init


def test_another_game_than_the_one_it_has_learnt_is_refused(episodes: Path, tokenizer_path: Path) -> None:
    run = open_run(tiny_run(episodes, tokenizer_path))
    env = compose_config("play", []).env
    run.check_env(env)
    env.id = "MsPacman-v4"  # another name of the same
    run.check_env(env)
    env.update(id="ALE/BeamRider-v5", frameskip=2)
    with pytest.raises(ValueError, match=r"another game .* add env\.id=ALE/MsPacman-v5 env\.frameskip=4$"):
        run.check_env(env)

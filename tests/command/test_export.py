"""A run as a small folder, and the one that comes with the package."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

import pacdream
from pacdream.command.export import FRESH, export, export_run, main
from pacdream.command.run import BUNDLED, open_run
from pacdream.core.checkpoint_io import read_checkpoint
from pacdream.core.checkpoints import load_model, read_about, weights_sha256
from pacdream.data.origin import Origin
from pacdream.outcome.frozen import bundled, find_outcome, find_spans, load_outcome
from pacdream.world_model.base import WorldModel
from tests.runs import tiny_run


@pytest.fixture(scope="module")
def run(episodes: Path, tokenizer_path: Path) -> Path:
    return tiny_run(episodes, tokenizer_path)


def with_tokenizer(folder: Path, checkpoint: str) -> None:
    """Let the settings in the folder of a run name another tokenizer."""
    path = folder / ".hydra" / "config.yaml"
    settings = OmegaConf.load(path)
    settings.tokenizer.checkpoint = checkpoint
    OmegaConf.save(settings, path)


@pytest.fixture
def exported(run: Path, tokenizer_path: Path, tmp_path: Path) -> Path:
    """Exported as if it lived behind a bundled tokenizer."""
    shutil.copytree(run, tmp_path / "copy")
    with_tokenizer(tmp_path / "copy", "ms_pacman_vqvae")
    export_run(tmp_path / "copy", tmp_path / "small")
    with_tokenizer(tmp_path / "small", str(tokenizer_path))
    return tmp_path / "small"


def test_a_tokenizer_of_ones_own_does_not_go_with_a_run(run: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="which does not go with it: only bundled tokenizers do"):
        export_run(run, tmp_path / "small")


def test_an_exported_run_is_not_exported_again(exported: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="it has been exported already"):
        export_run(exported, tmp_path / "again")


def test_an_exported_run_opens_like_the_run(run: Path, exported: Path) -> None:
    small, whole = open_run(exported), open_run(run)
    assert small.kind == "world_model"
    assert small.model().recipe == whole.model().recipe
    assert small.origin == whole.origin
    assert small.global_step == whole.global_step


def test_an_exported_run_is_measured_on_episodes_that_are_recorded_for_it(exported: Path) -> None:
    settings = open_run(exported).config
    assert settings.data.val_fraction == 1.0
    assert {key: settings.recording[key] for key in ("seed", "episodes")} == {"seed": 7, "episodes": 10}
    assert settings.data.episodes == settings.recording.output
    assert settings.recording.output.endswith("episodes/test")
    assert FRESH["output"] == OmegaConf.to_container(settings, resolve=False)["recording"]["output"]  # type: ignore[index,call-overload]


def test_an_exported_run_is_not_measured_on_what_it_was_trained_on(exported: Path, episodes: Path) -> None:
    with pytest.raises(ValueError, match=r"are among those that .* was trained on"):
        open_run(exported).data(str(episodes))


def test_weights_know_what_they_were_trained_on(run: Path, tmp_path: Path) -> None:
    checkpoint = run / "checkpoints" / "best.ckpt"
    identity = export(checkpoint, tmp_path / "weights.safetensors")
    about, content = read_about(tmp_path / "weights.safetensors"), read_checkpoint(checkpoint)
    assert about == {key: content[key] for key in ("global_step", "made_from", "split")}
    model = load_model(tmp_path / "weights.safetensors", WorldModel)  # type: ignore[type-abstract]
    assert weights_sha256(model) == identity


def test_what_is_said_about_weights_is_part_of_their_checksum(run: Path, tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    export(run / "checkpoints" / "best.ckpt", path)
    content = path.read_bytes()
    assert content.count(b"global_step") == 1
    path.write_bytes(content.replace(b"global_step", b"globel_step"))
    with pytest.raises(ValueError, match="damaged"):
        load_model(path, WorldModel)  # type: ignore[type-abstract]


@pytest.mark.parametrize("arguments", [[], ["a"], ["nowhere.ckpt", "out.safetensors"]])
def test_a_wrong_command_is_one_line(arguments: list[str]) -> None:
    with pytest.raises(SystemExit, match="export: ") as stop:
        main(arguments)
    assert "\n" not in str(stop.value)


def test_an_export_does_not_write_over_what_it_reads(run: Path, tmp_path: Path) -> None:
    best = run / "checkpoints" / "best.ckpt"
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    for source, output, message in (
        (best, best, "must end with .safetensors"),
        (best, tmp_path / "mine.ckpt", "must end with .safetensors"),
        (run, run, "is the run itself: give another folder"),
    ):
        with pytest.raises(SystemExit, match=message):
            main([str(source), str(output)])
    assert not any(tmp_path.iterdir())
    assert {path: path.read_bytes() for path in before} == before


def test_the_run_that_comes_with_the_package_opens_without_a_path() -> None:
    run = pacdream.load_run()
    assert run.folder == BUNDLED
    model, tokenizer = run.model(), run.tokenizer()
    assert model.grid_shape == tokenizer.grid_shape == (14, 10)
    assert model.codebook_size == tokenizer.codebook_size
    assert run.origin.identities["tokenizer"] == weights_sha256(tokenizer)
    assert run.origin.train


def test_the_outcome_network_that_comes_with_the_package_judges_the_bundled_world_models_codes() -> None:
    run = pacdream.load_run()
    tokenizer = weights_sha256(run.tokenizer())
    assert bundled("outcome") == ["ms_pacman_outcome"]
    assert bundled("spans") == ["ms_pacman_spans"]
    spans = find_spans("ms_pacman_spans", tokenizer)
    assert spans is not None
    assert spans.grid_shape == run.model().grid_shape
    assert find_spans("ms_pacman_spans", "f" * 64) is None
    assert load_outcome("ms_pacman_outcome", tokenizer).grid_shape == run.model().grid_shape
    with pytest.raises(ValueError, match="judges the codes of another tokenizer"):
        load_outcome("ms_pacman_outcome", "f" * 64)


@pytest.mark.parametrize("find", [find_outcome, find_spans])
def test_a_network_does_not_judge_the_episodes_that_it_has_learnt_from(find: Any, tmp_path: Path) -> None:
    name = f"ms_pacman_{find.__name__.removeprefix('find_')}"
    asset = BUNDLED.parent / f"{name}.safetensors"
    origin = Origin.read(read_about(asset))
    assert origin.train
    tokenizer = origin.identities["tokenizer"]
    assert find(name, tokenizer, origin.val) is not None
    assert find(name, tokenizer, [origin.train[0], "f" * 64]) is None
    mine = shutil.copy(asset, tmp_path / "mine.safetensors")
    with pytest.raises(ValueError, match=r"was trained on 1 of the 2 episodes that are held out here: .*=null "):
        find(str(mine), tokenizer, [origin.train[0], "f" * 64])


def test_what_comes_with_the_package_is_small() -> None:
    sizes = [path.stat().st_size for path in BUNDLED.parent.rglob("*.safetensors")]
    assert len(sizes) == 5
    assert max(sizes) <= 16e6

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from omegaconf import OmegaConf
from safetensors.torch import save_file

from pacdream.core.checkpoint_io import AtomicCheckpointIO
from pacdream.core.checkpoints import build_model, check_resumable, load_model, save_model, weights_sha256
from pacdream.tokenizer.base import Tokenizer
from pacdream.tokenizer.frozen import load_tokenizer
from pacdream.world_model.base import WorldModel
from pacdream.world_model.gru import GRUWorldModel
from tests.conftest import TINY_GRU

FACTS = {"grid_shape": [7, 5], "codebook_size": 16, "num_actions": 9}


@pytest.fixture
def saved(gru: GRUWorldModel, tmp_path: Path) -> Path:
    path = tmp_path / "gru.safetensors"
    save_model(path, gru)
    return path


def as_training_checkpoint(path: Path, model: GRUWorldModel, recipe: Any) -> Path:
    """What the trainer writes, cut down to what is read."""
    state = {f"model.{name}": value for name, value in model.state_dict().items()}
    AtomicCheckpointIO().save_checkpoint({"state_dict": state, "recipe": recipe}, path)
    return path


def test_a_network_survives_the_file_in_half_precision(gru: GRUWorldModel, saved: Path) -> None:
    loaded = load_model(saved, GRUWorldModel)
    for name, weights in gru.state_dict().items():
        torch.testing.assert_close(loaded.state_dict()[name], weights, rtol=1e-3, atol=1e-6)
    assert loaded.recipe == gru.recipe


def test_a_loaded_network_survives_further_files_unchanged(saved: Path) -> None:
    once = load_model(saved, GRUWorldModel)
    save_model(saved, once)
    assert weights_sha256(load_model(saved, GRUWorldModel)) == weights_sha256(once)


def test_a_training_checkpoint_rebuilds_the_network(gru: GRUWorldModel, tmp_path: Path) -> None:
    path = as_training_checkpoint(tmp_path / "best.ckpt", gru, gru.recipe)
    assert weights_sha256(load_model(path, WorldModel)) == weights_sha256(gru)  # type: ignore[type-abstract]


def test_training_goes_on_from_the_configured_network(gru: GRUWorldModel, tmp_path: Path) -> None:
    check_resumable(as_training_checkpoint(tmp_path / "last.ckpt", gru, gru.recipe), gru)


def test_training_does_not_go_on_from_another_network(gru: GRUWorldModel, tmp_path: Path) -> None:
    path = as_training_checkpoint(tmp_path / "last.ckpt", gru, gru.recipe)
    larger = build_model(OmegaConf.create({**TINY_GRU, "hidden_size": 17}), FACTS)
    with pytest.raises(ValueError, match=r"another network than the configured one \(hidden_size: 16 -> 17\)"):
        check_resumable(path, larger)


def test_a_loaded_network_is_frozen(saved: Path) -> None:
    loaded = load_model(saved, GRUWorldModel)
    assert not loaded.training
    assert not any(parameter.requires_grad for parameter in loaded.parameters())


def test_identity_changes_with_a_single_weight(gru: GRUWorldModel) -> None:
    before = weights_sha256(gru)
    with torch.no_grad():
        gru.head.bias[3] += 1e-6
    assert weights_sha256(gru) != before


def test_identity_changes_with_the_recipe(gru: GRUWorldModel) -> None:
    other = copy.deepcopy(gru)
    other.recipe = {**gru.recipe, "num_actions": 8}
    assert weights_sha256(other) != weights_sha256(gru)


@pytest.mark.parametrize("name", ["absent.ckpt", "absent.safetensors", "."])
def test_a_missing_file_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match=f"no checkpoint at {tmp_path / name}"):
        load_model(tmp_path / name, WorldModel)  # type: ignore[type-abstract]


@pytest.mark.parametrize("suffix", [".ckpt", ".safetensors"])
@pytest.mark.parametrize("content", [b"", b"just some text\n", bytes(range(256)) * 16], ids=["empty", "text", "bytes"])
def test_a_file_that_is_no_checkpoint_is_named(tmp_path: Path, suffix: str, content: bytes) -> None:
    path = tmp_path / f"model{suffix}"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=str(path)):
        load_model(path, WorldModel)  # type: ignore[type-abstract]


@pytest.mark.parametrize("suffix", [".ckpt", ".safetensors"])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.99])
def test_a_truncated_file_is_named(gru: GRUWorldModel, saved: Path, suffix: str, share: float) -> None:
    path = saved.with_suffix(suffix)
    if suffix == ".ckpt":
        as_training_checkpoint(path, gru, gru.recipe)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(ValueError, match=str(path)):
        load_model(path, WorldModel)  # type: ignore[type-abstract]


def test_a_foreign_state_dict_is_refused(gru: GRUWorldModel, tmp_path: Path) -> None:
    torch.save(gru.state_dict(), tmp_path / "foreign.ckpt")
    save_file(gru.state_dict(), tmp_path / "foreign.safetensors")
    for path in sorted(tmp_path.glob("foreign.*")):
        with pytest.raises(ValueError, match=f"cannot load {path}: .*(not a checkpoint|not a file) of this project"):
            load_model(path, WorldModel)  # type: ignore[type-abstract]


@pytest.mark.parametrize("recipe", [None, 3, "text", [], {}])
def test_a_recipe_that_is_none_is_refused(gru: GRUWorldModel, tmp_path: Path, recipe: object) -> None:
    path = as_training_checkpoint(tmp_path / "odd.ckpt", gru, recipe)
    with pytest.raises(ValueError, match=str(path)):
        load_model(path, WorldModel)  # type: ignore[type-abstract]


def test_weights_that_do_not_fit_the_recipe_are_refused(gru: GRUWorldModel, tmp_path: Path) -> None:
    path = as_training_checkpoint(tmp_path / "odd.ckpt", gru, {**gru.recipe, "hidden_size": 17})
    with pytest.raises(ValueError, match=str(path)):
        load_model(path, WorldModel)  # type: ignore[type-abstract]


def test_a_tokenizer_is_no_world_model(tokenizer_path: Path) -> None:
    with pytest.raises(ValueError, match="it holds a VQVAE, not a WorldModel"):
        load_model(tokenizer_path, WorldModel)  # type: ignore[type-abstract]


def test_a_world_model_is_no_tokenizer(saved: Path) -> None:
    with pytest.raises(ValueError, match="it holds a GRUWorldModel, not a Tokenizer"):
        load_tokenizer(str(saved))


def test_a_tokenizer_of_ones_own_is_loaded(tokenizer_path: Path, tokenizer: Tokenizer) -> None:
    assert weights_sha256(load_tokenizer(str(tokenizer_path))) == weights_sha256(tokenizer)

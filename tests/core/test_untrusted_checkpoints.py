import json
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from hydra.utils import instantiate
from safetensors.torch import save_file

from pacdream.core.checkpoint_io import AtomicCheckpointIO
from pacdream.core.checkpoints import load_model, tensors_sha256
from pacdream.world_model.base import WorldModel


class Malicious:
    """Creates a file when it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.trace,)


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    return tmp_path / "executed"


def refuse(path: Path) -> None:
    with pytest.raises(ValueError, match=str(path)):
        load_model(path, WorldModel)  # type: ignore[type-abstract]


def with_recipe(path: Path, recipe: dict[str, Any]) -> Path:
    if path.suffix == ".safetensors":
        weights, text = {"weight": torch.zeros(1)}, json.dumps(recipe)
        save_file(weights, path, {"recipe": text, "sha256": tensors_sha256(weights, text)})
    else:
        AtomicCheckpointIO().save_checkpoint({"state_dict": {}, "recipe": recipe}, path)
    return path


def touch(trace: Path, target: str = "pathlib.Path.touch") -> dict[str, Any]:
    """A recipe that creates a file when it is instantiated."""
    return {"_target_": target, "_args_": [str(trace)]}


def test_both_traps_work(tmp_path: Path, trace: Path) -> None:
    pickle.loads(pickle.dumps(Malicious(trace)))
    assert trace.exists()
    trace.unlink()
    instantiate(touch(trace))
    assert trace.exists()


@pytest.mark.parametrize("key", ["recipe", "state_dict", "callbacks"])
def test_a_pickled_object_is_not_executed(tmp_path: Path, trace: Path, key: str) -> None:
    content = {"recipe": {}, "state_dict": {}, key: Malicious(trace)}
    AtomicCheckpointIO().save_checkpoint(content, tmp_path / "bad.ckpt")
    with pytest.raises(ValueError, match="it holds more than tensors"):
        load_model(tmp_path / "bad.ckpt", WorldModel)  # type: ignore[type-abstract]
    assert not trace.exists()


def test_the_trainer_executes_nothing_even_if_told_to(tmp_path: Path, trace: Path) -> None:
    AtomicCheckpointIO().save_checkpoint({"recipe": Malicious(trace)}, tmp_path / "bad.ckpt")
    with pytest.raises(ValueError, match="it holds more than tensors"):
        AtomicCheckpointIO().load_checkpoint(tmp_path / "bad.ckpt", weights_only=False)
    assert not trace.exists()


def test_a_bare_pickle_is_not_executed(tmp_path: Path, trace: Path) -> None:
    (tmp_path / "bad.ckpt").write_bytes(pickle.dumps(Malicious(trace)))
    refuse(tmp_path / "bad.ckpt")
    assert not trace.exists()


@pytest.mark.parametrize("suffix", [".ckpt", ".safetensors"])
def test_a_recipe_of_a_foreign_target_is_refused(tmp_path: Path, trace: Path, suffix: str) -> None:
    path = with_recipe(tmp_path / f"bad{suffix}", touch(trace))
    with pytest.raises(ValueError, match=r"its recipe names 'pathlib\.Path\.touch', which is no network"):
        load_model(path, WorldModel)  # type: ignore[type-abstract]
    assert not trace.exists()


@pytest.mark.parametrize(
    "hide",
    [lambda bad: {"deep": {"deeper": bad}}, lambda bad: {"listed": [bad]}, lambda bad: {"listed": [[{"deep": bad}]]}],
    ids=["nested", "in a list", "in a list of lists"],
)
def test_a_foreign_target_is_found_wherever_it_hides(tmp_path: Path, trace: Path, hide: Any) -> None:
    recipe = {"_target_": "pacdream.world_model.gru.GRUWorldModel", **hide(touch(trace))}
    refuse(with_recipe(tmp_path / "bad.safetensors", recipe))
    assert not trace.exists()


def test_what_a_module_of_the_package_imports_is_foreign_too(tmp_path: Path, trace: Path) -> None:
    refuse(with_recipe(tmp_path / "bad.safetensors", touch(trace, "pacdream.core.checkpoints.Path.touch")))
    assert not trace.exists()


def test_os_system_is_refused(tmp_path: Path, trace: Path) -> None:
    recipe = {"_target_": "os.system", "command": f"touch {trace}"}
    refuse(with_recipe(tmp_path / "bad.safetensors", recipe))
    assert not trace.exists()


def test_a_recipe_hidden_in_a_tuple_is_not_executed(tmp_path: Path, trace: Path) -> None:
    refuse(with_recipe(tmp_path / "bad.ckpt", {"x": (touch(trace),)}))
    assert not trace.exists()


@pytest.mark.parametrize("name", ["bad.ckpt", "bad.safetensors"])
def test_an_interpolation_in_a_recipe_is_not_resolved(tmp_path: Path, trace: Path, name: str) -> None:
    hidden = f"${{oc.create:{{_target_: pathlib.Path.touch, _args_: [{trace}]}}}}"
    refuse(with_recipe(tmp_path / name, {"x": hidden}))
    assert not trace.exists()


def test_a_recipe_cannot_reach_what_a_module_of_this_package_imports(tmp_path: Path) -> None:
    refuse(with_recipe(tmp_path / "bad.ckpt", {"_target_": "pacdream.command.provenance.subprocess.run"}))

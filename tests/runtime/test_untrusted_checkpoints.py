import json
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from pacdream.runtime.checkpoints import load_model
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
        save_file({"weight": torch.zeros(1)}, path, {"recipe": json.dumps(recipe)})
    else:
        torch.save({"state_dict": {}, "recipe": recipe}, path)
    return path


def test_the_trap_works(tmp_path: Path, trace: Path) -> None:
    pickle.loads(pickle.dumps(Malicious(trace)))
    assert trace.exists()


@pytest.mark.parametrize("key", ["recipe", "state_dict", "callbacks"])
def test_a_pickled_object_is_not_executed(tmp_path: Path, trace: Path, key: str) -> None:
    torch.save({"recipe": {}, "state_dict": {}, key: Malicious(trace)}, tmp_path / "bad.ckpt")
    refuse(tmp_path / "bad.ckpt")
    assert not trace.exists()


def test_a_bare_pickle_is_not_executed(tmp_path: Path, trace: Path) -> None:
    (tmp_path / "bad.ckpt").write_bytes(pickle.dumps(Malicious(trace)))
    refuse(tmp_path / "bad.ckpt")
    assert not trace.exists()


@pytest.mark.parametrize("suffix", [".ckpt", ".safetensors"])
def test_a_recipe_of_a_foreign_target_is_refused(tmp_path: Path, trace: Path, suffix: str) -> None:
    recipe = {"_target_": "os.system", "command": f"touch {trace}"}
    path = with_recipe(tmp_path / f"bad{suffix}", recipe)
    with pytest.raises(ValueError, match=r"its recipe names 'os\.system', which is not part of this project"):
        load_model(path, WorldModel)  # type: ignore[type-abstract]
    assert not trace.exists()


@pytest.mark.parametrize(
    "hidden",
    [
        lambda target: {"deep": {"deeper": target}},
        lambda target: {"listed": [target]},
        lambda target: {"listed": [[{"deeper": target}]]},
    ],
    ids=["nested", "in a list", "in a list of lists"],
)
def test_a_foreign_target_is_found_wherever_it_hides(tmp_path: Path, trace: Path, hidden: Any) -> None:
    target = {"_target_": "os.system", "command": f"touch {trace}"}
    recipe = {"_target_": "pacdream.world_model.gru.GRUWorldModel", **hidden(target)}
    refuse(with_recipe(tmp_path / "bad.safetensors", recipe))
    assert not trace.exists()


@pytest.mark.parametrize("name", ["pathlib", "torch"])
def test_what_a_module_of_the_package_imports_is_foreign_too(tmp_path: Path, trace: Path, name: str) -> None:
    targets = {
        "pathlib": {"_target_": "pacdream.runtime.checkpoints.Path.touch", "self": str(trace)},
        "torch": {"_target_": "pacdream.runtime.checkpoints.torch.os.system", "command": f"touch {trace}"},
    }
    refuse(with_recipe(tmp_path / "bad.safetensors", targets[name]))
    assert not trace.exists()

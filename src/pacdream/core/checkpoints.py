"""Networks that rebuild themselves: a recipe of plain values travels with the weights."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar, cast

import torch
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from pacdream.core.checkpoint_io import read_checkpoint
from pacdream.core.files import atomic_path, one_line, sha256_of
from pacdream.core.instantiate import build
from pacdream.core.recipe import check_recipe
from pacdream.core.settings import differences

Net = TypeVar("Net", bound=nn.Module)


def build_model(config: DictConfig, facts: dict[str, Any]) -> Any:
    """Build a network from its settings and the facts of the data, and note on it how to build it again."""
    model = build(config, **facts)
    settings = cast(dict[str, Any], OmegaConf.to_container(config, resolve=True))
    model.recipe = {**settings, **facts}
    return model


def recipe_of(model: nn.Module) -> dict[str, Any]:
    """Plain values that rebuild a network; only those built or loaded here have them."""
    return cast(dict[str, Any], model.recipe)


def save_model(path: Path, model: nn.Module, about: Mapping[str, Any] | None = None) -> None:
    """Write weights, in half precision, and recipe as safetensors with a checksum, atomically.

    ``about``: plain values to keep beside them, such as what the network was trained on.
    """
    state = {name: _halved(name, tensor).contiguous() for name, tensor in model.state_dict().items()}
    texts = {"recipe": json.dumps(recipe_of(model))} | ({"about": json.dumps(about)} if about else {})
    write_tensors(path, state, {**texts, "sha256": tensors_sha256(state, *texts.values())})


def read_about(path: Path) -> dict[str, Any]:
    """What a file says beside its weights: all of a training checkpoint, or what ``save_model`` has kept, if anything.

    Raises:
        ValueError: neither of them.
    """
    if path.suffix != ".safetensors":
        return read_checkpoint(path)
    try:
        with safe_open(path, "pt") as file:
            return dict(json.loads((file.metadata() or {}).get("about", "{}")))
    except (SafetensorError, OSError, ValueError) as error:
        raise ValueError(f"cannot read {path}: {one_line(error)}") from error


def write_tensors(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str] | None = None) -> None:
    """Write a safetensors file, atomically.

    Raises:
        ValueError: it cannot be written, or the disk is full.
    """
    # Not save_file, which writes to a file of its own: nobody else may read it, and it stays if the writer is killed.
    with atomic_path(path) as temporary:
        temporary.write_bytes(save(tensors, metadata))


def _halved(name: str, tensor: Tensor) -> Tensor:
    if not tensor.is_floating_point():
        return tensor
    half = tensor.half()
    if not torch.equal(half.isfinite(), tensor.isfinite()):
        raise ValueError(f"weight {name} reaches {tensor.abs().max():.3g}, too large for half precision")
    return half


def load_model(path: Path, kind: type[Net], device: torch.device | str = "cpu") -> Net:
    """Rebuild a network, frozen and in evaluation mode, from safetensors or from a training checkpoint.

    Nothing in the file is executed: weights are read as tensors, and the recipe may only name classes of this package.

    Raises:
        ValueError: no such file, not a checkpoint, damaged, or a network of another kind.
    """
    if not path.is_file():
        raise ValueError(f"no checkpoint at {path}")
    try:
        recipe, state = _read_safetensors(path) if path.suffix == ".safetensors" else _read_checkpoint(path)
        recipe = json.loads(json.dumps(recipe))  # nothing but plain lists, dictionaries and values
        check_recipe(recipe)
        model = instantiate(recipe, _convert_="all")
        if not isinstance(model, kind):
            raise ValueError(f"it holds a {type(model).__name__}, not a {kind.__name__}")
        if path.suffix == ".safetensors":
            _check_dtypes(model, state)
        model.load_state_dict(state)
    except (ValueError, SafetensorError) as error:
        raise ValueError(f"cannot load {path}: {one_line(error)}") from error
    except Exception as error:  # whatever a damaged file makes a library raise, the user needs its name
        raise ValueError(f"{path} is damaged or not a checkpoint of this project: {one_line(error)}") from error
    model.recipe = recipe
    return model.to(device).eval().requires_grad_(False)


def check_resumable(path: Path, model: nn.Module) -> None:
    """Refuse to go on from a checkpoint that is none or that holds another network than the configured one.

    Raises:
        ValueError: says what differs.
    """
    changed = differences(recipe_of(load_model(path, type(model))), recipe_of(model))
    if changed:
        raise ValueError(f"{path} holds another network than the configured one ({', '.join(changed)[:300]})")


def weights_sha256(model: nn.Module) -> str:
    """Identity of a network: its recipe and every weight, whatever file they came from."""
    return tensors_sha256(model.state_dict(), json.dumps(recipe_of(model), sort_keys=True))


def tensors_sha256(tensors: Mapping[str, Tensor], *about: str) -> str:
    """SHA-256 of named tensors, in the order of their names, and of what is said about them."""
    parts: list[memoryview | str] = [*about]
    for name, tensor in sorted(tensors.items()):
        parts += [name, tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data]
    return sha256_of(*parts)


def _read_safetensors(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    with safe_open(path, "pt") as file:
        metadata = file.metadata() or {}
        if not {"recipe", "sha256"} <= metadata.keys():
            raise ValueError("it has no recipe and checksum: not a file of this project")
        state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    texts = [metadata[name] for name in ("recipe", "about") if name in metadata]
    if tensors_sha256(state, *texts) != metadata["sha256"]:
        raise ValueError("it is damaged (its checksum does not match)")
    return json.loads(metadata["recipe"]), state


def _check_dtypes(model: nn.Module, state: dict[str, Tensor]) -> None:
    """Refuse weights of other types than ``save_model`` writes, as which the same bytes are other numbers."""
    for name, tensor in model.state_dict().items():
        written = torch.half if tensor.is_floating_point() else tensor.dtype
        if name in state and state[name].dtype != written:
            raise ValueError(f"it is damaged ({name} is {state[name].dtype} instead of {written})")


def _read_checkpoint(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    checkpoint = read_checkpoint(path)
    prefix = "model."
    state = {k.removeprefix(prefix): v for k, v in checkpoint["state_dict"].items() if k.startswith(prefix)}
    return checkpoint["recipe"], state

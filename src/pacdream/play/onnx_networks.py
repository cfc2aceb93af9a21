"""World model, decoder and outcome network as ONNX files, for the page that needs no server."""

import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from torch import Tensor, nn

from pacdream.core.files import atomic_path
from pacdream.outcome.network import OutcomeNetwork
from pacdream.play.session import Models
from pacdream.tokenizer.base import Tokenizer
from pacdream.types import State
from pacdream.world_model.base import WorldModel


def export_networks(models: Models, folder: Path) -> list[dict[str, Any]]:
    """Write ``world_model.onnx``, ``decoder.onnx`` and, if there is one, ``outcome.onnx``, each in one file.

    A batch is one dream. The world model takes ``codes``, ``actions`` and its state, a list of tensors, and gives
    ``logits`` and the next state; the decoder makes a ``frame`` of ``codes``; the outcome network takes the grids
    around a step and gives its expected ``points`` and the probability that a life is ``lost``.

    Returns:
        Name, shape, type and value of each tensor of the state before the first step, which is the same everywhere.

    Raises:
        ValueError: a state that does not begin with the same value everywhere.
    """
    model, grid = models.model, models.model.grid_shape
    codes, actions = torch.zeros(1, *grid, dtype=torch.int64), torch.zeros(1, dtype=torch.int64)
    state = model.initial_state(1, codes.device)
    parts = list(_flat(state))
    names = [f"state_{i}" for i in range(len(parts))]
    step = _Step(model, state)
    _export(step, (codes, actions, *parts), ["codes", "actions", *names], ["logits", *(f"next_{n}" for n in names)],
            folder / "world_model.onnx")  # fmt: skip
    _export(_Decoder(models.tokenizer), (codes,), ["codes"], ["frame"], folder / "decoder.onnx")
    if models.outcome is not None:
        grids = codes[:, None].expand(1, models.outcome.grids, *grid).contiguous()
        judge = _Judge(models.outcome)
        _export(judge, (grids, actions), ["codes", "actions"], ["points", "lost"], folder / "outcome.onnx")
    return [_told(name, part) for name, part in zip(names, parts, strict=True)]


class _Step(nn.Module):
    """A step whose state is a plain list of tensors."""

    def __init__(self, model: WorldModel, state: State) -> None:
        super().__init__()
        self.model, self._like = model, state

    def forward(self, codes: Tensor, actions: Tensor, *parts: Tensor) -> tuple[Tensor, ...]:
        output, state = self.model.step(codes, actions, _nested(self._like, iter(parts)))
        return (output.logits, *_flat(state))


class _Decoder(nn.Module):
    def __init__(self, tokenizer: Tokenizer) -> None:
        super().__init__()
        self.tokenizer = tokenizer

    def forward(self, codes: Tensor) -> Tensor:
        return self.tokenizer.decode(codes)


class _Judge(nn.Module):
    def __init__(self, outcome: OutcomeNetwork) -> None:
        super().__init__()
        self.outcome = outcome

    def forward(self, codes: Tensor, actions: Tensor) -> tuple[Tensor, Tensor]:
        logits = self.outcome(codes, actions)
        return (logits.points.softmax(-1) * self.outcome.points).sum(-1), logits.lost[:, 0].sigmoid()


def _export(network: nn.Module, inputs: tuple[Tensor, ...], names: list[str], outputs: list[str], path: Path) -> None:
    """Write one file; what the exporter logs of its own work is not for users."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            program = torch.onnx.export(
                network.eval(), inputs, input_names=names, output_names=outputs, dynamo=True, verbose=False
            )
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
    assert program is not None
    model = program.model_proto
    _halve(model)
    with atomic_path(path) as temporary:
        temporary.write_bytes(model.SerializeToString())


def _halve(model: onnx.ModelProto) -> None:
    """Store in half precision the weights that lose nothing by it, as those that come with the package do."""
    casts = []
    for weight in model.graph.initializer:
        values = onnx.numpy_helper.to_array(weight)
        if values.dtype != np.float32 or values.size < 64:
            continue
        half = values.astype(np.float16)
        if not (half.astype(np.float32) == values).all():
            continue
        name = weight.name
        weight.CopyFrom(onnx.numpy_helper.from_array(half, f"{name}_half"))
        casts.append(onnx.helper.make_node("Cast", [weight.name], [name], to=onnx.TensorProto.FLOAT))
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def _flat(state: State) -> Iterator[Tensor]:
    """The tensors of a nested state, in order."""
    if isinstance(state, Tensor):
        yield state
        return
    for part in state:
        yield from _flat(part)


def _nested(like: State, parts: Iterator[Tensor]) -> State:
    """These tensors, nested like another state."""
    return next(parts) if isinstance(like, Tensor) else tuple(_nested(part, parts) for part in like)


def _told(name: str, part: Tensor) -> dict[str, Any]:
    first = part.flatten()[0].item() if part.numel() else 0
    if bool((part != first).any()):
        raise ValueError(f"{name} of this world model begins with different values, which the page cannot make")
    return {"name": name, "shape": list(part.shape), "type": str(part.dtype).removeprefix("torch."), "value": first}

"""The page as a folder of files that any static server serves: the dream runs in the browser."""

import shutil
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

from torch import Tensor

from pacdream.core.files import write_json
from pacdream.play.library import facts_of
from pacdream.play.onnx_networks import export_networks
from pacdream.play.session import Models

RUNTIME = ("ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm")
"""What the page needs of onnxruntime-web."""
_PAGE = files("pacdream") / "play" / "page"


def write_page(
    models: Models,
    action_names: tuple[str, ...],
    contexts: tuple[Tensor, Tensor],
    runtime: Path,
    folder: Path,
    fps: float,
    temperature: float,
) -> int:
    """Write the page, its networks and what runs them.

    Args:
        models: what dreams, decodes and judges.
        action_names: of the game.
        contexts: grids (N, C, h, w) with which dreams can begin, and the actions (N, C - 1) between them.
        runtime: the folder ``dist`` of the npm package onnxruntime-web.
        folder: to write into.
        fps: steps a second.
        temperature: of the codes that are drawn, 0 for the likeliest.

    Returns:
        Bytes of all files.

    Raises:
        ValueError: the runtime is not there, or the contexts are too short to judge a dream by.
    """
    if models.outcome is not None and contexts[0].shape[1] <= models.outcome.before:
        raise ValueError(f"context={contexts[0].shape[1]} is too short: the outcome network looks back further")
    check_runtime(runtime)
    page = folder / "page"
    with as_file(_PAGE) as source:
        shutil.copytree(source, page, dirs_exist_ok=True, ignore=shutil.ignore_patterns("static", "index.html"))
        shutil.copytree(source / "static", page, dirs_exist_ok=True)
        shutil.copy(source / "index.html", folder / "index.html")
    for name in RUNTIME:
        shutil.copy(runtime / name, page / name)
    state = export_networks(models, page)
    write_json(page / "dream.json", _facts(models, action_names, contexts, state, fps, temperature))
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def check_runtime(folder: Path) -> None:
    """Refuse a folder without what the page needs of onnxruntime-web.

    Raises:
        ValueError: says how to get it.
    """
    if missing := [name for name in RUNTIME if not (folder / name).is_file()]:
        raise ValueError(
            f"runtime={folder} has no {missing[0]}: `npm install --no-save onnxruntime-web@1.30.0` makes "
            "node_modules/onnxruntime-web/dist"
        )


def _facts(
    models: Models,
    action_names: tuple[str, ...],
    contexts: tuple[Tensor, Tensor],
    state: list[dict[str, Any]],
    fps: float,
    temperature: float,
) -> dict[str, Any]:
    """What the page's worker must know beside the networks; the first part is what the server tells as well."""
    outcome, (codes, actions) = models.outcome, contexts
    return {
        **facts_of(models, action_names, fps, temperature),
        "seed": 0,
        "twin": False,
        "models": [],
        "state": state,
        "judge": None if outcome is None else {"before": outcome.before, "after": outcome.after},
        "contexts": [
            {"codes": grids.flatten(1).tolist(), "actions": taken.tolist()}
            for grids, taken in zip(codes, actions, strict=True)
        ],
    }

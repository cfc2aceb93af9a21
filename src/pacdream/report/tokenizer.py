"""How much of the game survives the tokenizer."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from einops import rearrange
from lightning.pytorch.loggers import Logger
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from torch import Tensor

from pacdream.core.checkpoints import load_model
from pacdream.core.device import best_device
from pacdream.core.files import write_json
from pacdream.data.batches import evenly
from pacdream.data.episode_store import read_manifest
from pacdream.data.frame_data_module import FrameDataModule, Frames
from pacdream.game.game import Game
from pacdream.game.games import game_of
from pacdream.metric.codebook import class_iou, perplexity
from pacdream.metric.dots import dot_sites, maze_colours, sites_in
from pacdream.metric.sprites import SpriteScore, locate
from pacdream.report.tables import NO_SPRITES
from pacdream.tokenizer.base import Tokenizer

_PAIRS = 1000
"""Pairs of frames in which codes are looked at for needless changes."""


@dataclass(frozen=True)
class Decoded:
    """Validation frames and what the tokenizer makes of them."""

    real: NDArray[np.uint8]
    """(B, H, W) palette indices."""
    decoded: NDArray[np.uint8]
    """(B, H, W) palette indices."""
    codes: Tensor
    """(B, h, w)."""
    ram: NDArray[np.uint8]
    """(B, 128)."""


class TokenizerReport:
    """Measures the best checkpoint on the validation episodes: pixels, colours, sprite positions, codebook."""

    def __call__(
        self, folder: Path, data: FrameDataModule, checkpoint: Path, loggers: Sequence[Logger], step: int
    ) -> dict[str, float]:
        """Print and write ``tokenizer.json`` into the run's report folder; return the headline figures."""
        model = load_model(checkpoint, Tokenizer, best_device())  # type: ignore[type-abstract]
        decoded = decode_all(model, data)
        game = game_of(read_manifest(data.folder).settings.get("env", {}))
        figures = measure(model, decoded) | needless_changes(model, data.val_frames) | measure_dots(decoded, game)
        sprites = measure_sprites(decoded, game)
        folder = folder / "report"
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / "tokenizer.json", {**figures, "sprites": sprites})
        _print(figures, sprites, game)
        for logger in loggers:
            logger.log_metrics({f"report/{name}": value for name, value in figures.items()}, step)
            logger.save()
        return figures


@torch.inference_mode()
def decode_all(model: Tokenizer, data: FrameDataModule) -> Decoded:
    """Encode and decode the validation frames, batch by batch."""
    device = model.palette_indices.device
    real, decoded, codes, ram = [], [], [], []
    for windows, memory in data.val_dataloader():
        codes.append(model.encode(windows.to(device)).cpu())
        decoded.append(model.decode(codes[-1].to(device)).cpu().numpy())
        real.append(windows[:, -1].numpy())
        ram.append(memory.numpy())
    return Decoded(np.concatenate(real), np.concatenate(decoded), torch.cat(codes), np.concatenate(ram))


def measure(model: Tokenizer, decoded: Decoded) -> dict[str, float]:
    """Pixel accuracy, perplexity, share of codes used, and the IoU of every colour."""
    confusion = np.bincount(
        decoded.real.ravel().astype(np.int64) * 256 + decoded.decoded.ravel(), minlength=256 * 256
    ).reshape(256, 256)
    iou = class_iou(torch.from_numpy(confusion))
    counts = torch.bincount(decoded.codes.flatten(), minlength=model.codebook_size)
    return {
        "frames": float(len(decoded.real)),
        "pixel_accuracy": float((decoded.real == decoded.decoded).mean()),
        "perplexity": float(perplexity(counts)),
        "usage": float((counts > 0).float().mean()),
        **{f"iou/colour_{int(i)}": float(iou[int(i)]) for i in model.palette_indices if not iou[int(i)].isnan()},
    }


@torch.inference_mode()
def needless_changes(model: Tokenizer, frames: Frames) -> dict[str, float]:
    """Share of the codes that change from one frame to the next though the pixels of their own cell do not."""
    later = evenly(torch.arange(1, len(frames.frames)), _PAIRS)
    later = later[frames.first[later] == frames.first[later - 1]]
    changed = still = 0
    for numbers in later.split(32):
        pairs = [frames.windows(n, model.num_frames).to(model.palette_indices.device) for n in (numbers - 1, numbers)]
        same = torch.stack([_cells(model, window) for window in pairs]).diff(dim=0)[0].eq(0).all(-1)
        before, after = map(model.encode, pairs)
        changed += int((before != after)[same].sum())
        still += int(same.sum())
    return {"needless_changes": changed / still if still else float("nan")}


def _cells(model: Tokenizer, windows: Tensor) -> Tensor:
    """The pixels (B, h, w, P) int of each cell in all frames of windows (B, F, H, W)."""
    height, width = model.grid_shape
    folded = model.fold(windows, padding=0).int()
    return rearrange(folded, "B F P (h p) (w q) -> B h w (F P p q)", h=height, w=width)


def measure_dots(decoded: Decoded, game: Game) -> dict[str, float]:
    """Share of the dots that are drawn, if the game has dots."""
    if game.dot_size is None:
        return {}
    drawn = there = 0
    for real, picture in zip(game.playfield(decoded.real), game.playfield(decoded.decoded), strict=True):
        sites, (_, walls) = dot_sites(real, game.dot_size), maze_colours(real)
        there += len(sites)
        drawn += int(sites_in(picture[None], sites, game.dot_size, walls)[0])
    return {"dots": drawn / there if there else float("nan")}


def measure_sprites(decoded: Decoded, game: Game) -> dict[str, dict[str, float]]:
    """Of every sprite the figures of ``SpriteScore``, and under ``original_…`` those of the real frames."""
    together = torch.zeros(len(decoded.real), dtype=torch.int64)
    found: dict[str, dict[str, float]] = {}
    for sprite in game.sprites:
        found[sprite.name] = {}
        original, drawn = (
            locate(game.playfield(frames[:, None]), sprite.palette_index) for frames in (decoded.real, decoded.decoded)
        )
        for prefix, seen in (("", drawn), ("original_", original)):
            score = SpriteScore(1, 1)
            score.update(seen, original, sprite.positions(decoded.ram[:, None]), together)
            figures = score.figures(score.sums[0, 0])
            found[sprite.name] |= {prefix + name: float(estimate.value) for name, estimate in figures.items()}
            found[sprite.name]["frames"] = float(figures["lost"].n)
    return found


def _print(figures: dict[str, float], sprites: dict[str, dict[str, float]], game: Game) -> None:
    console = Console()
    console.print("  ".join(f"{name} {value:.4g}" for name, value in figures.items() if not name.startswith("iou")))
    if not game.sprites:
        console.print(NO_SPRITES)
        return
    table = Table(title="sprites in reconstructed validation frames (distances to the console's memory in pixels)")
    for heading in ("", "IoU", "frames", "lost", "doubled", "median", "90 %", "original's median", "90 %"):
        table.add_column(heading, justify="right" if heading else "left")
    for sprite in game.sprites:
        iou, error = figures.get(f"iou/colour_{sprite.palette_index}", float("nan")), sprites[sprite.name]
        table.add_row(
            sprite.name, f"{iou:.3f}", f"{error['frames']:.0f}", f"{error['lost']:.1%}", f"{error['doubled']:.1%}",
            f"{error['median']:.1f}", f"{error['p90']:.1f}",
            f"{error['original_median']:.1f}", f"{error['original_p90']:.1f}",
        )  # fmt: skip
    console.print(table)

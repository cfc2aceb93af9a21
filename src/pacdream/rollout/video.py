"""Codes made visible: the real future above, the imagined one below, wrong codes outlined."""

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import torch
from einops import rearrange
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from torch import Tensor

from pacdream.runtime.files import atomic_path
from pacdream.tokenizer.base import Tokenizer

_OUTLINE = (255, 255, 255)


@dataclass(frozen=True)
class DreamFrames:
    """A real and an imagined future, decoded by the same tokenizer."""

    real: NDArray[np.uint8]
    """(T, H, W, 3) RGB."""
    imagined: NDArray[np.uint8]
    """(T, H, W, 3) RGB."""
    wrong: NDArray[np.bool_]
    """(T, h, w): the imagined code differs from the real one."""

    @staticmethod
    @torch.inference_mode()
    def decode(tokenizer: Tokenizer, real: Tensor, imagined: Tensor) -> "DreamFrames":
        """Decode codes (T, h, w) and (T, h, w)."""
        rgb = np.frombuffer(bytes.fromhex("".join(tokenizer.recipe["palette"])), np.uint8).reshape(256, 3)
        device = tokenizer.palette_indices.device
        frames = [rgb[tokenizer.decode(codes.to(device)).cpu().numpy()] for codes in (real, imagined)]
        return DreamFrames(frames[0], frames[1], (real != imagined).cpu().numpy())

    def panel(self, t: int) -> NDArray[np.uint8]:
        """One step: real above imagined, (2 * H, W, 3), the cells of wrong codes outlined."""
        picture = Image.fromarray(np.concatenate([self.real[t], self.imagined[t]]))
        draw = ImageDraw.Draw(picture)
        height, width = self.real.shape[1:3]
        rows, columns = self.wrong.shape[1:]
        for row, column in np.argwhere(self.wrong[t]):
            left, top = column * width // columns, height + row * height // rows
            draw.rectangle((left, top, left + width // columns - 1, top + height // rows - 1), outline=_OUTLINE)
        return np.asarray(picture)


def write_strip(path: Path, frames: DreamFrames, steps: int) -> None:
    """Write a picture of the first ``steps`` steps, from left to right."""
    panels = np.stack([frames.panel(t) for t in range(min(steps, len(frames.real)))])
    Image.fromarray(rearrange(panels, "T H W c -> H (T W) c")).save(path)


def write_video(path: Path, frames: DreamFrames, fps: int) -> None:
    """Write an H.264 video of all steps, twice as large as the game."""
    with atomic_path(path) as temporary, av.open(str(temporary), "w", format="mp4") as container:
        height, width = frames.real.shape[1] * 4, frames.real.shape[2] * 2
        stream = container.add_stream("libx264", rate=Fraction(fps))
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for t in range(len(frames.real)):
            large = frames.panel(t).repeat(2, axis=0).repeat(2, axis=1)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(large), format="rgb24")))
        container.mux(stream.encode())

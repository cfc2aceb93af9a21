"""Futures made visible: what happened, how the tokenizer sees it, what was dreamt, and where the two differ."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from einops import rearrange
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from pacdream.core.files import atomic_path

PRESET = "medium"
"""How hard the encoder tries to make a small file."""
_OUTLINE = (255, 255, 255)
_BANNER = 14
"""Rows of text above the pictures."""


@dataclass(frozen=True)
class Film:
    """A real and an imagined future, step by step."""

    real: NDArray[np.uint8]
    """(T, H, W, 3) RGB of the game."""
    reconstructed: NDArray[np.uint8]
    """(T, H, W, 3) RGB of the real codes, decoded: what a perfect dream would look like."""
    dreamt: NDArray[np.uint8]
    """(T, H, W, 3) RGB of the imagined codes, decoded."""
    wrong: NDArray[np.bool_]
    """(T, h, w): the imagined code differs from the real one."""
    actions: Sequence[str]
    """T names of the actions that led to the frames."""

    def outlined(self, t: int) -> NDArray[np.uint8]:
        """The dream at one step, (H, W, 3), the cells of wrong codes outlined."""
        picture = Image.fromarray(self.dreamt[t])
        draw = ImageDraw.Draw(picture)
        height, width = self.dreamt.shape[1:3]
        rows, columns = self.wrong.shape[1:]
        for row, column in np.argwhere(self.wrong[t]):
            left, top = column * width // columns, row * height // rows
            draw.rectangle((left, top, left + width // columns - 1, top + height // rows - 1), outline=_OUTLINE)
        return np.asarray(picture)

    def difference(self, t: int) -> NDArray[np.uint8]:
        """Where dream and reconstruction differ, (H, W, 3): the dream's colours on a dimmed reconstruction."""
        differs = (self.dreamt[t] != self.reconstructed[t]).any(-1, keepdims=True)
        return np.where(differs, 128 + self.dreamt[t] // 2, self.reconstructed[t] // 5).astype(np.uint8)

    def panel(self, t: int) -> NDArray[np.uint8]:
        """One step of the video, (H + banner, 4 * W, 3): game, its reconstruction, dream, difference."""
        pictures = [self.real[t], self.reconstructed[t], self.outlined(t), self.difference(t)]
        width = self.real.shape[2]
        banner = Image.new("RGB", (4 * width, _BANNER))
        draw = ImageDraw.Draw(banner)
        wrong = f"dream: {self.wrong[t].sum()}/{self.wrong[t].size} wrong"
        for i, text in enumerate((f"real  {t + 1:3d} {self.actions[t]}", "its codes, decoded", wrong, "difference")):
            draw.text((i * width + 3, 1), text, fill=_OUTLINE)
        return np.concatenate([np.asarray(banner), np.concatenate(pictures, 1)])


def write_strip(path: Path, film: Film, steps: int) -> None:
    """Write a picture of the first ``steps`` steps: the real codes decoded above, the dream below."""
    panels = [np.concatenate([film.reconstructed[t], film.outlined(t)]) for t in range(min(steps, len(film.dreamt)))]
    with atomic_path(path) as temporary:
        Image.fromarray(rearrange(np.stack(panels), "T H W c -> H (T W) c")).save(temporary, format="PNG")


def write_video(path: Path, film: Film, fps: int) -> None:
    """Write an H.264 video of all steps, see ``Film.panel``, twice as large as the game."""
    with atomic_path(path) as temporary, av.open(str(temporary), "w", format="mp4") as container:
        height, width = film.panel(0).shape[:2]
        stream = container.add_stream("libx264", rate=Fraction(fps))
        stream.options = {"preset": PRESET}
        stream.width, stream.height, stream.pix_fmt = 2 * width, 2 * height, "yuv420p"
        for t in range(len(film.dreamt)):
            large = film.panel(t).repeat(2, axis=0).repeat(2, axis=1)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(large), format="rgb24")))
        container.mux(stream.encode())

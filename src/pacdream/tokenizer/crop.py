"""Parts of frames to train a tokenizer on: the maze is the same everywhere, the sprites are few and small."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Crop:
    """A rectangle of grid cells for each frame of a batch."""

    corner: Tensor
    """(B, 2) int64 row and column of its upper left cell."""
    size: tuple[int, int]
    """Rows and columns of cells."""

    def of(self, images: Tensor, scale: int) -> Tensor:
        """Cut it out of images (B, ..., H, W), or out of one (D, H, W) for all, of ``scale`` pixels a cell.

        >>> crop = Crop(torch.tensor([[0, 0], [1, 2]]), (1, 1))
        >>> crop.of(torch.arange(6).view(1, 2, 3), scale=1).flatten()
        tensor([0, 5])
        """
        down, right = (torch.arange(cells * scale, device=images.device) for cells in self.size)
        rows = (self.corner[:, :1] * scale + down)[:, :, None]
        columns = (self.corner[:, 1:] * scale + right)[:, None]
        if images.ndim == 3:
            return images[:, rows, columns].movedim(1, 0)
        batch = torch.arange(len(images), device=images.device)[:, None, None]
        return images.movedim((-2, -1), (1, 2))[batch, rows, columns].movedim((1, 2), (-2, -1))


def draw_crop(classes: Tensor, weights: Tensor, size: tuple[int, int], grid_shape: tuple[int, int]) -> Crop:
    """Crops around a patch drawn by its weight, for frames of folded ``classes`` (B, P, h', w').

    Args:
        classes: of the pixels of each patch.
        weights: (C,) of a pixel of each class.
        size: rows and columns of cells.
        grid_shape: of the whole frame.
    """
    height, width = classes.shape[-2:]
    of_patch = weights[classes.int()].sum(1).flatten(1)
    drawn = torch.multinomial(of_patch, 1)
    cells = torch.tensor([grid_shape], device=classes.device)
    middle = torch.cat([drawn // width * cells[:, :1] // height, drawn % width * cells[:, 1:] // width], 1)
    extent = torch.tensor([size], device=classes.device)
    # Not always in the middle: what is near a border of the crop must be learned as well.
    shift = (torch.rand(len(classes), 2, device=classes.device) * extent).long()
    return Crop(torch.minimum((middle - shift).clamp(min=0), cells - extent), size)

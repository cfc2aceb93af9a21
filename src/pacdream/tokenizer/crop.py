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


def draw_crop(weights: Tensor, size: tuple[int, int], grid_shape: tuple[int, int]) -> Crop:
    """Crops of ``size`` cells around a place drawn by its weight, for maps of weights (B, H, W) over the whole grid."""
    height, width = weights.shape[-2:]
    drawn = torch.multinomial(weights.flatten(1), 1)
    cells = torch.tensor([grid_shape], device=weights.device)
    middle = torch.cat([drawn // width * cells[:, :1] // height, drawn % width * cells[:, 1:] // width], 1)
    extent = torch.tensor([size], device=weights.device)
    # Not always in the middle: what is near a border of the crop must be learned as well.
    shift = (torch.rand(len(weights), 2, device=weights.device) * extent).long()
    return Crop(torch.minimum((middle - shift).clamp(min=0), cells - extent), size)

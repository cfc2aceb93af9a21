"""Pictures of what the tokenizer sees and what it makes of it."""

from pathlib import Path

import lightning
import torch
from einops import rearrange
from lightning.pytorch.loggers import WandbLogger
from PIL import Image

from pacdream.core.files import atomic_path
from pacdream.data.batches import evenly
from pacdream.tokenizer.module import TokenizerModule


class Reconstructions(lightning.Callback):
    """After each validation, a grid of real frames (above) and their reconstructions (below)."""

    def __init__(self, num_frames: int) -> None:
        """``num_frames``: columns of the grid, evenly spread over the validation frames."""
        self.num_frames = num_frames

    @torch.no_grad()
    def on_validation_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Write a PNG into the run's folder and log it."""
        if not isinstance(pl_module, TokenizerModule) or not trainer.is_global_zero:
            return
        dataset = trainer.val_dataloaders.dataset  # type: ignore[union-attr]
        windows, _ = dataset[evenly(torch.arange(len(dataset)), self.num_frames)]
        model = pl_module.model
        decoded = model.decode(model.encode(windows.to(pl_module.device))).cpu()
        rows = torch.stack([windows[:, -1], decoded])
        palette = (pl_module.palette.cpu() * 255).byte()
        grid = rearrange(palette[rows.long()], "r n H W c -> (r H) (n W) c")
        path = Path(trainer.default_root_dir) / "media" / f"reconstructions_{trainer.global_step:06d}.png"
        with atomic_path(path) as temporary:
            Image.fromarray(grid.numpy()).save(temporary, format="PNG")
        for logger in trainer.loggers:
            if isinstance(logger, WandbLogger):
                logger.log_image("tokenizer/reconstructions", [str(path)], trainer.global_step)

"""Training a tokenizer."""

import torch
from einops import rearrange
from torch import Tensor
from torch.nn import functional as F  # noqa: N812
from torchmetrics import ConfusionMatrix, MeanMetric, MetricCollection
from torchmetrics.image import PeakSignalNoiseRatio, StructuralSimilarityIndexMeasure

from pacdream.core.network_module import NetworkModule
from pacdream.core.optimizers import MakeOptimizer, MakeScheduler
from pacdream.metric.codebook import CodebookUse, class_iou
from pacdream.tokenizer.base import Tokenizer
from pacdream.tokenizer.crop import Crop
from pacdream.types import TokenizerOutput

OUTSIDE = 255
"""Target of the pixels that only pad the frame."""


class TokenizerModule(NetworkModule):
    """Reconstructs the palette class of every pixel by weighted cross-entropy."""

    model: Tokenizer
    monitors = (
        "val/loss", "val/pixel_accuracy", "tokenizer/perplexity", "tokenizer/usage", "tokenizer/psnr",
        "tokenizer/ssim", "train/loss",
    )  # fmt: skip
    palette: Tensor
    """(256, 3) RGB in [0, 1]."""

    def __init__(
        self,
        model: Tokenizer,
        optimizer: MakeOptimizer,
        scheduler: MakeScheduler | None,
        crop: list[int] | None = None,
    ) -> None:
        """``optimizer`` and ``scheduler`` are factories; see ``conf/optimizer`` and ``conf/scheduler``.

        ``crop``: rows and columns of grid cells to train on, around the rare colours; none for whole frames.

        Raises:
            ValueError: the crop is no rectangle inside the grid.
        """
        super().__init__(model, optimizer, scheduler)
        if crop is not None and not (
            len(crop) == 2
            and all(
                type(cells) is int and 1 <= cells <= most for cells, most in zip(crop, model.grid_shape, strict=True)
            )
        ):
            raise ValueError(f"module.crop={crop} must be rows and columns of cells within the grid {model.grid_shape}")
        self.crop = None if crop is None else (crop[0], crop[1])
        num_classes = len(model.palette_indices)
        self.val_loss = MeanMetric()
        self.confusion = ConfusionMatrix("multiclass", num_classes=num_classes)
        self.codebook_use = CodebookUse(model.codebook_size)
        self.image_metrics = MetricCollection(
            {
                "tokenizer/psnr": PeakSignalNoiseRatio((0.0, 1.0)),
                "tokenizer/ssim": StructuralSimilarityIndexMeasure(data_range=1.0),
            }
        )
        palette = [list(bytes.fromhex(colour)) for colour in model.recipe["palette"]]
        self.register_buffer("palette", torch.tensor(palette) / 255, persistent=False)

    def training_step(self, frames: Tensor, batch_idx: int) -> Tensor:
        """Loss on windows (B, F, H, W)."""
        crop = self.crop and self.model.draw_crop(frames, self.crop)
        output = self.model(frames, crop)
        loss, target = self._loss(output, frames, crop)
        self.log("train/loss", loss, prog_bar=True)
        # Deciding every pixel takes a tenth of the step, so only the steps that are logged do it.
        if (batch_idx + 1) % self.trainer.log_every_n_steps == 0:  # type: ignore[attr-defined]
            self.log("train/pixel_accuracy", self._accuracy(output, target), prog_bar=True)
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], _: int) -> None:
        """Update all metrics on windows (B, F, H, W)."""
        frames = batch[0]
        output = self.model(frames)
        loss = self._loss(output, frames)[0]
        predicted = self.model.unfold(self.model.most_likely(output.logits))
        real = self.model.class_of_index[frames[:, -1].int()].long()
        self.val_loss.update(loss, len(frames))
        self.confusion.update(predicted, real)
        self.codebook_use.update(output.codes)
        self.image_metrics.update(self._image(predicted), self._image(real))

    def on_validation_epoch_end(self) -> None:
        """Log the schema's ``val/`` and ``tokenizer/`` names."""
        confusion = self.confusion.compute()
        logged = {"val/loss": self.val_loss.compute()}
        logged["val/pixel_accuracy"] = confusion.diag().sum() / confusion.sum()
        for index, iou in zip(self.model.palette_indices.tolist(), class_iou(confusion), strict=True):
            logged[f"tokenizer/iou/colour_{index}"] = iou
        logged |= {f"tokenizer/{name}": value for name, value in self.codebook_use.compute().items()}
        logged |= self.image_metrics.compute()
        self.log_dict({name: value.float() for name, value in logged.items()})
        for metric in (self.val_loss, self.confusion, self.codebook_use, self.image_metrics):
            metric.reset()

    def _loss(self, output: TokenizerOutput, frames: Tensor, crop: Crop | None = None) -> tuple[Tensor, Tensor]:
        """Loss () and target classes (B, P, ...)."""
        target = self.model.fold(frames[:, -1:], OUTSIDE, crop)[:, 0].long()
        weights = self.model.class_weights
        total = F.cross_entropy(output.logits, target, weight=weights, ignore_index=OUTSIDE, reduction="sum")
        # Divided by the number of pixels, not by the sum of weights: a batch without ghosts must not count more.
        pixels = frames[:, -1].numel() if crop is None else target.numel()
        return total / pixels + output.commitment_loss, target

    def _accuracy(self, output: TokenizerOutput, target: Tensor) -> Tensor:
        right = self.model.most_likely(output.logits.detach()) == target
        return right.sum() / (target != OUTSIDE).sum()

    def _image(self, classes: Tensor) -> Tensor:
        """RGB images (B, 3, H, W) in [0, 1] of classes (B, H, W)."""
        return rearrange(self.palette[self.model.palette_indices[classes].long()], "B H W rgb -> B rgb H W")

"""Training a span network."""

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812
from torchmetrics import MeanAbsoluteError, PearsonCorrCoef

from pacdream.core.network_module import NetworkModule
from pacdream.core.optimizers import MakeOptimizer, MakeScheduler
from pacdream.outcome.span_data_module import SpanBatch
from pacdream.outcome.span_network import SpanNetwork


class SpanModule(NetworkModule):
    """Huber loss of the points of a span, in units: a rare and large number, such as a ghost's, outweighs nothing."""

    model: SpanNetwork
    monitors = ("val/error", "val/correlation", "train/loss")

    def __init__(self, model: SpanNetwork, optimizer: MakeOptimizer, scheduler: MakeScheduler | None) -> None:
        """Configure.

        Args:
            model: to train.
            optimizer: a factory; see ``conf/optimizer``.
            scheduler: a factory; see ``conf/scheduler``.
        """
        super().__init__(model, optimizer, scheduler)
        self.val_error, self.val_correlation = MeanAbsoluteError(), PearsonCorrCoef()

    def training_step(self, batch: SpanBatch, _: int) -> Tensor:
        """Loss in units."""
        loss = F.smooth_l1_loss(self.model(batch.codes, batch.spans) / self.model.unit, batch.points / self.model.unit)
        self.log("train/loss", loss, prog_bar=True)
        return loss

    def validation_step(self, batch: SpanBatch, _: int) -> None:
        """Update all metrics."""
        found = self.model(batch.codes, batch.spans)
        self.val_error.update(found, batch.points)
        self.val_correlation.update(found, batch.points)

    def on_validation_epoch_end(self) -> None:
        """Log the schema's ``val/`` names: the mean error in points, and the correlation with the real ones."""
        self.log("val/error", self.val_error.compute(), prog_bar=True)
        self.log("val/correlation", torch.nan_to_num(self.val_correlation.compute()), prog_bar=True)
        for metric in (self.val_error, self.val_correlation):
            metric.reset()

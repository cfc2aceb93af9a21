"""Training a risk network."""

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812
from torchmetrics import MeanMetric
from torchmetrics.classification import BinaryAUROC, BinaryAveragePrecision

from pacdream.core.limits import Positive, Share
from pacdream.core.network_module import NetworkModule
from pacdream.core.optimizers import MakeOptimizer, MakeScheduler
from pacdream.outcome.risk_data_module import RiskBatch
from pacdream.outcome.risk_network import RiskNetwork
from pacdream.outcome.targets import class_of_points


class RiskModule(NetworkModule):
    """Cross-entropy of having been caught by the end of each step, of points, and of codes that change on the way."""

    model: RiskNetwork
    monitors = ("val/loss", "val/caught_ap", "val/caught_auroc", "train/loss")
    """What a callback can monitor."""

    def __init__(
        self,
        model: RiskNetwork,
        optimizer: MakeOptimizer,
        scheduler: MakeScheduler | None,
        codes_weight: float,
        cells: Positive,
        max_corruption: Share,
    ) -> None:
        """Configure.

        Args:
            model: to train.
            optimizer: a factory; see ``conf/optimizer``.
            scheduler: a factory; see ``conf/scheduler``.
            codes_weight: of the codes in the loss.
            cells: codes that are asked for after each step, those that change first.
            max_corruption: largest share of the codes read that are random while training.
        """
        super().__init__(model, optimizer, scheduler)
        self.codes_weight, self.cells, self.max_corruption = codes_weight, cells, max_corruption
        self.val_loss, self.val_precision, self.val_area = MeanMetric(), BinaryAveragePrecision(), BinaryAUROC()

    def training_step(self, batch: RiskBatch, _: int) -> Tensor:
        """Loss in nats per step of a plan."""
        rate = self.max_corruption * torch.rand(len(batch.codes), 1, 1, 1, device=batch.codes.device)
        random = torch.randint_like(batch.codes, self.model.codebook_size)
        codes = torch.where(torch.rand(batch.codes.shape, device=rate.device) < rate, random, batch.codes)
        maps = self.model.follow(codes, batch.actions, batch.plans[:, None])
        caught, points = self.model.events(maps)
        caught_loss, later = _loss(caught[:, 0], batch), batch.later.flatten(2)
        points_loss = F.cross_entropy(points.flatten(0, 2), class_of_points(batch.points, self.model.points).flatten())
        cells = cells_that_change(batch.codes[:, -1].flatten(1), later, min(self.cells, later.shape[-1]))
        shown = self.model.shown(maps[:, 0], cells)
        codes_loss = F.cross_entropy(shown.flatten(0, -2), later.gather(2, cells).flatten())
        losses = {"train/loss": caught_loss, "train/points_loss": points_loss, "train/codes_loss": codes_loss}
        self.log_dict(losses, prog_bar=True)
        return caught_loss + points_loss + self.codes_weight * codes_loss

    def validation_step(self, batch: RiskBatch, _: int) -> None:
        """Update all metrics; average precision and area are those at the end of the plans."""
        logits = self.model(batch.codes, batch.actions, batch.plans[:, None])[:, 0]
        self.val_loss.update(_loss(logits, batch), len(logits))
        for metric in (self.val_precision, self.val_area):
            metric.update(logits[:, -1].sigmoid(), batch.caught[:, -1].long())

    def on_validation_epoch_end(self) -> None:
        """Log the schema's ``val/`` names."""
        metrics = {"loss": self.val_loss, "caught_ap": self.val_precision, "caught_auroc": self.val_area}
        for name, metric in metrics.items():
            self.log(f"val/{name}", metric.compute(), prog_bar=True)
            metric.reset()


def cells_that_change(present: Tensor, later: Tensor, count: int) -> Tensor:
    """Which codes (B, T, count) to ask for after each step, at random, those first that have changed.

    Args:
        present: (B, N) codes.
        later: (B, T, N) codes after each step.
        count: cells to choose.
    """
    before = torch.cat([present[:, None], later[:, :-1]], 1)
    changes = (later != present[:, None]).float() + (later != before).float()
    return (changes + 1.5 * torch.rand_like(changes)).topk(count, -1).indices


def _loss(logits: Tensor, batch: RiskBatch) -> Tensor:
    return F.binary_cross_entropy_with_logits(logits, batch.caught.float())

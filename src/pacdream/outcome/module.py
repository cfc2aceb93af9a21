"""Training an outcome network."""

from torch import Tensor
from torch.nn import functional as F  # noqa: N812
from torchmetrics import MeanMetric, MetricCollection
from torchmetrics.classification import BinaryAveragePrecision

from pacdream.core.network_module import NetworkModule
from pacdream.core.optimizers import MakeOptimizer, MakeScheduler
from pacdream.outcome.batch import OutcomeBatch
from pacdream.outcome.network import OutcomeLogits, OutcomeNetwork
from pacdream.outcome.targets import class_of_points


class OutcomeModule(NetworkModule):
    """Cross-entropy of points, lost lives and the end of the game."""

    model: OutcomeNetwork
    monitors = (
        "val/loss", "val/points_ap", "val/lost_ap", "val/dream/points_ap", "val/dream/lost_ap", "train/loss",
    )  # fmt: skip

    def __init__(
        self,
        model: OutcomeNetwork,
        optimizer: MakeOptimizer,
        scheduler: MakeScheduler | None,
        lives_weight: float = 1.0,
    ) -> None:
        """Configure.

        Args:
            model: to train.
            optimizer: a factory; see ``conf/optimizer``.
            scheduler: a factory; see ``conf/scheduler``.
            lives_weight: of lives and end in the loss; steps that lose one are few, and weigh little.
        """
        super().__init__(model, optimizer, scheduler)
        self.lives_weight = lives_weight
        self.val_loss = MeanMetric()
        precision = MetricCollection({"points_ap": BinaryAveragePrecision(), "lost_ap": BinaryAveragePrecision()})
        self.val_real, self.val_dream = precision.clone("val/"), precision.clone("val/dream/")

    def training_step(self, batch: OutcomeBatch, _: int) -> Tensor:
        """Loss in nats per step."""
        loss = self._loss(self.model(batch.codes, batch.actions), batch).mean()
        self.log("train/loss", loss, prog_bar=True)
        return loss

    def validation_step(self, batch: OutcomeBatch, batch_idx: int, dataloader_idx: int = 0) -> None:
        """Update all metrics on real or on imagined steps."""
        logits = self.model(batch.codes, batch.actions)
        self.val_loss.update(self._loss(logits, batch))
        metrics = self.val_dream if batch.imagined else self.val_real
        nothing = self.model.points == 0
        metrics["points_ap"].update(1 - logits.points.softmax(-1)[:, nothing].sum(-1), (batch.points != 0).long())
        metrics["lost_ap"].update(logits.lost[:, -1].sigmoid(), batch.lost[:, -1].long())

    def on_validation_epoch_end(self) -> None:
        """Log the schema's ``val/`` names."""
        self.log("val/loss", self.val_loss.compute(), prog_bar=True)
        self.val_loss.reset()
        for metrics in (self.val_real, self.val_dream):
            if metrics["points_ap"].update_called:
                self.log_dict(metrics.compute(), prog_bar=True)
            metrics.reset()

    def _loss(self, logits: OutcomeLogits, batch: OutcomeBatch) -> Tensor:
        """Loss (B,) of all three, corrected so that what is learnt speaks of the game as it is.

        Of points it is the logits that are corrected (Menon et al., "Long-tail learning via logit adjustment", 2021):
        weights as small as a ghost is rare would keep it from being learnt at all.
        """
        target = class_of_points(batch.points, self.model.points)
        points = F.cross_entropy(logits.points + batch.points_shift, target, reduction="none")
        lives = F.binary_cross_entropy_with_logits(logits.lost, batch.lost.float(), reduction="none").mean(1)
        over = F.binary_cross_entropy_with_logits(logits.over, batch.over.float(), reduction="none")
        return batch.points_weight * points + self.lives_weight * batch.weight * (lives + over)

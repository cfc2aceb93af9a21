"""Training a world model, whichever it is."""

import torch
from torch import Tensor
from torchmetrics import MeanMetric
from torchmetrics.classification import MulticlassAccuracy

from pacdream.core.limits import Positive, PositiveFloat
from pacdream.core.network_module import NetworkModule
from pacdream.core.optimizers import MakeOptimizer, MakeScheduler
from pacdream.metric.next_codes import NextCodesMetric
from pacdream.types import HeldOutBatch, LatentBatch
from pacdream.world_model.base import WorldModel, likeliest
from pacdream.world_model.loss import action_influence, next_codes_loss


class WorldModelModule(NetworkModule):
    """Training on windows of latent steps, teacher-forced or partly on the model's own predictions."""

    model: WorldModel
    monitors = (
        "val/loss", "val/accuracy", "val/changed_accuracy", "val/copy_accuracy", "val/skill", "val/top5_accuracy",
        "val/perplexity", "train/loss_epoch", "train/accuracy",
    )  # fmt: skip

    def __init__(
        self,
        model: WorldModel,
        optimizer: MakeOptimizer,
        scheduler: MakeScheduler | None,
        imagined_steps: Positive | None = None,
        action_weight: PositiveFloat | None = None,
    ) -> None:
        """Configure.

        Args:
            model: any world model.
            optimizer: a factory, see ``conf/optimizer``.
            scheduler: a factory, see ``conf/scheduler``.
            imagined_steps: the last steps of each window, in which the model goes on from its own likeliest codes,
                the first of them from the real grids before; none to teach every step with real grids.
            action_weight: how much more a code counts whose prediction is changed for certain by other actions, in
                the steps that are taught and the one before them; none to count all codes alike.
        """
        super().__init__(model, optimizer, scheduler)
        self.imagined_steps, self.action_weight = imagined_steps, action_weight
        classes = model.codebook_size
        self.train_loss = MeanMetric()
        # Argmax integers while training: top-k sorts all logits and is dear.
        self.train_accuracy = MulticlassAccuracy(classes, average="micro", validate_args=False)
        for metric in (self.train_loss, self.train_accuracy):
            metric.persistent(True)  # an epoch that is interrupted goes on with what it has counted
        self.val_loss = MeanMetric()
        self.val_next_codes = NextCodesMetric()
        self.val_top5 = MulticlassAccuracy(classes, average="micro", top_k=min(5, classes - 1), validate_args=False)

    def training_step(self, batch: LatentBatch, _: int) -> Tensor:
        """Loss in nats per code."""
        if self.action_weight is None:
            logits, weights = self._predict(batch), None
        else:
            logits, weights = self._predict_and_weigh(batch, self.action_weight)
        target = batch.codes[:, -logits.shape[1] :]
        loss = next_codes_loss(logits, target, weights)
        self.train_loss.update(loss.detach(), target.numel())
        self.train_accuracy.update(likeliest(logits.detach()), target)
        self.log("train/loss_step", loss, prog_bar=True)
        return loss

    def _predict(self, batch: LatentBatch) -> Tensor:
        """Logits (B, S, h, w, K) of the steps that are taught."""
        if self.imagined_steps is None:
            return self.model(batch.codes[:, :-1], batch.actions).logits
        return self._imagine(batch, self.imagined_steps)

    def _predict_and_weigh(self, batch: LatentBatch, action_weight: float) -> tuple[Tensor, Tensor]:
        """The same logits, and what each code counts (B, S, h, w).

        Most of what changes on a screen, the action does not decide. The weights depend on what is seen and not on
        what happened, so what a perfect model would predict stays the same.
        """
        seed = int(torch.randint(2**31, ()))  # both predictions must read the same, also if some of it is drawn
        torch.manual_seed(seed)
        logits = self._predict(batch)
        # Also the action before: a frame shows the brightest of several pictures, so that a player who turns is seen
        # to move a step later.
        others, count = batch.actions.clone(), self.model.num_actions
        others[:, -logits.shape[1] - 1 :] += torch.randint_like(others[:, :1], 1, count)
        gpus = [self.device] if self.device.type == "cuda" else []  # not all of a machine that has several
        with torch.no_grad(), torch.random.fork_rng(gpus):
            torch.manual_seed(seed)
            influence = action_influence(logits.detach(), self._predict(LatentBatch(batch.codes, others % count)))
        return logits, 1 + action_weight * influence

    def _imagine(self, batch: LatentBatch, steps: int) -> Tensor:
        """Logits (B, S, h, w, K) of the last S steps, each going on from the likeliest codes of the one before."""
        seen = batch.actions.shape[1] - steps
        if seen < 0:
            raise ValueError(
                f"module.imagined_steps={steps} must not exceed data.context_length={batch.actions.shape[1]}"
            )
        state = self.model.initial_state(len(batch.codes), batch.codes.device)
        for t in range(seen):
            state = self.model.remember(batch.codes[:, t], batch.actions[:, t], state)
        output, state = self.model.step(batch.codes[:, seen], batch.actions[:, seen], state)
        logits = [output.logits]
        for actions in batch.actions[:, seen + 1 :].unbind(1):
            # Not codes drawn at random: with those it obeys less (docs/world_model_experiments.md).
            with torch.no_grad():
                codes = self.model.draw(output, likeliest)
            output, state = self.model.step(codes, actions, state)
            logits.append(output.logits)
        return torch.stack(logits, 1)

    def on_train_epoch_end(self) -> None:
        """Log means over the epoch. Lightning would do it, but not for the part before an interruption."""
        self.log("train/loss_epoch", self.train_loss.compute(), prog_bar=True)
        self.log("train/accuracy", self.train_accuracy.compute(), prog_bar=True)
        self.train_loss.reset()
        self.train_accuracy.reset()

    def validation_step(self, batch: HeldOutBatch, _: int) -> None:
        """Update all metrics."""
        output = self.model(batch.codes[:, :-1], batch.actions).after(batch.context)
        present, target = batch.codes[:, batch.context : -1], batch.codes[:, batch.context + 1 :]
        self.val_loss.update(-self.model.log_likelihood(output, target).mean(), target.numel())
        self.val_next_codes.update(self.model.draw(output, likeliest), present, target, batch.copied)
        self.val_top5.update(output.logits.flatten(0, -2), target.flatten())

    def on_validation_epoch_end(self) -> None:
        """Log the schema's ``val/`` names."""
        loss = self.val_loss.compute()
        logged = {"loss": loss, "perplexity": torch.exp(loss), "top5_accuracy": self.val_top5.compute()}
        logged |= self.val_next_codes.compute()
        on_bar = ("loss", "accuracy", "copy_accuracy")
        for name, value in logged.items():
            self.log(f"val/{name}", value, prog_bar=name in on_bar)
        for metric in (self.val_loss, self.val_next_codes, self.val_top5):
            metric.reset()

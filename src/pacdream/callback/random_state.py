"""Random numbers that go on where a checkpoint was written."""

from typing import Any

import lightning
import torch


class RandomState(lightning.Callback):
    """Keeps the state of torch's generators in every checkpoint, so that dropout and sampling go on as well."""

    _saved: dict[str, Any] | None = None

    def state_dict(self) -> dict[str, Any]:
        """States of the CPU's and of all GPUs' generators."""
        return {"cpu": torch.get_rng_state(), "cuda": torch.cuda.get_rng_state_all()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Note them until everything is built that draws numbers."""
        self._saved = state_dict

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Go on from there."""
        if self._saved is None:
            return
        torch.set_rng_state(self._saved["cpu"].cpu())
        if len(self._saved["cuda"]) == torch.cuda.device_count():
            torch.cuda.set_rng_state_all([state.cpu() for state in self._saved["cuda"]])
        self._saved = None

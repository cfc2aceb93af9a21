"""Random numbers that go on where a checkpoint was written."""

from typing import Any

import lightning
import torch


class RandomState(lightning.Callback):
    """Keeps the state of torch's generators in every checkpoint, so that dropout and sampling go on as well."""

    _loaded: dict[str, Any] | None = None

    def state_dict(self) -> dict[str, Any]:
        """States of the CPU's and of all GPUs' generators."""
        mps = [torch.mps.get_rng_state()] if torch.mps.is_available() else []
        return self._loaded or {"cpu": torch.get_rng_state(), "cuda": torch.cuda.get_rng_state_all(), "mps": mps}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Note them until everything is built that draws numbers."""
        self._loaded = state_dict

    def on_train_batch_start(self, *_: Any) -> None:
        """Go on from there: also Lightning itself has drawn numbers until now, to make a validation loader anew."""
        if self._loaded is None:
            return
        torch.set_rng_state(self._loaded["cpu"].cpu())
        if len(self._loaded["cuda"]) == torch.cuda.device_count():
            torch.cuda.set_rng_state_all([state.cpu() for state in self._loaded["cuda"]])
        if torch.mps.is_available() and self._loaded.get("mps"):
            torch.mps.set_rng_state(self._loaded["mps"][0].cpu())
        self._loaded = None

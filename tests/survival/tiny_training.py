"""``python tiny_training.py <run> <episodes> <tokenizer> <cache> <steps|epochs>``: ``train.py`` in less time.

Two epochs of two steps with the configured callbacks and logger, without Hydra and without recording anything.
"""

import sys
from pathlib import Path
from typing import Any

import torch

from pacdream.core.checkpoints import load_model
from pacdream.data.recording import Recording
from pacdream.tokenizer.base import Tokenizer
from tests import conftest
from tests.conftest import latent_data
from tests.world_model.fitting import configured, fit, tiny_module

BY: dict[str, dict[str, Any]] = {
    "epochs": {"max_epochs": 2},
    "steps": {"max_epochs": -1, "max_steps": 4, "val_check_interval": 1, "check_val_every_n_epoch": None},
}


def main(run: Path, episodes: Path, tokenizer: Path, cache: Path, by: str) -> None:
    """Train, or go on with it."""
    # Nothing is recorded, and to compose the settings of a recording takes as long as all the rest.
    conftest.pac_man_recording = lambda output: Recording({}, {}, 1, 0, 1, 1, str(output))  # type: ignore[assignment]
    data = latent_data(episodes, load_model(tokenizer, Tokenizer), cache)  # type: ignore[type-abstract]
    data.prepare_data()
    data.setup("fit")
    module = tiny_module(data)
    module.model.code_embedding.register_forward_hook(lambda _, __, out: out + 0.1 * torch.rand_like(out))
    last = run / "checkpoints" / "last.ckpt"
    small = {"limit_train_batches": 2, "limit_val_batches": 1, "log_every_n_steps": 1}
    resume = last if last.exists() else None
    fit(module, data, run, resume, **configured(run), **small, **BY[by])


if __name__ == "__main__":
    *folders, by = sys.argv[1:]
    main(*map(Path, folders), by)

"""How long a user waits for the first step of training, and how much memory it takes."""

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import lightning
from omegaconf import DictConfig


class FirstStep(lightning.Callback):
    """Notes in a file when the first step is done."""

    def __init__(self, path: str) -> None:
        """``path`` of the file."""
        self.path = Path(path)

    def on_train_batch_end(self, *_: Any) -> None:
        """Note it once."""
        if not self.path.exists():
            self.path.write_text(json.dumps(time.time()))


def bench_start(config: DictConfig) -> dict[str, float]:
    """Seconds from the command to the first step with a warm cache, imports included; peak memory of that process."""
    with tempfile.TemporaryDirectory() as folder:
        _train(config, folder, "cold")
        seconds = min(_train(config, folder, f"warm{i}") for i in range(config.rounds))
    unit = 1 if sys.platform == "darwin" else 1024
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * unit
    return {"start/seconds_to_first_step": seconds, "start/peak_mb": peak / 1e6}


def _train(config: DictConfig, folder: str, name: str) -> float:
    """Run ``train.py`` for one step, on a tiny recording; seconds to its end."""
    noted = Path(folder) / name
    overrides = [
        "experiment=gru_baseline", "report=none", f"paths.outputs={folder}", "trainer.max_steps=1",
        "recording.episodes=2", f"recording.max_steps={config.start_steps}", "policy@recording.policy=held_random",
        "+trainer.limit_val_batches=1", "+callback.first._target_=pacdream.benchmark.start.FirstStep",
        f"+callback.first.path={noted}",
    ]  # fmt: skip
    script = Path(sys.argv[0]).with_name("train.py")
    start = time.time()
    subprocess.run([sys.executable, str(script), *overrides], check=True, capture_output=True)
    return float(json.loads(noted.read_text())) - start

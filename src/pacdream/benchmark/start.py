"""How long a user waits for the first step of training, how much memory it takes, and what the environment brings."""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import lightning
from omegaconf import DictConfig


class NoteSteps(lightning.Callback):
    """Notes in a file when each step was done."""

    def __init__(self, path: str) -> None:
        """``path`` of the file, a time per line."""
        self.path = Path(path)

    def on_train_batch_end(self, *_: Any) -> None:
        """Note it."""
        with self.path.open("a") as file:
            file.write(f"{json.dumps(time.time())}\n")


def bench_start(config: DictConfig) -> dict[str, float]:
    """Seconds from the command to the first step with a warm cache, imports included; peak memory of that process."""
    with tempfile.TemporaryDirectory() as folder:
        _first_step(config, folder, "cold")
        seconds = min(_first_step(config, folder, f"warm{i}") for i in range(config.rounds))
    unit = 1 if sys.platform == "darwin" else 1024
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * unit
    return {"start/seconds_to_first_step": seconds, "start/peak_mb": peak / 1e6}


def bench_environment(config: DictConfig) -> dict[str, float]:
    """Training steps/s with what is set up before torch loads, over those without it, in processes in turns."""
    prepared, bare = [], []
    with tempfile.TemporaryDirectory() as folder:
        for i in range(config.rounds):
            prepared.append(_step_seconds(config, folder, f"prepared{i}", "on"))
            bare.append(_step_seconds(config, folder, f"bare{i}", "off"))
    return {"environment/training_over_none": min(bare) / min(prepared)}


def _first_step(config: DictConfig, folder: str, name: str) -> float:
    start = time.time()
    return _train(config, folder, name, 1)[0] - start


def _step_seconds(config: DictConfig, folder: str, name: str, switch: str) -> float:
    """Mean seconds of a step after the first ones."""
    times = _train(config, folder, name, config.warmup_steps + config.environment.steps, switch)
    return (times[-1] - times[config.warmup_steps - 1]) / config.environment.steps


def _train(config: DictConfig, folder: str, name: str, steps: int, switch: str = "on") -> list[float]:
    """Run ``train.py`` on a tiny recording; when each of its steps was done."""
    noted = Path(folder) / name
    overrides = [
        "experiment=gru_baseline", "report=none", f"paths.outputs={folder}", f"trainer.max_steps={steps}",
        "recording.episodes=2", f"recording.max_steps={config.start_steps}", "policy@recording.policy=held_random",
        "+trainer.limit_val_batches=1", "+callback.first._target_=pacdream.benchmark.start.NoteSteps",
        f"+callback.first.path={noted}",
    ]  # fmt: skip
    script = Path(sys.argv[0]).with_name("train.py")
    inherited = {name: value for name, value in os.environ.items() if name not in config.environment.unset}
    environment = {**inherited, config.environment.switch: switch}
    subprocess.run([sys.executable, str(script), *overrides], check=True, capture_output=True, env=environment)
    return [float(line) for line in noted.read_text().splitlines()]

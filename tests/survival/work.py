"""Tiny pieces of work for commands that are killed, and what must be true of them after a kill and at their end."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import load_file

from pacdream.core.checkpoint_io import read_checkpoint
from pacdream.data.episode_store import is_intact, read_manifest
from tests.survival.commands import Command, Starter

EPISODES, STEPS = 12, 30
GAME = {"env.late_share": 0.0, "episodes": EPISODES, "max_steps": STEPS}
QUIET = [
    "report=none", "trainer=cpu", "logger=csv", "callback.progress=null", "+trainer.enable_progress_bar=false",
    "+trainer.enable_model_summary=false", "trainer.log_every_n_steps=1", "policy@recording.policy=held_random",
    "recording.workers=1",
]  # fmt: skip
IN_CHECKPOINTS = ("state_dict", "optimizer_states", "lr_schedulers", "global_step", "epoch")


def recording(folder: Path) -> list[str]:
    """The arguments of a recording."""
    game = [f"{key}={value}" for key, value in GAME.items()]
    outputs = folder.parent
    return ["collect.py", "policy=held_random", *game, "workers=2", f"output={folder}", f"paths.outputs={outputs}"]


def training(outputs: Path, tokenizer: Path, *further: str) -> list[str]:
    """The arguments of a training that records the same first, if that is missing."""
    game = [f"recording.{key}={value}" for key, value in GAME.items()]
    return [
        "train.py", "experiment=gru_baseline", *QUIET, *game, "data.encode_batch_size.cpu=1", "data.batch_size=16",
        "data.limit=96", "world_model.hidden_size=16", "world_model.embedding_dim=8", "trainer.max_epochs=2",
        f"tokenizer.checkpoint={tokenizer}", f"paths.outputs={outputs}", *further,
    ]  # fmt: skip


def training_a_tokenizer(outputs: Path, *further: str) -> list[str]:
    """The arguments of a training that draws random numbers, and validates in the middle of an epoch."""
    game = [f"recording.{key}={value}" for key, value in GAME.items()]
    small = ["tokenizer.widths=[8,8,8,16]", "tokenizer.encoder_blocks=[0,0,0,1]", "tokenizer.decoder_blocks=[0,0,0,1]"]
    return [
        "train.py", "experiment=vqvae", *QUIET, *game, *small, "tokenizer.quantizer.codebook_size=64",
        "data.batch_size=2", "data.val_batch_size=4", "data.max_val_frames=4", "trainer.max_steps=18",
        "trainer.val_check_interval=6", f"paths.outputs={outputs}", *further,
    ]  # fmt: skip


def sweep(arguments: list[str], jobs: int = 2) -> list[str]:
    """The arguments of a sweep over seeds, which saves at every step."""
    seeds = ",".join(str(seed) for seed in range(jobs))
    return ["train.py", "-m", *arguments[1:], "callback.safe_stop.save_every_minutes=0", f"seed={seeds}"]


def jobs(folder: Path) -> list[Path]:
    """The folders of a sweep's jobs that have begun, in the order of their seeds."""
    return [path.parents[1] for path in sorted(folder.glob("*/.hydra/overrides.yaml"), key=_seed)]


def _seed(overrides: Path) -> str:
    return next((each for each in overrides.read_text().split() if each.startswith("seed=")), "")


def files(folder: Path) -> set[str]:
    """Paths of all files in a folder."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def equal(a: Any, b: Any) -> bool:
    """Bit by bit, at any depth."""
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(equal(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(equal, a, b))
    return bool(a == b)


def assert_same_recording(folder: Path, reference: Path) -> None:
    """The same bytes."""
    assert files(folder) == files(reference)
    for name in files(reference):
        assert (folder / name).read_bytes() == (reference / name).read_bytes()


def assert_same_caches(folder: Path, reference: Path) -> None:
    """The same tensors."""
    assert files(folder) == files(reference)
    for path in reference.glob("*.safetensors"):
        assert equal(load_file(folder / path.name), load_file(path))


def assert_same_run(run: Path, reference: Path) -> None:
    """Both have learnt and logged the same, and have left the same files."""
    assert files(run) == files(reference)
    for path in (reference / "csv" / "metrics.csv", reference / "result.json"):
        if path.exists():
            assert (run / path.relative_to(reference)).read_text().splitlines() == path.read_text().splitlines()
    for name in ("last.ckpt", "best.ckpt"):
        found, wanted = (read_checkpoint(folder / "checkpoints" / name) for folder in (run, reference))
        for part in IN_CHECKPOINTS:
            assert equal(found[part], wanted[part]), f"{part} of {name}"


class Work(ABC):
    """What a command does in a folder, and may be killed in."""

    def __init__(self, starter: Starter, folder: Path, command: Sequence[str], reference: Path) -> None:
        """``reference`` is what a command has left that was not killed."""
        self.starter, self.folder, self.command, self.reference = starter, folder, [*command], reference
        self.starts = 0

    def start(self) -> Command:
        """Begin it, or go on with it."""
        self.starts += 1
        return self.starter.now(*self.arguments())

    def complete(self) -> None:
        """Let it go on to its end, from where it is, and compare."""
        expected = self.expected()
        output = self.starter.finish(*self.arguments()).output
        assert all(text in output for text in expected)
        assert not [path for path in self.folder.rglob("*") if path.suffix == ".tmp"]
        self.compare()

    def arguments(self) -> list[str]:
        """Of the command that begins it or goes on with it."""
        return self.command

    @abstractmethod
    def unfinished(self) -> bool:
        """Whether something is left to do, as its files say."""

    def expected(self) -> list[str]:
        """What a command must say that does not do again what is done."""
        return []

    @abstractmethod
    def check(self) -> None:
        """Nothing that a kill has left is damaged, and nothing that was finished is lost."""

    @abstractmethod
    def compare(self) -> None:
        """All is as it is without a kill."""


class Recording(Work):
    """A data set, in ``episodes``."""

    finished: dict[str, int]
    """When each episode was written that is in the manifest."""

    def __init__(self, starter: Starter, folder: Path, reference: Path) -> None:
        """See above."""
        super().__init__(starter, folder, recording(folder / "episodes"), reference)
        self.finished = {}

    def unfinished(self) -> bool:
        """See ``Work``."""
        there = (self.folder / "episodes" / "manifest.json").exists()
        return not there or len(read_manifest(self.folder / "episodes").episodes) < EPISODES

    def expected(self) -> list[str]:
        """See ``Work``."""
        missing = EPISODES - len(self.finished)
        return [f"recording {missing} episodes"] if missing else [f"holds {EPISODES} episodes already"]

    def check(self) -> None:
        """See ``Work``."""
        entries = read_manifest(self.folder / "episodes").episodes
        assert all(is_intact(self.folder / "episodes", entry) for entry in entries)
        times = {entry.file: (self.folder / "episodes" / entry.file).stat().st_mtime_ns for entry in entries}
        assert times.items() >= self.finished.items()
        assert len([*(self.folder / "episodes").glob("*.h5")]) <= len(entries) + 4  # that the two workers did meanwhile
        self.finished = times

    def compare(self) -> None:
        """See ``Work``."""
        self.check()
        assert_same_recording(self.folder / "episodes", self.reference / "episodes" / "default")


class Encoding(Work):
    """A latent cache, in ``latents``."""

    def unfinished(self) -> bool:
        """See ``Work``."""
        return not [*self.folder.glob("latents/*.safetensors")]

    def check(self) -> None:
        """See ``Work``."""
        for path in self.folder.glob("latents/*.safetensors"):
            safe_open(path, "pt")

    def compare(self) -> None:
        """See ``Work``."""
        assert_same_caches(self.folder / "latents", self.reference / "latents")


class Training(Work):
    """A run."""

    def arguments(self) -> list[str]:
        """The same command again, and ``resume=`` in turn."""
        if self.starts % 2 and (self.folder / "checkpoints" / "last.ckpt").exists():
            return ["train.py", f"resume={self.folder}"]
        return [*self.command, f"hydra.run.dir={self.folder}"]

    def unfinished(self) -> bool:
        """See ``Work``."""
        return not (self.folder / "result.json").exists()

    def runs(self) -> list[Path]:
        """The folders of all runs that have begun."""
        return [self.folder]

    def expected(self) -> list[str]:
        """See ``Work``."""
        begun = [run for run in self.runs() if (run / "checkpoints" / "last.ckpt").exists()]
        undone = [run / "checkpoints" / "last.ckpt" for run in begun if not (run / "result.json").exists()]
        return [f"going on from step {read_checkpoint(path)['global_step']}: {path}" for path in undone]

    def check(self) -> None:
        """See ``Work``."""
        for path in self.folder.rglob("*.ckpt"):
            read_checkpoint(path)

    def compare(self) -> None:
        """See ``Work``."""
        assert_same_run(self.folder, self.reference)


class Sweeping(Training):
    """A sweep over seeds."""

    def arguments(self) -> list[str]:
        """The sweep's command, told to go on."""
        folder = self.folder / "sweep"
        return [*self.command, f"sweep.resume={folder}" if folder.exists() else f"hydra.sweep.dir={folder}"]

    def unfinished(self) -> bool:
        """See ``Work``."""
        return len([*self.folder.glob("sweep/*/result.json")]) < len(jobs(self.reference / "sweep"))

    def runs(self) -> list[Path]:
        """See ``Training``."""
        return jobs(self.folder / "sweep")

    def compare(self) -> None:
        """See ``Work``."""
        found, wanted = (jobs(folder / "sweep") for folder in (self.folder, self.reference))
        assert files(self.folder / "sweep") == files(self.reference / "sweep")
        for job, reference in zip(found, wanted, strict=True):
            assert_same_run(job, reference)


class FromNothing(Sweeping):
    """A sweep that records and encodes first."""

    def compare(self) -> None:
        """See ``Work``."""
        super().compare()
        assert_same_recording(self.folder / "episodes", self.reference / "episodes")
        assert_same_caches(self.folder / "latents", self.reference / "latents")

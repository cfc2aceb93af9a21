"""What the settings at the top of each command's configuration must be; the others are for constructors that say it."""

from dataclasses import dataclass
from typing import Annotated

from pacdream.core.limits import Natural, Positive, PositiveFloat, Range, Seed, Share


@dataclass(frozen=True)
class TrainSettings:
    """See ``conf/train.yaml``."""

    name: str
    seed: Seed
    resume: str | None
    weights: str | None


@dataclass(frozen=True)
class EvaluateSettings:
    """See ``conf/evaluate.yaml``."""

    run: str | None
    compare: str | list[str] | None
    checkpoint: str | None
    episodes: str | None
    horizon: Positive | None
    log: bool
    seed: Seed


@dataclass(frozen=True)
class RolloutSettings:
    """See ``conf/rollout.yaml``."""

    run: str | None
    checkpoint: str | None
    episodes: str | None
    dreams: Positive
    context: Positive
    horizon: Positive
    fps: Positive
    seed: Seed


@dataclass(frozen=True)
class PlanSettings:
    """See ``conf/plan.yaml``."""

    run: str | None
    episodes: Positive
    oracles: list[str]
    moments: Natural
    plans: Positive
    max_hold: Positive
    max_steps: Positive
    resamples: Positive
    fps: Positive
    seed: Seed


@dataclass(frozen=True)
class TrainAgentSettings:
    """See ``conf/train_agent.yaml``."""

    name: str
    run: str | None
    resume: str | None
    world: str
    steps: Positive
    save_every: Positive
    games: Positive
    max_steps: Positive
    resamples: Positive
    seed: Seed


@dataclass(frozen=True)
class DreamSettings:
    """See ``dream`` in ``conf/train_agent.yaml``."""

    outcome: str
    num_envs: Positive
    horizon: Positive
    ends: str
    context: Positive
    temperature: Annotated[float, Range(0)]
    episodes: str | None
    precision: str


@dataclass(frozen=True)
class PlaySettings:
    """See ``conf/play.yaml``."""

    run: str | None
    outcome: str | None
    tty: bool
    host: str
    port: Annotated[int, Range(1, 65535)]
    fps: PositiveFloat
    temperature: Annotated[float, Range(0)]
    intro: Natural
    context: Annotated[int, Range(2)]
    left_at: Share
    games: Positive
    messages_per_second: Positive
    silence: PositiveFloat
    recorded_steps: Positive


@dataclass(frozen=True)
class ExportPageSettings:
    """See ``conf/export_page.yaml``."""

    run: str | None
    outcome: str | None
    output: str
    runtime: str
    starts: Positive
    context: Annotated[int, Range(2)]
    intro: Natural
    fps: PositiveFloat
    temperature: Annotated[float, Range(0)]
    seed: Seed


@dataclass(frozen=True)
class BenchSettings:
    """See ``conf/bench.yaml``."""

    rounds: Positive
    record_steps: Positive
    encode_frames: Positive
    load_batches: Positive
    naive_workers: Positive
    warmup_steps: Positive
    train_steps: Positive
    precision_steps: Positive
    few_steps: Positive
    many_steps: Positive
    start_steps: Positive
    rollout_batches: list[int]
    dream_rows: list[int]
    dream_seconds: PositiveFloat

"""Planning in the real game, beside its baselines and its oracles."""

import logging
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from hydra.core.hydra_config import HydraConfig
from numpy.typing import NDArray
from omegaconf import DictConfig, OmegaConf
from rich.console import Console
from rich.table import Table
from torch import Tensor

from pacdream.command.run import open_run
from pacdream.command.schemas import PlanSettings
from pacdream.core.check_settings import check_settings
from pacdream.core.files import write_json
from pacdream.core.instantiate import build
from pacdream.data.collect import episode_seeds
from pacdream.game.games import game_of
from pacdream.game.palette import ntsc_palette
from pacdream.game.palette_frames import PaletteFrames
from pacdream.metric.episode_metric import draw_episodes
from pacdream.planner.foresights import RankCorrelation
from pacdream.planner.games import Played, play_games
from pacdream.planner.imagination import Imagination
from pacdream.planner.oracles import CountedDream, EmulatorForesight, JudgedEmulator
from pacdream.planner.policy import PlannerPolicy
from pacdream.planner.prospects import Foresight, Present
from pacdream.rollout.video import Film, write_video

log = logging.getLogger(__name__)


def plan(config: DictConfig) -> None:
    """Play ``config.episodes`` games with the planner, its baselines and its oracles, from the same seeds.

    Raises:
        ValueError: not a run of a world model, no outcome network for it, or an unknown oracle.
    """
    check_settings(config, PlanSettings)
    folder = Path(HydraConfig.get().runtime.output_dir)
    make_env = partial(build, config.env)
    open_run(config.planner.run).check_env(config.env)
    planner: PlannerPolicy = build(config.planner)
    oracles = _oracles(planner, make_env)  # those that play; others are asked, or what they have drawn would differ
    if unknown := set(config.oracles) - set(oracles):
        raise ValueError(f"oracles={sorted(unknown)} are unknown: choose among {', '.join(oracles)}")
    seeds = [episode_seeds(config.seed, index) for index in range(config.episodes)]
    play = partial(play_games, make_env, seeds=seeds, max_steps=config.max_steps)
    record = _Record(planner, _correlation(config, planner, make_env), config)
    log.info("%d games side by side", config.episodes)
    told = partial(scores_of, resamples=config.resamples, seed=config.seed)
    about = {
        **planner.identities,
        "settings": OmegaConf.to_container(config, resolve=True),
    }
    found: dict[str, Any] = {"about": about, "players": {}, "rank_correlation": {}}
    players = {"planner": planner, **{name: _with(planner, oracles[name], name) for name in config.oracles}}
    players |= {str(name): build(settings) for name, settings in config.baselines.items()}
    for name, player in players.items():
        log.info("%s plays", name)
        played = play(policy=player, watch=record.watch if player is planner else None)
        found["players"][name] = told(played, steps_foretold=getattr(player, "steps_foretold", 0))
        found["rank_correlation"] = record.correlation.means() if record.correlation else {}
        write_json(folder / "plan.json", found)  # what has been played is kept whatever happens to the rest
    _print(found)
    if film := record.film(make_env):
        write_video(folder / "plan.mp4", film, config.fps)
    log.info("scores, correlations and a video: %s", folder)


def _oracles(planner: PlannerPolicy, make_env: Callable[[], PaletteFrames]) -> dict[str, Foresight]:
    return {
        "emulator": EmulatorForesight(make_env, seed=1, aftermath=max(planner.judge.outcome.lost_within)),
        "judged_emulator": JudgedEmulator(make_env, 2, planner.tokenizer, planner.judge),
    }


def _with(planner: PlannerPolicy, foresight: Foresight, name: str) -> PlannerPolicy:
    """The same search, asked of another foresight."""
    return PlannerPolicy(
        planner.tokenizer, planner.model, foresight, planner.judge, planner.objective, planner.search,
        planner.replan_every, name,
    )  # fmt: skip


def _correlation(
    config: DictConfig, planner: PlannerPolicy, make_env: Callable[[], PaletteFrames]
) -> RankCorrelation | None:
    """Compares the dream, the oracles and, where dots are known, a dream whose dots are counted."""
    if not config.moments:
        return None
    dream, game = planner.foresight, game_of(config.env)
    assert isinstance(dream, Imagination)
    asked: dict[str, Foresight] = {"dream": dream, **_oracles(planner, make_env)}
    if game.dot_size is not None:
        asked["counted_dream"] = CountedDream(dream, planner.tokenizer, game)
    real = EmulatorForesight(make_env, seed=0)
    return RankCorrelation(real, asked, config.plans, planner.search.horizon, config.max_hold, config.seed)


class _Record:
    """Watches the planner's games: what it foresaw, and the first game with the plan that was followed in it."""

    def __init__(self, planner: PlannerPolicy, correlation: RankCorrelation | None, config: DictConfig) -> None:
        self.planner, self.correlation = planner, correlation
        self._left, self._every = config.moments, 10 * planner.replan_every
        self._frames: list[NDArray[np.uint8]] = []
        self._real: list[Tensor] = []
        self._dreamt: list[Tensor] = []
        self._actions: list[int] = []

    def watch(self, step: int, frames: NDArray[np.uint8], playing: NDArray[np.bool_]) -> None:
        """See ``games.Watch``."""
        present = self.planner.present
        if self.correlation and step % self._every == 0 and self._left > 0:
            there = present.pick(np.flatnonzero(playing).tolist())
            self._left -= self.correlation.compare(there, self.planner.model.num_actions)
        if not playing[0]:
            return
        if step % self.planner.replan_every == 0:
            self._dreamt += self._foreseen(present)
        self._frames.append(frames[0].copy())  # a view would keep the frames of all games
        self._real.append(present.state.codes[0])
        self._actions.append(int(self.planner.last_actions[0]))

    def _foreseen(self, present: Present) -> Iterable[Tensor]:
        """Grids (h, w) that the plan of the first game leads to until another one is looked for."""
        dream, planner = self.planner.foresight, self.planner
        assert isinstance(dream, Imagination)
        plan = np.concatenate([planner.last_actions[:1], planner.plans[0, : planner.replan_every - 1]])
        plans = torch.from_numpy(plan).to(present.actions.device)[None, None]
        return dream.imagine(present.pick([0]), plans)[0, 0]

    def film(self, make_env: Callable[[], PaletteFrames]) -> Film | None:
        """The first game: each frame beside what the plan that led to it had foreseen; none of a single step."""
        names = make_env().action_names
        count = min(len(self._frames), len(self._dreamt) + 1) - 1
        if not count:
            return None
        real, dreamt = torch.stack(self._real[1 : count + 1]), torch.stack(self._dreamt[:count])
        rgb = ntsc_palette()
        decode = self.planner.tokenizer.decode
        reconstructed, foreseen = (
            np.concatenate([rgb[decode(part).cpu().numpy()] for part in grids.split(16)]) for grids in (real, dreamt)
        )
        return Film(
            rgb[np.stack(self._frames[1 : count + 1])],
            reconstructed,
            foreseen,
            (real != dreamt).cpu().numpy(),
            [names[action] for action in self._actions[:count]],
        )


def scores_of(played: Played, resamples: int, seed: int, steps_foretold: int = 0) -> dict[str, Any]:
    """What is said of one player, as plain values; the interval is that of the mean over games drawn again."""
    scores = played.scores
    means = draw_episodes(len(scores), resamples, seed).numpy() @ scores / len(scores)
    low, high = np.quantile(means, [0.025, 0.975]).tolist() if len(scores) > 1 else (None, None)
    return {
        "mean": float(scores.mean()),
        "low": low,
        "high": high,
        "median": float(np.median(scores)),
        "scores": scores.tolist(),
        "steps": played.steps.tolist(),
        "unfinished": played.unfinished,
        "seconds_per_decision": round(played.seconds_per_decision, 4),
        "frames_per_decision": round(steps_foretold / max(1, int(played.steps.sum())), 1),
    }


def _print(found: dict[str, Any]) -> None:
    table = Table(title="points in the real game")
    for heading in ("player", "mean", "95 %", "median", "games", "s per decision", "frames foretold"):
        table.add_column(heading, justify="left" if heading == "player" else "right")
    for name, row in found["players"].items():
        interval = "" if row["low"] is None else f"[{row['low']:.0f}, {row['high']:.0f}]"
        scores = ", ".join(f"{score:.0f}" for score in row["scores"])
        if row["unfinished"]:
            scores += f" ({row['unfinished']} cut)"
        table.add_row(
            name, f"{row['mean']:.0f}", interval, f"{row['median']:.0f}", scores,
            f"{row['seconds_per_decision']:.3f}", f"{row['frames_per_decision']:.0f}",
        )  # fmt: skip
    console = Console()
    console.print(table)
    if found["rank_correlation"]:
        longest = max(len(row) for row in found["rank_correlation"].values())
        horizons = sorted({1, 2, 4, 8, longest - 1, longest} & {*range(1, longest + 1)})
        ranks = Table("foretold against real returns of the same plans, after", *map(str, horizons))
        for name, row in found["rank_correlation"].items():
            shown = [row[h - 1] if h <= len(row) else None for h in horizons]
            ranks.add_row(name, *("–" if value is None else f"{value:.2f}" for value in shown))
        console.print(ranks)

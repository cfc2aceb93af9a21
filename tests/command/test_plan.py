import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from pathlib import Path
from typing import Any

import av
import pytest
from omegaconf import OmegaConf

import pacdream.command.plan
from pacdream.command.plan import plan
from pacdream.core.instantiate import build
from pacdream.data import collect
from pacdream.data.recording import Recording
from tests.conftest import compose_config
from tests.runs import hydra_run, tiny_outcome, tiny_run

TINY = [
    "episodes=2", "max_steps=95", "moments=1", "plans=6", "resamples=20", "planner.search.num_futures=4",
    "planner.search.horizon=4",
]  # fmt: skip


@pytest.fixture
def run(episodes: Path, tokenizer_path: Path) -> Path:
    return tiny_run(episodes, tokenizer_path)


@pytest.fixture
def outcome(episodes: Path, tokenizer_path: Path) -> Path:
    return tiny_outcome(episodes, tokenizer_path)


def planned(folder: Path, run: Path, outcome: Path, *overrides: str) -> dict:
    with hydra_run("plan", folder, [f"run={run}", f"planner.outcome={outcome}", *TINY, *overrides]) as config:
        plan(config)
    return json.loads((folder / "plan.json").read_text())


def test_planner_oracles_and_baselines_play_the_same_games_and_a_video_shows_the_first(
    run: Path, outcome: Path, tmp_path: Path
) -> None:
    found = planned(tmp_path, run, outcome, "oracles=[emulator,judged_emulator]")
    assert list(found["players"]) == ["planner", "emulator", "judged_emulator", "random", "held_random"]
    for player in found["players"].values():
        assert len(player["scores"]) == 2
        assert player["low"] <= player["mean"] <= player["high"]
    assert found["players"]["planner"]["frames_per_decision"] == pytest.approx(4 * 4 / 4, abs=0.3)
    assert set(found["rank_correlation"]) == {"dream", "emulator", "judged_emulator", "counted_dream"}
    assert len(found["rank_correlation"]["emulator"]) == 4
    assert len(found["rank_correlation"]["dream"]) == 3  # the last step is judged by the grid after it
    with av.open(str(tmp_path / "plan.mp4")) as container:
        assert sum(1 for _ in container.decode(video=0)) == 94


def test_a_seed_decides_the_games(run: Path, outcome: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pacdream.command.plan, "write_video", lambda *_: None)
    few = ["oracles=[]", "moments=0", "planner=cem", "planner.search.iterations=1", "planner.search.elites=2"]
    few = [*few, "~baselines.held_random"]

    def scores(name: str, *overrides: str) -> dict[str, list[float]]:
        players = planned(tmp_path / name, run, outcome, *few, *overrides)["players"]
        return {player: found["scores"] for player, found in players.items()}

    first = scores("first")
    one = {player: found[:1] for player, found in first.items()}
    assert scores("again", "episodes=1") == one  # whatever else is played beside it
    other = scores("other", "episodes=1", "seed=101")
    assert other["random"] != one["random"]


def test_a_game_of_one_step_has_no_video(run: Path, outcome: Path, tmp_path: Path) -> None:
    assert planned(tmp_path, run, outcome, "oracles=[]", "max_steps=1")["players"]["planner"]["steps"] == [1, 1]
    assert not (tmp_path / "plan.mp4").exists()


def test_plans_longer_than_the_spans_that_were_learnt_end_in_a_line() -> None:
    message = r"search\.horizon=18 is more than the 17 steps that spans=ms_pacman_spans can judge"
    with pytest.raises(ValueError, match=message):
        build(compose_config("plan", ["planner.search.horizon=18"]).planner)
    assert (
        build(compose_config("plan", ["planner.search.horizon=18", "planner.spans=null"]).planner).search.horizon == 18
    )


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("oracles=[wizard]", r"oracles=\['wizard'\] are unknown: choose among emulator, judged_emulator"),
        ("planner.search.horizon=0", "search.horizon=0 must be at least 1"),
        ("planner.search.horizon=1", "horizon"),
        ("planner.replan_every=9", "planner.replan_every=9 must lie between 1 and the horizon of a plan, 4"),
        ("planner.outcome=nobody", "outcome=nobody is neither a checkpoint nor the name"),
        ("planner.spans=nobody", "spans=nobody is neither a checkpoint nor the name"),
        ("planner.spans_share=1.5", r"spans_share=1.5 must lie in \(0, 1\]"),
        ("planner.discount=2.0", "planner.discount=2.0 must lie in"),
        ("run=nowhere", "run=nowhere is neither the folder of a finished run"),
    ],
)
def test_mistakes_end_in_a_line(run: Path, outcome: Path, tmp_path: Path, override: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        planned(tmp_path, run, outcome, override)


def test_an_outcome_network_of_another_tokenizer_is_refused(outcome: Path, tmp_path: Path) -> None:
    with (
        hydra_run("plan", tmp_path, [f"planner.outcome={outcome}", *TINY]) as config,
        pytest.raises(ValueError, match="judges the codes of another tokenizer"),
    ):
        plan(config)  # with the run that comes with the package


def test_a_planners_recording_names_its_networks(
    run: Path, outcome: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collect, "ProcessPoolExecutor", lambda workers, *_, **__: ThreadPoolExecutor(workers))
    overrides = [
        "policy=planner", f"planner.run={run}", f"planner.outcome={outcome}", "planner.search.num_futures=4",
        "planner.search.horizon=4", "episodes=1", "max_steps=4", "workers=1", f"output={tmp_path / 'played'}",
    ]  # fmt: skip
    settings: Any = OmegaConf.to_container(compose_config("collect", overrides), resolve=True)
    recording = Recording(**{field.name: settings[field.name] for field in fields(Recording)})
    manifest = recording.record()
    planner = build(OmegaConf.create(settings["policy"]))
    assert manifest.episodes[0].policy == "planner"
    assert planner.identities.items() <= manifest.provenance.items()
    assert recording.record() == manifest

import csv
import json
from pathlib import Path

import pytest

pytest.importorskip("stable_baselines3")

from stable_baselines3 import PPO

from pacdream.command.train_agent import train_agent
from tests.runs import hydra_run, tiny_outcome, tiny_run

TINY = [
    "games=1", "max_steps=10", "resamples=5", "dream.num_envs=2", "dream.horizon=6", "dream.context=4",
    "agent.n_steps=8", "agent.batch_size=8", "agent.n_epochs=1", "agent.features_dim=8", "agent.embedding_dim=4",
    "save_every=16", "logger=csv",
]  # fmt: skip


@pytest.fixture
def where(episodes: Path, tokenizer_path: Path) -> list[str]:
    return [f"run={tiny_run(episodes, tokenizer_path)}", f"dream.outcome={tiny_outcome(episodes, tokenizer_path)}"]


def learnt(folder: Path, where: list[str], *overrides: str) -> dict:
    with hydra_run("train_agent", folder, [*where, *TINY, *overrides]) as config:
        train_agent(config)
    return json.loads((folder / "agent.json").read_text())


@pytest.mark.parametrize("world", ["dream", "game"])
def test_an_agent_learns_is_saved_and_plays_the_game(where: list[str], tmp_path: Path, world: str) -> None:
    found = learnt(tmp_path, where, "steps=32", f"world={world}")
    assert found["steps"] == 32
    assert f"return in the {world}" in found
    assert set(found["players"]) == {"agent", "random"}
    assert (tmp_path / "agent.zip").is_file()
    if world == "dream":  # in the game nobody has died yet
        rows = csv.DictReader((tmp_path / "csv" / "metrics.csv").open())
        assert [int(row["step"]) for row in rows if row["agent/return"]] == [16, 32]


def test_it_goes_on_where_it_was_saved(where: list[str], tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    learnt(tmp_path / "first", where, "steps=16")
    going_on = ["steps=48", f"resume={tmp_path / 'first'}"]
    assert learnt(tmp_path / "second", where, *going_on, "agent.learning_rate=1e-5")["steps"] == 48
    assert PPO.load(tmp_path / "second" / "agent.zip").learning_rate == 1e-5  # with the settings of today
    with pytest.raises(ValueError, match=r"holds an agent that sees .*'features_dim': 8.*choose those settings again"):
        learnt(tmp_path / "third", where, *going_on, "agent.features_dim=16")
    assert learnt(tmp_path / "fourth", where, "steps=16", f"resume={tmp_path / 'first'}")["steps"] == 16
    assert "it has learnt for 16 steps already" in caplog.text
    noted = tmp_path / "first" / "where.json"
    noted.write_text(json.dumps(json.loads(noted.read_text()) | {"outcome": "another"}))
    with pytest.raises(ValueError, match=r"has learnt elsewhere \(outcome: another -> "):
        learnt(tmp_path / "fifth", where, *going_on)


def test_an_agent_does_not_go_on_in_another_world(where: list[str], tmp_path: Path) -> None:
    learnt(tmp_path / "first", where, "steps=16", "world=game")
    with pytest.raises(ValueError, match="has learnt elsewhere"):
        learnt(tmp_path / "second", where, "steps=32", f"resume={tmp_path / 'first'}")


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("world=moon", "world='moon' is unknown: choose dream or game"),
        ("resume=nowhere", "resume=nowhere holds no agent"),
        ("dream.ends=never", "ends='never' is unknown"),
        ("steps=0", "steps=0 must be at least 1"),
        ("dream.num_envs=0", "num_envs=0 must be at least 1"),
        ("dream.horizon=abc", "dream.horizon='abc' is no int"),
    ],
)
def test_mistakes_end_in_a_line(where: list[str], tmp_path: Path, override: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        learnt(tmp_path, where, "steps=16", override)

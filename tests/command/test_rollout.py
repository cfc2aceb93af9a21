import re
from pathlib import Path

import av
import pytest

from pacdream.command.rollout import rollout
from tests.runs import hydra_run, tiny_run


@pytest.fixture
def run(episodes: Path, tokenizer_path: Path) -> Path:
    return tiny_run(episodes, tokenizer_path)


def rolled_out(folder: Path, run: Path, *overrides: str) -> Path:
    with hydra_run("rollout", folder, [f"run={run}", "dreams=2", "horizon=5", *overrides]) as config:
        rollout(config)
    return folder


@pytest.mark.parametrize(
    "overrides",
    [
        [],
        ["policy=held_random"],
        ["policy=held", "policy.action=LEFT"],
    ],
    ids=lambda overrides: overrides[0] if overrides else "recorded",
)
def test_every_dream_becomes_a_video_and_a_strip(run: Path, tmp_path: Path, overrides: list[str]) -> None:
    folder = rolled_out(tmp_path / "out", run, *overrides)
    assert {path.name for path in folder.glob("dream_*.*")} == {
        f"dream_{i}.{end}" for i in (0, 1) for end in ("mp4", "png")
    }
    with av.open(str(folder / "dream_0.mp4")) as container:
        assert sum(1 for _ in container.decode(video=0)) == 5


def test_it_says_how_fast_it_dreamt_and_how_well(run: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO"):
        rolled_out(tmp_path / "out", run)
    assert re.search(r"2 dreams of 5 steps: \d+ frames/s", caplog.text)
    assert re.search(r"right codes after .* steps: \d+%, \d+%, \d+%\n", caplog.text)


def test_the_same_seed_dreams_the_same(run: Path, tmp_path: Path) -> None:
    chosen = ["policy=random", "sampler=categorical"]
    first, again = (rolled_out(tmp_path / name, run, *chosen) for name in ("a", "b"))
    other = rolled_out(tmp_path / "c", run, *chosen, "seed=1")
    strips = [(folder / "dream_0.png").read_bytes() for folder in (first, again, other)]
    assert strips[0] == strips[1] != strips[2]


def test_an_action_that_the_game_does_not_have_is_refused(run: Path, tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match=r"policy\.action='JUMP' is none of the game's actions: choose one of NOOP, UP"
    ):
        rolled_out(tmp_path / "out", run, "policy=held", "policy.action=JUMP")


@pytest.mark.parametrize("override", ["dreams=0", "context=0", "horizon=0", "fps=-1"])
def test_a_dream_of_nothing_is_refused(run: Path, tmp_path: Path, override: str) -> None:
    with pytest.raises(ValueError, match=f"{override} must be at least 1"):
        rolled_out(tmp_path / "here", run, override)

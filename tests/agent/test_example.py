import runpy
import sys

import gymnasium
import pytest

from pacdream.dream.vector_env import DreamVectorEnv
from tests.conftest import ROOT
from tests.dream.test_dream_envs import LineView, line_dream


def test_the_one_file_ppo_learns_to_walk_to_the_points(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made = []

    def make_vec(name: str, rows: int, mode: str, **settings: object) -> DreamVectorEnv:
        made.append((name, mode, settings["obs"]))
        return DreamVectorEnv(line_dream(rows, horizon=16), LineView())

    monkeypatch.setattr(gymnasium, "make_vec", make_vec)
    monkeypatch.setattr(
        sys, "argv", ["ppo_dream.py", "--steps", "8192", "--envs", "16", "--rollout", "32", "--lr", "1e-3"]
    )
    runpy.run_path(str(ROOT / "examples" / "ppo_dream.py"), run_name="__main__")
    assert made == [("pacdream/Dream-v0", "vector_entry_point", "codes")]
    returns = [float(line.split()[-2]) for line in capsys.readouterr().out.splitlines() if "mean return" in line]
    assert len(returns) == 8192 // (16 * 32)
    assert returns[-1] > returns[0] + 20  # points of 10 at the right end, none on the way

from pathlib import Path

import pytest
from omegaconf import OmegaConf

from pacdream.sweep import callback
from pacdream.sweep.folder import read_sweep
from tests.sweep.folders import make_sweep

OPTUNA = "hydra_plugins.hydra_optuna_sweeper.optuna_sweeper.OptunaSweeper"


def test_a_search_says_how_it_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hydra's Optuna sweeper leaves nothing that says how it was begun."""
    monkeypatch.setattr(callback, "_folders", [])
    make_sweep(tmp_path, {"optimizer.lr": ("1e-3", "2e-3")})
    (tmp_path / "multirun.yaml").unlink()
    assert read_sweep(tmp_path).resume is None
    hydra = {
        "sweep": {"dir": str(tmp_path)},
        "sweeper": {"_target_": OPTUNA, "params": None},
        "overrides": {"task": ["sweep=optuna"], "hydra": ["hydra.mode=MULTIRUN"]},
    }
    callback.NoteSweep().on_multirun_start(OmegaConf.create({"hydra": hydra}))
    assert read_sweep(tmp_path).resume == f"python train.py -m sweep=optuna sweep.resume={tmp_path}"
    with pytest.raises(ValueError, match="holds sweeps, not jobs"):
        read_sweep(tmp_path.parent)

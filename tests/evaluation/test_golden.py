"""Figures that no redesign may change: those of an untrained GRU on three tiny episodes."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from pacdream.data.latent_data_module import LatentDataModule
from tests.runs import tiny_measurement

GOLDEN = Path(__file__).parents[1] / "golden" / "scorecard.json"


def test_the_scorecard_is_the_golden_one(latents: LatentDataModule) -> None:
    """After a wanted change, ``PACDREAM_UPDATE_GOLDEN=1 pytest tests/evaluation/test_golden.py`` rewrites it.

    Another processor may round a code of the tokenizer differently: hence the tolerance.
    """
    golden = json.loads(GOLDEN.read_text())
    figures = tiny_measurement(latents).card.figures
    found = {name: [round(float(v), 5) for v in figures[name].value.reshape(-1)] for name in golden}
    if os.environ.get("PACDREAM_UPDATE_GOLDEN") == "1":
        lines = [f" {json.dumps(name)}: {json.dumps(values)}" for name, values in found.items()]
        GOLDEN.write_text(("{\n" + ",\n".join(lines) + "\n}\n").replace("NaN", "null"))
    for name, values in golden.items():
        wanted = np.array([np.nan if value is None else value for value in values])
        assert found[name] == pytest.approx(wanted, abs=0.02, rel=0.02, nan_ok=True), name

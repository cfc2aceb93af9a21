import json
from pathlib import Path

import matplotlib.pyplot as plt
import pytest

from tests.conftest import ROOT
from tests.runs import tiny_run

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def code_cells(path: Path) -> list[dict]:
    return [cell for cell in json.loads(path.read_text())["cells"] if cell["cell_type"] == "code"]


def test_there_is_one_for_each_part() -> None:
    assert [path.stem for path in NOTEBOOKS] == ["01_episodes", "02_tokenizer", "03_world_model", "04_rollouts"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_outputs_are_stripped(path: Path) -> None:
    assert all(not cell["outputs"] and cell["execution_count"] is None for cell in code_cells(path))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_defines_nothing(path: Path) -> None:
    source = "".join("".join(cell["source"]) for cell in code_cells(path))
    assert "def " not in source
    assert "class " not in source
    assert "lambda" not in source


@pytest.fixture
def beside_outputs(episodes: Path, tokenizer_path: Path) -> Path:
    """A folder beside the ``outputs`` of a tiny run, where the notebooks would be."""
    outputs = tiny_run(episodes, tokenizer_path).parents[2]
    (outputs.parent / "notebooks").mkdir(exist_ok=True)
    return outputs.parent / "notebooks"


@pytest.mark.filterwarnings("ignore:FigureCanvasAgg is non-interactive")
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_runs_from_top_to_bottom(path: Path, beside_outputs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plt.switch_backend("Agg")
    monkeypatch.chdir(beside_outputs)
    names: dict[str, object] = {}
    for number, cell in enumerate(code_cells(path)):
        exec(compile("".join(cell["source"]), f"{path.name}[{number}]", "exec"), names)
    plt.close("all")

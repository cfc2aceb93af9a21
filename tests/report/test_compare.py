import csv
import math
import re
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from pacdream.evaluation.scorecard import Reading, Scorecard, write_scorecard
from pacdream.metric.figures import COMPARED
from pacdream.report.compare import PLOTTED, compare, find_runs, short_names
from pacdream.report.tables import Table
from tests.runs import blank_plots


@pytest.fixture
def drawn() -> None:
    """The picture of a comparison is looked at."""


@pytest.fixture(autouse=True)
def _not_drawn(request: pytest.FixtureRequest) -> Iterator[None]:
    with nullcontext() if "drawn" in request.fixturenames else blank_plots():
        yield


RESAMPLES, HORIZON = 60, 15
COLUMNS = [line.column for line in COMPARED]
FIGURES = {line.figure for line in COMPARED} | set(PLOTTED)
BY_HORIZON = {line.figure for line in COMPARED if line.horizon} | set(PLOTTED)


def make_run(folder: Path, value: float = 0.5, spread: float = 0.01, horizon: int = HORIZON, **about: Any) -> Path:
    """A run that scored about ``value`` in everything."""
    generator = torch.Generator().manual_seed(0)
    figures, samples = {}, {}
    for name in sorted(FIGURES):
        shape = (horizon,) if name in BY_HORIZON else ()
        array = np.full(shape, value)
        figures[name] = Reading(array, array - spread, array + spread, np.full(shape, 100.0))
        samples[name] = value + spread * torch.randn((RESAMPLES, *shape), generator=generator)
    known = {"seed": 0, "episodes": "ee", "tokenizer": "dd", "held_out_episodes": 30, **about}
    (folder / ".hydra").mkdir(parents=True)
    (folder / ".hydra" / "config.yaml").touch()
    write_scorecard(folder / "report" / "metrics.json", Scorecard(figures, [], {}, known))
    save_file(samples, folder / "report" / "bootstrap.safetensors")
    return folder


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "compare.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def texts(table: Table) -> list[list[str]]:
    """What the cells say."""
    return [[cell if isinstance(cell, str) else cell.text for cell in row] for row in table.rows]


def refusal(runs: list[Path], folder: Path) -> str:
    with pytest.raises(ValueError, match=r"\w") as error:
        compare(find_runs(runs), folder)
    assert "\n" not in str(error.value)
    assert not folder.exists()
    return str(error.value)


def test_runs_that_are_equal_have_no_star(tmp_path: Path) -> None:
    table = compare([make_run(tmp_path / name) for name in "abc"], tmp_path / "out")
    assert [row[0] for row in table.rows] == ["a", "b", "c"]
    assert not any("*" in cell for row in texts(table) for cell in row)
    assert {row["differs_from_first"] for row in rows(tmp_path / "out")} == {"0"}


@pytest.mark.parametrize("value", [0.4, 0.6])
def test_a_run_that_is_clearly_different_has_a_star_everywhere(tmp_path: Path, value: float) -> None:
    first, second = texts(compare([make_run(tmp_path / "a"), make_run(tmp_path / "b", value)], tmp_path / "out"))
    assert not any("*" in cell for cell in first)
    assert all(cell.endswith("*") for cell in second[1:])


def test_a_difference_within_chance_has_no_star(tmp_path: Path) -> None:
    runs = [make_run(tmp_path / "a", spread=0.1), make_run(tmp_path / "b", 0.51)]
    assert not any("*" in cell for cell in texts(compare(runs, tmp_path / "out"))[1])


def test_runs_resampled_together_differ_by_little(tmp_path: Path) -> None:
    runs = [make_run(tmp_path / "a", 0.5, spread=0.1), make_run(tmp_path / "b", 0.51, spread=0.1)]
    assert all("*" in cell for cell in texts(compare(runs, tmp_path / "out"))[1][1:])


@pytest.mark.usefixtures("drawn")
def test_the_comparison_is_a_table_a_picture_and_a_page(tmp_path: Path) -> None:
    runs = [make_run(tmp_path / "a"), make_run(tmp_path / "b", 0.9)]
    table = compare(runs, tmp_path / "out")
    assert table.header == ["run", *COLUMNS]
    found = rows(tmp_path / "out")
    assert [(row["run"], row["figure"], row["horizon"]) for row in found] == [
        (run, line.figure, str(line.horizon or "")) for run in "ab" for line in COMPARED
    ]
    assert {float(row["value"]) for row in found if row["run"] == "b"} == {0.9}
    assert np.ptp(np.asarray(Image.open(tmp_path / "out" / "compare.png").convert("L"))) > 100
    page = (tmp_path / "out" / "compare.html").read_text()
    assert "0.90* <small>" in page
    assert "data:image/png" in page
    assert not re.search(r"https?://", page)


@pytest.mark.parametrize("count", [3, 9])
def test_the_printed_table_is_readable_in_eighty_columns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], count: int
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    names = [f"{i}_optimizer.lr=0.001,world_model.hidden_size=512" for i in range(count)]
    compare([make_run(tmp_path / name, 0.2 + i / 10) for i, name in enumerate(names)], tmp_path / "out")
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= 80
    shown: dict[str, list[str]] = {name: [] for name in ["", *COLUMNS]}
    for grid in out.split("┏")[1:]:
        heads = [line.split("┃")[1:-1] for line in grid.splitlines() if line.startswith("┃")]
        rows = [line.split("│")[1:-1] for line in grid.splitlines() if line.startswith("│")]
        for name, *cells in [["".join(map(str.strip, parts)) for parts in zip(*heads, strict=True)], *rows]:
            shown[name.strip()] += [cell.strip() for cell in cells]
    assert shown.pop("") == names
    assert all(len(values) == count and "…" not in "".join(values) for values in shown.values())


def test_a_figure_that_a_run_lacks_is_a_dash(tmp_path: Path) -> None:
    runs = [make_run(tmp_path / "a"), make_run(tmp_path / "b")]
    figures = {"one_step/accuracy": Reading(*(np.array(0.5),) * 4)}
    card = Scorecard(figures, [], {}, {"seed": 0, "held_out_episodes": 30})
    write_scorecard(runs[1] / "report" / "metrics.json", card)
    save_file({"one_step/accuracy": torch.full((RESAMPLES,), 0.5)}, runs[1] / "report" / "bootstrap.safetensors")
    for order in (runs, runs[::-1]):
        out = tmp_path / f"out_{order[0].name}"
        cells = {row[0]: row[1:] for row in texts(compare(order, out))}
        known = [line.figure for line in COMPARED].index("one_step/accuracy")
        assert cells["b"][:known] + cells["b"][known + 1 :] == ["–"] * (len(COMPARED) - 1)
        assert "–" not in cells["a"]


def test_a_figure_without_a_number_is_a_dash_without_a_star(tmp_path: Path) -> None:
    runs = [make_run(tmp_path / "a"), make_run(tmp_path / "b", value=math.nan)]
    assert texts(compare(runs, tmp_path / "out"))[1][1:] == ["–"] * len(COMPARED)


@pytest.mark.parametrize("horizons", [(4, 8), (8, 4), (4, 4)])
def test_runs_with_short_dreams_can_be_compared(tmp_path: Path, horizons: tuple[int, int]) -> None:
    runs = [make_run(tmp_path / f"run_{i}", 0.5 + i / 10, horizon=h) for i, h in enumerate(horizons)]
    table = compare(runs, tmp_path / "out")
    for row, horizon in zip(texts(table), horizons, strict=True):
        assert (row[1 + COLUMNS.index("skill@8")] == "–") == (horizon < 8)
        assert row[1 + COLUMNS.index("skill@1")] != "–"


def page_of(folder: Path, **about: Any) -> str:
    runs = [make_run(folder / "a"), make_run(folder / "b", **about)]
    compare(runs, folder / "out")
    return (folder / "out" / "compare.html").read_text()


DOUBTS: list[tuple[dict[str, Any], str]] = [
    ({"held_out": 5}, "on different episodes"),
    ({"seed": 5}, "with different resampling"),
    ({"settings": {"resamples": 5}}, "with different resampling"),
    ({"settings": {"horizon": 5}}, "at different moments"),
    ({"settings": {"warmup": 5}}, "at different moments"),
    ({"settings": {"game_windows": 5}}, "at different moments"),
    ({"ceiling": 5}, "different ceilings"),
    ({"copy_star": 5}, "chosen otherwise"),
    ({"tokenizer": 5}, "different tokenizers"),
    ({"held_out_episodes": 5}, "Only 5 held-out"),
]
NOTES = {note for _, note in DOUBTS}


@pytest.mark.parametrize(("about", "note"), DOUBTS)
def test_a_doubt_is_stated(tmp_path: Path, about: dict[str, Any], note: str) -> None:
    page = page_of(tmp_path, **about)
    assert [other for other in NOTES if other in page] == [note]


def test_what_other_networks_say_was_earned_has_no_star(tmp_path: Path) -> None:
    runs = [make_run(tmp_path / "a", outcome="f0"), make_run(tmp_path / "b", 0.9, outcome="f1")]
    cells = dict(zip(COLUMNS, texts(compare(runs, tmp_path / "out"))[1][1:], strict=True))
    assert [name for name, cell in cells.items() if "*" not in cell] == ["return, r@12"]


@pytest.mark.parametrize("what", ["tokenizer", "outcome network"])
def test_only_world_models_are_compared(tmp_path: Path, what: str) -> None:
    runs = [make_run(tmp_path / "a"), make_run(tmp_path / "b")]
    report = runs[1] / "report"
    for file in report.iterdir():
        file.unlink()
    if what == "tokenizer":
        (report / "tokenizer.json").write_text("{}")
    else:
        figures = {"outcome/step/points/ap": Reading(*(np.array(0.5),) * 4)}
        write_scorecard(report / "metrics.json", Scorecard(figures, [], {}, {"seed": 0}))
    assert f"only world models are compared, and this run trained a{'n'[: what == 'outcome network']} {what}" in (
        refusal(runs, tmp_path / "out")
    )


def test_models_with_other_contexts_can_be_compared(tmp_path: Path) -> None:
    page = page_of(tmp_path, settings={"context": 16, "batch_size": 7, "num_worst": 3})
    assert not any(note in page for note in NOTES)


def test_without_doubts_nothing_is_stated(tmp_path: Path) -> None:
    page = page_of(tmp_path)
    assert not any(note in page for note in NOTES)


def test_one_run_is_refused(tmp_path: Path) -> None:
    assert "give at least two runs" in refusal([make_run(tmp_path / "a")], tmp_path / "out")


def test_the_same_run_twice_is_refused(tmp_path: Path) -> None:
    run = make_run(tmp_path / "a")
    assert "the same run is given twice" in refusal([run, tmp_path / "a" / ".." / "a"], tmp_path / "out")


@pytest.mark.parametrize("make", [lambda path: None, lambda path: path.mkdir(), lambda path: path.touch()])
def test_a_path_without_runs_is_refused(tmp_path: Path, make: Any) -> None:
    make(tmp_path / "b")
    line = refusal([make_run(tmp_path / "a"), tmp_path / "b"], tmp_path / "out")
    assert f"compare={tmp_path / 'b'} is neither the folder of a run nor a folder with runs in it" in line


def test_a_run_that_was_not_measured_is_told_how(tmp_path: Path) -> None:
    runs = [make_run(tmp_path / "a"), make_run(tmp_path / "b")]
    (runs[1] / "report" / "metrics.json").unlink()
    assert f"measure the run first with `python evaluate.py run={runs[1]}`" in refusal(runs, tmp_path / "out")


@pytest.mark.parametrize("damage", [Path.unlink, lambda path: path.write_bytes(b"damaged")])
def test_a_run_without_its_samples_is_refused(tmp_path: Path, damage: Any) -> None:
    runs = [make_run(tmp_path / "a"), make_run(tmp_path / "b")]
    damage(runs[1] / "report" / "bootstrap.safetensors")
    line = refusal(runs, tmp_path / "out")
    assert f"cannot read {runs[1] / 'report' / 'bootstrap.safetensors'}" in line
    assert "measure the run again" in line


def test_a_sweep_stands_for_its_runs(tmp_path: Path) -> None:
    sweep = [make_run(tmp_path / "sweep" / name) for name in ("1_lr=0.1", "0_lr=0.01")]
    (tmp_path / "sweep" / "multirun.yaml").touch()
    (tmp_path / "sweep" / "logs").mkdir()
    alone = make_run(tmp_path / "alone")
    assert find_runs([alone, tmp_path / "sweep"]) == [alone, *reversed(sweep)]


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (["/runs/a", "/runs/b"], ["a", "b"]),
        (["/runs/gru/1", "/runs/transformer/1"], ["gru/1", "transformer/1"]),
        (["/x/gru/1", "/y/gru/1", "/y/gru/2"], ["x/gru/1", "y/gru/1", "y/gru/2"]),
    ],
)
def test_names_are_as_short_as_they_can_be(paths: list[str], names: list[str]) -> None:
    assert short_names([Path(path) for path in paths]) == names

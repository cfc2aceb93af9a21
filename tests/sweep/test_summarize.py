import csv
import json
import re
import runpy
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import wandb
from PIL import Image

from pacdream.report.plots import legible
from pacdream.sweep.curves import curve_axis
from pacdream.sweep.folder import read_sweep
from pacdream.sweep.plots import axis_scale, robust_limits
from pacdream.sweep.summarize import summarize
from tests.conftest import ROOT
from tests.sweep.folders import fail, finish, make_job, make_sweep, measure, small_sweep, train

SIZE, LR = "world_model.hidden_size", "optimizer.lr"
WANDB = {"project": "lab", "save_dir": "${paths.outputs}", "group": "${name}", "job_type": "train"}


def made(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("summary.*")}


def page(folder: Path) -> str:
    return summarize(folder).read_text()


def test_the_table_has_a_row_for_every_job(tmp_path: Path) -> None:
    jobs = small_sweep(tmp_path)
    measure(jobs["256", "1e-3", "0"], 0.25)
    summarize(tmp_path)
    with (tmp_path / "summary.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0])[:7] == ["status", SIZE, LR, "seed", "score", "step", "epoch"]
    assert {(row[SIZE], row[LR], row["seed"]): tmp_path / row["folder"] for row in rows} == jobs
    assert [row["status"] for row in rows] == 6 * ["finished"] + ["failed", "unfinished"]
    found = {row["folder"]: row for row in rows}
    measured = found[jobs["256", "1e-3", "0"].name]
    assert (measured["report/changed_f1"], measured["val/skill"]) == ("0.25", "")
    failed = found[jobs["512", "1e-3", "0"].name]
    assert (failed["score"], failed["step"]) == ("", "")
    finished = found[jobs["512", "1e-4", "1"].name]
    assert (float(finished["score"]), finished["step"]) == (read_sweep(tmp_path).jobs[5].score, "400")


def test_the_page_is_whole(tmp_path: Path) -> None:
    jobs = small_sweep(tmp_path)
    text = page(tmp_path)
    assert text.count("data:image/png") == 2
    assert not re.search(r"https?://|file:", text)
    failed, unfinished = jobs["512", "1e-3", "0"], jobs["512", "1e-3", "1"]
    assert "loss is nan at step 70" in text
    assert all(str(job / "train.log") in text for job in (failed, unfinished))
    assert "Traceback" not in text
    assert f"python train.py experiment=gru_baseline {SIZE}=256 {LR}=1e-4 seed=0<" in text
    assert (
        f"python train.py -m experiment=gru_baseline {SIZE}=256,512 {LR}=1e-3,1e-4 seed=0,1 sweep.resume={tmp_path}<"
        in text
    )


def test_where_nothing_is_missing_nothing_is_to_resume(tmp_path: Path) -> None:
    for job in make_sweep(tmp_path, {LR: ("1e-3", "1e-4")}):
        finish(job, [0.9, 0.8])
    text = page(tmp_path)
    assert not re.search("sweep.resume|Failed|Interrupted|Not started", text)


def test_summarizing_twice_says_the_same(tmp_path: Path) -> None:
    small_sweep(tmp_path)
    summarize(tmp_path)
    first = made(tmp_path)
    summarize(tmp_path)
    assert made(tmp_path) == first
    assert first.keys() == {"summary.csv", "summary.html", "summary.scores.png", "summary.curves.png"}
    assert not list(tmp_path.glob(".*"))


def test_pictures_of_an_earlier_summary_are_removed(tmp_path: Path) -> None:
    jobs = small_sweep(tmp_path)
    summarize(tmp_path)
    for job in jobs.values():
        (job / "csv" / "metrics.csv").unlink(missing_ok=True)
        (job / "result.json").unlink(missing_ok=True)
    make_job(tmp_path, ["optimizer.lr=1", "world_model.hidden_size=1", "data.split_seed=1"])
    summarize(tmp_path)
    assert made(tmp_path).keys() == {"summary.csv", "summary.html"}


SWEEPS: dict[str, dict[str, tuple[str, ...]]] = {
    "seeds": {"seed": ("0", "1", "2")},
    "numbers": {LR: ("1e-4", "1e-3"), "seed": ("0", "1")},
    "words": {"optimizer": ("adam", "$x$", "a_" * 50)},
    "two": {SIZE: ("256", "512", "1024"), "optimizer": ("adam", "[1,2]", "$y$")},
    "three": {SIZE: ("256", "512", "1024"), LR: ("1e-4", "1e-3", "1e-2"), "data.split_seed": ("0", "1", "2")},
}


OUTCOMES = ["nothing", "one", "all", "same", "nan"]


@pytest.mark.parametrize(
    ("name", "outcome"),
    [*((n, "all") for n in SWEEPS), *(("two", o) for o in OUTCOMES[:2]), *(("three", o) for o in OUTCOMES[3:])],
)
def test_any_sweep_at_any_time_has_a_summary(
    tmp_path: Path, name: str, outcome: str, capsys: pytest.CaptureFixture[str]
) -> None:
    jobs = make_sweep(tmp_path, SWEEPS[name])
    for i, job in enumerate(jobs):
        if outcome == "nan":
            train(job, [float("nan"), float("inf")])
            fail(job, "the loss is nan")
        elif outcome in ("all", "same") or (outcome, i) == ("one", 0):
            finish(job, [0.9, 0.5 + (i / 50 if outcome == "all" else 0)])
    assert "<h1>" in page(tmp_path)
    pictures = {path.name: np.ptp(np.asarray(Image.open(path).convert("L"))) for path in tmp_path.glob("*.png")}
    assert all(contrast > 100 for contrast in pictures.values())
    assert ("summary.curves.png" in pictures) == (outcome in ("one", "all", "same"))
    scored = outcome not in ("nothing", "nan")
    assert ("summary.scores.png" in pictures) == (name == "two" or (name != "seeds" and scored))


def test_the_terminal_shows_it_in_80_columns(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    jobs = small_sweep(tmp_path)
    for i, job in enumerate(jobs.values()):
        measure(job, 0.1 + i / 100)
    page = summarize(tmp_path)
    out = capsys.readouterr().out
    table = [line for line in out.splitlines() if line.startswith(("┏", "┃", "│"))]
    assert max(map(len, table)) <= 80
    (best,) = (line for line in table if "★" in line)
    assert re.search(r"256 │ 1e-4 │ 0\.\d{4} ± 0\.\d{4} │ +2 │", best)
    assert "hidden_size=512, lr=1e-3, seed=0: train.py: loss is nan at step 70" in out
    assert f"    {jobs['512', '1e-3', '0'] / 'train.log'}" in out.splitlines()
    assert out.splitlines()[-1] == str(page)


def test_brackets_are_no_markup(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    jobs = make_sweep(tmp_path, {"a.widths": ("[8,8]", "[red]")}, ["b='<i>'"])
    fail(jobs[0], "[bold] <b>")
    finish(jobs[1], [0.5])
    text = page(tmp_path)
    out = capsys.readouterr().out
    assert re.search(r"│ ★ │ +\[red\] │", out)
    assert "[bold] <b>" in out
    assert "<i>" not in text
    assert "&lt;b&gt;" in text


def test_a_damaged_file_ends_before_anything_is_written(tmp_path: Path) -> None:
    (small_sweep(tmp_path)["256", "1e-3", "0"] / "result.json").write_text("{")
    with pytest.raises(ValueError, match=r"result\.json"):
        summarize(tmp_path)
    assert made(tmp_path) == {}


@pytest.mark.parametrize(
    ("arguments", "code", "line"),
    [
        ([], 2, "summarize.py: give the folder of one sweep"),
        (["a", "b"], 2, "summarize.py: give the folder of one sweep"),
        (["--all"], 2, "summarize.py: give the folder of one sweep"),
        (["/nowhere"], 1, "summarize.py: /nowhere is not a folder"),
        (["--help"], 0, ""),
    ],
)
def test_wrong_use_is_told_right_use(
    arguments: list[str],
    code: int,
    line: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "argv", ["summarize.py", *arguments])
    ended: Any = 0
    try:
        runpy.run_path(str(ROOT / "summarize.py"), run_name="__main__")
    except SystemExit as error:
        ended = error.code
    told = capsys.readouterr()
    # Python itself prints the text that a command ends with, and makes it code 1.
    said, found = (ended, 1) if isinstance(ended, str) else (told.err, ended)
    assert found == code
    assert said.startswith(line)
    assert code or not said
    assert ("python summarize.py outputs/sweep/<name>/<time>" in told.out + said) == (code != 1)


def test_the_summary_is_one_run_beside_those_of_the_jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    small_sweep(tmp_path, wandb=WANDB)
    summarize(tmp_path)
    address = json.loads((tmp_path / "wandb.json").read_text())
    assert [address[name] for name in ("project", "group", "job_type")] == ["lab", "gru_baseline", "summary"]
    assert wandb.run is None
    (run,) = (tmp_path / "outputs" / "wandb").glob(f"offline-run-*-{address['id']}")
    assert len(list(run.glob("files/media/images/summary/*.png"))) == 2
    assert len(list(run.glob("files/media/html/summary/*.html"))) == 1
    (path,) = run.glob("files/media/table/summary/*.json")
    table = json.loads(path.read_text())
    assert (len(table["data"]), table["columns"][:4]) == (8, ["status", SIZE, LR, "seed"])


def test_a_second_summary_goes_on_with_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    small_sweep(tmp_path, wandb=WANDB)
    summarize(tmp_path)
    first = (tmp_path / "wandb.json").read_text()
    summarize(tmp_path)
    assert (tmp_path / "wandb.json").read_text() == first
    runs = (tmp_path / "outputs" / "wandb").glob("offline-run-*")
    assert {path.name.split("-")[3] for path in runs} == {json.loads(first)["id"]}


def test_jobs_without_wandb_have_a_summary_without(tmp_path: Path) -> None:
    small_sweep(tmp_path)
    summarize(tmp_path)
    assert not (tmp_path / "wandb.json").exists()
    assert not list(tmp_path.rglob("wandb"))


def test_a_summary_that_cannot_be_sent_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def init(**_: Any) -> None:
        raise wandb.errors.CommError("no network")

    monkeypatch.setenv("WANDB_MODE", "online")
    monkeypatch.setattr(wandb, "init", init)
    small_sweep(tmp_path, wandb=WANDB)
    assert summarize(tmp_path).is_file()
    assert "not sent to W&B: no network" in caplog.text
    assert not (tmp_path / "wandb.json").exists()


@pytest.mark.parametrize(
    ("values", "sign", "limits"),
    [
        ([1, 2, 3, 4, 5], 1, (1, 5)),
        ([1, 2, 3, 4, 1000], 1, (1, 14)),
        ([-1000, 2, 3, 4, 5], 1, (-1000, 5)),
        ([-1000, 2, 3, 4, 5], -1, (-8, 5)),
        ([], 1, (0, 1)),
    ],
)
def test_what_is_far_worse_does_not_stretch_the_scale(
    values: list[float], sign: int, limits: tuple[float, float]
) -> None:
    assert robust_limits(np.array(values, float), sign) == limits


@pytest.mark.parametrize(
    ("numbers", "scale"), [([1e-4, 1e-3], "log"), ([0, 1], "linear"), ([2, 3], "linear"), ([1, float("inf")], None)]
)
def test_magnitudes_are_evenly_spaced(numbers: list[float], scale: str | None) -> None:
    assert axis_scale(numbers) == scale


@pytest.mark.parametrize(("steps", "over"), [((0, 1, 2), "epoch"), ((0, 0, 1), "step")])
def test_curves_are_over_epochs_where_each_has_one_validation(
    tmp_path: Path, steps: tuple[int, ...], over: str
) -> None:
    job = make_job(tmp_path, ["seed=0"])
    (job / "csv").mkdir()
    lines = [f"{epoch},{i},0.5" for i, epoch in enumerate(steps)]
    (job / "csv" / "metrics.csv").write_text("\n".join(["epoch,step,val/loss", *lines, ""]))
    assert curve_axis(read_sweep(tmp_path).jobs) == over


def test_values_are_short_and_no_formulas() -> None:
    assert legible("${a}$") == r"\${a}\$"
    assert legible("package." * 9 + "Model").endswith("package.Model")
    assert len(legible("x" * 99)) == 30

from pathlib import Path

from pacdream.command.csv_log import truncate_csv


def test_rows_that_will_be_logged_again_are_dropped(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    path.write_text("epoch,step,val/loss\n0,3,\n0,4,2.5\n1,7,\n1,8,2.4\n1,9")
    truncate_csv(path, 8)
    assert path.read_text() == "epoch,step,val/loss\n0,3,\n0,4,2.5\n1,7,\n"


def test_a_run_without_curves_has_nothing_to_drop(tmp_path: Path) -> None:
    truncate_csv(tmp_path / "metrics.csv", 8)
    assert list(tmp_path.iterdir()) == []

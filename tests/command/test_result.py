from pathlib import Path

import pytest

from pacdream.command.result import Result, error_file, read_result

RESULT = Result(score=2.5, monitor="val/loss", step=10, epoch=2, reported=True)


def test_a_result_survives_the_file(tmp_path: Path) -> None:
    RESULT.write(tmp_path)
    assert read_result(tmp_path) == RESULT


def test_a_run_that_has_not_finished_has_no_result(tmp_path: Path) -> None:
    assert read_result(tmp_path) is None


@pytest.mark.parametrize("content", ["", "{", "[]", "3", '{"score": 1}', '{"reported": true, "other": 1}'])
def test_a_damaged_result_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "result.json").write_text(content)
    with pytest.raises(ValueError, match=f"{tmp_path}/result.json is damaged .*: delete it"):
        read_result(tmp_path)


def test_an_error_leaves_its_line_and_its_traceback(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="first line"), error_file(tmp_path):
        raise ValueError("first line\nsecond")
    line, *rest = (tmp_path / "error.txt").read_text().splitlines()
    assert line == "first line"
    assert any("test_result.py" in text for text in rest)


def test_a_new_start_forgets_the_error_of_the_last(tmp_path: Path) -> None:
    (tmp_path / "error.txt").write_text("old")
    with error_file(tmp_path):
        assert not (tmp_path / "error.txt").exists()

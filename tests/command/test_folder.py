import os
from pathlib import Path

import pytest
from filelock import FileLock
from omegaconf import DictConfig, OmegaConf

from pacdream.command.folder import (
    Result,
    alone_in,
    checkpoint_to_go_on_from,
    keep_settings,
    noting_errors,
    read_result,
)

RESULT = Result(score=2.5, monitor="val/loss", step=10, epoch=2, reported=True)


def settings(lr: float = 1e-3, resume: str | None = None, outputs: str = "here") -> DictConfig:
    return OmegaConf.create({"optimizer": {"lr": lr}, "resume": resume, "paths": {"outputs": outputs}})


def begun(folder: Path, config: DictConfig) -> None:
    """What Hydra writes before a run begins."""
    (folder / ".hydra").mkdir(exist_ok=True)
    OmegaConf.save(config, folder / ".hydra" / "config.yaml")


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


def test_a_second_process_is_refused(tmp_path: Path) -> None:
    with FileLock(tmp_path / ".lock"), pytest.raises(ValueError, match=f"another process is training in {tmp_path}"):
        alone_in(tmp_path).__enter__()


def test_the_folder_is_free_again_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), alone_in(tmp_path):
        raise ZeroDivisionError
    with alone_in(tmp_path):
        pass


def test_further_processes_of_one_training_share_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCAL_RANK", "1")
    with FileLock(tmp_path / ".lock"), alone_in(tmp_path):
        assert os.environ["LOCAL_RANK"] == "1"


def test_an_error_leaves_its_line_and_its_traceback(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="first line"), noting_errors(tmp_path):
        raise ValueError("first line\nsecond")
    line, *rest = (tmp_path / "error.txt").read_text().splitlines()
    assert line == "first line"
    assert any("test_folder.py" in text for text in rest)


def test_a_new_start_forgets_the_error_of_the_last(tmp_path: Path) -> None:
    (tmp_path / "error.txt").write_text("old")
    with noting_errors(tmp_path):
        assert not (tmp_path / "error.txt").exists()


def test_the_own_last_checkpoint_comes_first(tmp_path: Path) -> None:
    assert checkpoint_to_go_on_from(tmp_path, None) is None
    assert checkpoint_to_go_on_from(tmp_path, "other/best.ckpt") == Path("other/best.ckpt")
    last = tmp_path / "checkpoints" / "last.ckpt"
    last.parent.mkdir()
    last.touch()
    assert checkpoint_to_go_on_from(tmp_path, "other/best.ckpt") == last


def test_a_run_interrupted_before_its_first_checkpoint_begins_again(tmp_path: Path) -> None:
    assert checkpoint_to_go_on_from(tmp_path, str(tmp_path)) is None


@pytest.fixture
def learnt(tmp_path: Path) -> Path:
    """The folder of a run that has written a checkpoint."""
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "last.ckpt").touch()
    return tmp_path


def test_a_run_that_failed_before_it_learnt_anything_begins_with_any_settings(tmp_path: Path) -> None:
    keep_settings(tmp_path, settings())
    assert keep_settings(tmp_path, settings(lr=3e-3)) == []
    assert OmegaConf.load(tmp_path / "settings.yaml").optimizer.lr == 3e-3


def test_the_same_settings_go_on(learnt: Path) -> None:
    begun(learnt, settings())
    assert keep_settings(learnt, settings()) == []
    assert keep_settings(learnt, settings()) == []


def test_where_a_run_lies_may_change(learnt: Path) -> None:
    keep_settings(learnt, settings())
    assert keep_settings(learnt, settings(outputs="there")) == []


def test_other_settings_are_refused_and_those_it_was_begun_with_stay(learnt: Path) -> None:
    keep_settings(learnt, settings())
    begun(learnt, settings(lr=3e-3))
    with pytest.raises(ValueError, match=r"begun with other settings \(optimizer.lr: 0\.001 -> 0\.003\)"):
        keep_settings(learnt, settings(lr=3e-3))
    for name in ("settings.yaml", ".hydra/config.yaml"):
        assert OmegaConf.load(learnt / name).optimizer.lr == 1e-3


def test_other_settings_are_taken_if_the_run_is_named(learnt: Path) -> None:
    keep_settings(learnt, settings())
    assert keep_settings(learnt, settings(lr=3e-3, resume=str(learnt))) == ["optimizer.lr: 0.001 -> 0.003"]
    assert keep_settings(learnt, settings(lr=3e-3)) == []

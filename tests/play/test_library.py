"""What can be played: the runs in a folder, whatever else lies there."""

import shutil

from pacdream.command.play import world_models_in
from tests.runs import tiny_outcome, tiny_run


def test_the_newest_finished_run_of_each_world_model_is_found_and_a_damaged_one_skipped(
    episodes, tokenizer_path, tmp_path
):
    run, outcome = tiny_run(episodes, tokenizer_path), tiny_outcome(episodes, tokenizer_path)
    for name in ("gru/1", "gru/2", "broken/1", "named", "unfinished/1"):
        shutil.copytree(run, tmp_path / name)
    shutil.copytree(outcome, tmp_path / "outcome" / "1")
    (tmp_path / "broken" / "1" / ".hydra" / "config.yaml").write_text("a: [")
    (tmp_path / "unfinished" / "1" / "result.json").unlink()
    assert world_models_in(tmp_path) == [tmp_path / "gru" / "2", tmp_path / "named"]

from pathlib import Path

import pytest
from omegaconf import DictConfig, OmegaConf

from pacdream.command.settings_record import changed_settings, store_settings, unchanged_if_refused


def settings(
    lr: float = 1e-3, resume: str | None = None, outputs: str = "here", clip: float = 1.0, **trainer: int | str
) -> DictConfig:
    return OmegaConf.create(
        {
            "optimizer": {"lr": lr},
            "scheduler": {"total_steps": "${trainer.max_steps}"},
            "module": {"optimizer": "${optimizer}", "scheduler": "${scheduler}"},
            "trainer": {"gradient_clip_val": clip, "max_steps": 8, **trainer},
            "callback": {"early_stopping": {"patience": 3}},
            "resume": resume,
            "paths": {"outputs": outputs},
        }
    )


def begun(folder: Path, config: DictConfig) -> None:
    """What Hydra writes before a run begins."""
    (folder / ".hydra").mkdir(exist_ok=True)
    OmegaConf.save(config, folder / ".hydra" / "config.yaml")
    OmegaConf.save(OmegaConf.create([f"optimizer.lr={config.optimizer.lr}"]), folder / ".hydra" / "overrides.yaml")


def record_settings(folder: Path, config: DictConfig) -> list[str]:
    """A start of which nothing is refused later."""
    with unchanged_if_refused(folder):
        changed = changed_settings(folder, config)
        store_settings(folder, config, [f"optimizer.lr={config.optimizer.lr}"])
    return changed


@pytest.fixture
def learnt(tmp_path: Path) -> Path:
    """The folder of a run that has written a checkpoint."""
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "last.ckpt").touch()
    return tmp_path


def test_a_run_that_failed_before_it_learnt_anything_begins_with_any_settings(tmp_path: Path) -> None:
    record_settings(tmp_path, settings())
    assert record_settings(tmp_path, settings(lr=3e-3)) == []
    assert OmegaConf.load(tmp_path / "settings.yaml").optimizer.lr == 3e-3


def test_the_same_settings_go_on(learnt: Path) -> None:
    begun(learnt, settings())
    assert record_settings(learnt, settings()) == []
    assert record_settings(learnt, settings()) == []


def test_a_job_that_took_one_gpu_of_several_goes_on_without_its_launcher(learnt: Path) -> None:
    taken = "${gpu_of:${hydra:job.num},${trainer.accelerator}}"
    for devices in (taken, 1, taken):
        assert record_settings(learnt, settings(devices=devices)) == []
    with pytest.raises(ValueError, match=r"trainer\.devices: 1 -> 2"):
        record_settings(learnt, settings(devices=2))


def test_where_a_run_lies_may_change(learnt: Path) -> None:
    record_settings(learnt, settings())
    assert record_settings(learnt, settings(outputs="there")) == []


def test_other_settings_are_refused_and_those_it_was_begun_with_stay(learnt: Path) -> None:
    record_settings(learnt, settings())
    begun(learnt, settings(lr=3e-3))
    with pytest.raises(ValueError, match=r"begun with other settings \(optimizer.lr: 0\.001 -> 0\.003\)"):
        record_settings(learnt, settings(lr=3e-3))
    for name in ("settings.yaml", ".hydra/config.yaml"):
        assert OmegaConf.load(learnt / name).optimizer.lr == 1e-3


def test_other_settings_are_taken_if_the_run_is_named(learnt: Path) -> None:
    record_settings(learnt, settings())
    changed = ["trainer.gradient_clip_val: 1.0 -> 2.0"]
    assert record_settings(learnt, settings(clip=2.0, resume=str(learnt))) == changed
    assert record_settings(learnt, settings(clip=2.0)) == []


def test_settings_that_a_checkpoint_brings_with_it_are_refused(learnt: Path) -> None:
    record_settings(learnt, settings())
    patient = settings(resume=str(learnt))
    patient.callback.early_stopping.patience = 9
    for other, change in (
        (settings(lr=3e-3, resume=str(learnt)), r"optimizer\.lr: 0\.001 -> 0\.003"),
        (settings(max_steps=9, resume=str(learnt)), r"scheduler\.total_steps: 8 -> 9"),
        (patient, r"callback\.early_stopping\.patience: 3 -> 9"),
    ):
        with pytest.raises(
            ValueError, match=rf"in its checkpoint, .* \({change}\): .* with weights={learnt}/checkpoints/last.ckpt$"
        ):
            record_settings(learnt, other)
    patient.callback.early_stopping = None
    assert record_settings(learnt, patient)  # without it, nothing is stopped


def test_a_start_that_is_refused_later_leaves_what_the_run_was_begun_with(learnt: Path) -> None:
    begun(learnt, settings())
    record_settings(learnt, settings())
    before = {path: path.read_bytes() for path in learnt.rglob("*.yaml")}
    assert len(before) == 4
    another = settings(clip=2.0, resume=str(learnt))
    begun(learnt, another)
    assert changed_settings(learnt, another)
    with pytest.raises(RuntimeError), unchanged_if_refused(learnt):
        raise RuntimeError("another network")
    assert {path: path.read_bytes() for path in learnt.rglob("*.yaml")} == before

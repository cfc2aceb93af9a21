import signal
from typing import ClassVar

import pytest
import torch
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint

from pacdream.callback.safe_stop import SafeStop
from pacdream.core.checkpoint_io import read_checkpoint
from tests.world_model.fitting import fit, tiny_module


class Poison(SafeStop):
    """Breaks the weights at the end of step 3."""

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        if trainer.global_step == 3:
            with torch.no_grad():
                next(pl_module.parameters()).fill_(torch.nan)


class Signalled(SafeStop):
    """Is sent a signal, once or twice, in step 3."""

    def __init__(self, *signals):
        super().__init__(every_n_steps_on_gpu=1, save_every_minutes=10)
        self.signals = signals

    def on_train_batch_end(self, trainer, *arguments):
        super().on_train_batch_end(trainer, *arguments)
        if trainer.global_step == 3:
            for number in self.signals:
                signal.raise_signal(number)


class Recorder(SafeStop):
    """Notes the steps at which it saves."""

    saved: ClassVar[list[int]] = []

    def on_train_start(self, *arguments):
        super().on_train_start(*arguments)
        self.saved.clear()

    def on_save_checkpoint(self, trainer, pl_module, checkpoint):
        super().on_save_checkpoint(trainer, pl_module, checkpoint)
        if checkpoint["safe_stop"]["between_steps"]:
            self.saved.append(trainer.global_step)


@pytest.fixture(autouse=True)
def _handlers():
    """Every test must give the signals back."""
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    yield
    after = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    for number, handler in zip((signal.SIGINT, signal.SIGTERM), before, strict=True):
        signal.signal(number, handler)
    assert before == after


def test_loss_that_is_not_a_number_stops_and_names_step_and_remedy(latents, tmp_path):
    with pytest.raises(ValueError, match=r"the loss is nan at step 4: no checkpoint .* smaller optimizer\.lr"):
        fit(tiny_module(latents), latents, tmp_path, callbacks=[Poison(1, 10)])


def test_the_last_good_checkpoint_is_named(latents, tmp_path):
    (tmp_path / "checkpoints").mkdir()
    last = tmp_path / "checkpoints" / "last.ckpt"
    last.write_bytes(b"good")
    with pytest.raises(ValueError, match="the last good checkpoint is"):
        fit(tiny_module(latents), latents, tmp_path, callbacks=[Poison(1, 10)])
    assert last.read_bytes() == b"good"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_run_between_two_steps_with_a_checkpoint(latents, tmp_path, caplog, number, code):
    with pytest.raises(SystemExit) as exit_:
        fit(tiny_module(latents), latents, tmp_path, callbacks=[Signalled(number)])
    assert exit_.value.code == code
    saved = read_checkpoint(tmp_path / "checkpoints" / "last.ckpt")
    assert saved["global_step"] == 3
    assert saved["recipe"]["_target_"].endswith("GRUWorldModel")
    assert f"at step 3: go on with `python train.py resume='{tmp_path}'`" in caplog.messages[-1]


def test_a_second_signal_ends_the_run_at_once(latents, tmp_path):
    with pytest.raises(SystemExit):
        fit(tiny_module(latents), latents, tmp_path, callbacks=[Signalled(signal.SIGINT, signal.SIGINT)])
    assert not (tmp_path / "checkpoints").exists()


def test_a_signal_that_comes_too_late_for_another_step_is_not_lost(latents, tmp_path):
    with pytest.raises(SystemExit) as exit_:
        fit(tiny_module(latents), latents, tmp_path, callbacks=[Signalled(signal.SIGINT)], max_steps=3)
    assert exit_.value.code == 130


def test_long_epochs_are_saved_in_their_middle(latents, tmp_path):
    fit(tiny_module(latents), latents, tmp_path, callbacks=[Recorder(1, save_every_minutes=0)])
    assert Recorder.saved == [1, 2, 3, 4, 5]


def test_a_run_is_saved_at_its_end_and_after_each_validation_before_the_next_step(latents, tmp_path):
    fit(tiny_module(latents), latents, tmp_path, callbacks=[Recorder(1, 10)], val_check_interval=2)
    assert Recorder.saved == [2, 4, 5]


def test_a_trial_of_one_batch_saves_nothing(latents, tmp_path):
    fit(tiny_module(latents), latents, tmp_path, callbacks=[SafeStop(1, 0)], fast_dev_run=True)
    assert not (tmp_path / "checkpoints").exists()


@pytest.mark.parametrize(("minutes", "number"), [(0, None), (10, signal.SIGTERM)])
def test_weights_that_are_not_finite_are_never_saved(latents, tmp_path, minutes, number):
    """On a GPU, where the loss is looked at now and then only, a step may have broken them unseen."""

    class Breaking(SafeStop):
        def on_train_batch_end(self, trainer, pl_module, *_):
            if trainer.global_step == 2:
                next(pl_module.parameters()).data[0] = torch.nan
                if number:
                    signal.raise_signal(number)

    with pytest.raises(ValueError, match=r"^the sum of the weights is nan at step 2: .*; try a smaller optimizer\.lr$"):
        fit(tiny_module(latents), latents, tmp_path, callbacks=[Breaking(50, minutes)])
    last = tmp_path / "checkpoints" / "last.ckpt"
    assert not last.exists() or read_checkpoint(last)["global_step"] == 1


def test_a_run_that_was_moved_knows_its_best_checkpoint(latents, tmp_path):
    def callbacks(folder):
        return [SafeStop(1, 10), ModelCheckpoint(folder / "checkpoints", "best", monitor="val/loss")]

    old, new = tmp_path / "old", tmp_path / "new"
    began = fit(tiny_module(latents), latents, old, callbacks=callbacks(old))
    old.rename(new)
    again = fit(tiny_module(latents), latents, new, new / "checkpoints" / "last.ckpt", callbacks=callbacks(new))
    assert again.global_step == began.global_step
    assert again.checkpoint_callback.best_model_score == began.checkpoint_callback.best_model_score
    assert again.checkpoint_callback.best_model_path == str(new / "checkpoints" / "best.ckpt")
    assert [*again.checkpoint_callback.best_k_models] == [str(new / "checkpoints" / "best.ckpt")]


def test_a_run_that_was_stopped_early_is_not_trained_further(latents, tmp_path):
    def callbacks():
        early = EarlyStopping("val/loss", patience=1, min_delta=100.0)
        return [SafeStop(1, 10), early]

    last = tmp_path / "checkpoints" / "last.ckpt"
    stopped = fit(tiny_module(latents), latents, tmp_path, max_epochs=5, callbacks=callbacks())
    again = fit(tiny_module(latents), latents, tmp_path, last, max_epochs=5, callbacks=callbacks())
    assert stopped.current_epoch < 5
    assert again.global_step == stopped.global_step

import pytest
import torch

from pacdream.callback.safe_stop import SafeStop
from tests.world_model.fitting import fit, tiny_module


class Poison(SafeStop):
    """Breaks the weights at the end of step 3."""

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        if trainer.global_step == 3:
            with torch.no_grad():
                next(pl_module.parameters()).fill_(torch.nan)


class Interrupt(SafeStop):
    """Presses Ctrl-C in step 3."""

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        if trainer.global_step == 3:
            raise KeyboardInterrupt


def test_loss_that_is_not_a_number_stops_and_names_step_and_remedy(latents, tmp_path):
    with pytest.raises(ValueError, match=r"the loss is nan at step 4: no checkpoint .* smaller optimizer\.lr"):
        fit(tiny_module(latents), latents, tmp_path, callbacks=[Poison(1)])


def test_the_last_good_checkpoint_is_named(latents, tmp_path):
    (tmp_path / "checkpoints").mkdir()
    last = tmp_path / "checkpoints" / "last.ckpt"
    last.write_bytes(b"good")
    with pytest.raises(ValueError, match="the last good checkpoint is"):
        fit(tiny_module(latents), latents, tmp_path, callbacks=[Poison(1)])
    assert last.read_bytes() == b"good"


def test_ctrl_c_writes_a_checkpoint_to_go_on_from(latents, tmp_path):
    with pytest.raises(SystemExit):
        fit(tiny_module(latents), latents, tmp_path, callbacks=[Interrupt(1)])
    saved = torch.load(tmp_path / "checkpoints" / "last.ckpt", weights_only=True)
    assert saved["global_step"] == 3
    assert saved["recipe"]["_target_"].endswith("GRUWorldModel")

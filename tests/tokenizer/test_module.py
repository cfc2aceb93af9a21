import copy
from functools import partial
from pathlib import Path

import lightning
import pytest
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from pacdream.core.checkpoint_io import AtomicCheckpointIO
from pacdream.core.checkpoints import load_model
from pacdream.data.episode_store import Manifest
from pacdream.data.frame_data_module import load_frames
from pacdream.tokenizer.base import Tokenizer
from pacdream.tokenizer.module import TokenizerModule
from pacdream.types import TokenizerOutput


@pytest.fixture(scope="module")
def frames(episodes: Path, manifest: Manifest) -> Tensor:
    return load_frames(episodes, manifest, [0]).windows(torch.arange(66, 120, 14), 2)


@pytest.fixture
def module(tokenizer: Tokenizer) -> TokenizerModule:
    model = copy.deepcopy(tokenizer).requires_grad_(True).train()
    model.recipe = tokenizer.recipe
    return TokenizerModule(model, partial(torch.optim.Adam, lr=1e-2), None)


def fit(module: TokenizerModule, frames: Tensor, folder: Path) -> lightning.Trainer:
    trainer = lightning.Trainer(
        accelerator="cpu", max_epochs=1, logger=False, enable_progress_bar=False, enable_checkpointing=False,
        enable_model_summary=False, num_sanity_val_steps=0, log_every_n_steps=1, default_root_dir=folder,
        plugins=[AtomicCheckpointIO()],
    )  # fmt: skip
    ram = torch.zeros(len(frames), 128, dtype=torch.uint8)
    trainer.fit(module, DataLoader([frames], None), DataLoader([(frames, ram)], None))
    return trainer


def test_all_names_of_the_schema_are_logged(module: TokenizerModule, frames: Tensor, tmp_path: Path) -> None:
    logged = set(fit(module, frames, tmp_path).callback_metrics)
    colours = {f"tokenizer/iou/colour_{index}" for index in module.model.palette_indices.tolist()}
    figures = {f"tokenizer/{name}" for name in ("perplexity", "usage", "psnr", "ssim")}
    assert logged == colours | figures | {"train/loss", "train/pixel_accuracy", "val/loss", "val/pixel_accuracy"}


def test_loss_is_the_weighted_cross_entropy_of_the_pixels_inside_the_frame(
    module: TokenizerModule, frames: Tensor
) -> None:
    model = module.model.eval()
    output = model(frames)
    log_p = model.decode_logits(output.codes).log_softmax(1)
    real = model.class_of_index[frames[:, -1].int()].long()
    expected = -(log_p.gather(1, real[:, None])[:, 0] * model.class_weights[real]).mean()
    loss, _ = module._loss(output, frames)
    torch.testing.assert_close(loss, expected + output.commitment_loss, rtol=1e-4, atol=1e-4)


def test_logits_of_the_padding_do_not_count(module: TokenizerModule, frames: Tensor) -> None:
    module.eval()
    output = module.model(frames)
    outside = module.model.fold(frames[:, -1:], padding=255) == 255
    noise = torch.randn_like(output.logits) * outside
    changed = TokenizerOutput(output.logits + noise, output.codes, output.commitment_loss)
    torch.testing.assert_close(module._loss(changed, frames)[0], module._loss(output, frames)[0])


def test_a_checkpoint_rebuilds_the_tokenizer(module: TokenizerModule, frames: Tensor, tmp_path: Path) -> None:
    fit(module, frames, tmp_path).save_checkpoint(tmp_path / "tokenizer.ckpt")
    loaded = load_model(tmp_path / "tokenizer.ckpt", Tokenizer)  # type: ignore[type-abstract]
    assert torch.equal(loaded.encode(frames), module.model.eval().encode(frames))

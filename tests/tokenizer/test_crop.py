from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf
from torch import Tensor

from pacdream.core.checkpoints import build_model
from pacdream.data.episode_store import Manifest
from pacdream.data.frame_data_module import load_frames
from pacdream.tokenizer.base import Tokenizer
from pacdream.tokenizer.crop import Crop, draw_crop
from pacdream.tokenizer.module import TokenizerModule


@pytest.fixture(scope="module")
def frames(episodes: Path, manifest: Manifest) -> Tensor:
    return load_frames(episodes, manifest, [2]).windows(torch.arange(64, 120, 7), 2)


LOCAL = {"local": True, "num_attention_layers": 0, "encoder_blocks": [1, 0, 0, 1]}


@pytest.fixture
def local(tokenizer: Tokenizer, frames: Tensor) -> Tokenizer:
    """A tokenizer whose codes see their own cell only, with an initialised codebook."""
    torch.manual_seed(0)
    model = build_model(OmegaConf.create({**tokenizer.recipe, **LOCAL}), {})
    model.train()(frames)
    return model.eval()


CORNERS = torch.tensor([[0, 0], [4, 3], [1, 2], [2, 0], [3, 1], [0, 3], [4, 0], [2, 2]])


def test_a_crop_is_the_same_part_of_every_map() -> None:
    images = torch.arange(2 * 3 * 8 * 6).view(2, 3, 8, 6)
    cut = Crop(torch.tensor([[0, 1], [2, 0]]), (2, 2)).of(images, scale=2)
    assert torch.equal(cut[0], images[0, :, 0:4, 2:6])
    assert torch.equal(cut[1], images[1, :, 4:8, 0:4])
    assert torch.equal(Crop(torch.tensor([[1, 1]]), (1, 2)).of(images[0], scale=2)[0], images[0, :, 2:4, 2:6])


@pytest.mark.parametrize("size", [(1, 1), (3, 2), (7, 5)])
def test_drawn_crops_lie_in_the_grid_and_hold_what_was_drawn(size: tuple[int, int]) -> None:
    weights = torch.zeros(200, 56, 40)
    rows, columns = torch.randint(56, (200,)), torch.randint(40, (200,))
    weights[torch.arange(200), rows, columns] = 1
    crop = draw_crop(weights, size, (7, 5))
    for axis, (place, scale) in enumerate(((rows, 8), (columns, 8))):
        first = crop.corner[:, axis]
        assert (first >= 0).all()
        assert (first + size[axis] <= (7, 5)[axis]).all()
        assert ((place // scale >= first) & (place // scale < first + size[axis])).all()


def test_folded_crop_is_the_crop_of_what_is_folded(local: Tokenizer, frames: Tensor) -> None:
    crop = Crop(CORNERS, (3, 2))
    for padding in (0, 255):
        whole = local.fold(frames, padding)
        assert torch.equal(local.fold(frames, padding, crop), crop.of(whole, whole.shape[-2] // 7))


def test_the_crop_of_everything_is_the_frame(local: Tokenizer, frames: Tensor) -> None:
    whole, cropped = local(frames), local(frames, Crop(torch.zeros(8, 2, dtype=torch.int64), (7, 5)))
    assert torch.equal(whole.codes, cropped.codes)
    torch.testing.assert_close(whole.logits, cropped.logits)


def test_crops_hold_rare_colours_far_more_often_than_chance(local: Tokenizer, frames: Tensor) -> None:
    torch.manual_seed(0)
    rare = local.class_counts.argsort()[: len(local.class_counts) // 2]
    seen = local.fold(frames.repeat(16, 1, 1, 1)[:, -1:], 255, local.draw_crop(frames.repeat(16, 1, 1, 1), (1, 1)))
    anywhere = local.fold(frames[:, -1:], 255)
    assert torch.isin(seen, rare).float().mean() > 3 * torch.isin(anywhere, rare).float().mean()


def test_training_on_crops_lowers_the_loss_of_whole_frames(local: Tokenizer, frames: Tensor) -> None:
    module = TokenizerModule(local.train(), torch.optim.Adam, None, crop=[3, 3])  # type: ignore[arg-type]
    optimizer = torch.optim.Adam(local.requires_grad_(True).parameters(), 3e-3)

    @torch.no_grad()
    def loss_of_whole_frames() -> float:
        return float(module._loss(local(frames), frames)[0])

    before = loss_of_whole_frames()
    for _ in range(40):
        crop = local.draw_crop(frames, (3, 3))
        loss, _ = module._loss(local(frames, crop), frames, crop)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss_of_whole_frames() < 0.7 * before


@pytest.mark.parametrize("crop", [[8, 5], [0, 2], [3]])
def test_a_crop_that_does_not_fit_is_refused(local: Tokenizer, crop: list[int]) -> None:
    with pytest.raises(ValueError, match=r"module.crop=.* within the grid \(7, 5\)"):
        TokenizerModule(local, torch.optim.Adam, None, crop=crop)  # type: ignore[arg-type]


def test_codes_of_a_local_tokenizer_see_their_own_cell_only(local: Tokenizer, frames: Tensor) -> None:
    changed = frames.clone()
    changed[:, :, 32 * 2 - 7 : 32 * 3 - 7, 32:64] = local.palette_indices[-1]  # the cell (2, 1), below 7 padded rows
    differs = local.encode(frames) != local.encode(changed)
    assert differs[:, 2, 1].any()
    differs[:, 2, 1] = False
    assert not differs.any()


def test_codes_of_a_crop_are_those_of_the_frame_if_they_are_local(local: Tokenizer, frames: Tensor) -> None:
    crop = Crop(CORNERS, (3, 2))
    assert torch.equal(local(frames, crop).codes, crop.of(local(frames).codes[:, None], 1)[:, 0])


def test_attention_is_not_local(tokenizer: Tokenizer) -> None:
    with pytest.raises(ValueError, match=r"tokenizer.local=true needs tokenizer.num_attention_layers=0"):
        build_model(OmegaConf.create({**tokenizer.recipe, "local": True}), {})

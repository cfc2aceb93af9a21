from pathlib import Path

import numpy as np
import pytest
import torch
from einops import rearrange
from omegaconf import OmegaConf
from torch import Tensor

from pacdream.core.checkpoints import build_model, load_model, save_model
from pacdream.data.episode_store import Manifest
from pacdream.data.frame_data_module import load_frames
from pacdream.tokenizer.base import Tokenizer
from pacdream.tokenizer.vqvae import VQVAE
from tests.conftest import compose_config


@pytest.fixture(scope="module")
def frames(episodes: Path, manifest: Manifest) -> Tensor:
    """Eight frame pairs, (8, 2, 210, 160), after the intro, in which nothing moves."""
    return load_frames(episodes, manifest, [2]).windows(torch.arange(64, 120, 7), 2)


def rebuilt(tokenizer: Tokenizer, **changes: object) -> VQVAE:
    return build_model(OmegaConf.create({**tokenizer.recipe, **changes}), {})


def test_grid_of_an_upright_frame_has_seven_rows_and_five_columns(tokenizer: Tokenizer, frames: Tensor) -> None:
    assert tokenizer.grid_shape == (7, 5)
    assert tokenizer.encode(frames).shape == (8, 7, 5)


def test_configured_tokenizer_has_the_grid_and_the_codebook_of_the_write_up(tokenizer: Tokenizer) -> None:
    config = compose_config("train", ["experiment=vqvae"]).tokenizer
    facts = {name: tokenizer.recipe[name] for name in ("frame_shape", "palette", "colour_counts")}
    model = build_model(config, facts)
    assert (model.grid_shape, model.codebook_size, model.num_frames) == ((7, 5), 256, 2)


def test_codes_lie_in_the_codebook(tokenizer: Tokenizer, frames: Tensor) -> None:
    codes = tokenizer.encode(frames)
    assert codes.dtype == torch.int64
    assert codes.min() >= 0
    assert codes.max() < tokenizer.codebook_size


def test_decoded_frames_have_the_frame_shape_and_colours_of_the_palette(tokenizer: Tokenizer) -> None:
    frames = tokenizer.decode(torch.randint(tokenizer.codebook_size, (3, 7, 5)))
    assert frames.shape == (3, 210, 160)
    assert frames.dtype == torch.uint8
    assert set(frames.unique().tolist()) <= set(tokenizer.palette_indices.tolist())


def test_fold_cuts_the_centred_frame_into_patches(tokenizer: Tokenizer, frames: Tensor) -> None:
    p, top = 4, (224 - 210) // 2
    padded = np.full((224, 160), 99)
    padded[top : top + 210] = tokenizer.class_of_index.numpy()[frames[3, 1].numpy()]
    folded = tokenizer.fold(frames, padding=99)[3, 1]
    for row, column in ((0, 0), (20, 13), (55, 39)):
        patch = padded[p * row : p * (row + 1), p * column : p * (column + 1)]
        assert folded[:, row, column].tolist() == patch.flatten().tolist()


def test_training_logits_are_the_decoded_logits_in_folded_order(tokenizer: Tokenizer, frames: Tensor) -> None:
    output = tokenizer(frames)
    padded = rearrange(output.logits, "B C (p q) h w -> B C (h p) (w q)", p=4)
    torch.testing.assert_close(padded[:, :, 7:-7], tokenizer.decode_logits(output.codes), rtol=1e-4, atol=1e-4)


def test_training_targets_are_in_the_order_of_the_training_logits(tokenizer: Tokenizer, frames: Tensor) -> None:
    output = tokenizer(frames)
    decoded = tokenizer.fold(tokenizer.decode(output.codes)[:, None], padding=255)[:, 0]
    inside = decoded != 255
    agree = tokenizer.most_likely(output.logits)[inside] == decoded[inside]
    assert agree.float().mean() > 0.999  # two near-equal logits may swap


def test_training_pass_and_encode_give_the_same_codes(tokenizer: Tokenizer, frames: Tensor) -> None:
    assert torch.equal(tokenizer(frames).codes, tokenizer.encode(frames))


def test_encoding_does_not_depend_on_the_rest_of_the_batch(tokenizer: Tokenizer, frames: Tensor) -> None:
    one_by_one = torch.cat([tokenizer.encode(frame) for frame in frames.split(1)])
    assert torch.equal(one_by_one, tokenizer.encode(frames))


def test_encoding_twice_gives_the_same_codes(tokenizer: Tokenizer, frames: Tensor) -> None:
    assert torch.equal(tokenizer.encode(frames), tokenizer.encode(frames))


def test_encoding_sees_the_earlier_frame(tokenizer: Tokenizer, frames: Tensor) -> None:
    still = frames[:, -1:].expand(-1, 2, -1, -1)
    assert not torch.equal(tokenizer.encode(frames), tokenizer.encode(still))


def test_codes_survive_the_file(tokenizer: Tokenizer, frames: Tensor, tmp_path: Path) -> None:
    save_model(tmp_path / "copy.safetensors", tokenizer)
    loaded = load_model(tmp_path / "copy.safetensors", VQVAE)
    assert torch.equal(loaded.encode(frames), tokenizer.encode(frames))


def test_frames_of_another_shape_are_refused(tokenizer: Tokenizer, frames: Tensor) -> None:
    with pytest.raises(ValueError, match=r"\(8, 2, 160, 210\) do not fit this tokenizer, which reads \(2, 210, 160\)"):
        tokenizer.encode(frames.mT)
    with pytest.raises(ValueError, match="do not fit this tokenizer"):
        tokenizer.encode(frames[:, :1])


def test_one_frame_per_grid_works(tokenizer: Tokenizer, frames: Tensor) -> None:
    model = rebuilt(tokenizer, num_frames=1).eval()
    codes = model(frames[:, -1:]).codes
    assert model.decode(codes).shape == (8, 210, 160)


def test_three_frames_per_grid_are_refused(tokenizer: Tokenizer) -> None:
    with pytest.raises(ValueError, match=r"tokenizer\.num_frames=3 must be 1 or 2"):
        rebuilt(tokenizer, num_frames=3)


def test_levels_of_unequal_number_are_refused(tokenizer: Tokenizer) -> None:
    with pytest.raises(ValueError, match="must have one entry per level"):
        rebuilt(tokenizer, encoder_blocks=[0, 1])


def test_one_batch_can_be_overfitted(tokenizer: Tokenizer, frames: Tensor) -> None:
    model = rebuilt(tokenizer).train()
    target = model.fold(frames[:4, -1:], padding=255)[:, 0].long()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    losses = []
    for _ in range(30):
        output = model(frames[:4])
        loss = torch.nn.functional.cross_entropy(output.logits, target, ignore_index=255) + output.commitment_loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 2


def test_features_of_the_codes_are_what_the_decoder_is_given(tokenizer: Tokenizer) -> None:
    features, codes = tokenizer.code_features(), torch.arange(tokenizer.codebook_size)
    assert features.shape[0] == tokenizer.codebook_size
    assert not features.requires_grad
    torch.testing.assert_close(features, tokenizer.quantizer.lookup(codes[:, None])[:, 0])
    assert len(features.unique(dim=0)) == tokenizer.codebook_size

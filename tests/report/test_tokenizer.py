from pathlib import Path

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf
from torch import Tensor

from pacdream.core.checkpoints import build_model
from pacdream.data.episode_store import Manifest
from pacdream.data.frame_data_module import Frames, load_frames
from pacdream.game.game import Game
from pacdream.game.ms_pacman import MS_PACMAN
from pacdream.report.tokenizer import Decoded, measure_dots, needless_changes
from pacdream.tokenizer.base import Tokenizer
from tests.tokenizer.test_crop import LOCAL


@pytest.fixture(scope="module")
def played(episodes: Path, manifest: Manifest) -> Frames:
    return load_frames(episodes, manifest, [2, 3])


def naive(model: Tokenizer, frames: Frames) -> float:
    """Cell by cell."""
    top, scale = (224 - 210) // 2, 224 // model.grid_shape[0]
    changed = still = 0
    for i in range(1, len(frames.frames)):
        if frames.first[i] != frames.first[i - 1]:
            continue
        pair = [frames.windows(torch.tensor([n]), model.num_frames) for n in (i - 1, i)]
        codes = [model.encode(window)[0] for window in pair]
        padded = [torch.nn.functional.pad(window[0], (0, 0, top, top)) for window in pair]
        for row, column in np.ndindex(model.grid_shape):
            cell = np.s_[:, row * scale : (row + 1) * scale, column * scale : (column + 1) * scale]
            if torch.equal(padded[0][cell], padded[1][cell]):
                still += 1
                changed += int(codes[0][row, column] != codes[1][row, column])
    return changed / still


def test_needless_changes_are_those_of_a_naive_loop(tokenizer: Tokenizer, played: Frames) -> None:
    few = Frames(played.frames[100:130], played.first[100:130].clamp(min=100) - 100, played.ram[100:130])
    assert needless_changes(tokenizer, few)["needless_changes"] == pytest.approx(naive(tokenizer, few))


def test_codes_of_a_local_tokenizer_never_change_needlessly(tokenizer: Tokenizer, played: Frames) -> None:
    torch.manual_seed(0)
    local = build_model(OmegaConf.create({**tokenizer.recipe, **LOCAL}), {}).eval()
    assert needless_changes(local, played)["needless_changes"] == 0
    assert needless_changes(tokenizer, played)["needless_changes"] > 0


def test_one_frame_changes_nothing(tokenizer: Tokenizer, played: Frames) -> None:
    one = Frames(played.frames[:1], played.first[:1], played.ram[:1])
    assert np.isnan(needless_changes(tokenizer, one)["needless_changes"])


def decoded(real: Tensor, picture: Tensor) -> Decoded:
    return Decoded(real.numpy(), picture.numpy(), torch.zeros(len(real), 7, 5), np.zeros((len(real), 128), np.uint8))


def test_dots_that_are_drawn(played: Frames) -> None:
    real = played.frames[80:82]
    assert measure_dots(decoded(real, real), MS_PACMAN) == {"dots": 1.0}
    assert measure_dots(decoded(real, torch.full_like(real, 42)), MS_PACMAN) == {"dots": 0.0}  # a sprite's colour
    half = torch.stack([real[0], torch.zeros_like(real[1])])
    assert measure_dots(decoded(real, half), MS_PACMAN)["dots"] == pytest.approx(0.5, abs=0.02)
    assert measure_dots(decoded(real, real), Game()) == {}

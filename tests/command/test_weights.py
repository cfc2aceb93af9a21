"""Training that begins with the weights of another stage."""

from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf

from pacdream.command.run import open_run
from pacdream.command.train import train
from pacdream.command.weights import begin_with
from pacdream.core.checkpoints import build_model, load_model, save_model
from pacdream.data.latent_data_module import LatentDataModule
from pacdream.outcome.network import OutcomeNetwork
from pacdream.world_model.base import WorldModel
from tests.conftest import TINY_GRU, compose_config, latent_data, pac_man_recording
from tests.runs import hydra_run, quick_cost, small_overrides, tiny_outcome, tiny_run


@pytest.fixture(scope="module")
def run(episodes: Path, tokenizer_path: Path) -> Path:
    return tiny_run(episodes, tokenizer_path)


def gru(data: LatentDataModule, **changes: object) -> WorldModel:
    model: WorldModel = build_model(
        OmegaConf.create({**TINY_GRU, "embedding_dim": 64, "num_layers": 2, **changes}), data.facts()
    )
    return model


def equal(model: WorldModel, other: WorldModel) -> bool:
    return all(torch.equal(a, b) for a, b in zip(model.state_dict().values(), other.state_dict().values(), strict=True))


@pytest.mark.parametrize("what", ["run", "folder of runs", "checkpoint", "safetensors"])
def test_a_network_gets_the_weights_of_a_run(run: Path, latents: LatentDataModule, tmp_path: Path, what: str) -> None:
    trained = open_run(run).model()
    paths = {
        "run": run, "folder of runs": run.parent, "checkpoint": run / "checkpoints" / "best.ckpt",
        "safetensors": tmp_path / "weights.safetensors",
    }  # fmt: skip
    save_model(paths["safetensors"], trained)
    model = gru(latents)
    assert not equal(model, trained)
    begin_with(str(paths[what]), model, latents)
    for mine, theirs in zip(model.state_dict().values(), trained.state_dict().values(), strict=True):
        torch.testing.assert_close(mine, theirs, atol=1e-3, rtol=1e-3)  # half precision in a safetensors file


def test_a_network_of_another_shape_is_one_line(run: Path, latents: LatentDataModule) -> None:
    with pytest.raises(ValueError, match=r"weights=.* holds another network than the configured one") as error:
        begin_with(str(run), gru(latents, hidden_size=8), latents)
    assert "\n" not in str(error.value)


def test_an_outcome_network_that_tells_other_points_is_one_line(
    episodes: Path, tokenizer_path: Path, latents: LatentDataModule
) -> None:
    run = tiny_outcome(episodes, tokenizer_path)
    network = load_model(run / "checkpoints" / "best.ckpt", OutcomeNetwork)
    network.points += 1
    with pytest.raises(ValueError, match=r"tells other points than occur here: choose theirs, data.points=\[0,"):
        begin_with(str(run), network, latents)


@pytest.mark.parametrize("weights", ["nowhere", "nowhere.ckpt"])
def test_weights_that_are_not_there_are_one_line(latents: LatentDataModule, weights: str) -> None:
    with pytest.raises(ValueError, match=r"nowhere.* is neither the folder of a finished run"):
        begin_with(weights, gru(latents), latents)


def test_weights_that_were_trained_on_held_out_episodes_are_refused(
    run: Path, latents: LatentDataModule, episodes: Path
) -> None:
    other = latent_data(episodes, latents.tokenizer, latents.cache_folder, split_seed=1)
    assert other.origin.val != latents.origin.val
    with pytest.raises(ValueError, match="was trained on 1 of the episodes that are held out here"):
        begin_with(str(run), gru(other), other)


def test_weights_may_be_trained_on_with_further_episodes(run: Path, latents: LatentDataModule, tmp_path: Path) -> None:
    pac_man_recording(tmp_path / "more", episodes=1, max_steps=80).record()
    other = latent_data(latents.folder, latents.tokenizer, latents.cache_folder, more_episodes=[str(tmp_path / "more")])
    assert other.origin.train != latents.origin.train
    begin_with(str(run), gru(other), other)


def test_a_second_stage_begins_where_the_first_ended(
    run: Path, episodes: Path, tokenizer_path: Path, tmp_path: Path
) -> None:
    chosen = ["experiment=gru_baseline", "optimizer.lr=1e-12", "report=none", f"weights={run}"]
    small = small_overrides(compose_config("train", chosen), episodes, tokenizer_path, tmp_path)
    with hydra_run("train", tmp_path / "run", [*chosen, *small]) as config, quick_cost():
        train(config)
    first, second = open_run(run).model(), open_run(tmp_path / "run").model()
    for mine, theirs in zip(second.state_dict().values(), first.state_dict().values(), strict=True):
        torch.testing.assert_close(mine, theirs)
